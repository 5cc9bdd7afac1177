"""Streams: the book, trades, and the rest, as they happen."""

import queue
import threading
from decimal import Decimal

from stellar_sdk import Asset
from stellar_sdk.exceptions import StreamClientError
from stellar_sdk.operation import ManageBuyOffer, ManageSellOffer, Payment

from world import PATIENCE_S, World, holds, market, refused, same

LUMENS = Asset.native()


class Stream:
    """A stream, read in the background."""

    def __init__(self, builder):
        self.events = queue.Queue()
        self.closed = False
        self.reader = threading.Thread(target=self._read, args=(builder,), daemon=True)
        self.reader.start()

    def _read(self, builder) -> None:
        try:
            for event in builder.stream():
                if self.closed:
                    return
                self.events.put(event)
        except Exception as error:
            self.events.put(error)

    def next(self, what: str, fits=lambda event: True) -> dict:
        """The next event that fits."""
        while True:
            try:
                event = self.events.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise AssertionError(f"the stream did not deliver {what} within {PATIENCE_S} s") from None
            if isinstance(event, Exception):
                raise event
            if fits(event):
                return event

    def close(self) -> None:
        """Ends it; which takes another event, since the SDK waits for one."""
        self.closed = True
        self.reader.join(PATIENCE_S)


class Streams:
    def __init__(self, world: World):
        self.world = world
        self.issuer, [self.euro], [self.maker, self.taker] = market(world, 2, "EUR")
        # Horizon does not know an asset's trades until there has been one.
        self.maker.do(ManageSellOffer(self.euro, LUMENS, "1", "4"))
        self.taker.do(ManageBuyOffer(LUMENS, self.euro, "1", "4"))

    def streams_open(self):
        server, maker = self.world.server, self.maker.id
        self.book = Stream(server.orderbook(self.euro, LUMENS))
        self.account = Stream(server.accounts().account_id(maker))
        same(self.book.next("the book as it is")["asks"], [], "the empty book's asks")
        holds(self.account.next("the account as it is"), id=maker)
        self.ledgers = Stream(server.ledgers().cursor("now"))
        self.trades = Stream(server.trades().for_asset_pair(self.euro, LUMENS).cursor("now"))
        self.payments = Stream(server.payments().for_account(maker).cursor("now"))
        self.operations = Stream(server.operations().for_account(maker).cursor("now"))
        self.transactions = Stream(server.transactions().for_account(maker).cursor("now"))
        self.effects = Stream(server.effects().for_account(maker).cursor("now"))
        # Nothing tells when a stream is open: ledgers come on theirs, and the others were asked for with it.
        self.world.passes_ledgers(3)

    def the_ledgers_stream_misses_none(self):
        first = self.ledgers.next("a ledger")["sequence"]
        for sequence in range(first + 1, first + 6):
            holds(self.ledgers.next("the next ledger"), sequence=sequence)

    def the_order_book_is_streamed_at_each_change(self):
        self.quoted = self.maker.do(ManageSellOffer(self.euro, LUMENS, "10", "4"))
        book = self.book.next("the ask", lambda book: book["asks"])
        same((book["asks"][0]["price"], book["asks"][0]["amount"]), ("4.0000000", "10.0000000"), "the streamed ask")
        self.maker.do(ManageBuyOffer(LUMENS, self.euro, "10", "3.5"))
        book = self.book.next("the bid", lambda book: book["bids"])
        same((book["bids"][0]["price"], book["bids"][0]["amount"]), ("3.5000000", "35.0000000"), "the streamed bid")

    def the_trades_are_streamed(self):
        self.taker.do(ManageBuyOffer(LUMENS, self.euro, "3", "4"))
        holds(
            self.trades.next("the trade"),
            base_account=self.maker.id,
            base_amount="3.0000000",
            counter_amount="12.0000000",
        )
        book = self.book.next("what is left", lambda book: book["asks"] and book["asks"][0]["amount"] != "10.0000000")
        same(book["asks"][0]["amount"], "7.0000000", "what is left of the ask")
        self.taker.do(ManageSellOffer(self.euro, LUMENS, "2", "3.5"))
        holds(
            self.trades.next("the other trade"),
            base_account=self.taker.id,
            base_amount="2.0000000",
            base_is_seller=False,
        )

    def an_accounts_doings_are_streamed(self):
        self.paid = [self.taker.do(Payment(self.maker.id, LUMENS, amount)) for amount in ("1", "2", "3")]
        for amount in ("1.0000000", "2.0000000", "3.0000000"):
            holds(self.payments.next("a payment"), amount=amount, to=self.maker.id, type="payment")
        holds(self.operations.next("the offer"), type="manage_sell_offer", transaction_hash=self.quoted["hash"])
        holds(self.operations.next("the second offer"), type="manage_buy_offer")
        holds(self.transactions.next("its transaction"), hash=self.quoted["hash"])
        self.transactions.next("the last payment", lambda transaction: transaction["hash"] == self.paid[-1]["hash"])
        trade = self.effects.next("the effect of trading", lambda effect: effect["type"] == "trade")
        holds(trade, sold_amount="3.0000000", bought_amount="12.0000000", account=self.maker.id)
        last = self.effects.next("the last credit", lambda effect: effect.get("amount") == "3.0000000")
        holds(last, type="account_credited", asset_type="native")

    def an_account_is_streamed_when_it_changes(self):
        balance = self.maker.balance()
        lumens = lambda account: Decimal(account["balances"][-1]["balance"])  # noqa: E731
        self.account.next("the account after the payments", lambda account: lumens(account) == balance)

    def a_stream_begins_after_its_cursor(self):
        since = self.paid[0]
        stream = Stream(self.world.server.transactions().for_account(self.maker.id).cursor(since["paging_token"]))
        for paid in self.paid[1:]:
            holds(stream.next("what came after"), hash=paid["hash"])

    def a_stream_outlives_what_the_server_sends_at_most(self):
        # From the beginning: the server ends a stream now and then, and the SDK goes on where it was.
        stream = Stream(self.world.server.ledgers().cursor("0"))
        first = stream.next("the first ledger")["sequence"]
        for sequence in range(first + 1, self.world.latest() + 2):
            holds(stream.next("the next ledger"), sequence=sequence)
        stream.close()

    def a_stream_with_a_cursor_from_nowhere_is_refused(self):
        refused(StreamClientError, lambda: next(self.world.server.ledgers().cursor("nowhere").stream()))

    def streams_end(self):
        self.ledgers.close()
        same(self.ledgers.reader.is_alive(), False, "whether the stream is still read")
