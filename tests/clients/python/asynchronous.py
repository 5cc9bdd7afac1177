"""Transactions handed in without waiting: what is told at once, and what becomes of them."""

import json

from stellar_sdk import Asset
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.exceptions import BadRequestError, BadResponseError, BaseHorizonError, NotFoundError
from stellar_sdk.operation import Payment

from world import Actor, World, holds, same, until

LUMENS = Asset.native()
# Two requests can fall into two ledgers; not every time.
TRIES = 10


class Asynchronous:
    def __init__(self, world: World):
        self.world = world
        self.server = world.hasty()
        self.payer, self.friend = world.actors(2)

    def _payment(self, **options):
        return self.payer.envelope(Payment(self.friend.id, LUMENS, "1"), **options)

    def _applied(self, hash_: str) -> dict:
        def found():
            try:
                return self.server.transactions().transaction(hash_).call()
            except NotFoundError:
                return None

        return until(f"transaction {hash_} is applied", found)

    def _hand_in(self, payment) -> tuple[str, BaseHorizonError | None]:
        """Its status, and the exception with which it was told, if any."""
        try:
            return self.server.submit_transaction_async(payment)["tx_status"], None
        except BaseHorizonError as error:
            return json.loads(error.message)["tx_status"], error

    def _refused_next(self, status: str, second) -> BaseHorizonError:
        """Hands in a payment and another at once, until both fall before one ledger and the second is so refused."""
        for _ in range(TRIES):
            self.payer.forget()
            payments = [first := self._payment(), second(first)]
            (pending, _), (found, error) = [self._hand_in(payment) for payment in payments]
            same(pending, "PENDING", "the status of the first")
            self._applied(first.hash_hex())
            if found == status:
                return error
            if found == "PENDING":
                self._applied(payments[1].hash_hex())
        raise AssertionError(f"in {TRIES} tries no second payment was refused with {status}")

    def a_good_one_is_pending_then_applied(self):
        payment = self._payment()
        told = self.server.submit_transaction_async(payment)
        holds(told, tx_status="PENDING", hash=payment.hash_hex())
        holds(self._applied(payment.hash_hex()), successful=True, source_account=self.payer.id)

    def the_same_again_is_a_duplicate(self):
        error = self._refused_next("DUPLICATE", lambda first: first)
        same((type(error), error.status), (BadRequestError, 409), "how it is told")

    def a_second_one_of_an_account_is_to_come_later(self):
        error = self._refused_next("TRY_AGAIN_LATER", lambda _: self._payment())
        same((type(error), error.status), (BadResponseError, 503), "how it is told")

    def a_bad_one_is_an_error_with_its_result(self):
        self.payer.forget()
        self.payer.account.sequence += 5
        status, error = self._hand_in(self._payment())
        same((status, type(error), error.status), ("ERROR", BadRequestError, 400), "how it is told")
        result = stellar_xdr.TransactionResult.from_xdr(json.loads(error.message)["error_result_xdr"])
        same(result.result.code, stellar_xdr.TransactionResultCode.txBAD_SEQ, "the code in the result")
        self.payer.forget()

    def one_that_waits_is_answered_when_it_was_applied(self):
        payment = self._payment()
        first = self.server.submit_transaction(payment)
        # Handed in again when it has long been applied: the same answer.
        again = self.server.submit_transaction(payment)
        same(again["hash"], first["hash"])
        same(again["ledger"], first["ledger"], "the ledger")

    def two_accounts_do_not_wait_for_each_other(self):
        ours, theirs = self._payment(), Actor(self.world, self.friend.key).envelope(Payment(self.payer.id, LUMENS, "1"))
        for payment in (ours, theirs):
            holds(self.server.submit_transaction_async(payment), tx_status="PENDING")
        for payment in (ours, theirs):
            holds(self._applied(payment.hash_hex()), successful=True)
