// Trading: offers on both sides of a book, crossed, changed, withdrawn, and what is told of it.

import assert from "node:assert/strict";
import { NotFoundError, Operation } from "@stellar/stellar-sdk";
import { holds, LUMENS, records, refused, stroops } from "./world.mjs";

const MINUTE_MS = 60_000;

export class Trading {
  async begin() {
    const market = await this.world.market(2, ["EUR", "LONGERCODE12"]);
    [this.euro, this.long] = market.assets;
    [this.maker, this.taker] = market.holders;
    this.issuer = market.issuer;
    const levels = (side) => side.map(({ price, amount }) => [price, amount]);
    this.book = async (selling, buying) => {
      const { asks, bids } = await this.world.server.orderbook(selling, buying).limit(20).call();
      return { asks: levels(asks), bids: levels(bids) };
    };
    this.sell = (amount, price, offerId = 0, selling = this.euro, buying = LUMENS) =>
      Operation.manageSellOffer({ selling, buying, amount, price, offerId });
    this.buy = (buyAmount, price, buying = this.euro) =>
      Operation.manageBuyOffer({ selling: LUMENS, buying, buyAmount, price });
    this.offers = () => records(this.world.server.offers().forAccount(this.maker.id).limit(200));
  }

  async aMarketIsMadeOnBothSides() {
    const asks = [
      ["10", "10"],
      ["20", "10.5"],
      ["5", "11"],
      ["7.5", "11"],
    ].map(([amount, price]) => this.sell(amount, price));
    const bids = [this.buy("10", "9.5"), this.buy("20", "9"), this.sell("80", { n: 1, d: 8 }, 0, LUMENS, this.euro)];
    const made = await this.maker.do([...asks, ...bids]);
    assert.equal(made.offerResults.length, 7);
    for (const result of made.offerResults)
      holds(result, { effect: "manageOfferCreated", isFullyOpen: true, wasPartiallyFilled: false });
    holds(made.offerResults[1].currentOffer, {
      amount: "20",
      price: { n: 21, d: 2 },
      buying: { type: "native", assetCode: "XLM", issuer: undefined },
    });
  }

  async theOrderBookHasBothSidesSortedAndSummed() {
    assert.deepEqual(await this.book(this.euro, LUMENS), {
      asks: [
        ["10.0000000", "10.0000000"],
        ["10.5000000", "20.0000000"],
        ["11.0000000", "12.5000000"],
      ],
      // A bid's amount is what it would pay: lumens.
      bids: [
        ["9.5000000", "95.0000000"],
        ["9.0000000", "180.0000000"],
        ["8.0000000", "80.0000000"],
      ],
    });
    const book = await this.world.server.orderbook(this.euro, LUMENS).call();
    holds(book, {
      base: { asset_type: "credit_alphanum4", asset_code: "EUR", asset_issuer: this.issuer.id },
      counter: { asset_type: "native" },
    });
    assert.deepEqual(
      [book.asks[1].price_r, book.bids[0].price_r],
      [
        { n: 21, d: 2 },
        { n: 19, d: 2 },
      ],
    );
  }

  async theOrderBookCanBeSeenFromTheOtherSide() {
    const { asks, bids } = await this.book(LUMENS, this.euro);
    assert.deepEqual(
      asks.map(([, amount]) => amount),
      ["95.0000000", "180.0000000", "80.0000000"],
    );
    assert.deepEqual(
      bids.map(([, amount]) => amount),
      ["10.0000000", "20.0000000", "12.5000000"],
    );
    assert.equal((await this.world.server.orderbook(LUMENS, this.euro).limit(1).call()).asks.length, 1);
  }

  async ownOffersAreListed() {
    const [first, ...more] = await this.offers();
    assert.equal(more.length, 6);
    holds(first, {
      seller: this.maker.id,
      amount: "10.0000000",
      price: "10.0000000",
      price_r: { n: 10, d: 1 },
      paging_token: first.id,
    });
    holds(first, {
      buying: { asset_type: "native" },
      selling: { asset_type: "credit_alphanum4", asset_code: "EUR", asset_issuer: this.issuer.id },
    });
    holds(await this.world.server.offers().offer(first.id).call(), { id: first.id, amount: first.amount });
    holds(await first.offer_maker(), { id: this.maker.id, subentry_count: 9 });
    const of = () => this.world.server.offers();
    assert.equal((await records(of().seller(this.maker.id).selling(LUMENS).buying(this.euro))).length, 3);
    assert.equal((await records(of().selling(this.euro))).length, 4);
    holds(await this.maker.line(this.euro), { selling_liabilities: "42.5000000", buying_liabilities: "40.0000000" });
  }

  async anOfferIsChangedAndAnotherWithdrawn() {
    const [first, second] = await this.offers();
    const done = await this.maker.do([this.sell("11", "9.9", first.id), this.sell("0", "10.5", second.id)]);
    assert.deepEqual(
      done.offerResults.map(({ effect }) => effect),
      ["manageOfferUpdated", "manageOfferDeleted"],
    );
    holds(await this.world.server.offers().offer(first.id).call(), { amount: "11.0000000", price: "9.9000000" });
    await refused(NotFoundError, () => this.world.server.offers().offer(second.id).call());
    assert.deepEqual((await this.book(this.euro, LUMENS)).asks, [
      ["9.9000000", "11.0000000"],
      ["11.0000000", "12.5000000"],
    ]);
  }

  async anOfferIsCrossed() {
    const [lumens, euros] = [await this.taker.balance(), await this.taker.balance(this.euro)];
    this.crossed = await this.taker.do(this.buy("4", "10"));
    const [result] = this.crossed.offerResults;
    holds(result, { wasImmediatelyFilled: true, amountBought: "4", amountSold: "39.6" });
    holds(result.offersClaimed[0], { sellerId: this.maker.id, amountSold: "4", amountBought: "39.6" });
    assert.equal(await this.taker.balance(this.euro), euros + stroops("4"));
    assert.equal(await this.taker.balance(), lumens - stroops("39.60001"));
    assert.deepEqual((await this.book(this.euro, LUMENS)).asks[0], ["9.9000000", "7.0000000"]);
  }

  async anOfferTakesWhatThereIsAndRestsWithTheRemainder() {
    const swept = await this.taker.do(this.sell("12", "9.2"));
    holds(swept.offerResults[0], { wasPartiallyFilled: true, amountSold: "10", amountBought: "95" });
    const { asks, bids } = await this.book(this.euro, LUMENS);
    assert.deepEqual(
      [asks[0], bids[0]],
      [
        ["9.2000000", "2.0000000"],
        ["9.0000000", "180.0000000"],
      ],
    );
    await this.taker.do(this.sell("0", "9.2", swept.offerResults[0].currentOffer.offerId));
  }

  async aPassiveOfferLeavesItsEqualAlone() {
    await this.maker.do(this.sell("3", "2", 0, this.long));
    await this.taker.do(
      Operation.createPassiveSellOffer({ selling: LUMENS, buying: this.long, amount: "6", price: "0.5" }),
    );
    assert.deepEqual(await this.book(this.long, LUMENS), {
      asks: [["2.0000000", "3.0000000"]],
      bids: [["2.0000000", "6.0000000"]],
    });
    // One that is not passive does cross.
    await this.taker.do(this.buy("1", "2", this.long));
    assert.deepEqual((await this.book(this.long, LUMENS)).asks, [["2.0000000", "2.0000000"]]);
  }

  async tradesAreToldForAccountPairAndOffer() {
    const trades = () => this.world.server.trades();
    const [first, second, ...more] = await records(trades().forAssetPair(this.euro, LUMENS));
    assert.equal(more.length, 0);
    holds(first, {
      trade_type: "orderbook",
      base_asset_code: "EUR",
      base_asset_type: "credit_alphanum4",
      counter_asset_type: "native",
    });
    holds(first, {
      base_amount: "4.0000000",
      counter_amount: "39.6000000",
      base_is_seller: true,
      price: { n: "99", d: "10" },
    });
    holds(first, { base_account: this.maker.id, counter_account: this.taker.id });
    holds(second, {
      base_amount: "10.0000000",
      counter_amount: "95.0000000",
      base_is_seller: false,
      base_account: this.taker.id,
    });
    holds(await first.base(), { id: this.maker.id });
    holds(await first.counter(), { id: this.taker.id });
    holds(await first.operation(), { type: "manage_buy_offer", transaction_hash: this.crossed.hash });
    for (const { id } of [this.maker, this.taker]) {
      const own = await records(trades().forAccount(id));
      assert.deepEqual(
        own.slice(0, 2).map((trade) => trade.id),
        [first.id, second.id],
      );
    }
    assert.deepEqual(
      (await records(trades().forOffer(first.base_offer_id))).map(({ id }) => id),
      [first.id],
    );
    assert.equal((await records(trades().forAssetPair(this.euro, LUMENS).forType("liquidity_pool"))).length, 0);
  }

  async bothSidesOfATradeHaveTheirEffect() {
    const effects = await records(this.world.server.effects().forTransaction(this.crossed.hash));
    const trade = (who) => effects.find(({ type, account }) => type === "trade" && account === who.id);
    holds(trade(this.taker), { bought_amount: "4.0000000", sold_amount: "39.6000000", seller: this.maker.id });
    holds(trade(this.maker), { bought_amount: "39.6000000", sold_amount: "4.0000000", seller: this.taker.id });
  }

  async tradesAreSummedUpInCandles() {
    const minute = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    const [start, end] = [minute - 5 * MINUTE_MS, minute + 20 * MINUTE_MS];
    const candles = await records(this.world.server.tradeAggregation(this.euro, LUMENS, start, end, MINUTE_MS, 0));
    const sum = (member) => candles.reduce((total, candle) => total + stroops(candle[member]), 0n);
    assert.equal(
      candles.reduce((total, { trade_count }) => total + Number(trade_count), 0),
      2,
    );
    assert.equal(sum("base_volume"), stroops("14"));
    assert.equal(sum("counter_volume"), stroops("134.6"));
    assert.deepEqual([candles[0].open, candles.at(-1).close], ["9.9000000", "9.5000000"]);
    for (const { timestamp } of candles) assert.equal(Number(timestamp) % MINUTE_MS, 0);
  }

  async allOffersAreWithdrawnAtOnce() {
    const assets = { native: LUMENS, credit_alphanum4: this.euro, credit_alphanum12: this.long };
    const offers = await this.offers();
    const withdraw = ({ id, selling, buying }) =>
      this.sell("0", "1", id, assets[selling.asset_type], assets[buying.asset_type]);
    await this.maker.do(offers.map(withdraw));
    assert.deepEqual(await this.offers(), []);
    assert.deepEqual(await this.book(this.euro, LUMENS), { asks: [], bids: [] });
  }
}
