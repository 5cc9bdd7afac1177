// Pools: deposited in, paid through, withdrawn from.

import assert from "node:assert/strict";
import {
  getLiquidityPoolId,
  LiquidityPoolAsset,
  LiquidityPoolFeeV18,
  NotFoundError,
  Operation,
  TransactionFailedError,
} from "@stellar/stellar-sdk";
import { holds, LUMENS, records, refused, stroops } from "./world.mjs";

export class Pools {
  async begin() {
    const {
      issuer,
      assets: [euro],
      holders: [provider, trader],
    } = await this.world.market(2, ["EUR"]);
    Object.assign(this, { euro, provider, trader });
    this.shares = new LiquidityPoolAsset(LUMENS, euro, LiquidityPoolFeeV18);
    this.pool = Buffer.from(getLiquidityPoolId("constant_product", this.shares.getLiquidityPoolParameters())).toString(
      "hex",
    );
    this.names = ["native", `EUR:${issuer.id}`];
    this.state = () => this.world.server.liquidityPools().liquidityPoolId(this.pool).call();
    this.reserves = (...amounts) => amounts.map((amount, index) => ({ asset: this.names[index], amount }));
    this.deposit = (maxAmountA, maxAmountB, minPrice, maxPrice) =>
      Operation.liquidityPoolDeposit({ liquidityPoolId: this.pool, maxAmountA, maxAmountB, minPrice, maxPrice });
    this.withdraw = (amount, minAmountA, minAmountB) =>
      Operation.liquidityPoolWithdraw({ liquidityPoolId: this.pool, amount, minAmountA, minAmountB });
    this.send = (sendAmount, destMin) =>
      Operation.pathPaymentStrictSend({
        sendAsset: LUMENS,
        sendAmount,
        destination: trader.id,
        destAsset: euro,
        destMin,
        path: [],
      });
  }

  async aPoolIsFoundedByTrustingItsShares() {
    await refused(NotFoundError, this.state);
    const founded = await this.provider.do(Operation.changeTrust({ asset: this.shares }));
    holds(await this.state(), {
      id: this.pool,
      paging_token: this.pool,
      fee_bp: 30,
      type: "constant_product",
      total_trustlines: "1",
    });
    holds(await this.state(), { total_shares: "0.0000000", reserves: this.reserves("0.0000000", "0.0000000") });
    const [operation] = await records(this.world.server.operations().forTransaction(founded.hash));
    holds(operation, { type: "change_trust", asset_type: "liquidity_pool_shares", liquidity_pool_id: this.pool });
  }

  async aDepositIsAnsweredWithShares() {
    this.deposited = await this.provider.do(this.deposit("400", "100", "3", "5"));
    holds(await this.state(), { total_shares: "200.0000000", reserves: this.reserves("400.0000000", "100.0000000") });
    const { balances } = await this.provider.state();
    holds(
      balances.find(({ asset_type: type }) => type === "liquidity_pool_shares"),
      { liquidity_pool_id: this.pool, balance: "200.0000000" },
    );
    const [operation] = await records(this.world.server.operations().forTransaction(this.deposited.hash));
    holds(operation, {
      type: "liquidity_pool_deposit",
      shares_received: "200.0000000",
      min_price: "3.0000000",
      max_price_r: { n: 5, d: 1 },
    });
    holds(operation, { reserves_deposited: this.reserves("400.0000000", "100.0000000") });
    const [effect] = await records(this.world.server.effects().forTransaction(this.deposited.hash));
    holds(effect, { type: "liquidity_pool_deposited", shares_received: "200.0000000", account: this.provider.id });
  }

  async aDepositAtAWrongPriceIsRefused() {
    const error = await refused(TransactionFailedError, () => this.provider.do(this.deposit("40", "10", "4.5", "5")));
    assert.deepEqual(error.getResultCodes(), { transaction: "tx_failed", operations: ["op_bad_price"] });
  }

  async poolsAreFoundByReservesAndByAccount() {
    const pools = () => this.world.server.liquidityPools();
    for (const builder of [pools().forAssets(LUMENS, this.euro), pools().forAccount(this.provider.id)]) {
      assert.deepEqual(
        (await records(builder)).map(({ id }) => id),
        [this.pool],
      );
    }
    assert.deepEqual(await records(pools().forAccount(this.trader.id)), []);
    const owners = await records(this.world.server.accounts().forLiquidityPool(this.pool));
    assert.deepEqual(
      owners.map(({ id }) => id),
      [this.provider.id],
    );
  }

  async aPathThroughThePoolIsFoundAndPaidAlong() {
    const [found, ...more] = await records(this.world.server.strictSendPaths(LUMENS, "10", [this.euro]));
    assert.equal(more.length, 0);
    // 9970 * 10 * 100 / (10000 * 400 + 9970 * 10), rounded down.
    holds(found, { destination_amount: "2.4318852", path: [] });
    const before = await this.trader.balance(this.euro);
    this.sent = await this.trader.do(this.send("10", found.destination_amount));
    assert.equal(await this.trader.balance(this.euro), before + stroops("2.4318852"));
    holds(await this.state(), { reserves: this.reserves("410.0000000", "97.5681148") });
  }

  async thePoolTakesEurosAsWell() {
    const [{ source_amount: sendMax }] = await records(this.world.server.strictReceivePaths([this.euro], LUMENS, "10"));
    const [sendAsset, destAsset, destination] = [this.euro, LUMENS, this.trader.id];
    await this.trader.do(
      Operation.pathPaymentStrictReceive({ sendAsset, sendMax, destination, destAsset, destAmount: "10", path: [] }),
    );
    const { reserves } = await this.state();
    assert.deepEqual(
      reserves.map(({ amount }) => stroops(amount)),
      [stroops("400"), stroops("97.5681148") + stroops(sendMax)],
    );
  }

  async theBetterOfPoolAndBookIsTaken() {
    // One euro for 2 lumens: the pool would take about 4.
    await this.provider.do(Operation.manageSellOffer({ selling: this.euro, buying: LUMENS, amount: "1", price: "2" }));
    const [found] = await records(this.world.server.strictSendPaths(LUMENS, "2", [this.euro]));
    holds(found, { destination_amount: "1.0000000" });
    await this.trader.do(this.send("2", "1"));
    assert.deepEqual(await records(this.world.server.offers().forAccount(this.provider.id)), []);
  }

  async tradesWithThePoolAreTold() {
    const [trade, ...more] = await records(this.world.server.trades().forLiquidityPool(this.pool));
    assert.equal(more.length, 1);
    holds(trade, { trade_type: "liquidity_pool", liquidity_pool_fee_bp: 30 });
    assert.ok(
      [trade.base_liquidity_pool_id, trade.counter_liquidity_pool_id].includes(this.pool),
      JSON.stringify(trade),
    );
    const own = (type) => records(this.world.server.trades().forAccount(this.trader.id).forType(type));
    assert.deepEqual([(await own("liquidity_pool")).length, (await own("orderbook")).length], [2, 1]);
    const effects = await records(this.world.server.effects().forTransaction(this.sent.hash));
    const traded = effects.find(({ type }) => type === "liquidity_pool_trade");
    // As the pool sees it.
    holds(traded, {
      account: this.trader.id,
      sold: { asset: this.names[1], amount: "2.4318852" },
      bought: { asset: "native", amount: "10.0000000" },
    });
  }

  async thePoolsPastIsTold() {
    const pool = await this.state();
    const kinds = (await pool.operations()).records.map(({ type }) => type);
    assert.deepEqual(kinds.slice(0, 3), ["change_trust", "liquidity_pool_deposit", "path_payment_strict_send"]);
    const hashes = (await pool.transactions()).records.map(({ hash }) => hash);
    assert.ok(hashes.includes(this.deposited.hash) && hashes.includes(this.sent.hash), hashes.join());
    const effects = (await records(this.world.server.effects().forLiquidityPool(this.pool))).map(({ type }) => type);
    for (const type of ["liquidity_pool_created", "liquidity_pool_deposited", "liquidity_pool_trade"])
      assert.ok(effects.includes(type), effects.join());
  }

  async sharesAreRedeemedAndThePoolEnds() {
    const { reserves } = await this.state();
    const before = await this.provider.balance(this.euro);
    await this.provider.do(this.withdraw("100", "190", "40"));
    holds(await this.state(), { total_shares: "100.0000000" });
    const error = await refused(TransactionFailedError, () => this.provider.do(this.withdraw("100", "300", "0.1")));
    assert.deepEqual(error.getResultCodes().operations, ["op_under_minimum"]);
    await this.provider.do([this.withdraw("100", "1", "1"), Operation.changeTrust({ asset: this.shares, limit: "0" })]);
    assert.equal(await this.provider.balance(this.euro), before + stroops(reserves[1].amount));
    await refused(NotFoundError, this.state);
  }
}
