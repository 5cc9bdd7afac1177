"""Trading: offers on both sides of a book, crossed, changed, withdrawn, and what is told of it."""

import time
from decimal import Decimal

from stellar_sdk import Asset, Price
from stellar_sdk import xdr as stellar_xdr
from stellar_sdk.exceptions import NotFoundError
from stellar_sdk.operation import CreatePassiveSellOffer, ManageBuyOffer, ManageSellOffer

from world import World, holds, market, records, refused, same

LUMENS = Asset.native()
MINUTE_MS = 60_000


class Trading:
    def __init__(self, world: World):
        self.world = world
        self.issuer, [self.euro, self.long], [self.maker, self.taker] = market(world, 2, "EUR", "LONGERCODE12")

    def _book(self, selling: Asset, buying: Asset) -> dict:
        return self.world.server.orderbook(selling, buying).limit(20).call()

    def _sides(self, selling: Asset, buying: Asset) -> tuple[list, list]:
        book = self._book(selling, buying)
        return tuple([(level["price"], level["amount"]) for level in book[side]] for side in ("asks", "bids"))

    def _offers(self) -> list[dict]:
        return self.world.page(self.world.server.offers().for_account(self.maker.id).limit(200))

    def a_market_is_made_on_both_sides(self):
        # Asks at 10.0, 10.5 and twice 11; bids at 9.5, 9 and 8, in lumens a euro.
        asks = [
            ManageSellOffer(self.euro, LUMENS, amount, price)
            for amount, price in (("10", "10"), ("20", "10.5"), ("5", "11"), ("7.5", "11"))
        ]
        bids = [ManageBuyOffer(LUMENS, self.euro, amount, price) for amount, price in (("10", "9.5"), ("20", "9"))]
        bids.append(ManageSellOffer(LUMENS, self.euro, "80", Price(1, 8)))
        made = self.maker.do(*asks, *bids)
        results = stellar_xdr.TransactionResult.from_xdr(made["result_xdr"]).result.results
        same([result.tr.type.value for result in results], [3] * 4 + [12] * 2 + [3], "the kinds of the results")

    def the_order_book_has_both_sides_sorted_and_summed(self):
        asks, bids = self._sides(self.euro, LUMENS)
        same(
            asks, [("10.0000000", "10.0000000"), ("10.5000000", "20.0000000"), ("11.0000000", "12.5000000")], "the asks"
        )
        # A bid's amount is what it would pay: lumens.
        same(bids, [("9.5000000", "95.0000000"), ("9.0000000", "180.0000000"), ("8.0000000", "80.0000000")], "the bids")
        book = self._book(self.euro, LUMENS)
        holds(book, base={"asset_type": "credit_alphanum4", "asset_code": "EUR", "asset_issuer": self.issuer.id})
        holds(book, counter={"asset_type": "native"})
        same(book["asks"][1]["price_r"], {"n": 21, "d": 2}, "the second ask's fraction")
        same(book["bids"][0]["price_r"], {"n": 19, "d": 2}, "the first bid's fraction")

    def the_order_book_can_be_seen_from_the_other_side(self):
        asks, bids = self._sides(LUMENS, self.euro)
        same([amount for _, amount in asks], ["95.0000000", "180.0000000", "80.0000000"], "what lumens are offered")
        same([amount for _, amount in bids], ["10.0000000", "20.0000000", "12.5000000"], "what euros are offered")
        same(asks[2][0], "0.1250000", "the price of the last ask")
        same(len(self._book(LUMENS, self.euro)["asks"]), 3)
        same(
            len(self.world.server.orderbook(self.euro, LUMENS).limit(1).call()["asks"]),
            1,
            "levels when one is asked for",
        )

    def own_offers_are_listed(self):
        offers = self._offers()
        same(len(offers), 7, "the number of offers")
        holds(offers[0], seller=self.maker.id, amount="10.0000000", price="10.0000000", price_r={"n": 10, "d": 1})
        holds(
            offers[0], selling={"asset_type": "credit_alphanum4", "asset_code": "EUR", "asset_issuer": self.issuer.id}
        )
        holds(offers[0], buying={"asset_type": "native"}, paging_token=offers[0]["id"])
        holds(self.world.server.offers().offer(offers[0]["id"]).call(), id=offers[0]["id"], seller=self.maker.id)
        of = self.world.server.offers
        same(len(self.world.page(of().for_seller(self.maker.id).for_selling(LUMENS).for_buying(self.euro))), 3)
        same(len(self.world.page(of().for_selling(self.euro))), 4)
        line = self.maker.line(self.euro)
        holds(line, selling_liabilities="42.5000000", buying_liabilities="40.0000000")
        holds(self.maker.state(), subentry_count=9)

    def an_offer_is_changed_and_another_withdrawn(self):
        first, second = self._offers()[:2]
        self.maker.do(
            ManageSellOffer(self.euro, LUMENS, "11", "9.9", offer_id=int(first["id"])),
            ManageSellOffer(self.euro, LUMENS, "0", "10.5", offer_id=int(second["id"])),
        )
        holds(self.world.server.offers().offer(first["id"]).call(), amount="11.0000000", price="9.9000000")
        refused(NotFoundError, self.world.server.offers().offer(second["id"]).call, status=404)
        same(self._sides(self.euro, LUMENS)[0], [("9.9000000", "11.0000000"), ("11.0000000", "12.5000000")], "the asks")

    def an_offer_is_crossed(self):
        lumens, euros = self.taker.balance(), self.taker.balance(self.euro)
        self.crossed = self.taker.do(ManageBuyOffer(LUMENS, self.euro, "4", "10"))
        same(self.taker.balance(self.euro), euros + 4, "the taker's euros")
        same(self.taker.balance(), lumens - Decimal("39.60001"), "the taker's lumens: 4 for 9.9, and the fee")
        same(self._sides(self.euro, LUMENS)[0][0], ("9.9000000", "7.0000000"), "what is left of the best ask")
        result = stellar_xdr.TransactionResult.from_xdr(self.crossed["result_xdr"]).result.results[0].tr
        claimed = result.manage_buy_offer_result.success.offers_claimed
        same([atom.order_book.amount_sold.int64 for atom in claimed], [40_000_000], "what was claimed")

    def an_offer_takes_what_there_is_and_rests_with_the_remainder(self):
        self.swept = self.taker.do(ManageSellOffer(self.euro, LUMENS, "12", "9.2"))
        asks, bids = self._sides(self.euro, LUMENS)
        same(asks[0], ("9.2000000", "2.0000000"), "what rests")
        same(bids[0], ("9.0000000", "180.0000000"), "the best bid left")
        mine = self.world.page(self.world.server.offers().for_account(self.taker.id))
        same([(offer["amount"], offer["price"]) for offer in mine], [("2.0000000", "9.2000000")], "the taker's offers")
        self.taker.do(ManageSellOffer(self.euro, LUMENS, "0", "9.2", offer_id=int(mine[0]["id"])))

    def a_passive_offer_leaves_its_equal_alone(self):
        self.maker.do(ManageSellOffer(self.long, LUMENS, "3", "2"))
        self.taker.do(CreatePassiveSellOffer(LUMENS, self.long, "6", "0.5"))
        asks, bids = self._sides(self.long, LUMENS)
        same((asks, bids), ([("2.0000000", "3.0000000")], [("2.0000000", "6.0000000")]), "the touching book")
        operation = self.world.page(
            self.world.server.operations().for_account(self.taker.id).order(desc=True).limit(1)
        )[0]
        holds(operation, type="create_passive_sell_offer", type_i=4, amount="6.0000000", price="0.5000000")
        # One that is not passive does cross.
        self.taker.do(ManageBuyOffer(LUMENS, self.long, "1", "2"))
        same(self._sides(self.long, LUMENS)[0], [("2.0000000", "2.0000000")], "the asks then")

    def trades_are_told_for_account_pair_and_offer(self):
        trades = self.world.server.trades
        pair = self.world.page(trades().for_asset_pair(self.euro, LUMENS))
        same(len(pair), 2, "the trades of the pair")
        first, second = pair
        holds(first, trade_type="orderbook", base_asset_code="EUR", base_asset_issuer=self.issuer.id)
        holds(first, base_asset_type="credit_alphanum4", counter_asset_type="native")
        holds(first, base_amount="4.0000000", counter_amount="39.6000000", base_is_seller=True)
        holds(first, base_account=self.maker.id, counter_account=self.taker.id)
        same(Decimal(first["price"]["n"]) / Decimal(first["price"]["d"]), Decimal("9.9"), "the price")
        holds(second, base_amount="10.0000000", counter_amount="95.0000000", base_is_seller=False)
        holds(second, base_account=self.taker.id, counter_account=self.maker.id)
        for who in (self.maker, self.taker):
            mine = self.world.page(trades().for_account(who.id).limit(200))
            same(len(mine), 3, "the trades of an account")
            same([trade["id"] for trade in mine[:2]], [first["id"], second["id"]], "their names")
        of_offer = self.world.page(trades().for_offer(first["base_offer_id"]))
        same([trade["id"] for trade in of_offer], [first["id"]], "the trades of the offer")
        same(len(self.world.page(trades().for_asset_pair(self.euro, LUMENS).for_trade_type("liquidity_pool"))), 0)
        same(first["id"], first["paging_token"])

    def both_sides_of_a_trade_have_their_effect(self):
        effects = self.world.page(self.world.server.effects().for_transaction(self.crossed["hash"]))
        trades = {effect["account"]: effect for effect in effects if effect["type"] == "trade"}
        same(set(trades), {self.maker.id, self.taker.id}, "who traded")
        holds(trades[self.taker.id], bought_amount="4.0000000", sold_amount="39.6000000", seller=self.maker.id)
        holds(trades[self.maker.id], bought_amount="39.6000000", sold_amount="4.0000000", seller=self.taker.id)
        operation = self.world.page(self.world.server.operations().for_transaction(self.swept["hash"]))[0]
        holds(operation, type="manage_sell_offer", amount="12.0000000", price="9.2000000", offer_id="0")
        holds(operation, selling_asset_code="EUR", buying_asset_type="native", price_r={"n": 46, "d": 5})

    def trades_are_summed_up_in_candles(self):
        now_ms = int(time.time() * 1000)
        candles = self.world.server.trade_aggregations(
            self.euro,
            LUMENS,
            MINUTE_MS,
            start_time=now_ms // MINUTE_MS * MINUTE_MS - 5 * MINUTE_MS,
            end_time=now_ms + 20 * MINUTE_MS,
        ).call()
        found = records(candles)
        same(sum(int(candle["trade_count"]) for candle in found), 2, "the trades in all candles")
        same(sum(Decimal(candle["base_volume"]) for candle in found), Decimal(14), "the euros traded")
        same(sum(Decimal(candle["counter_volume"]) for candle in found), Decimal("134.6"), "the lumens traded")
        same(found[0]["open"], "9.9000000", "the first price")
        same(found[-1]["close"], "9.5000000", "the last price")
        for candle in found:
            same(int(candle["timestamp"]) % MINUTE_MS, 0)
            assert Decimal(candle["low"]) <= Decimal(candle["avg"]) <= Decimal(candle["high"]), candle

    def all_offers_are_withdrawn_at_once(self):
        offers = self._offers()
        assets = {
            "native": lambda _: LUMENS,
            "credit_alphanum4": lambda _: self.euro,
            "credit_alphanum12": lambda _: self.long,
        }
        asset = lambda part: assets[part["asset_type"]](part)  # noqa: E731
        self.maker.do(
            *[
                ManageSellOffer(asset(offer["selling"]), asset(offer["buying"]), "0", "1", offer_id=int(offer["id"]))
                for offer in offers
            ]
        )
        same(self._offers(), [], "the maker's offers")
        same(self._sides(self.euro, LUMENS), ([], []), "the book")
        holds(self.maker.line(self.euro), selling_liabilities="0.0000000", buying_liabilities="0.0000000")
