// Streams: the book, trades, and the rest, as they happen.

import assert from "node:assert/strict";
import { Operation } from "@stellar/stellar-sdk";
import { holds, LUMENS, PATIENCE_MS, payment, stroops, until } from "./world.mjs";

/** A stream, and what it delivered. */
export class Stream {
  constructor(builder) {
    this.events = [];
    this.errors = [];
    this.close = builder.stream({
      onmessage: (event) => this.events.push(event),
      // Also told of every connection that ends and is taken up again.
      onerror: (error) => this.errors.push(error),
    });
  }

  /** The next event that fits. */
  async next(what, fits = () => true) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      while (this.events.length > 0) {
        const event = this.events.shift();
        if (fits(event)) return event;
      }
      const told = this.errors.at(-1)?.message ?? "nothing";
      assert.ok(
        Date.now() < end,
        `the stream did not deliver ${what} within ${PATIENCE_MS / 1000} s, but told of ${told}`,
      );
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
  }
}

export class Streams {
  async begin() {
    const {
      assets: [euro],
      holders: [maker, taker],
    } = await this.world.market(2, ["EUR"]);
    Object.assign(this, { euro, maker, taker });
    const [selling, buying] = [euro, LUMENS];
    this.sell = (amount, price) => Operation.manageSellOffer({ selling, buying, amount, price });
    this.buy = (buyAmount, price) => Operation.manageBuyOffer({ selling: buying, buying: selling, buyAmount, price });
    // Horizon does not know an asset's trades until there has been one.
    await maker.do(this.sell("1", "4"));
    await taker.do(this.buy("1", "4"));
  }

  async streamsOpen() {
    const { server } = this.world;
    const now = (builder) => new Stream(builder.cursor("now"));
    this.book = new Stream(server.orderbook(this.euro, LUMENS));
    this.account = new Stream(server.accounts().accountId(this.maker.id));
    assert.deepEqual((await this.book.next("the book as it is")).asks, []);
    holds(await this.account.next("the account as it is"), { id: this.maker.id });
    this.ledgers = now(server.ledgers());
    this.trades = now(server.trades().forAssetPair(this.euro, LUMENS));
    this.payments = now(server.payments().forAccount(this.maker.id));
    this.operations = now(server.operations().forAccount(this.maker.id));
    this.transactions = now(server.transactions().forAccount(this.maker.id));
    this.effects = now(server.effects().forAccount(this.maker.id));
    // Nothing tells when a stream is open: ledgers come on theirs, and the others were asked for with it.
    await this.world.passesLedgers(3);
  }

  async theLedgersStreamMissesNone() {
    const first = await this.ledgers.next("a ledger");
    for (let sequence = first.sequence + 1; sequence <= first.sequence + 5; sequence += 1) {
      holds(await this.ledgers.next("the next ledger"), { sequence });
    }
  }

  async theOrderBookIsStreamedAtEachChange() {
    this.quoted = await this.maker.do(this.sell("10", "4"));
    const {
      asks: [ask],
    } = await this.book.next("the ask", ({ asks }) => asks.length > 0);
    holds(ask, { price: "4.0000000", amount: "10.0000000" });
    await this.maker.do(this.buy("10", "3.5"));
    const {
      bids: [bid],
    } = await this.book.next("the bid", ({ bids }) => bids.length > 0);
    holds(bid, { price: "3.5000000", amount: "35.0000000" });
  }

  async theTradesAreStreamed() {
    await this.taker.do(this.buy("3", "4"));
    holds(await this.trades.next("the trade"), {
      base_account: this.maker.id,
      base_amount: "3.0000000",
      counter_amount: "12.0000000",
    });
    const {
      asks: [ask],
    } = await this.book.next("what is left", ({ asks }) => asks[0]?.amount !== "10.0000000");
    holds(ask, { amount: "7.0000000" });
    await this.taker.do(this.sell("2", "3.5"));
    holds(await this.trades.next("the other trade"), {
      base_account: this.taker.id,
      base_amount: "2.0000000",
      base_is_seller: false,
    });
  }

  async anAccountsDoingsAreStreamed() {
    this.paid = [];
    for (const amount of ["1", "2", "3"]) this.paid.push(await this.taker.do(payment(this.maker.id, amount)));
    for (const amount of ["1.0000000", "2.0000000", "3.0000000"]) {
      holds(await this.payments.next("a payment"), { amount, to: this.maker.id, type: "payment" });
    }
    holds(await this.operations.next("the offer"), { type: "manage_sell_offer", transaction_hash: this.quoted.hash });
    const streamed = await this.transactions.next("its transaction");
    holds(streamed, { hash: this.quoted.hash });
    holds((await streamed.operations()).records[0], { type: "manage_sell_offer" });
    await this.transactions.next("the last payment", ({ hash }) => hash === this.paid.at(-1).hash);
    const trade = await this.effects.next("the effect of trading", ({ type }) => type === "trade");
    holds(trade, { sold_amount: "3.0000000", bought_amount: "12.0000000", account: this.maker.id });
    await this.effects.next(
      "the last credit",
      ({ type, amount }) => type === "account_credited" && amount === "3.0000000",
    );
  }

  async anAccountIsStreamedWhenItChanges() {
    const balance = await this.maker.balance();
    await this.account.next(
      "the account after the payments",
      ({ balances }) => stroops(balances.at(-1).balance) === balance,
    );
  }

  async aStreamBeginsAfterItsCursor() {
    const [since, ...after] = this.paid;
    const stream = new Stream(this.world.server.transactions().forAccount(this.maker.id).cursor(since.paging_token));
    for (const { hash } of after) holds(await stream.next("what came after"), { hash });
    stream.close();
  }

  async aStreamOutlivesWhatTheServerSendsAtMost() {
    // From the beginning: the server ends a stream now and then, and the SDK goes on where it was.
    const stream = new Stream(this.world.server.ledgers().cursor("0"));
    const first = await stream.next("the first ledger");
    const latest = await this.world.latest();
    for (let sequence = first.sequence + 1; sequence <= latest + 1; sequence += 1) {
      holds(await stream.next("the next ledger"), { sequence });
    }
    stream.close();
  }

  async aStreamWithACursorFromNowhereIsRefused() {
    const stream = new Stream(this.world.server.ledgers().cursor("nowhere"));
    const error = await until("the error is told", () => stream.errors[0]);
    assert.equal(error.code, 400);
    stream.close();
  }

  async closedStreamsAreSilent() {
    const open = [
      this.book,
      this.account,
      this.ledgers,
      this.trades,
      this.payments,
      this.operations,
      this.transactions,
      this.effects,
    ];
    for (const stream of open) stream.close();
    this.ledgers.events.length = 0;
    await this.world.passesLedgers(2);
    assert.deepEqual(this.ledgers.events, []);
  }
}
