// Refusals: each as the SDK's own exception, with the protocol's own codes.

import assert from "node:assert/strict";
import {
  Account,
  Asset,
  BadResponseError,
  Claimant,
  Keypair,
  NetworkError,
  NotFoundError,
  Operation,
  TransactionBuilder,
  TransactionFailedError,
} from "@stellar/stellar-sdk";
import { Actor, holds, LUMENS, payment, records, refused } from "./world.mjs";

export class Refusals {
  async begin() {
    const {
      issuer,
      assets: [euro],
      holders: [trader, other],
    } = await this.world.market(2, ["EUR"], "100");
    Object.assign(this, { euro, trader, other, none: new Asset("NONE", issuer.id) });
    this.stranger = Keypair.random().publicKey();
    this.poor = new Actor(this.world, Keypair.random());
    // Two base reserves and some fees; one more entry cannot be had of it.
    await trader.do(Operation.createAccount({ destination: this.poor.id, startingBalance: "1.01" }));
    this.fails = async (who, operations, codes, options) => {
      const error = await refused(TransactionFailedError, () => who.do(operations, options));
      const { transaction, operations: found } = error.getResultCodes();
      assert.deepEqual([transaction, ...found], [codes].flat());
      assert.equal(error.response.status, 400);
      return error;
    };
    this.failsEach = async (cases) => {
      for (const [who, operation, code] of cases) await this.fails(who, operation, ["tx_failed", code]);
    };
    this.sell = (amount, price, offerId = 0, selling = this.euro, buying = LUMENS) =>
      Operation.manageSellOffer({ selling, buying, amount, price, offerId });
    this.buy = (buyAmount, price, buying = this.euro) =>
      Operation.manageBuyOffer({ selling: LUMENS, buying, buyAmount, price });
  }

  async whatIsNotThereIsNotFound() {
    const { server } = this.world;
    for (const builder of [
      server.accounts().accountId(this.stranger),
      server.transactions().transaction("ab".repeat(32)),
      server.operations().operation("1152921504606846976"),
      server.offers().offer("1152921504606846976"),
      server.ledgers().ledger(1 << 30),
      server.liquidityPools().liquidityPoolId("cd".repeat(32)),
    ]) {
      const error = await refused(NotFoundError, () => builder.call());
      holds(error.getResponse(), {
        status: 404,
        title: "Resource Missing",
        type: "https://stellar.org/horizon-errors/not_found",
      });
    }
    await refused(NotFoundError, () => server.loadAccount(this.stranger));
  }

  async wrongParametersAreRefused() {
    const { server } = this.world;
    for (const [field, builder] of [
      ["cursor", server.ledgers().cursor("nowhere")],
      ["cursor", server.transactions().cursor("-5")],
      ["cursor", server.effects().cursor("1-2-3")],
      ["limit", server.transactions().limit(0)],
      ["limit", server.operations().limit(201)],
      ["limit", server.trades().limit(-1)],
      ["order", server.trades().order("sideways")],
    ]) {
      const problem = (await refused(NetworkError, () => builder.call())).getResponse();
      holds(problem, { status: 400, title: "Bad Request", type: "https://stellar.org/horizon-errors/bad_request" });
      assert.equal(problem.extras.invalid_field, field);
    }
    for (const builder of [
      server.transactions().transaction("nohash"),
      server.accounts().accountId("GNOBODY"),
      server.offers().offer("mine"),
      server.accounts(),
    ]) {
      holds((await refused(NetworkError, () => builder.call())).getResponse(), { status: 400 });
    }
  }

  async paymentsThatCannotBeMade() {
    await this.failsEach([
      [this.trader, payment(this.other.id, "1000", this.euro), "op_underfunded"],
      [this.trader, payment(this.poor.id, "1", this.euro), "op_no_trust"],
      [this.poor, payment(this.other.id, "1", this.euro), "op_src_no_trust"],
      [this.trader, payment(this.stranger, "1"), "op_no_destination"],
    ]);
    await this.other.do(Operation.changeTrust({ asset: this.euro, limit: "100" }));
    await this.failsEach([[this.trader, payment(this.other.id, "1", this.euro), "op_line_full"]]);
  }

  async offersThatCannotBeMade() {
    await this.failsEach([
      [this.trader, this.sell("1000", "2"), "op_underfunded"],
      [this.trader, this.sell("1", "2", 123_456_789), "op_offer_not_found"],
      [this.trader, this.sell("1", "1", 0, this.none), "op_sell_no_trust"],
      [this.trader, this.buy("1", "1", this.none), "op_buy_no_trust"],
      [this.other, this.buy("1", "1"), "op_line_full"],
      [this.trader, this.sell("1", "1", 0, this.euro, this.euro), "op_malformed"],
    ]);
    await this.trader.do(this.sell("5", "2"));
    await this.failsEach([[this.trader, this.buy("1", "2"), "op_cross_self"]]);
  }

  async accountsAndEntriesThatCannotBe() {
    const create = (destination, startingBalance) => Operation.createAccount({ destination, startingBalance });
    const claimants = [new Claimant(this.other.id)];
    await this.failsEach([
      [this.poor, Operation.changeTrust({ asset: this.euro }), "op_low_reserve"],
      [this.poor, Operation.manageData({ name: "name", value: "value" }), "op_low_reserve"],
      [this.trader, create(this.stranger, "0.5"), "op_low_reserve"],
      [this.trader, create(this.other.id, "5"), "op_already_exists"],
      [this.trader, create(this.stranger, "100000"), "op_underfunded"],
      [this.trader, Operation.changeTrust({ asset: this.euro, limit: "1" }), "op_invalid_limit"],
      [this.trader, Operation.changeTrust({ asset: new Asset("EUR", this.stranger) }), "op_no_issuer"],
      [this.trader, Operation.manageData({ name: "nothing", value: null }), "op_data_name_not_found"],
      [this.trader, Operation.accountMerge({ destination: this.other.id }), "op_has_sub_entries"],
      [this.trader, Operation.inflation(), "op_not_supported"],
      [
        this.trader,
        Operation.createClaimableBalance({ asset: this.euro, amount: "1000", claimants }),
        "op_underfunded",
      ],
    ]);
  }

  async allOrNothingIsApplied() {
    const before = await this.other.balance();
    await this.fails(
      this.trader,
      [payment(this.other.id, "1"), this.sell("1000", "2")],
      ["tx_failed", "op_success", "op_underfunded"],
    );
    assert.equal(await this.other.balance(), before);
  }

  async transactionsThatAreNotValid() {
    const pay = payment(this.other.id, "1");
    const wrong = new Actor(this.world, Keypair.random());
    await this.fails(this.trader, pay, "tx_bad_auth", { passphrase: "Some other network" });
    await this.fails(this.trader, pay, "tx_insufficient_fee", { fee: "99" });
    await this.fails(this.trader, [], "tx_missing_operation");
    await this.fails(this.poor, pay, "tx_insufficient_balance", { fee: "10000000" });
    await this.fails(wrong, pay, "tx_bad_auth", { source: await this.trader.ahead(0) });
    await this.fails(wrong, pay, "tx_no_source_account", { source: new Account(wrong.id, "1") });
    await this.fails(this.trader, pay, "tx_bad_seq", { source: await this.trader.ahead(-1) });
  }

  async aRefusalHasItsResultInXdr() {
    const error = await this.fails(this.trader, payment(this.stranger, "1"), ["tx_failed", "op_no_destination"]);
    holds(error.response.data, {
      title: "Transaction Failed",
      type: "https://stellar.org/horizon-errors/transaction_failed",
    });
    const result = error.getTransactionResult();
    assert.equal(result.result.type, "txFailed");
    assert.equal(result.feeCharged.toString(), "100");
    const envelope = TransactionBuilder.fromXdr(error.response.data.extras.envelope_xdr, this.world.passphrase);
    assert.equal(envelope.operations[0].destination, this.stranger);
  }

  async aHundredOperationsAreTheMost() {
    const hundred = Array(100).fill(payment(this.other.id, "0.0000001"));
    holds(await this.trader.do(hundred), { operation_count: 100, fee_charged: "10000" });
  }

  async whatIsNoTransactionIsMalformed() {
    const good = await this.trader.transaction(payment(this.other.id, "1"));
    this.trader.forget();
    const whole = good.toEnvelope().toXdr("base64");
    for (const broken of ["AAAA", "not base64 at all", whole.slice(0, 80)]) {
      // The SDK makes no broken envelope: it is given one that says so of itself.
      const envelope = { memo: { type: "none" }, operations: [], toEnvelope: () => ({ toXdr: () => broken }) };
      const error = await refused(BadResponseError, () => this.world.server.submitTransaction(envelope));
      holds(error.response.data, {
        status: 400,
        title: "Transaction Malformed",
        type: "https://stellar.org/horizon-errors/transaction_malformed",
      });
      assert.equal(error.response.data.extras.envelope_xdr, broken);
    }
    assert.ok((await records(this.world.server.ledgers())).length > 0, "the ledger goes on");
  }
}
