// Stellar RPC, through the SDK's rpc.Server.

import assert from "node:assert/strict";
import { Asset, Keypair, Operation, xdr } from "@stellar/stellar-sdk";
import { holds, payment, stroops } from "./world.mjs";

const TRIES = 10;

export class Rpc {
  async begin() {
    [this.payer, this.friend, this.issuer] = await this.world.actors(3);
    this.rpc = this.world.rpc;
    this.payment = (options) => this.payer.transaction(payment(this.friend.id, "1"), options);
    this.hash = (transaction) => Buffer.from(transaction.hash()).toString("hex");
    this.applied = (hash) => this.rpc.pollTransaction(hash, { attempts: 240, sleepStrategy: () => 250 });
  }

  async itSaysWhoItIsAndHowItFares() {
    const health = await this.rpc.getHealth();
    assert.equal(health.status, "healthy");
    assert.ok(health.oldestLedger <= health.latestLedger && health.ledgerRetentionWindow > 0, JSON.stringify(health));
    const network = await this.rpc.getNetwork();
    holds(network, { passphrase: this.world.passphrase, friendbotUrl: `${this.world.url}/friendbot` });
    holds(await this.rpc.getVersionInfo(), { protocolVersion: network.protocolVersion });
  }

  async friendbotIsFoundThroughIt() {
    const fresh = Keypair.random().publicKey();
    const account = await this.rpc.requestAirdrop(fresh);
    assert.equal(account.sequenceNumber(), (await this.rpc.getAccount(fresh)).sequenceNumber());
    holds(await this.rpc.fundAddress(Keypair.random().publicKey()), { status: "SUCCESS" });
  }

  async theLatestLedgerIsHorizonsToo() {
    const latest = await this.rpc.getLatestLedger();
    assert.equal(latest.headerXdr.ledgerSeq, latest.sequence);
    const known = await this.world.server.ledgers().ledger(latest.sequence).call();
    holds(known, { hash: latest.id, header_xdr: latest.headerXdr.toXdr("base64") });
  }

  async ledgersAreToldPageByPage() {
    const startLedger = (await this.rpc.getLatestLedger()).sequence;
    await this.world.passesLedgers(5);
    const first = await this.rpc.getLedgers({ startLedger, pagination: { limit: 2 } });
    const second = await this.rpc.getLedgers({ pagination: { cursor: first.cursor, limit: 3 } });
    const ledgers = [...first.ledgers, ...second.ledgers];
    assert.deepEqual(
      ledgers.map(({ sequence }) => sequence),
      [0, 1, 2, 3, 4].map((after) => startLedger + after),
    );
    for (const { hash, sequence, headerXdr } of ledgers) {
      assert.equal(headerXdr.header.ledgerSeq, sequence);
      assert.equal(Buffer.from(headerXdr.hash.toXdr()).toString("hex"), hash);
    }
  }

  async aTransactionIsSentAndFound() {
    this.payer.loaded = await this.rpc.getAccount(this.payer.id);
    const transaction = await this.payment();
    const sent = await this.rpc.sendTransaction(transaction);
    holds(sent, { status: "PENDING", hash: this.hash(transaction) });
    this.found = await this.applied(sent.hash);
    holds(this.found, { status: "SUCCESS", txHash: sent.hash, feeBump: false });
    assert.equal(this.found.resultXdr.result.type, "txSuccess");
    assert.equal(this.found.envelopeXdr.toXdr("base64"), transaction.toEnvelope().toXdr("base64"));
    assert.equal(this.found.resultMetaXdr.type, "v4");
    holds(await this.world.server.transactions().transaction(sent.hash).call(), { ledger_attr: this.found.ledger });
    assert.ok(this.found.oldestLedger <= this.found.ledger && this.found.ledger <= this.found.latestLedger);
  }

  async transactionsAreToldPageByPage() {
    const startLedger = this.found.ledger;
    const { transactions: whole } = await this.rpc.getTransactions({ startLedger, pagination: { limit: 200 } });
    const hashes = whole.map(({ txHash }) => txHash);
    assert.ok(hashes.includes(this.found.txHash), hashes.join());
    const walked = [];
    let request = { startLedger, pagination: { limit: 2 } };
    while (walked.length < hashes.length) {
      const { transactions, cursor } = await this.rpc.getTransactions(request);
      assert.ok(transactions.length > 0, `only ${walked.length} of ${hashes.length} transactions came`);
      walked.push(...transactions.map(({ txHash }) => txHash));
      request = { pagination: { cursor, limit: 2 } };
    }
    assert.deepEqual(walked.slice(0, hashes.length), hashes);
  }

  async aTransactionThatFailsIsFoundToo() {
    this.payer.forget();
    const sent = await this.rpc.sendTransaction(await this.payer.transaction(payment(this.friend.id, "100000")));
    assert.equal(sent.status, "PENDING");
    const found = await this.applied(sent.hash);
    assert.deepEqual([found.status, found.resultXdr.result.type], ["FAILED", "txFailed"]);
  }

  async whatIsNotKnownIsNotFound() {
    holds(await this.rpc.getTransaction("ab".repeat(32)), { status: "NOT_FOUND", txHash: "ab".repeat(32) });
  }

  async aBadTransactionIsAnErrorWithItsResult() {
    const sent = await this.rpc.sendTransaction(await this.payment({ source: await this.payer.ahead(5) }));
    assert.deepEqual([sent.status, sent.errorResult.result.type], ["ERROR", "txBadSeq"]);
  }

  async theSameAgainIsADuplicateAndAnotherIsToComeLater() {
    // Three requests may fall into two ledgers, though not every time.
    let statuses;
    for (let tries = 0; tries < TRIES; tries += 1) {
      this.payer.forget();
      const [first, second] = [await this.payment(), await this.payment()];
      statuses = [];
      for (const transaction of [first, first, second])
        statuses.push((await this.rpc.sendTransaction(transaction)).status);
      assert.equal(statuses[0], "PENDING");
      await this.applied(this.hash(first));
      if (statuses[1] === "DUPLICATE" && statuses[2] === "TRY_AGAIN_LATER") return;
      if (statuses[2] === "PENDING") await this.applied(this.hash(second));
    }
    assert.fail(`in ${TRIES} tries the last statuses were ${statuses}`);
  }

  async entriesAreRead() {
    const asset = new Asset("EUR", this.issuer.id);
    await this.friend.do(Operation.changeTrust({ asset, limit: "123" }));
    const line = await this.rpc.getTrustline(this.friend.id, asset);
    assert.equal(line.limit.toString(), String(stroops("123")));
    holds((await this.rpc.getAssetBalance(this.friend.id, asset)).balanceEntry, { amount: "0", authorized: true });
    const key = (id) =>
      xdr.LedgerKey.account(new xdr.LedgerKeyAccount({ accountId: Keypair.fromPublicKey(id).xdrPublicKey() }));
    const { entries } = await this.rpc.getLedgerEntries(key(this.friend.id), key(Keypair.random().publicKey()));
    assert.equal(entries.length, 1);
    assert.equal(entries[0].val.value.seqNum.toString(), String(await this.friend.sequence()));
    await assert.rejects(this.rpc.getAccount(Keypair.random().publicKey()), /Account not found/);
  }

  async feesAreTold() {
    const { inclusionFee, sorobanInclusionFee } = await this.rpc.getFeeStats();
    assert.ok(
      Number(inclusionFee.min) >= 100 && Number(inclusionFee.max) >= Number(inclusionFee.p50),
      JSON.stringify(inclusionFee),
    );
    assert.equal(Number(sorobanInclusionFee.transactionCount), 0);
  }

  async wrongQuestionsAreRefused() {
    for (const ask of [
      () => this.rpc.getLedgers({ startLedger: 1 << 30 }),
      () => this.rpc.getTransactions({ startLedger: 1 << 30 }),
      () => this.rpc.getLedgers({ pagination: { cursor: "nowhere" } }),
      () => this.rpc.getTransaction("nohash"),
      () => this.rpc.sendTransaction({ toXdr: () => "AAAA" }),
    ]) {
      await assert.rejects(ask, ({ code, message }) => code <= -32000 && message.length > 0);
    }
  }
}
