"""Paths: found in the direction of sending and of receiving, and paid along."""

from decimal import Decimal

from stellar_sdk import Asset
from stellar_sdk.exceptions import BadRequestError
from stellar_sdk.operation import ManageSellOffer, PathPaymentStrictReceive, PathPaymentStrictSend

from world import World, holds, market, records, refused, same

LUMENS = Asset.native()


def asset_of(part: dict, prefix: str = "") -> Asset:
    if part[f"{prefix}asset_type"] == "native":
        return LUMENS
    return Asset(part[f"{prefix}asset_code"], part[f"{prefix}asset_issuer"])


class Paths:
    def __init__(self, world: World):
        self.world = world
        self.issuer, [self.euro, self.yen, self.gold], [self.maker, self.sender, self.receiver] = market(
            world, 3, "EUR", "JPY", "GOLD"
        )
        # Euros go to yen by way of lumens: 2 lumens a euro, then 50 yen a lumen. Gold goes nowhere.
        self.maker.do(
            ManageSellOffer(LUMENS, self.euro, "100", "0.5"), ManageSellOffer(self.yen, LUMENS, "900", "0.02")
        )

    def a_strict_send_path_is_found_and_paid_along(self):
        found = records(self.world.server.strict_send_paths(self.euro, "1.5", [self.yen]).call())
        same(len(found), 1, "the number of paths")
        self.path = found[0]
        holds(self.path, source_amount="1.5000000", destination_amount="150.0000000", source_asset_code="EUR")
        holds(self.path, destination_asset_code="JPY", path=[{"asset_type": "native"}])
        before = self.sender.balance(self.euro), self.receiver.balance(self.yen)
        paid = self.sender.do(
            PathPaymentStrictSend(
                self.receiver.id,
                self.euro,
                self.path["source_amount"],
                self.yen,
                self.path["destination_amount"],
                [asset_of(hop) for hop in self.path["path"]],
            )
        )
        same(self.sender.balance(self.euro), before[0] - Decimal("1.5"), "the sender's euros")
        same(self.receiver.balance(self.yen), before[1] + Decimal("150"), "the receiver's yen")
        operation = self.world.page(self.world.server.payments().for_transaction(paid["hash"]))[0]
        holds(operation, type="path_payment_strict_send", source_amount="1.5000000", amount="150.0000000")
        holds(operation, destination_min="150.0000000", path=[{"asset_type": "native"}], asset_code="JPY")

    def a_strict_receive_path_is_found_and_paid_along(self):
        found = records(self.world.server.strict_receive_paths([self.euro], self.yen, "75").call())
        same(len(found), 1, "the number of paths")
        holds(found[0], source_amount="0.7500000", destination_amount="75.0000000", source_asset_code="EUR")
        before = self.sender.balance(self.euro), self.receiver.balance(self.yen)
        paid = self.sender.do(
            PathPaymentStrictReceive(
                self.receiver.id,
                self.euro,
                found[0]["source_amount"],
                self.yen,
                "75",
                [asset_of(hop) for hop in found[0]["path"]],
            )
        )
        same(self.sender.balance(self.euro), before[0] - Decimal("0.75"), "the sender's euros")
        same(self.receiver.balance(self.yen), before[1] + 75, "the receiver's yen")
        operation = self.world.page(self.world.server.payments().for_transaction(paid["hash"]))[0]
        holds(operation, type="path_payment_strict_receive", source_max="0.7500000", source_amount="0.7500000")
        trades = self.world.page(self.world.server.trades().for_account(self.sender.id).limit(200))
        same(len(trades), 4, "the trades of the two payments: two hops each")

    def paths_are_found_for_accounts_too(self):
        # The sender holds lumens, euros, yen and gold; what needs no exchange is a path as well.
        found = records(self.world.server.strict_receive_paths(self.sender.id, self.yen, "10").call())
        sources = {asset_of(path, "source_").code: path["source_amount"] for path in found}
        same(sources, {"XLM": "0.2000000", "EUR": "0.1000000", "JPY": "10.0000000"}, "the sources")
        found = records(self.world.server.strict_send_paths(self.euro, "1", self.receiver.id).call())
        destinations = {asset_of(path, "destination_").code: path["destination_amount"] for path in found}
        same(destinations, {"XLM": "2.0000000", "EUR": "1.0000000", "JPY": "100.0000000"}, "the destinations")

    def where_there_is_no_path_none_is_found(self):
        same(records(self.world.server.strict_send_paths(self.gold, "1", [self.yen]).call()), [])
        same(
            records(self.world.server.strict_receive_paths([self.euro], self.yen, "1000").call()), [], "beyond the book"
        )

    def a_payment_that_costs_more_than_allowed_is_refused(self):
        receive = PathPaymentStrictReceive(self.receiver.id, self.euro, "0.7", self.yen, "75", [LUMENS])
        refused(BadRequestError, lambda: self.sender.do(receive), "tx_failed", "op_over_source_max")
        send = PathPaymentStrictSend(self.receiver.id, self.euro, "1", self.yen, "100.0000001", [LUMENS])
        refused(BadRequestError, lambda: self.sender.do(send), "tx_failed", "op_under_dest_min")
        dry = PathPaymentStrictSend(self.receiver.id, self.gold, "1", self.yen, "1", [])
        refused(BadRequestError, lambda: self.sender.do(dry), "tx_failed", "op_too_few_offers")

    def wrong_questions_are_refused(self):
        server = self.world.server
        refused(BadRequestError, server.strict_send_paths(self.euro, "-1", [self.yen]).call, status=400)
        refused(BadRequestError, server.strict_receive_paths([self.euro], self.yen, "much").call, status=400)
