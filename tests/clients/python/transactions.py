"""Transactions: fee bumps, muxed accounts, preconditions, claimable balances, sponsorship, merging."""

import hashlib
import os
import time
from decimal import Decimal

from stellar_sdk import (
    Asset,
    Claimant,
    ClaimPredicate,
    Keypair,
    MuxedAccount,
    Signer,
    SignerKey,
    TransactionBuilder,
)
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.exceptions import BadRequestError, NotFoundError
from stellar_sdk.operation import (
    AccountMerge,
    BeginSponsoringFutureReserves,
    BumpSequence,
    ClaimClaimableBalance,
    CreateAccount,
    CreateClaimableBalance,
    EndSponsoringFutureReserves,
    Payment,
    RevokeSponsorship,
    SetOptions,
)

from world import Actor, World, holds, refused, same

LUMENS = Asset.native()


class Transactions:
    def __init__(self, world: World):
        self.world = world
        self.payer, self.sponsor, self.friend, self.leaver = world.actors(4)

    def _pay(self, amount="1", to=None, source=None) -> Payment:
        return Payment(to or self.friend.id, LUMENS, amount, source)

    def _of(self, what: str, done: dict) -> list[dict]:
        """Operations, effects or payments of a transaction."""
        return self.world.page(getattr(self.world.server, what)().for_transaction(done["hash"]).limit(200))

    def a_fee_bump_pays_for_another(self):
        before = self.payer.balance(), self.sponsor.balance()
        inner = self.payer.envelope(self._pay("5"))
        bump = TransactionBuilder.build_fee_bump_transaction(self.sponsor.id, 200, inner, self.world.passphrase)
        bump.sign(self.sponsor.key)
        done = self.world.server.submit_transaction(bump)
        holds(
            done,
            successful=True,
            fee_account=self.sponsor.id,
            source_account=self.payer.id,
            fee_charged="200",
            max_fee="400",
        )
        holds(done, hash=bump.hash_hex(), operation_count=1)
        holds(done["inner_transaction"], hash=inner.hash_hex(), max_fee="100")
        holds(done["fee_bump_transaction"], hash=bump.hash_hex())
        same(self.payer.balance(), before[0] - 5, "the payer's lumens: no fee")
        same(self.sponsor.balance(), before[1] - Decimal("0.00002"), "the sponsor's lumens: the fee")
        for hash_, of in ((inner.hash_hex(), "the inner"), (bump.hash_hex(), "the outer")):
            found = self.world.server.transactions().transaction(hash_).call()
            same(found["ledger"], done["ledger"], f"the ledger by {of} hash")

    def a_fee_bump_of_a_failing_one_fails_and_costs(self):
        inner = self.payer.envelope(self._pay("100000"))
        bump = TransactionBuilder.build_fee_bump_transaction(self.sponsor.id, 200, inner, self.world.passphrase)
        bump.sign(self.sponsor.key)
        error = refused(BadRequestError, lambda: self.world.server.submit_transaction(bump), status=400)
        holds(error.extras["result_codes"], transaction="tx_fee_bump_inner_failed", inner_transaction="tx_failed")
        same(error.extras["result_codes"]["operations"], ["op_underfunded"])

    def muxed_accounts_are_paid_and_pay(self):
        to = MuxedAccount(self.friend.id, 42)
        source = MuxedAccount(self.payer.id, 2**63)
        done = self.payer.do(self._pay("2", to.account_muxed, source.account_muxed))
        payment = self._of("operations", done)[0]
        holds(payment, to=self.friend.id, to_muxed=to.account_muxed, to_muxed_id="42", **{"from": self.payer.id})
        holds(
            payment,
            from_muxed=source.account_muxed,
            from_muxed_id=str(2**63),
            source_account_muxed=source.account_muxed,
        )
        credited = next(effect for effect in self._of("effects", done) if effect["type"] == "account_credited")
        holds(credited, account=self.friend.id, account_muxed=to.account_muxed, account_muxed_id="42")
        muxed = self.world.server.load_account(source.account_muxed)
        done = self.payer.do(self._pay(), source=muxed)
        self.payer.forget()
        holds(done, account_muxed=source.account_muxed, account_muxed_id=str(2**63), source_account=self.payer.id)

    def time_bounds_are_kept(self):
        now = int(time.time())
        early = lambda builder: builder.add_time_bounds(now + 86_400, 0)  # noqa: E731
        late = lambda builder: builder.add_time_bounds(0, now - 86_400)  # noqa: E731
        refused(BadRequestError, lambda: self.payer.do(self._pay(), shape=early), "tx_too_early", status=400)
        refused(BadRequestError, lambda: self.payer.do(self._pay(), shape=late), "tx_too_late", status=400)
        done = self.payer.do(self._pay(), shape=lambda builder: builder.add_time_bounds(now - 86_400, now + 86_400))
        times = done["preconditions"]["timebounds"]
        holds(times, min_time=str(now - 86_400), max_time=str(now + 86_400))

    def ledger_bounds_are_kept(self):
        latest = self.world.latest()
        early = lambda builder: builder.set_ledger_bounds(latest + 10_000, 0)  # noqa: E731
        late = lambda builder: builder.set_ledger_bounds(0, latest)  # noqa: E731
        refused(BadRequestError, lambda: self.payer.do(self._pay(), shape=early), "tx_too_early")
        refused(BadRequestError, lambda: self.payer.do(self._pay(), shape=late), "tx_too_late")
        done = self.payer.do(self._pay(), shape=lambda builder: builder.set_ledger_bounds(1, latest + 10_000))
        same(done["preconditions"]["ledgerbounds"], {"min_ledger": 1, "max_ledger": latest + 10_000}, "the bounds")

    def a_lower_sequence_number_may_do(self):
        account = self.payer.account
        first = account.sequence
        account.sequence += 10
        refused(BadRequestError, lambda: self.payer.do(self._pay()), "tx_bad_seq", status=400)
        self.payer.account.sequence += 10
        done = self.payer.do(self._pay(), shape=lambda builder: builder.set_min_sequence_number(first))
        holds(done, source_account_sequence=str(first + 11))
        holds(done["preconditions"], min_account_sequence=str(first))
        same(self.payer.sequence(), first + 11, "the sequence number")

    def age_and_gap_of_a_sequence_number_are_kept(self):
        young = lambda builder: builder.set_min_sequence_age(1_000_000)  # noqa: E731
        near = lambda builder: builder.set_min_sequence_ledger_gap(1_000_000)  # noqa: E731
        for shape in (young, near):
            refused(
                BadRequestError,
                lambda shape=shape: self.payer.do(self._pay(), shape=shape),
                "tx_bad_minseq_age_or_gap",
            )
        self.world.passes_ledgers(2)
        self.payer.do(self._pay(), shape=lambda builder: builder.set_min_sequence_age(1).set_min_sequence_ledger_gap(1))

    def an_extra_signer_must_sign(self):
        extra = Keypair.random()
        shape = lambda builder: builder.add_extra_signer(SignerKey.ed25519_public_key(extra.public_key))  # noqa: E731
        refused(BadRequestError, lambda: self.payer.do(self._pay(), shape=shape), "tx_bad_auth", status=400)
        done = self.payer.do(self._pay(), shape=shape, signers=[extra])
        same(done["preconditions"]["extra_signers"], [extra.public_key], "the extra signers")
        same(len(done["signatures"]), 2, "the number of signatures")

    def a_secret_and_a_transaction_known_before_sign_too(self):
        secret = os.urandom(32)
        self.payer.do(SetOptions(signer=Signer.sha256_hash(hashlib.sha256(secret).digest(), 1)))
        envelope = self.payer.envelope(self._pay())
        envelope.signatures.clear()
        envelope.sign_hashx(secret)
        self.world.server.submit_transaction(envelope)
        # A transaction to be sent after the one that lets it be.
        self.payer.account.sequence += 1
        later = self.payer.envelope(self._pay())
        later.signatures.clear()
        self.payer.forget()
        self.payer.do(SetOptions(signer=Signer.pre_auth_tx(later.hash(), 1)))
        kinds = sorted(signer["type"] for signer in self.payer.state()["signers"])
        same(kinds, ["ed25519_public_key", "preauth_tx", "sha256_hash"], "the signers")
        self.world.server.submit_transaction(later)
        self.payer.forget()
        same(len(self.payer.state()["signers"]), 2, "signers when it has been used")

    def a_sequence_number_is_bumped(self):
        goal = self.payer.sequence() + 1000
        done = self.payer.do(BumpSequence(goal))
        same(self.payer.sequence(), goal, "the sequence number")
        holds(self._of("operations", done)[0], type="bump_sequence", bump_to=str(goal))
        holds(self._of("effects", done)[0], type="sequence_bumped", new_seq=str(goal))
        self.payer.forget()

    def a_balance_is_left_to_be_claimed(self):
        soon = ClaimPredicate.predicate_not(ClaimPredicate.predicate_before_relative_time(0))
        never = ClaimPredicate.predicate_before_absolute_time(1)
        claimants = [Claimant(self.friend.id, soon), Claimant(self.sponsor.id, never)]
        left = self.payer.do(CreateClaimableBalance(LUMENS, "7", claimants))
        operation = self._of("operations", left)[0]
        holds(operation, type="create_claimable_balance", asset="native", amount="7.0000000")
        same(
            [claimant["destination"] for claimant in operation["claimants"]],
            [self.friend.id, self.sponsor.id],
            "claimants",
        )
        result = stellar_xdr.TransactionResult.from_xdr(left["result_xdr"]).result.results[0].tr
        balance = result.create_claimable_balance_result.balance_id.to_xdr_bytes().hex()
        created = next(effect for effect in self._of("effects", left) if effect["type"] == "claimable_balance_created")
        holds(created, balance_id=balance, asset="native", amount="7.0000000")
        claim = ClaimClaimableBalance(balance)
        refused(BadRequestError, lambda: self.sponsor.do(claim), "tx_failed", "op_cannot_claim")
        before = self.friend.balance()
        claimed = self.friend.do(claim)
        same(self.friend.balance(), before + Decimal("6.99999"), "the claimant's lumens")
        holds(
            self._of("operations", claimed)[0],
            type="claim_claimable_balance",
            balance_id=balance,
            claimant=self.friend.id,
        )
        refused(BadRequestError, lambda: self.friend.do(claim), "tx_failed", "op_does_not_exist")

    def an_account_is_sponsored(self):
        ward = Actor(self.world, Keypair.random())
        done = self.sponsor.do(
            BeginSponsoringFutureReserves(ward.id),
            CreateAccount(ward.id, "0"),
            EndSponsoringFutureReserves(source=ward.id),
            signers=[ward],
        )
        holds(ward.state(), sponsor=self.sponsor.id, num_sponsored=2)
        same(ward.balance(), Decimal(0), "the ward's lumens")
        holds(self.sponsor.state(), num_sponsoring=2)
        kinds = {effect["type"] for effect in self._of("effects", done)}
        assert "account_sponsorship_created" in kinds, kinds
        wards = self.world.page(self.world.server.accounts().for_sponsor(self.sponsor.id))
        same([account["id"] for account in wards], [ward.id], "the wards")
        revoke = RevokeSponsorship.revoke_account_sponsorship(ward.id)
        refused(BadRequestError, lambda: self.sponsor.do(revoke), "tx_failed", "op_low_reserve")
        self.sponsor.do(Payment(ward.id, LUMENS, "5"), revoke)
        same(ward.state().get("sponsor"), None, "the sponsor then")
        holds(self.sponsor.state(), num_sponsoring=0)

    def an_account_is_merged_into_another(self):
        before = self.friend.balance(), self.leaver.balance()
        done = self.leaver.do(AccountMerge(self.friend.id))
        refused(NotFoundError, self.leaver.state, status=404)
        same(self.friend.balance(), before[0] + before[1] - Decimal("0.00001"), "the heir's lumens")
        holds(self._of("operations", done)[0], type="account_merge", account=self.leaver.id, into=self.friend.id)
        kinds = [effect["type"] for effect in self._of("effects", done)]
        same(kinds, ["account_debited", "account_credited", "account_removed"], "the effects")
