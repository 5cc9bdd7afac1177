// Faults, ordered of the sandbox: each comes as the SDK's own error, and what can be done about it works.

import assert from "node:assert/strict";
import { BadResponseError, NetworkError, NotFoundError } from "@stellar/stellar-sdk";
import { Stream } from "./streams.mjs";
import { holds, payment, refused, until } from "./world.mjs";

export class Faults {
  async begin() {
    [this.payer, this.friend] = await this.world.actors(2);
    /** While it does this, the sandbox does that wrong. */
    this.while = async (rule, action) => {
      const faults = `${this.world.url}/sandbox/faults`;
      const answer = await fetch(faults, { method: "PUT", body: JSON.stringify({ rules: [rule] }) });
      assert.equal(answer.status, 200, await answer.text());
      try {
        return await action();
      } finally {
        await fetch(faults, { method: "DELETE" });
      }
    };
    this.payment = () => this.payer.transaction(payment(this.friend.id, "1"));
    this.applied = (transaction) =>
      until("the transaction is applied", () =>
        this.world.server
          .transactions()
          .transaction(Buffer.from(transaction.hash()).toString("hex"))
          .call()
          .catch((error) => {
            if (!(error instanceof NotFoundError)) throw error;
          }),
      );
    /** Under this fault, a stream of ledgers misses none. */
    this.streams = async (rule) => {
      const stream = new Stream(this.world.server.ledgers().cursor("now"));
      const first = await stream.next("a ledger");
      await this.while(rule, async () => {
        for (let sequence = first.sequence + 1; sequence < first.sequence + 8; sequence += 1) {
          holds(await stream.next("the next ledger"), { sequence });
        }
      });
      stream.close();
    };
    this.submitted = (transaction) => this.world.server.submitTransaction(transaction, { skipMemoRequiredCheck: true });
  }

  async aBusyServerIsAnErrorOfItsOwn() {
    for (const status of [429, 500, 503, 504]) {
      await this.while({ face: "horizon", path: "/fee_stats", fault: "status", status, next: 1 }, async () => {
        const error = await refused(NetworkError, () => this.world.server.feeStats());
        holds(error.getResponse(), { status });
        holds(await this.world.server.feeStats(), { last_ledger_base_fee: "100" });
      });
    }
  }

  async aBusyRpcIsAnErrorOfItsOwn() {
    await this.while({ face: "rpc", fault: "status", status: 503, next: 1 }, () =>
      assert.rejects(this.world.rpc.getHealth(), ({ response }) => response.status === 503),
    );
    holds(await this.world.rpc.getHealth(), { status: "healthy" });
  }

  async whatWasNotAcceptedCanBeHandedInAgain() {
    const transaction = await this.payment();
    await this.while({ face: "horizon", path: "/transactions", fault: "status", status: 503, next: 1 }, async () => {
      const error = await refused(BadResponseError, () => this.submitted(transaction));
      assert.equal(error.response.status, 503);
      holds(await this.submitted(transaction), { successful: true });
    });
  }

  async aTimeoutAfterAcceptanceIsNotTheEnd() {
    const transaction = await this.payment();
    await this.while(
      { face: "horizon", path: "/transactions", fault: "status_after_accept", status: 504, next: 1 },
      async () => {
        const error = await refused(BadResponseError, () => this.submitted(transaction));
        assert.equal(error.response.status, 504);
      },
    );
    const { hash } = await this.applied(transaction);
    holds(await this.submitted(transaction), { successful: true, hash });
  }

  async aConnectionLostAfterAcceptanceIsNotTheEnd() {
    const transaction = await this.payment();
    await this.while({ face: "horizon", path: "/transactions", fault: "drop_after_accept", next: 1 }, () =>
      assert.rejects(this.submitted(transaction), (error) => !(error instanceof NetworkError)),
    );
    holds(await this.applied(transaction), { successful: true });
  }

  async answersThatBreakOffOrDoNotComeAreTold() {
    for (const fault of ["drop", "truncate"]) {
      await this.while({ face: "horizon", path: "/ledgers", fault, next: 1 }, async () => {
        await assert.rejects(this.world.server.ledgers().call(), (error) => !(error instanceof NetworkError));
        assert.ok((await this.world.server.ledgers().call()).records.length > 0, "the next answer is whole");
      });
    }
  }

  async anAnswerThatIsLateComes() {
    const before = Date.now();
    await this.while({ face: "horizon", path: "/ledgers", fault: "delay", ms: 1500, next: 1 }, () =>
      this.world.server.ledgers().call(),
    );
    assert.ok(Date.now() - before >= 1500);
  }

  async aStreamThatBreaksOffIsTakenUpAgain() {
    await this.streams({ face: "horizon", path: "/ledgers", fault: "end", every: 2 });
  }

  async aStreamThatStallsGoesOn() {
    await this.streams({ face: "horizon", path: "/ledgers", fault: "stall", ms: 3000, next: 1 });
  }

  async aStreamThatSkipsShowsItInItsNumbers() {
    const stream = new Stream(this.world.server.ledgers().cursor("now"));
    let { sequence: before } = await stream.next("a ledger");
    const skipped = await this.while({ face: "horizon", path: "/ledgers", fault: "skip", every: 3 }, async () => {
      for (;;) {
        const { sequence } = await stream.next("the next ledger");
        if (sequence !== before + 1) return sequence - before - 1;
        before = sequence;
      }
    });
    stream.close();
    assert.equal(skipped, 1);
  }
}
