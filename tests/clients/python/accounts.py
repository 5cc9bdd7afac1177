"""Accounts: from friendbot to trust lines, flags, data and signers."""

import base64
from decimal import Decimal

from stellar_sdk import Asset, AuthorizationFlag, Keypair, Signer, TrustLineFlags
from stellar_sdk.exceptions import BadRequestError, NotFoundError
from stellar_sdk.operation import ChangeTrust, Clawback, ManageData, Payment, SetOptions, SetTrustLineFlags
from stellar_sdk.sep.exceptions import AccountRequiresMemoError

from world import Actor, World, holds, records, refused, same, together

LUMENS = Asset.native()


class Accounts:
    def __init__(self, world: World):
        self.world = world

    def friendbot_creates_accounts_even_several_at_once(self):
        actors = together(*[self.world.funded] * 4)
        for actor in actors:
            same(actor.balance(), Decimal(10000), "the balance")
        self.issuer, self.holder, self.friend, self.other = actors

    def friendbot_refuses_whom_it_has_funded_and_what_is_no_address(self):
        for address in (self.holder.id, "GNOBODY"):
            answer = self.world.friendbot(address)
            same(answer.status_code, 400)
            same(answer.json()["status"], 400)
            assert answer.json()["type"].startswith("https://stellar.org/horizon-errors/"), answer.text

    def an_account_is_loaded_with_all_that_it_has(self):
        account = self.world.server.load_account(self.holder.id)
        state = account.raw_data
        holds(state, id=self.holder.id, account_id=self.holder.id, paging_token=self.holder.id, subentry_count=0)
        holds(state, sequence=str(account.sequence), num_sponsoring=0, num_sponsored=0, data={})
        holds(state, thresholds={"low_threshold": 0, "med_threshold": 0, "high_threshold": 0})
        flags = {f"auth_{flag}": False for flag in ("required", "revocable", "immutable", "clawback_enabled")}
        holds(state, flags=flags)
        holds(state, signers=[{"weight": 1, "key": self.holder.id, "type": "ed25519_public_key"}])
        native = {"buying_liabilities": "0.0000000", "selling_liabilities": "0.0000000", "asset_type": "native"}
        holds(state, balances=[{"balance": "10000.0000000", **native}])
        same(account.sequence >> 32, state["last_modified_ledger"], "the ledger in a new account's sequence number")
        same(account.load_ed25519_public_key_signers()[0].weight, 1)

    def lumens_are_paid_with_a_memo_and_the_usual_timeout(self):
        before = self.holder.balance()
        sequence = self.holder.sequence()
        shape = lambda builder: builder.add_text_memo("for lunch").set_timeout(30)  # noqa: E731
        paid = self.holder.do(Payment(self.friend.id, LUMENS, "12.5"), shape=shape)
        holds(paid, memo="for lunch", memo_type="text", source_account=self.holder.id, operation_count=1)
        holds(paid, fee_charged="100", max_fee="100", fee_account=self.holder.id)
        holds(paid, source_account_sequence=str(sequence + 1))
        same(self.holder.balance(), before - Decimal("12.50001"), "the payer's balance")
        same(self.friend.balance(), Decimal("10012.5"), "the other's balance")
        again = self.world.server.transactions().transaction(paid["hash"]).call()
        holds(again, id=paid["hash"], ledger=paid["ledger"], envelope_xdr=paid["envelope_xdr"], successful=True)
        operation = self.world.page(self.world.server.payments().for_transaction(paid["hash"]))[0]
        holds(operation, type="payment", type_i=1, amount="12.5000000", asset_type="native", to=self.friend.id)
        holds(operation, source_account=self.holder.id, transaction_hash=paid["hash"], transaction_successful=True)

    def an_issuer_sets_flags_and_a_home_domain(self):
        flags = AuthorizationFlag.AUTHORIZATION_REQUIRED | AuthorizationFlag.AUTHORIZATION_REVOCABLE
        flags |= AuthorizationFlag.AUTHORIZATION_CLAWBACK_ENABLED
        done = self.issuer.do(SetOptions(set_flags=flags, home_domain="example.org"))
        state = self.issuer.state()
        holds(state, home_domain="example.org")
        holds(state["flags"], auth_required=True, auth_revocable=True, auth_immutable=False, auth_clawback_enabled=True)
        effects = self.world.page(self.world.server.effects().for_transaction(done["hash"]))
        same({e["type"] for e in effects}, {"account_home_domain_updated", "account_flags_updated"}, "the effects")
        operation = self.world.page(self.world.server.operations().for_transaction(done["hash"]))[0]
        holds(operation, type="set_options", home_domain="example.org", set_flags=[1, 2, 8])

    def a_trust_line_waits_for_its_issuer(self):
        self.euro = Asset("EUR", self.issuer.id)
        trusted = self.holder.do(ChangeTrust(self.euro, "500"))
        line = self.holder.line(self.euro)
        holds(line, balance="0.0000000", limit="500.0000000", is_authorized=False, is_clawback_enabled=True)
        holds(line, last_modified_ledger=trusted["ledger"], asset_type="credit_alphanum4")
        pay = lambda: self.issuer.do(Payment(self.holder.id, self.euro, "100"))  # noqa: E731
        refused(BadRequestError, pay, "tx_failed", "op_not_authorized", status=400)
        allow = SetTrustLineFlags(self.holder.id, self.euro, set_flags=TrustLineFlags.AUTHORIZED_FLAG)
        self.issuer.do(allow)
        pay()
        holds(self.holder.line(self.euro), balance="100.0000000", is_authorized=True)

    def an_issuer_claws_back_and_revokes(self):
        revoke = SetTrustLineFlags(self.holder.id, self.euro, clear_flags=TrustLineFlags.AUTHORIZED_FLAG)
        done = self.issuer.do(Clawback(self.euro, self.holder.id, "40"), revoke)
        holds(self.holder.line(self.euro), balance="60.0000000", is_authorized=False)
        clawback = self.world.page(self.world.server.operations().for_transaction(done["hash"]))[0]
        holds(clawback, type="clawback", amount="40.0000000", asset_code="EUR")
        holds(clawback, **{"from": self.holder.id})

    def accounts_are_found_by_asset_and_by_signer(self):
        for found in (
            self.world.server.accounts().for_asset(self.euro),
            self.world.server.accounts().for_signer(self.holder.id),
        ):
            same([account["id"] for account in self.world.page(found)], [self.holder.id], "the accounts")

    def account_data_is_kept_and_removed(self):
        self.holder.do(ManageData("colour", "blue"), ManageData("raw", b"\x00\xff"))
        same(self.holder.state()["data"], {"colour": base64.b64encode(b"blue").decode(), "raw": "AP8="}, "the data")
        same(self.world.server.data(self.holder.id, "colour").call()["value"], "Ymx1ZQ==")
        self.holder.do(ManageData("colour", None))
        refused(NotFoundError, self.world.server.data(self.holder.id, "colour").call, status=404)

    def two_signers_share_an_account(self):
        second = Keypair.random()
        signer = Signer.ed25519_public_key(second.public_key, 1)
        self.other.do(SetOptions(signer=signer, low_threshold=1, med_threshold=2, high_threshold=2))
        weights = {signer["key"]: signer["weight"] for signer in self.other.state()["signers"]}
        same(weights, {self.other.id: 1, second.public_key: 1}, "the signers")
        pay = Payment(self.friend.id, LUMENS, "1")
        refused(BadRequestError, lambda: self.other.do(pay), "tx_failed", "op_bad_auth", status=400)
        self.other.do(pay, signers=[second])
        refused(BadRequestError, lambda: self.other.do(pay, signers=[second, Keypair.random()]), "tx_bad_auth_extra")

    def an_account_that_wants_memos_gets_them(self):
        self.friend.do(ManageData("config.memo_required", "1"))
        payer = Actor(self.world, self.holder.key)
        pay = Payment(self.friend.id, LUMENS, "1")
        refused(AccountRequiresMemoError, lambda: payer.do(pay))
        paid = payer.do(pay, shape=lambda builder: builder.add_id_memo(2**64 - 1))
        holds(paid, memo_type="id", memo=str(2**64 - 1))

    def the_past_of_an_account_is_told(self):
        server = self.world.server
        self.holder.forget()
        transactions = self.world.page(server.transactions().for_account(self.holder.id).limit(200))
        # Created by friendbot; then its own, and its issuer's.
        assert len(transactions) >= 7, transactions
        failed = records(server.transactions().for_account(self.issuer.id).include_failed(True).limit(200).call())
        same(sum(not transaction["successful"] for transaction in failed), 1, "the issuer's failed transactions")
        kinds = [effect["type"] for effect in self.world.page(server.effects().for_account(self.holder.id).limit(200))]
        same(kinds[0], "account_created")
        for kind in ("account_debited", "account_credited", "trustline_created", "data_created", "data_removed"):
            assert kind in kinds, f"no {kind} in {kinds}"
