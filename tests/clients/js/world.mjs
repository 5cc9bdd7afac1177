// What the subjects share: a sandbox to talk to, accounts that act, and ways to say what was expected.

import assert from "node:assert/strict";
import { Account, Asset, Horizon, Keypair, Operation, TransactionBuilder, rpc } from "@stellar/stellar-sdk";

export const PATIENCE_MS = 60_000;
export const LUMENS = Asset.native();
// What the SDK's documentation uses.
const TIMEOUT_S = 30;
const STROOPS = 10_000_000n;

/** An amount of seven decimals as whole stroops. */
export function stroops(amount) {
  const [whole, part = ""] = amount.split(".");
  return BigInt(whole) * STROOPS + BigInt(part.padEnd(7, "0"));
}

/** A sandbox, as one client sees it. */
export class World {
  static async at(url) {
    const world = new World();
    world.url = url.replace(/\/$/, "");
    world.server = new Horizon.Server(world.url, { allowHttp: true, appName: "clients-test" });
    world.rpc = new rpc.Server(world.url, { allowHttp: true });
    world.passphrase = (await world.server.root()).network_passphrase;
    return world;
  }

  /** An account from friendbot. */
  async funded() {
    const actor = new Actor(this, Keypair.random());
    await this.server.friendbot(actor.id).call();
    return actor;
  }

  /** So many accounts, made in one transaction. */
  async actors(count, lumens = "1000") {
    const founder = await this.funded();
    const actors = Array.from({ length: count }, () => new Actor(this, Keypair.random()));
    await founder.do(actors.map(({ id }) => Operation.createAccount({ destination: id, startingBalance: lumens })));
    return actors;
  }

  /** An issuer, its assets, and traders who hold some of each. */
  async market(traders, codes, holding = "1000", lumens = "1500") {
    const [issuer, ...holders] = await this.actors(traders + 1, lumens);
    const assets = codes.map((code) => new Asset(code, issuer.id));
    const trust = assets.map((asset) => Operation.changeTrust({ asset }));
    await Promise.all(holders.map((holder) => holder.do(trust)));
    await issuer.do(holders.flatMap(({ id }) => assets.map((asset) => payment(id, holding, asset))));
    return { issuer, assets, holders };
  }

  async latest() {
    const { records } = await this.server.ledgers().order("desc").limit(1).call();
    return records[0].sequence;
  }

  /** Waits for so many ledgers. */
  async passesLedgers(count) {
    const goal = (await this.latest()) + count;
    await until(`ledger ${goal} closes`, async () => (await this.latest()) >= goal);
  }
}

/** An account, and the key that signs for it. */
export class Actor {
  constructor(world, key) {
    this.world = world;
    this.key = key;
    this.id = key.publicKey();
  }

  async account() {
    this.loaded ??= await this.world.server.loadAccount(this.id);
    return this.loaded;
  }

  /** Forgets the sequence number; it is loaded again when needed. */
  forget() {
    this.loaded = undefined;
  }

  /** A signed transaction. `shape` may add to it; signers are keys beside the account's own. */
  async transaction(operations, { source, fee = "100", signers = [], passphrase, shape = () => {} } = {}) {
    const options = { fee, networkPassphrase: passphrase ?? this.world.passphrase };
    const builder = new TransactionBuilder(source ?? (await this.account()), options);
    for (const operation of [operations].flat()) builder.addOperation(operation);
    shape(builder);
    if (!builder.timebounds) builder.setTimeout(TIMEOUT_S);
    const transaction = builder.build();
    transaction.sign(this.key, ...signers.map((signer) => signer.key ?? signer));
    return transaction;
  }

  /** Submits a transaction of these operations, and returns it as it was applied. */
  async do(operations, options) {
    const transaction = await this.transaction(operations, options);
    try {
      const answer = await this.world.server.submitTransaction(transaction);
      assert.equal(answer.successful, true);
      return answer;
    } catch (error) {
      // Whether it took a sequence number depends on where it failed.
      this.forget();
      throw error;
    }
  }

  state() {
    return this.world.server.accounts().accountId(this.id).call();
  }

  /** The balance line of an asset. */
  async line(asset) {
    const { balances } = await this.state();
    return balances.find((line) =>
      asset.isNative()
        ? line.asset_type === "native"
        : line.asset_code === asset.code && line.asset_issuer === asset.issuer,
    );
  }

  /** In stroops. */
  async balance(asset = LUMENS) {
    return stroops((await this.line(asset)).balance);
  }

  async sequence() {
    return BigInt((await this.state()).sequence);
  }

  /** Its account as if the sequence number were so much further. */
  async ahead(by) {
    return new Account(this.id, String((await this.sequence()) + BigInt(by)));
  }
}

export function payment(destination, amount, asset = LUMENS, source = undefined) {
  return Operation.payment({ destination, asset, amount, source });
}

export async function records(builder) {
  return (await builder.call()).records;
}

export function sleep(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Waits until the condition holds, and returns what it then is. */
export async function until(what, condition) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await condition();
    if (found) return found;
    assert.ok(Date.now() < end, `waited ${PATIENCE_MS / 1000} s in vain until ${what}`);
    await sleep(100);
  }
}

/** That a record has these members. */
export function holds(found, expected) {
  for (const [name, value] of Object.entries(expected))
    assert.deepEqual(found[name], value, `${name} of ${JSON.stringify(found)}`);
}

/** That something is refused with this error of the SDK; what it says. */
export async function refused(kind, attempt) {
  let answer;
  try {
    answer = await attempt();
  } catch (error) {
    assert.equal(error.constructor, kind, `${kind.name} was expected, not ${error.stack ?? JSON.stringify(error)}`);
    return error;
  }
  throw new assert.AssertionError({ message: `${kind.name} was expected, not ${JSON.stringify(answer)}` });
}
