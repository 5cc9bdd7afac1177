// Paths: found in the direction of sending and of receiving, and paid along.

import assert from "node:assert/strict";
import { Asset, NetworkError, Operation, TransactionFailedError } from "@stellar/stellar-sdk";
import { holds, LUMENS, records, refused, stroops } from "./world.mjs";

function assetOf(part) {
  return part.asset_type === "native" ? LUMENS : new Asset(part.asset_code, part.asset_issuer);
}

export class Paths {
  async begin() {
    const {
      assets: [euro, yen, gold],
      holders: [maker, sender, receiver],
    } = await this.world.market(3, ["EUR", "JPY", "GOLD"]);
    Object.assign(this, { euro, yen, gold, sender, receiver });
    // Euros go to yen by way of lumens: 2 lumens a euro, then 50 yen a lumen. Gold goes nowhere.
    await maker.do([
      Operation.manageSellOffer({ selling: LUMENS, buying: euro, amount: "100", price: "0.5" }),
      Operation.manageSellOffer({ selling: yen, buying: LUMENS, amount: "900", price: "0.02" }),
    ]);
    const [sendAsset, destination, destAsset] = [euro, receiver.id, yen];
    this.send = (sendAmount, destMin, path, asset = sendAsset) =>
      Operation.pathPaymentStrictSend({ sendAsset: asset, sendAmount, destination, destAsset, destMin, path });
    this.receive = (sendMax, destAmount, path) =>
      Operation.pathPaymentStrictReceive({ sendAsset, sendMax, destination, destAsset, destAmount, path });
    this.balances = () => Promise.all([sender.balance(euro), receiver.balance(yen)]);
  }

  async aStrictSendPathIsFoundAndPaidAlong() {
    const [found, ...more] = await records(this.world.server.strictSendPaths(this.euro, "1.5", [this.yen]));
    assert.equal(more.length, 0);
    holds(found, {
      source_amount: "1.5000000",
      destination_amount: "150.0000000",
      source_asset_code: "EUR",
      destination_asset_code: "JPY",
    });
    holds(found, { path: [{ asset_type: "native" }] });
    const before = await this.balances();
    const paid = await this.sender.do(
      this.send(found.source_amount, found.destination_amount, found.path.map(assetOf)),
    );
    assert.deepEqual(await this.balances(), [before[0] - stroops("1.5"), before[1] + stroops("150")]);
    const [operation] = await records(this.world.server.payments().forTransaction(paid.hash));
    holds(operation, {
      type: "path_payment_strict_send",
      source_amount: "1.5000000",
      amount: "150.0000000",
      destination_min: "150.0000000",
    });
  }

  async aStrictReceivePathIsFoundAndPaidAlong() {
    const [found, ...more] = await records(this.world.server.strictReceivePaths([this.euro], this.yen, "75"));
    assert.equal(more.length, 0);
    holds(found, { source_amount: "0.7500000", destination_amount: "75.0000000", source_asset_code: "EUR" });
    const before = await this.balances();
    const paid = await this.sender.do(this.receive(found.source_amount, "75", found.path.map(assetOf)));
    assert.deepEqual(await this.balances(), [before[0] - stroops("0.75"), before[1] + stroops("75")]);
    const [operation] = await records(this.world.server.payments().forTransaction(paid.hash));
    holds(operation, {
      type: "path_payment_strict_receive",
      source_max: "0.7500000",
      source_amount: "0.7500000",
      amount: "75.0000000",
    });
  }

  async pathsAreFoundForAccountsToo() {
    // What needs no exchange is a path as well.
    const amounts = (found, side) =>
      Object.fromEntries(found.map((path) => [path[`${side}_asset_code`] ?? "native", path[`${side}_amount`]]));
    const received = await records(this.world.server.strictReceivePaths(this.sender.id, this.yen, "10"));
    assert.deepEqual(amounts(received, "source"), { native: "0.2000000", EUR: "0.1000000", JPY: "10.0000000" });
    const sent = await records(this.world.server.strictSendPaths(this.euro, "1", this.receiver.id));
    assert.deepEqual(amounts(sent, "destination"), { native: "2.0000000", EUR: "1.0000000", JPY: "100.0000000" });
  }

  async whereThereIsNoPathNoneIsFound() {
    assert.deepEqual(await records(this.world.server.strictSendPaths(this.gold, "1", [this.yen])), []);
    assert.deepEqual(
      await records(this.world.server.strictReceivePaths([this.euro], this.yen, "1000")),
      [],
      "beyond the book",
    );
  }

  async aPaymentThatCostsMoreThanAllowedIsRefused() {
    for (const [operation, code] of [
      [this.receive("0.7", "75", [LUMENS]), "op_over_source_max"],
      [this.send("1", "100.0000001", [LUMENS]), "op_under_dest_min"],
      [this.send("1", "1", [], this.gold), "op_too_few_offers"],
    ]) {
      const error = await refused(TransactionFailedError, () => this.sender.do(operation));
      assert.deepEqual(error.getResultCodes(), { transaction: "tx_failed", operations: [code] });
    }
  }

  async wrongQuestionsAreRefused() {
    const { server } = this.world;
    for (const builder of [
      server.strictSendPaths(this.euro, "-1", [this.yen]),
      server.strictReceivePaths([this.euro], this.yen, "much"),
    ]) {
      holds((await refused(NetworkError, () => builder.call())).getResponse(), { status: 400 });
    }
  }
}
