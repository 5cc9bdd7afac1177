"""Faults, ordered of the sandbox: each comes as the SDK's own exception, and what can be done about it works."""

from contextlib import contextmanager

import requests
from stellar_sdk import Asset
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.exceptions import BadRequestError, BadResponseError, ConnectionError, NotFoundError
from stellar_sdk.operation import Payment
from stellar_sdk.soroban_server import SorobanServer

from streams import Stream
from world import PATIENCE_S, World, holds, refused, same, until

LUMENS = Asset.native()


class Faults:
    def __init__(self, world: World):
        self.world = world
        self.payer, self.friend = world.actors(2)

    @contextmanager
    def _ordered(self, **rule):
        """While in it, the sandbox does this wrong."""
        faults = f"{self.world.url}/sandbox/faults"
        answer = requests.put(faults, json={"rules": [rule]}, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        try:
            yield
        finally:
            requests.delete(faults, timeout=PATIENCE_S).raise_for_status()

    def _payment(self):
        return self.payer.envelope(Payment(self.friend.id, LUMENS, "1"))

    def _applied(self, payment) -> dict:
        def found():
            try:
                return self.world.server.transactions().transaction(payment.hash_hex()).call()
            except NotFoundError:
                return None

        return until("the transaction is applied", found)

    def a_busy_server_is_an_exception_of_its_own(self):
        hasty = self.world.hasty()
        for status, kind in (
            (429, BadRequestError),
            (500, BadResponseError),
            (503, BadResponseError),
            (504, BadResponseError),
        ):
            with self._ordered(face="horizon", path="/fee_stats", fault="status", status=status, next=1):
                error = refused(kind, hasty.fee_stats().call, status=status)
                assert error.type.startswith("https://stellar.org/horizon-errors/"), error.message
                assert hasty.fee_stats().call()["last_ledger_base_fee"] == "100"

    def a_server_that_was_busy_is_asked_again(self):
        with self._ordered(face="horizon", path="/fee_stats", fault="status", status=503, next=2):
            holds(self.world.server.fee_stats().call(), last_ledger_base_fee="100")

    def a_busy_rpc_is_an_exception_of_its_own(self):
        rpc = SorobanServer(f"{self.world.url}/rpc", client=RequestsClient(num_retries=0))
        with self._ordered(face="rpc", fault="status", status=503, next=1):
            refused(BadResponseError, rpc.get_health, status=503)
        same(rpc.get_health().status, "healthy")

    def what_was_not_accepted_can_be_handed_in_again(self):
        payment, hasty = self._payment(), self.world.hasty()
        with self._ordered(face="horizon", path="/transactions", fault="status", status=503, next=1):
            refused(BadResponseError, lambda: hasty.submit_transaction(payment), status=503)
            holds(hasty.submit_transaction(payment), successful=True, hash=payment.hash_hex())

    def a_timeout_after_acceptance_is_not_the_end(self):
        payment, hasty = self._payment(), self.world.hasty()
        with self._ordered(face="horizon", path="/transactions", fault="status_after_accept", status=504, next=1):
            refused(BadResponseError, lambda: hasty.submit_transaction(payment), status=504)
        holds(self._applied(payment), successful=True)
        holds(hasty.submit_transaction(payment), successful=True, hash=payment.hash_hex())

    def a_connection_lost_after_acceptance_is_not_the_end(self):
        payment, hasty = self._payment(), self.world.hasty()
        with self._ordered(face="horizon", path="/transactions", fault="drop_after_accept", next=1):
            refused(ConnectionError, lambda: hasty.submit_transaction(payment))
        holds(self._applied(payment), successful=True)

    def answers_that_break_off_or_do_not_come_are_told(self):
        for fault in ("drop", "truncate"):
            with self._ordered(face="horizon", path="/ledgers", fault=fault, next=1):
                hasty = self.world.hasty()
                refused(ConnectionError, hasty.ledgers().call)
                assert hasty.ledgers().call()["_embedded"]["records"], "the next answer is whole"

    def an_answer_that_is_too_late_is_not_waited_for(self):
        with self._ordered(face="horizon", path="/ledgers", fault="delay", ms=5000, next=1):
            refused(ConnectionError, self.world.hasty(request_timeout=1).ledgers().call)
        assert self.world.server.ledgers().call()["_embedded"]["records"]

    def _misses_no_ledger(self, **rule):
        stream = Stream(self.world.server.ledgers().cursor("now"))
        first = stream.next("a ledger")["sequence"]
        with self._ordered(face="horizon", path="/ledgers", **rule):
            for sequence in range(first + 1, first + 8):
                holds(stream.next("the next ledger"), sequence=sequence)
        stream.close()

    def a_stream_that_breaks_off_is_taken_up_again(self):
        self._misses_no_ledger(fault="end", every=2)

    def a_stream_that_stalls_goes_on(self):
        self._misses_no_ledger(fault="stall", ms=3000, next=1)

    def a_stream_that_skips_shows_it_in_its_numbers(self):
        stream = Stream(self.world.server.ledgers().cursor("now"))
        before, skipped = stream.next("a ledger")["sequence"], 0
        with self._ordered(face="horizon", path="/ledgers", fault="skip", every=3):
            while not skipped:
                sequence = stream.next("the next ledger")["sequence"]
                skipped, before = sequence - before - 1, sequence
        stream.close()
        same(skipped, 1, "the ledgers that were left out")
