"""Refusals: each as the SDK's own exception, with the protocol's own codes."""

import base64

from stellar_sdk import Account, Asset, Claimant, Keypair, Price, TransactionEnvelope
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.exceptions import BadRequestError, NotFoundError, raise_request_exception
from stellar_sdk.operation import (
    AccountMerge,
    ChangeTrust,
    CreateAccount,
    CreateClaimableBalance,
    Inflation,
    ManageBuyOffer,
    ManageData,
    ManageSellOffer,
    Payment,
    SetOptions,
)

from world import Actor, World, holds, market, refused, same

LUMENS = Asset.native()


class Refusals:
    def __init__(self, world: World):
        self.world = world
        self.issuer, [self.euro, self.gold], [self.trader, self.other] = market(world, 2, "EUR", "GOLD", holding="100")
        self.stranger = Keypair.random().public_key
        self.poor = Actor(world, Keypair.random())
        # Two base reserves and some fees; one more entry cannot be had of it.
        self.trader.do(CreateAccount(self.poor.id, "1.01"))

    def _fails(self, who: Actor, operation, code: str):
        """That the operation fails, when applied or before."""
        refused(BadRequestError, lambda: who.do(operation), "tx_failed", code, status=400)

    def what_is_not_there_is_not_found(self):
        server = self.world.server
        for builder in (
            server.accounts().account_id(self.stranger),
            server.transactions().transaction("ab" * 32),
            server.operations().operation(1 << 60),
            server.offers().offer(1 << 60),
            server.ledgers().ledger(1 << 30),
            server.liquidity_pools().liquidity_pool("cd" * 32),
            server.data(self.trader.id, "nothing"),
        ):
            error = refused(NotFoundError, builder.call, status=404)
            holds(vars(error), title="Resource Missing", type="https://stellar.org/horizon-errors/not_found")
        refused(NotFoundError, lambda: server.load_account(self.stranger), status=404)

    def wrong_parameters_are_refused(self):
        server = self.world.server
        for field, builder in (
            ("cursor", server.ledgers().cursor("nowhere")),
            ("cursor", server.transactions().cursor("-5")),
            ("cursor", server.effects().cursor("1-2-3")),
            ("limit", server.transactions().limit(0)),
            ("limit", server.operations().limit(201)),
            ("limit", server.trades().limit(-1)),
        ):
            error = refused(BadRequestError, builder.call, status=400)
            holds(vars(error), title="Bad Request", type="https://stellar.org/horizon-errors/bad_request")
            same(error.extras["invalid_field"], field, "the field that is wrong")
        for builder in (
            server.transactions().transaction("nohash"),
            server.accounts().account_id("GNOBODY"),
            server.ledgers().ledger("last"),
            server.offers().offer("mine"),
        ):
            refused(BadRequestError, builder.call, status=400)
        # Without any condition, there is no list of accounts.
        refused(BadRequestError, server.accounts().call, status=400)

    def payments_that_cannot_be_made(self):
        self._fails(self.trader, Payment(self.other.id, self.euro, "1000"), "op_underfunded")
        self._fails(self.trader, Payment(self.poor.id, self.euro, "1"), "op_no_trust")
        self._fails(self.poor, Payment(self.other.id, self.euro, "1"), "op_src_no_trust")
        self._fails(self.trader, Payment(self.stranger, LUMENS, "1"), "op_no_destination")
        self.other.do(ChangeTrust(self.euro, "100"))
        self._fails(self.trader, Payment(self.other.id, self.euro, "1"), "op_line_full")

    def offers_that_cannot_be_made(self):
        offer = lambda amount="1", price="2", offer_id=0: ManageSellOffer(
            self.euro, LUMENS, amount, price, offer_id
        )  # noqa: E731
        self._fails(self.trader, offer("1000"), "op_underfunded")
        self._fails(self.trader, offer(offer_id=123_456_789), "op_offer_not_found")
        self._fails(self.trader, ManageSellOffer(Asset("NONE", self.issuer.id), LUMENS, "1", "1"), "op_sell_no_trust")
        self._fails(self.trader, ManageBuyOffer(LUMENS, Asset("NONE", self.issuer.id), "1", "1"), "op_buy_no_trust")
        self._fails(self.other, ManageBuyOffer(LUMENS, self.euro, "1", "1"), "op_line_full")
        self._fails(self.trader, ManageSellOffer(self.euro, self.euro, "1", "1"), "op_malformed")
        self.trader.do(offer("5", "2"))
        self._fails(self.trader, ManageBuyOffer(LUMENS, self.euro, "1", "2"), "op_cross_self")

    def accounts_and_entries_that_cannot_be(self):
        self._fails(self.poor, ChangeTrust(self.euro), "op_low_reserve")
        self._fails(self.poor, ManageData("name", "value"), "op_low_reserve")
        self._fails(self.trader, CreateAccount(self.stranger, "0.5"), "op_low_reserve")
        self._fails(self.trader, CreateAccount(self.other.id, "5"), "op_already_exists")
        self._fails(self.trader, CreateAccount(self.stranger, "100000"), "op_underfunded")
        self._fails(self.trader, ChangeTrust(self.euro, "1"), "op_invalid_limit")
        self._fails(self.trader, ChangeTrust(Asset("EUR", self.stranger)), "op_no_issuer")
        self._fails(self.trader, ManageData("nothing", None), "op_data_name_not_found")
        self._fails(self.trader, AccountMerge(self.other.id), "op_has_sub_entries")
        self._fails(self.trader, SetOptions(low_threshold=256), "op_threshold_out_of_range")
        self._fails(self.trader, Inflation(), "op_not_supported")
        balance = CreateClaimableBalance(self.euro, "1000", [Claimant(self.other.id)])
        self._fails(self.trader, balance, "op_underfunded")

    def all_or_nothing_is_applied(self):
        before = self.other.balance()
        fine, bad = Payment(self.other.id, LUMENS, "1"), ManageSellOffer(self.euro, LUMENS, "1000", "2")
        refused(BadRequestError, lambda: self.trader.do(fine, bad), "tx_failed", "op_success", "op_underfunded")
        same(self.other.balance(), before, "the other's lumens")

    def transactions_that_are_not_valid(self):
        pay = Payment(self.other.id, LUMENS, "1")
        refused(
            BadRequestError, lambda: self.trader.do(pay, passphrase="Some other network"), "tx_bad_auth", status=400
        )
        refused(BadRequestError, lambda: self.trader.do(pay, fee=99), "tx_insufficient_fee", status=400)
        refused(BadRequestError, lambda: self.trader.do(), "tx_missing_operation", status=400)
        refused(BadRequestError, lambda: self.poor.do(pay, fee=10_000_000), "tx_insufficient_balance", status=400)
        wrong = Actor(self.world, Keypair.random())
        refused(NotFoundError, lambda: wrong.do(pay), status=404)
        refused(BadRequestError, lambda: wrong.do(pay, source=Account(wrong.id, 1)), "tx_no_source_account", status=400)
        sequence = self.trader.sequence()
        refused(
            BadRequestError, lambda: wrong.do(pay, source=Account(self.trader.id, sequence)), "tx_bad_auth", status=400
        )
        old = Account(self.trader.id, sequence - 1)
        refused(BadRequestError, lambda: self.trader.do(pay, source=old), "tx_bad_seq", status=400)

    def a_refusal_has_its_result_in_xdr(self):
        error = refused(BadRequestError, lambda: self.trader.do(Payment(self.stranger, LUMENS, "1")))
        holds(vars(error), title="Transaction Failed", type="https://stellar.org/horizon-errors/transaction_failed")
        result = stellar_xdr.TransactionResult.from_xdr(error.result_xdr)
        same(result.result.code, stellar_xdr.TransactionResultCode.txFAILED, "the code in the result")
        same(result.fee_charged.int64, 100, "the fee that it cost")
        TransactionEnvelope.from_xdr(error.extras["envelope_xdr"], self.world.passphrase)

    def what_is_no_transaction_is_malformed(self):
        payment = Payment(self.other.id, LUMENS, "0.0000001")
        hundred = self.trader.envelope(*[payment] * 100)
        # One more is no transaction at all: XDR allows a hundred. The SDK would not write it, so its bytes are changed.
        one = payment.to_xdr_object().to_xdr_bytes()
        full, over = [count.to_bytes(4, "big") + one * count for count in (100, 101)]
        many = base64.b64encode(hundred.to_xdr_object().to_xdr_bytes().replace(full, over)).decode()
        for broken in (many, "AAAA", "not base64 at all", hundred.to_xdr()[:400], ""):
            # The SDK reads what it is to submit, and would not send this.
            answer = RequestsClient().post(f"{self.world.url}/transactions", data={"tx": broken})
            error = refused(BadRequestError, lambda answer=answer: raise_request_exception(answer), status=400)
            if broken:
                kind = "https://stellar.org/horizon-errors/transaction_malformed"
                holds(vars(error), title="Transaction Malformed", type=kind)
        done = self.world.server.submit_transaction(hundred)
        holds(done, operation_count=100, fee_charged="10000")

    def a_price_of_nothing_is_malformed(self):
        self._fails(self.trader, ManageSellOffer(self.euro, LUMENS, "1", Price(0, 1)), "op_malformed")
