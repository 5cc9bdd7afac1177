// Transactions: fee bumps, muxed accounts, preconditions, claimable balances, sponsorship, merging.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  Account,
  Claimant,
  Keypair,
  MuxedAccount,
  NotFoundError,
  Operation,
  TransactionBuilder,
  TransactionFailedError,
} from "@stellar/stellar-sdk";
import { Actor, holds, LUMENS, payment, records, refused, stroops } from "./world.mjs";

export class Transactions {
  async begin() {
    [this.payer, this.sponsor, this.friend, this.leaver] = await this.world.actors(4);
    this.pay = (amount = "1") => payment(this.friend.id, amount);
    this.of = (what, { hash }) => records(this.world.server[what]().forTransaction(hash).limit(200));
    this.bumped = async (operation) => {
      const inner = await this.payer.transaction(operation);
      const bump = TransactionBuilder.buildFeeBumpTransaction(this.sponsor.key, "200", inner, this.world.passphrase);
      bump.sign(this.sponsor.key);
      return { inner, bump, hash: (of) => Buffer.from(of.hash()).toString("hex") };
    };
    this.refusedWith = async (code, attempt) => {
      const error = await refused(TransactionFailedError, attempt);
      const { transaction, operations } = error.getResultCodes();
      assert.deepEqual([transaction, ...operations], [code].flat());
    };
  }

  async aFeeBumpPaysForAnother() {
    const before = [await this.payer.balance(), await this.sponsor.balance()];
    const { inner, bump, hash } = await this.bumped(this.pay("5"));
    const done = await this.world.server.submitTransaction(bump);
    holds(done, {
      successful: true,
      fee_account: this.sponsor.id,
      source_account: this.payer.id,
      fee_charged: "200",
      max_fee: "400",
      hash: hash(bump),
    });
    holds(done.inner_transaction, { hash: hash(inner), max_fee: "100" });
    holds(done.fee_bump_transaction, { hash: hash(bump) });
    assert.deepEqual(
      [await this.payer.balance(), await this.sponsor.balance()],
      [before[0] - stroops("5"), before[1] - stroops("0.00002")],
    );
    for (const of of [inner, bump]) {
      holds(await this.world.server.transactions().transaction(hash(of)).call(), { ledger_attr: done.ledger });
    }
  }

  async aFeeBumpOfAFailingOneFailsAndCosts() {
    const { bump } = await this.bumped(this.pay("100000"));
    const error = await refused(TransactionFailedError, () => this.world.server.submitTransaction(bump));
    holds(error.response.data.extras.result_codes, {
      transaction: "tx_fee_bump_inner_failed",
      inner_transaction: "tx_failed",
    });
    assert.deepEqual(error.getResultCodes().operations, ["op_underfunded"]);
  }

  async muxedAccountsArePaidAndPay() {
    const muxed = (id, sequence = "0") => new MuxedAccount(new Account(id, sequence), "42");
    const to = muxed(this.friend.id).accountId();
    const source = muxed(this.payer.id, (await this.payer.account()).sequenceNumber());
    const done = await this.payer.do(payment(to, "2"), { source });
    this.payer.forget();
    holds(done, { account_muxed: source.accountId(), account_muxed_id: "42", source_account: this.payer.id });
    const [operation] = await this.of("operations", done);
    holds(operation, {
      to: this.friend.id,
      to_muxed: to,
      to_muxed_id: "42",
      from: this.payer.id,
      source_account_muxed: source.accountId(),
    });
  }

  async timeBoundsAreKept() {
    const now = Math.floor(Date.now() / 1000);
    const bounds = (from, to) => ({ shape: (builder) => builder.setTimebounds(from, to) });
    await this.refusedWith("tx_too_early", () => this.payer.do(this.pay(), bounds(now + 86_400, 0)));
    await this.refusedWith("tx_too_late", () => this.payer.do(this.pay(), bounds(0, now - 86_400)));
    const done = await this.payer.do(this.pay(), bounds(now - 86_400, now + 86_400));
    holds(done.preconditions.timebounds, { min_time: String(now - 86_400), max_time: String(now + 86_400) });
  }

  async ledgerBoundsAreKept() {
    const latest = await this.world.latest();
    const bounds = (from, to) => ({ shape: (builder) => builder.setLedgerbounds(from, to) });
    await this.refusedWith("tx_too_early", () => this.payer.do(this.pay(), bounds(latest + 10_000, 0)));
    await this.refusedWith("tx_too_late", () => this.payer.do(this.pay(), bounds(0, latest)));
    const done = await this.payer.do(this.pay(), bounds(1, latest + 10_000));
    assert.deepEqual(done.preconditions.ledgerbounds, { min_ledger: 1, max_ledger: latest + 10_000 });
  }

  async aLowerSequenceNumberMayDo() {
    const first = await this.payer.sequence();
    const far = () => new Account(this.payer.id, String(first + 10n));
    await this.refusedWith("tx_bad_seq", () => this.payer.do(this.pay(), { source: far() }));
    const shape = (builder) => builder.setMinAccountSequence(String(first));
    const done = await this.payer.do(this.pay(), { source: far(), shape });
    this.payer.forget();
    holds(done, { source_account_sequence: String(first + 11n) });
    holds(done.preconditions, { min_account_sequence: String(first) });
  }

  async ageAndGapOfASequenceNumberAreKept() {
    const age = (seconds) => ({ shape: (builder) => builder.setMinAccountSequenceAge(seconds) });
    const gap = (ledgers) => ({ shape: (builder) => builder.setMinAccountSequenceLedgerGap(ledgers) });
    for (const far of [age(1_000_000n), gap(1_000_000)])
      await this.refusedWith("tx_bad_minseq_age_or_gap", () => this.payer.do(this.pay(), far));
    await this.world.passesLedgers(2);
    for (const near of [age(1n), gap(0)]) await this.payer.do(this.pay(), near);
  }

  async anExtraSignerMustSign() {
    const extra = Keypair.random();
    const shape = (builder) => builder.setExtraSigners([extra.publicKey()]);
    await this.refusedWith("tx_bad_auth", () => this.payer.do(this.pay(), { shape }));
    const done = await this.payer.do(this.pay(), { shape, signers: [extra] });
    assert.deepEqual(done.preconditions.extra_signers, [extra.publicKey()]);
  }

  async aSecretSignsToo() {
    const secret = randomBytes(32);
    const signer = { sha256Hash: createHash("sha256").update(secret).digest("hex"), weight: 1 };
    await this.payer.do(Operation.setOptions({ signer }));
    const transaction = await this.payer.transaction(this.pay());
    transaction.signatures.length = 0;
    transaction.signHashX(secret);
    await this.world.server.submitTransaction(transaction);
    const { signers } = await this.payer.state();
    assert.deepEqual(signers.map(({ type }) => type).sort(), ["ed25519_public_key", "sha256_hash"]);
  }

  async aSequenceNumberIsBumped() {
    const bumpTo = String((await this.payer.sequence()) + 1000n);
    const done = await this.payer.do(Operation.bumpSequence({ bumpTo }));
    this.payer.forget();
    assert.equal(String(await this.payer.sequence()), bumpTo);
    holds((await this.of("operations", done))[0], { type: "bump_sequence", bump_to: bumpTo });
  }

  async aBalanceIsLeftToBeClaimed() {
    const soon = Claimant.predicateNot(Claimant.predicateBeforeRelativeTime("0"));
    const never = Claimant.predicateBeforeAbsoluteTime("1");
    const claimants = [new Claimant(this.friend.id, soon), new Claimant(this.sponsor.id, never)];
    const transaction = await this.payer.transaction(
      Operation.createClaimableBalance({ asset: LUMENS, amount: "7", claimants }),
    );
    const left = await this.world.server.submitTransaction(transaction);
    const balanceId = transaction.getClaimableBalanceId(0);
    const created = (await this.of("effects", left)).find(({ type }) => type === "claimable_balance_created");
    holds(created, { balance_id: balanceId, asset: "native", amount: "7.0000000" });
    const entry = await this.world.rpc.getClaimableBalance(balanceId);
    assert.equal(entry.amount.toString(), String(stroops("7")));
    const claim = Operation.claimClaimableBalance({ balanceId });
    await this.refusedWith(["tx_failed", "op_cannot_claim"], () => this.sponsor.do(claim));
    const before = await this.friend.balance();
    await this.friend.do(claim);
    assert.equal(await this.friend.balance(), before + stroops("6.99999"));
    await this.refusedWith(["tx_failed", "op_does_not_exist"], () => this.friend.do(claim));
  }

  async anAccountIsSponsored() {
    const ward = new Actor(this.world, Keypair.random());
    const operations = [
      Operation.beginSponsoringFutureReserves({ sponsoredId: ward.id }),
      Operation.createAccount({ destination: ward.id, startingBalance: "0" }),
      Operation.endSponsoringFutureReserves({ source: ward.id }),
    ];
    await this.sponsor.do(operations, { signers: [ward] });
    holds(await ward.state(), { sponsor: this.sponsor.id, num_sponsored: 2 });
    holds(await this.sponsor.state(), { num_sponsoring: 2 });
    assert.deepEqual(
      (await records(this.world.server.accounts().sponsor(this.sponsor.id))).map(({ id }) => id),
      [ward.id],
    );
    const revoke = Operation.revokeAccountSponsorship({ account: ward.id });
    await this.refusedWith(["tx_failed", "op_low_reserve"], () => this.sponsor.do(revoke));
    await this.sponsor.do([payment(ward.id, "5"), revoke]);
    assert.equal((await ward.state()).sponsor, undefined);
  }

  async anAccountIsMergedIntoAnother() {
    const before = [await this.friend.balance(), await this.leaver.balance()];
    const done = await this.leaver.do(Operation.accountMerge({ destination: this.friend.id }));
    await refused(NotFoundError, () => this.leaver.state());
    assert.equal(await this.friend.balance(), before[0] + before[1] - stroops("0.00001"));
    holds((await this.of("operations", done))[0], {
      type: "account_merge",
      account: this.leaver.id,
      into: this.friend.id,
    });
  }
}
