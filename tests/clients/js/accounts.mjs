// Accounts: from friendbot to trust lines, flags, data and signers.

import assert from "node:assert/strict";
import {
  AccountRequiresMemoError,
  Asset,
  AuthClawbackEnabledFlag,
  AuthRequiredFlag,
  AuthRevocableFlag,
  Keypair,
  Memo,
  NetworkError,
  NotFoundError,
  Operation,
  TransactionFailedError,
} from "@stellar/stellar-sdk";
import { holds, LUMENS, payment, records, refused, stroops } from "./world.mjs";

export class Accounts {
  async friendbotCreatesAccountsEvenSeveralAtOnce() {
    const actors = await Promise.all([1, 2, 3, 4].map(() => this.world.funded()));
    for (const actor of actors) assert.equal(await actor.balance(), stroops("10000"));
    [this.issuer, this.holder, this.friend, this.other] = actors;
  }

  async friendbotRefusesWhomItHasFundedAndWhatIsNoAddress() {
    for (const address of [this.holder.id, "GNOBODY"]) {
      const error = await refused(NetworkError, () => this.world.server.friendbot(address).call());
      holds(error.getResponse(), { status: 400 });
    }
  }

  async anAccountIsLoadedWithAllThatItHas() {
    const account = await this.world.server.loadAccount(this.holder.id);
    holds(account, {
      id: this.holder.id,
      account_id: this.holder.id,
      paging_token: this.holder.id,
      subentry_count: 0,
      data_attr: {},
      thresholds: { low_threshold: 0, med_threshold: 0, high_threshold: 0 },
      num_sponsoring: 0,
      num_sponsored: 0,
      flags: { auth_required: false, auth_revocable: false, auth_immutable: false, auth_clawback_enabled: false },
      signers: [{ weight: 1, key: this.holder.id, type: "ed25519_public_key" }],
      balances: [
        {
          balance: "10000.0000000",
          buying_liabilities: "0.0000000",
          selling_liabilities: "0.0000000",
          asset_type: "native",
        },
      ],
    });
    assert.equal(BigInt(account.sequenceNumber()) >> 32n, BigInt(account.last_modified_ledger));
  }

  async lumensArePaidWithAMemoAndTheUsualTimeout() {
    const [before, sequence] = [await this.holder.balance(), await this.holder.sequence()];
    const timebounds = await this.world.server.fetchTimebounds(30);
    const shape = (builder) =>
      builder.addMemo(Memo.text("for lunch")).setTimebounds(timebounds.minTime, timebounds.maxTime);
    const fee = String(await this.world.server.fetchBaseFee());
    assert.equal(fee, "100");
    const paid = await this.holder.do(payment(this.friend.id, "12.5"), { shape, fee });
    holds(paid, {
      memo: "for lunch",
      memo_type: "text",
      source_account: this.holder.id,
      operation_count: 1,
      fee_charged: "100",
    });
    holds(paid, { max_fee: "100", fee_account: this.holder.id, source_account_sequence: String(sequence + 1n) });
    assert.equal(await this.holder.balance(), before - stroops("12.50001"));
    assert.equal(await this.friend.balance(), stroops("10012.5"));
    const again = await this.world.server.transactions().transaction(paid.hash).call();
    holds(again, { id: paid.hash, ledger_attr: paid.ledger, envelope_xdr: paid.envelope_xdr, successful: true });
  }

  async linksLeadFromOneToTheOther() {
    const account = await this.world.server.loadAccount(this.holder.id);
    const {
      records: [paid],
    } = await account.transactions({ limit: 1, order: "desc" });
    holds(paid, { memo: "for lunch" });
    const {
      records: [operation],
    } = await paid.operations();
    holds(operation, {
      type: "payment",
      type_i: 1,
      amount: "12.5000000",
      asset_type: "native",
      to: this.friend.id,
      from: this.holder.id,
    });
    holds(await operation.transaction(), { hash: paid.hash });
    const { records: effects } = await operation.effects();
    assert.deepEqual(
      effects.map(({ type }) => type),
      ["account_credited", "account_debited"],
    );
    holds(await effects[0].operation(), { id: operation.id });
    const root = await this.world.server.root();
    holds(await root.transaction({ hash: paid.hash }), { paging_token: paid.paging_token });
    holds(await root.account({ account_id: this.holder.id }), { id: this.holder.id });
    assert.equal((await root.ledgers({ limit: 1, order: "desc" })).records.length, 1);
    const ledger = await paid.ledger();
    holds(ledger, {
      sequence: paid.ledger_attr,
      successful_transaction_count: (await ledger.transactions({ limit: 200 })).records.length,
    });
    holds(await paid.account(), { id: this.holder.id });
    const {
      records: [payments],
    } = await account.payments({ limit: 1, order: "desc" });
    holds(payments, { id: operation.id });
    for (const link of ["offers", "trades"]) assert.deepEqual((await account[link]()).records, []);
  }

  async anIssuerSetsFlagsAndAHomeDomain() {
    const setFlags = AuthRequiredFlag | AuthRevocableFlag | AuthClawbackEnabledFlag;
    const done = await this.issuer.do(Operation.setOptions({ setFlags, homeDomain: "example.org" }));
    const state = await this.issuer.state();
    holds(state, { home_domain: "example.org" });
    holds(state.flags, {
      auth_required: true,
      auth_revocable: true,
      auth_immutable: false,
      auth_clawback_enabled: true,
    });
    const effects = await records(this.world.server.effects().forTransaction(done.hash));
    assert.deepEqual(effects.map(({ type }) => type).sort(), ["account_flags_updated", "account_home_domain_updated"]);
  }

  async aTrustLineWaitsForItsIssuer() {
    this.euro = new Asset("EUR", this.issuer.id);
    await this.holder.do(Operation.changeTrust({ asset: this.euro, limit: "500" }));
    holds(await this.holder.line(this.euro), {
      balance: "0.0000000",
      limit: "500.0000000",
      is_authorized: false,
      is_clawback_enabled: true,
    });
    const pay = payment(this.holder.id, "100", this.euro);
    const error = await refused(TransactionFailedError, () => this.issuer.do(pay));
    assert.deepEqual(error.getResultCodes(), { transaction: "tx_failed", operations: ["op_not_authorized"] });
    const flags = { authorized: true };
    await this.issuer.do(Operation.setTrustLineFlags({ trustor: this.holder.id, asset: this.euro, flags }));
    await this.issuer.do(pay);
    holds(await this.holder.line(this.euro), { balance: "100.0000000", is_authorized: true });
  }

  async anIssuerClawsBackAndRevokes() {
    const revoke = Operation.setTrustLineFlags({
      trustor: this.holder.id,
      asset: this.euro,
      flags: { authorized: false },
    });
    await this.issuer.do([Operation.clawback({ asset: this.euro, from: this.holder.id, amount: "40" }), revoke]);
    holds(await this.holder.line(this.euro), { balance: "60.0000000", is_authorized: false });
  }

  async accountsAreFoundByAssetAndBySigner() {
    for (const builder of [
      this.world.server.accounts().forAsset(this.euro),
      this.world.server.accounts().forSigner(this.holder.id),
    ]) {
      assert.deepEqual(
        (await records(builder)).map(({ id }) => id),
        [this.holder.id],
      );
    }
  }

  async accountDataIsKeptAndRemoved() {
    await this.holder.do(Operation.manageData({ name: "colour", value: "blue" }));
    const account = await this.world.server.loadAccount(this.holder.id);
    assert.deepEqual(account.data_attr, { colour: Buffer.from("blue").toString("base64") });
    assert.equal((await account.data({ key: "colour" })).value, "Ymx1ZQ==");
    await this.holder.do(Operation.manageData({ name: "colour", value: null }));
    await refused(NotFoundError, () => account.data({ key: "colour" }));
  }

  async twoSignersShareAnAccount() {
    const second = Keypair.random();
    const signer = { ed25519PublicKey: second.publicKey(), weight: 1 };
    await this.other.do(Operation.setOptions({ signer, lowThreshold: 1, medThreshold: 2, highThreshold: 2 }));
    const pay = payment(this.friend.id, "1");
    const error = await refused(TransactionFailedError, () => this.other.do(pay));
    assert.deepEqual(error.getResultCodes(), { transaction: "tx_failed", operations: ["op_bad_auth"] });
    await this.other.do(pay, { signers: [second] });
    const surplus = await refused(TransactionFailedError, () =>
      this.other.do(pay, { signers: [second, Keypair.random()] }),
    );
    assert.deepEqual(surplus.getResultCodes(), { transaction: "tx_bad_auth_extra", operations: [] });
  }

  async anAccountThatWantsMemosGetsThem() {
    await this.friend.do(Operation.manageData({ name: "config.memo_required", value: "1" }));
    await refused(AccountRequiresMemoError, () => this.holder.do(payment(this.friend.id, "1", LUMENS)));
    const paid = await this.holder.do(payment(this.friend.id, "1"), {
      shape: (builder) => builder.addMemo(Memo.id("18446744073709551615")),
    });
    holds(paid, { memo_type: "id", memo: "18446744073709551615" });
  }
}
