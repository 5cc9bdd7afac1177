// Pages: forwards, backwards, and no record lost or told twice.

import assert from "node:assert/strict";
import { Operation } from "@stellar/stellar-sdk";
import { holds, LUMENS, payment, records } from "./world.mjs";

const LIMIT = 3;
const tokens = (found) => found.map((record) => record.paging_token);

export class Paging {
  async begin() {
    const {
      assets: [euro],
      holders: [hub, ...others],
    } = await this.world.market(4, ["EUR"]);
    this.hub = hub;
    // What there is to be told: eight offers, and of three takers four trades and two payments each.
    const offer = (price) =>
      Operation.manageSellOffer({ selling: euro, buying: LUMENS, amount: "20", price: `${price}.5` });
    await hub.do([1, 2, 3, 4, 5, 6, 7, 8].map(offer));
    const trade = Operation.manageBuyOffer({ selling: LUMENS, buying: euro, buyAmount: "1", price: "2" });
    const doings = [trade, payment(hub.id, "1", euro), trade];
    for (const _ of [1, 2]) await Promise.all(others.map((other) => other.do(doings)));
    const { server } = this.world;
    // Ways to ask for each collection, with as many records as it must have at least.
    this.collections = [
      ["transactions", () => server.transactions().forAccount(hub.id), 8],
      ["operations", () => server.operations().forAccount(hub.id), 14],
      ["payments", () => server.payments().forAccount(hub.id), 8],
      ["effects", () => server.effects().forAccount(hub.id), 20],
      ["trades of the account", () => server.trades().forAccount(hub.id), 12],
      ["trades of the pair", () => server.trades().forAssetPair(euro, LUMENS), 12],
      ["offers", () => server.offers().forAccount(hub.id), 8],
      ["holders", () => server.accounts().forAsset(euro), 4],
    ];
    /** The paging tokens of all pages, to the end. */
    this.walk = async (builder) => {
      const walked = [];
      for (let page = await builder.limit(LIMIT).call(); page.records.length > 0; page = await page.next()) {
        assert.ok(page.records.length <= LIMIT);
        walked.push(...tokens(page.records));
      }
      return walked;
    };
  }

  async pageByPageIsAllAtOnce() {
    for (const [what, ask, least] of this.collections) {
      const whole = tokens(await records(ask().limit(200)));
      assert.ok(whole.length >= least, `${what}: ${whole.length} records, where ${least} were expected`);
      assert.equal(new Set(whole).size, whole.length, what);
      assert.deepEqual(await this.walk(ask()), whole, what);
    }
  }

  async theNewestFirstIsTheOldestFirstBackwards() {
    for (const [what, ask] of this.collections) {
      assert.deepEqual(await this.walk(ask().order("desc")), (await this.walk(ask().order("asc"))).reverse(), what);
    }
  }

  async previousPagesLeadBack() {
    for (const [what, ask] of this.collections) {
      const first = await ask().limit(LIMIT).call();
      const second = await first.next();
      const back = await second.prev();
      assert.deepEqual(tokens(back.records), tokens(first.records).reverse(), what);
    }
  }

  async ledgersHaveNoGap() {
    const start = await this.world.server
      .ledgers()
      .ledger((await this.world.latest()) - 8)
      .call();
    const sequences = [];
    for (
      let page = await this.world.server.ledgers().cursor(start.paging_token).limit(LIMIT).call();
      sequences.length < 8;
      page = await page.next()
    ) {
      assert.ok(page.records.length > 0, `only ${sequences.length} ledgers came`);
      sequences.push(...page.records.map(({ sequence }) => sequence));
    }
    assert.deepEqual(
      sequences,
      sequences.map((_, index) => start.sequence + 1 + index),
    );
  }

  async whatHappenedInALedgerIsCountedInIt() {
    const { server } = this.world;
    const [transaction] = await records(server.transactions().forAccount(this.hub.id).order("desc").limit(1));
    const ledger = await transaction.ledger();
    const of = (collection) => records(collection.forLedger(ledger.sequence).limit(200));
    const [good, every] = [await of(server.transactions()), await of(server.transactions().includeFailed(true))];
    holds(ledger, { successful_transaction_count: good.length, failed_transaction_count: every.length - good.length });
    holds(ledger, { operation_count: (await of(server.operations())).length });
  }

  async operationsComeWithTheirTransactionsWhenAsked() {
    for (const operation of await records(
      this.world.server.operations().forAccount(this.hub.id).join("transactions").limit(LIMIT),
    )) {
      assert.equal(operation.transaction_attr.hash, operation.transaction_hash);
      holds(await operation.transaction(), { hash: operation.transaction_hash });
    }
  }
}
