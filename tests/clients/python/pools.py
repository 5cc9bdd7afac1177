"""Pools: deposited in, paid through, withdrawn from."""

from decimal import Decimal

from stellar_sdk import Asset, LiquidityPoolAsset
from stellar_sdk.exceptions import BadRequestError, NotFoundError
from stellar_sdk.operation import (
    ChangeTrust,
    LiquidityPoolDeposit,
    LiquidityPoolWithdraw,
    ManageSellOffer,
    PathPaymentStrictReceive,
    PathPaymentStrictSend,
)

from world import World, holds, market, records, refused, same

LUMENS = Asset.native()


class Pools:
    def __init__(self, world: World):
        self.world = world
        self.issuer, [self.euro], [self.provider, self.trader] = market(world, 2, "EUR")
        self.shares = LiquidityPoolAsset(LUMENS, self.euro)
        self.pool = self.shares.liquidity_pool_id
        self.names = ["native", f"EUR:{self.issuer.id}"]

    def _reserves(self, *amounts: str) -> list[dict]:
        return [{"asset": asset, "amount": amount} for asset, amount in zip(self.names, amounts)]

    def _state(self) -> dict:
        return self.world.server.liquidity_pools().liquidity_pool(self.pool).call()

    def a_pool_is_founded_by_trusting_its_shares(self):
        refused(NotFoundError, self._state, status=404)
        founded = self.provider.do(ChangeTrust(self.shares))
        pool = self._state()
        holds(pool, id=self.pool, paging_token=self.pool, fee_bp=30, type="constant_product", total_trustlines="1")
        holds(pool, total_shares="0.0000000", reserves=self._reserves("0.0000000", "0.0000000"))
        operation = self.world.page(self.world.server.operations().for_transaction(founded["hash"]))[0]
        holds(operation, type="change_trust", asset_type="liquidity_pool_shares", liquidity_pool_id=self.pool)
        kinds = {
            effect["type"] for effect in self.world.page(self.world.server.effects().for_transaction(founded["hash"]))
        }
        same(kinds, {"trustline_created", "liquidity_pool_created"}, "the effects")

    def a_deposit_is_answered_with_shares(self):
        self.deposited = self.provider.do(LiquidityPoolDeposit(self.pool, "400", "100", "3", "5"))
        holds(self._state(), total_shares="200.0000000", reserves=self._reserves("400.0000000", "100.0000000"))
        line = next(line for line in self.provider.state()["balances"] if line["asset_type"] == "liquidity_pool_shares")
        holds(line, liquidity_pool_id=self.pool, balance="200.0000000")
        operation = self.world.page(self.world.server.operations().for_transaction(self.deposited["hash"]))[0]
        holds(operation, type="liquidity_pool_deposit", shares_received="200.0000000", min_price="3.0000000")
        holds(operation, reserves_deposited=self._reserves("400.0000000", "100.0000000"), liquidity_pool_id=self.pool)
        holds(operation, max_price_r={"n": 5, "d": 1})
        effect = self.world.page(self.world.server.effects().for_transaction(self.deposited["hash"]))[0]
        holds(effect, type="liquidity_pool_deposited", shares_received="200.0000000", account=self.provider.id)
        holds(effect["liquidity_pool"], id=self.pool, total_shares="200.0000000")

    def a_deposit_at_a_wrong_price_is_refused(self):
        deposit = LiquidityPoolDeposit(self.pool, "40", "10", "4.5", "5")
        refused(BadRequestError, lambda: self.provider.do(deposit), "tx_failed", "op_bad_price")

    def pools_are_found_by_reserves_and_by_account(self):
        for builder in (
            self.world.server.liquidity_pools().for_reserves([LUMENS, self.euro]),
            self.world.server.liquidity_pools().for_account(self.provider.id),
        ):
            same([pool["id"] for pool in self.world.page(builder)], [self.pool], "the pools")
        same(self.world.page(self.world.server.liquidity_pools().for_account(self.trader.id)), [])
        owners = self.world.page(self.world.server.accounts().for_liquidity_pool(self.pool))
        same([account["id"] for account in owners], [self.provider.id], "the owners of shares")

    def a_path_through_the_pool_is_found_and_paid_along(self):
        found = records(self.world.server.strict_send_paths(LUMENS, "10", [self.euro]).call())
        same(len(found), 1, "the number of paths")
        # 100 - 400 * 100 / (400 + 10 * 0.997), rounded down.
        holds(found[0], destination_amount="2.4318852", path=[])
        before = self.trader.balance(self.euro)
        self.sent = self.trader.do(PathPaymentStrictSend(self.trader.id, LUMENS, "10", self.euro, "2.4318852", []))
        same(self.trader.balance(self.euro), before + Decimal("2.4318852"), "the trader's euros")
        holds(self._state(), reserves=self._reserves("410.0000000", "97.5681148"))

    def the_pool_takes_euros_as_well(self):
        found = records(self.world.server.strict_receive_paths([self.euro], LUMENS, "10").call())
        amount = found[0]["source_amount"]
        self.trader.do(PathPaymentStrictReceive(self.trader.id, self.euro, amount, LUMENS, "10", []))
        reserves = [Decimal(reserve["amount"]) for reserve in self._state()["reserves"]]
        same(reserves, [Decimal(400), Decimal("97.5681148") + Decimal(amount)], "the reserves")

    def the_better_of_pool_and_book_is_taken(self):
        # One euro for 2 lumens: the pool would take about 4.
        self.provider.do(ManageSellOffer(self.euro, LUMENS, "1", "2"))
        found = records(self.world.server.strict_send_paths(LUMENS, "2", [self.euro]).call())
        holds(found[0], destination_amount="1.0000000")
        self.trader.do(PathPaymentStrictSend(self.trader.id, LUMENS, "2", self.euro, "1", []))
        same(self.world.page(self.world.server.offers().for_account(self.provider.id)), [], "the offer was taken")

    def trades_with_the_pool_are_told(self):
        trades = self.world.page(self.world.server.trades().for_liquidity_pool(self.pool))
        same(len(trades), 2, "the trades of the pool")
        holds(trades[0], trade_type="liquidity_pool", liquidity_pool_fee_bp=30)
        assert self.pool in (
            trades[0].get("base_liquidity_pool_id"),
            trades[0].get("counter_liquidity_pool_id"),
        ), trades[0]
        mine = self.world.server.trades().for_account(self.trader.id)
        same(len(self.world.page(mine.for_trade_type("liquidity_pool"))), 2, "the trader's trades with pools")
        same(len(self.world.page(mine.for_trade_type("orderbook"))), 1, "the trader's trades with offers")
        effects = self.world.page(self.world.server.effects().for_transaction(self.sent["hash"]))
        traded = next(effect for effect in effects if effect["type"] == "liquidity_pool_trade")
        # As the pool sees it.
        holds(traded, account=self.trader.id, sold={"asset": self.names[1], "amount": "2.4318852"})
        holds(traded, bought={"asset": "native", "amount": "10.0000000"})

    def the_pools_past_is_told(self):
        server = self.world.server
        kinds = [operation["type"] for operation in self.world.page(server.operations().for_liquidity_pool(self.pool))]
        same(kinds[:2], ["change_trust", "liquidity_pool_deposit"], "the operations of the pool")
        assert "path_payment_strict_send" in kinds, kinds
        hashes = [
            transaction["hash"] for transaction in self.world.page(server.transactions().for_liquidity_pool(self.pool))
        ]
        assert self.deposited["hash"] in hashes and self.sent["hash"] in hashes, hashes
        effects = {effect["type"] for effect in self.world.page(server.effects().for_liquidity_pool(self.pool))}
        assert {"liquidity_pool_created", "liquidity_pool_deposited", "liquidity_pool_trade"} <= effects, effects

    def shares_are_redeemed_and_the_pool_ends(self):
        reserves = [Decimal(reserve["amount"]) for reserve in self._state()["reserves"]]
        before = self.provider.balance(self.euro)
        self.provider.do(LiquidityPoolWithdraw(self.pool, "100", "190", "40"))
        holds(self._state(), total_shares="100.0000000")
        refused(
            BadRequestError,
            lambda: self.provider.do(LiquidityPoolWithdraw(self.pool, "100", "300", "0.1")),
            "tx_failed",
            "op_under_minimum",
        )
        last = self.provider.do(LiquidityPoolWithdraw(self.pool, "100", "1", "1"), ChangeTrust(self.shares, "0"))
        same(self.provider.balance(self.euro), before + reserves[1], "the provider's euros")
        refused(NotFoundError, self._state, status=404)
        kinds = [
            effect["type"] for effect in self.world.page(self.world.server.effects().for_transaction(last["hash"]))
        ]
        for kind in ("liquidity_pool_withdrew", "trustline_removed", "liquidity_pool_removed"):
            assert kind in kinds, f"no {kind} in {kinds}"
