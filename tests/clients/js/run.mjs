// Drives a sandbox through @stellar/stellar-sdk from npm, unmodified, as a trading firm would.
//
//   node run.mjs URL [SUBJECT…]
//
// Every subject has accounts of its own and keeps its promises one after the other; subjects run side by side, except
// for the last, which breaks things for everybody. Exits 1 with the promises that were not kept. No time is asserted:
// only that what should come does, within the patience of world.mjs.

import { Accounts } from "./accounts.mjs";
import { Asynchronous } from "./asynchronous.mjs";
import { Faults } from "./faults.mjs";
import { Paging } from "./paging.mjs";
import { Paths } from "./paths.mjs";
import { Pools } from "./pools.mjs";
import { Refusals } from "./refusals.mjs";
import { Rpc } from "./rpc.mjs";
import { Streams } from "./streams.mjs";
import { Trading } from "./trading.mjs";
import { Transactions } from "./transactions.mjs";
import { World } from "./world.mjs";

const SIDE_BY_SIDE = [Accounts, Trading, Streams, Paths, Pools, Transactions, Refusals, Asynchronous, Paging, Rpc];
const ALONE = [Faults];

const [url, ...wanted] = process.argv.slice(2);
if (!url) {
  console.error("usage: node run.mjs URL [SUBJECT…]");
  process.exit(2);
}

/** Keeps a subject's promises: its methods, in the order in which they are written; `begin` first. */
async function keep(subject) {
  const name = subject.name.toLowerCase();
  let promise = "it begins";
  try {
    const instance = new subject();
    instance.world = await World.at(url);
    await instance.begin?.();
    const hidden = ["constructor", "begin"];
    for (const method of Object.getOwnPropertyNames(subject.prototype).filter((method) => !hidden.includes(method))) {
      promise = method.replace(/[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`);
      await instance[method]();
      console.log(`ok - ${name}: ${promise}`);
    }
    return true;
  } catch (error) {
    const answer = error.response?.data ?? error.response;
    console.error(`FAILED - ${name}: ${promise}\n${error.stack ?? JSON.stringify(error)}`);
    if (answer) console.error(`answered: ${JSON.stringify(answer)}`);
    return false;
  }
}

const chosen = (subjects) => subjects.filter(({ name }) => wanted.length === 0 || wanted.includes(name.toLowerCase()));
const kept = await Promise.all(chosen(SIDE_BY_SIDE).map(keep));
for (const subject of chosen(ALONE)) kept.push(await keep(subject));
console.log(`${kept.filter(Boolean).length} of ${kept.length} subjects kept their promises`);
process.exit(kept.every(Boolean) ? 0 : 1);
