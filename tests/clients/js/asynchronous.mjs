// Transactions handed in without waiting: what is told at once, and what becomes of them.

import assert from "node:assert/strict";
import { BadResponseError, NotFoundError, TransactionFailedError, xdr } from "@stellar/stellar-sdk";
import { holds, payment, until } from "./world.mjs";

// Two requests can fall into two ledgers; not every time.
const TRIES = 10;

export class Asynchronous {
  async begin() {
    [this.payer, this.friend] = await this.world.actors(2);
    this.payment = (options) => this.payer.transaction(payment(this.friend.id, "1"), options);
    this.hash = (transaction) => Buffer.from(transaction.hash()).toString("hex");
    this.applied = (hash) =>
      until(`transaction ${hash} is applied`, () =>
        this.world.server
          .transactions()
          .transaction(hash)
          .call()
          .catch((error) => {
            if (!(error instanceof NotFoundError)) throw error;
          }),
      );
    /** Its status, and the error with which it was told, if any. */
    this.handIn = async (transaction) => {
      try {
        return { status: (await this.world.server.submitAsyncTransaction(transaction)).tx_status };
      } catch (error) {
        assert.equal(error.constructor, BadResponseError);
        return { status: error.response.data.tx_status, error };
      }
    };
    /** Hands in a payment and another at once, until both fall before one ledger and the second is so refused. */
    this.refusedNext = async (status, second) => {
      for (let tries = 0; tries < TRIES; tries += 1) {
        this.payer.forget();
        const first = await this.payment();
        const next = await second(first);
        const [pending, found] = [await this.handIn(first), await this.handIn(next)];
        assert.equal(pending.status, "PENDING");
        await this.applied(this.hash(first));
        if (found.status === status) return found.error;
        if (found.status === "PENDING") await this.applied(this.hash(next));
      }
      throw new Error(`in ${TRIES} tries no second payment was refused with ${status}`);
    };
  }

  async aGoodOneIsPendingThenApplied() {
    const transaction = await this.payment();
    const told = await this.world.server.submitAsyncTransaction(transaction);
    holds(told, { tx_status: "PENDING", hash: this.hash(transaction) });
    holds(await this.applied(told.hash), { successful: true, source_account: this.payer.id });
  }

  async theSameAgainIsADuplicate() {
    const error = await this.refusedNext("DUPLICATE", (first) => first);
    assert.equal(error.response.status, 409);
  }

  async aSecondOneOfAnAccountIsToComeLater() {
    const error = await this.refusedNext("TRY_AGAIN_LATER", () => this.payment());
    assert.equal(error.response.status, 503);
  }

  async aBadOneIsAnErrorWithItsResult() {
    const { status, error } = await this.handIn(await this.payment({ source: await this.payer.ahead(5) }));
    assert.deepEqual([status, error.response.status], ["ERROR", 400]);
    assert.ok(!(error instanceof TransactionFailedError));
    const result = xdr.TransactionResult.fromXdr(error.response.data.error_result_xdr, "base64");
    assert.equal(result.result.type, "txBadSeq");
  }

  async oneThatWaitsIsAnsweredWhenItWasApplied() {
    this.payer.forget();
    const transaction = await this.payment();
    const first = await this.world.server.submitTransaction(transaction);
    // Handed in again when it has long been applied: the same answer.
    holds(await this.world.server.submitTransaction(transaction), { hash: first.hash, ledger: first.ledger });
  }
}
