"""Pages: forwards, backwards, and no record lost or told twice."""

from stellar_sdk import Asset
from stellar_sdk.exceptions import NotPageableError
from stellar_sdk.operation import ManageBuyOffer, ManageSellOffer, Payment

from world import World, market, records, refused, same, together

LUMENS = Asset.native()
LIMIT = 3


class Paging:
    def __init__(self, world: World):
        self.world = world
        self.issuer, [self.euro], traders = market(world, 4, "EUR")
        self.hub, *self.others = traders
        # What there is to be told: eight offers, and of three takers four trades and two payments each.
        self.hub.do(*[ManageSellOffer(self.euro, LUMENS, "20", f"{price}.5") for price in range(1, 9)])
        trade, pay = ManageBuyOffer(LUMENS, self.euro, "1", "2"), Payment(self.hub.id, self.euro, "1")
        together(*[lambda who=who: who.do(trade, pay, trade) for who in self.others])
        together(*[lambda who=who: who.do(trade, pay, trade) for who in self.others])

    def _collections(self) -> dict:
        """Ways to ask for each collection, with as many records as it must have at least."""
        server, hub = self.world.server, self.hub.id
        return {
            "transactions": (lambda: server.transactions().for_account(hub), 8),
            "operations": (lambda: server.operations().for_account(hub), 14),
            "payments": (lambda: server.payments().for_account(hub), 8),
            "effects": (lambda: server.effects().for_account(hub), 20),
            "trades of the account": (lambda: server.trades().for_account(hub), 12),
            "trades of the pair": (lambda: server.trades().for_asset_pair(self.euro, LUMENS), 12),
            "offers": (lambda: server.offers().for_account(hub), 8),
            "holders": (lambda: server.accounts().for_asset(self.euro), 4),
        }

    def _walk(self, builder, step: str = "next") -> list[str]:
        """The paging tokens of all pages, to the end."""
        page, tokens = builder.call(), []
        while records(page):
            assert len(records(page)) <= LIMIT, f"a page of {len(records(page))} records, where {LIMIT} were asked for"
            tokens += [record["paging_token"] for record in records(page)]
            page = getattr(builder, step)()
        return tokens

    def page_by_page_is_all_at_once(self):
        for what, (ask, least) in self._collections().items():
            whole = [record["paging_token"] for record in records(ask().limit(200).call())]
            assert len(whole) >= least, f"{what}: {len(whole)} records, where {least} were expected"
            same(len(set(whole)), len(whole), f"different {what}")
            same(self._walk(ask().limit(LIMIT)), whole, f"{what}, page by page")

    def the_newest_first_is_the_oldest_first_backwards(self):
        for what, (ask, _) in self._collections().items():
            oldest = self._walk(ask().limit(LIMIT).order(desc=False))
            same(self._walk(ask().limit(LIMIT).order(desc=True)), oldest[::-1], f"{what}, newest first")

    def previous_pages_lead_back(self):
        for what, (ask, _) in self._collections().items():
            whole = self._walk(ask().limit(LIMIT))
            builder = ask().limit(LIMIT).cursor(whole[5 if len(whole) > 6 else 2])
            first = [record["paging_token"] for record in records(builder.call())]
            before = [record["paging_token"] for record in records(builder.prev())]
            place = whole.index(first[0])
            same(before, whole[:place][::-1][:LIMIT], f"{what}: the page before, newest first")

    def ledgers_have_no_gap(self):
        start = self.world.server.ledgers().ledger(self.world.latest() - 8).call()
        builder, sequences = self.world.server.ledgers().cursor(start["paging_token"]).limit(LIMIT), []
        page = builder.call()
        while records(page) and len(sequences) < 8:
            sequences += [record["sequence"] for record in records(page)]
            page = builder.next()
        same(sequences[:8], list(range(start["sequence"] + 1, start["sequence"] + 9)), "the ledgers")

    def everybodys_records_are_in_order(self):
        server = self.world.server
        start = records(server.transactions().for_account(self.hub.id).limit(1).order(desc=True).call())[0]
        ledger = server.ledgers().ledger(start["ledger"]).call()
        for builder in (
            server.transactions(),
            server.operations(),
            server.effects(),
            server.payments(),
            server.trades(),
        ):
            builder.cursor(ledger["paging_token"]).limit(200)
            tokens = [tuple(map(int, record["paging_token"].split("-"))) for record in records(builder.call())]
            same(tokens, sorted(set(tokens)), f"the order of {builder.endpoint}")

    def what_happened_in_a_ledger_is_counted_in_it(self):
        server = self.world.server
        sequence = records(server.transactions().for_account(self.hub.id).limit(1).order(desc=True).call())[0]["ledger"]
        ledger = server.ledgers().ledger(sequence).call()
        good = records(server.transactions().for_ledger(sequence).limit(200).call())
        every = records(server.transactions().for_ledger(sequence).include_failed(True).limit(200).call())
        same(len(good), ledger["successful_transaction_count"], "its successful transactions")
        same(len(every) - len(good), ledger["failed_transaction_count"], "its failed transactions")
        operations = records(server.operations().for_ledger(sequence).limit(200).call())
        same(len(operations), ledger["operation_count"], "its operations")

    def operations_come_with_their_transactions_when_asked(self):
        found = records(
            self.world.server.operations().for_account(self.hub.id).join("transactions").limit(LIMIT).call()
        )
        for operation in found:
            same(operation["transaction"]["hash"], operation["transaction_hash"], "the transaction that was joined")

    def the_pages_of_an_object_are_none(self):
        builder = self.world.server.accounts().account_id(self.hub.id)
        builder.call()
        refused(NotPageableError, builder.next)
