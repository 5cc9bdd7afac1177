// Opens the status page of a running engine, uses it as a person would, and looks at it.
//
//   node status_page.mjs http://127.0.0.1:8000/ OUTDIR
//
// OUTDIR gets screenshots: dark, light, phone, stale. CHROMIUM names the browser (Debian's by default). Exits 1 with
// the promise that was not kept. No time is asserted: only that what should come does, within PATIENCE_MS.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const PATIENCE_MS = 30_000;
const DESK = { width: 1440, height: 1000 };
const PHONE = { width: 390, height: 844 };
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const [url, outDir] = process.argv.slice(2);
if (!url || !outDir) {
  console.error("usage: node status_page.mjs URL OUTDIR");
  process.exit(2);
}

const promises = [
  ["the page goes live and its numbers move", goesLive],
  ["the book shows both sides, with our own quotes marked", showsTheBook],
  ["a click on a depth shows so many levels", choosesDepth],
  ["tabs answer to clicks and to arrow keys", choosesTab],
  ["another market can be chosen", choosesMarket],
  ["a reload shows what was chosen", remembersTheChoice],
  ["an update writes into the nodes that are there", keepsItsNodes],
  ["fills, transactions and latencies arrive", showsWhatHappened],
  ["dark, light and phone are readable and fit", looksRight],
  ["an engine with nothing to show yet has a page", showsNothingYet],
  ["a halt and a book that is not whole are told plainly", tellsTrouble],
  ["silence is told plainly, and so is its end", tellsSilence],
];

await mkdir(outDir, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
const context = await browser.newContext({ viewport: DESK, colorScheme: "dark", reducedMotion: "reduce" });
const page = await context.newPage();
page.setDefaultTimeout(PATIENCE_MS);
const complaints = watch(page, new URL(url).origin);
try {
  await page.goto(url);
  for (const [promise, keep] of promises) {
    await keep().catch((error) => {
      error.message = `${promise}: ${error.message}`;
      throw error;
    });
    console.log(`ok - ${promise}`);
  }
  assert.deepEqual(complaints, [], "the browser complained");
  console.log("ok - the browser has nothing to complain about, and asked nobody else");
} catch (error) {
  await page.screenshot({ path: join(outDir, "failed.png") }).catch(() => {});
  console.error(`FAILED - ${error.message}\nSee ${join(outDir, "failed.png")}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}

/** Collects script errors, policy violations, and requests to anyone but the engine. */
function watch(watched, origin) {
  const found = [];
  watched.on("pageerror", (error) => found.push(`error: ${error.message}`));
  watched.on("console", (message) => {
    // What the test itself breaks, later on, is logged by the browser as a failed resource.
    if (message.type() === "error" && !message.text().includes("Failed to load resource")) found.push(message.text());
  });
  watched.on("request", (request) => {
    if (!request.url().startsWith(origin)) found.push(`asked ${request.url()}`);
  });
  watched.on("response", (response) => {
    if (response.status() >= 400) found.push(`${response.status()} for ${response.url()}`);
  });
  return found;
}

function text(selector) {
  return page.locator(selector).first().textContent();
}

async function until(what, condition) {
  const end = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    assert.ok(Date.now() < end, `waited ${PATIENCE_MS / 1000} s in vain until ${what}`);
    await page.waitForTimeout(100);
  }
}

async function changes(selector) {
  const before = await text(selector);
  await until(`${selector} is no longer "${before}"`, async () => (await text(selector)) !== before);
}

async function goesLive() {
  await until("the state is live", async () => (await page.locator("#state").getAttribute("data-state")) === "live");
  for (const moving of ["#ledger", "#uptime"]) await changes(moving);
}

async function showsTheBook() {
  for (const side of ["#asks", "#bids"]) {
    await until(`${side} has prices`, async () => (await page.locator(`${side} .price`).count()) > 0);
    await until(`${side} marks our quote`, async () => (await page.locator(`${side} tr.ours`).count()) > 0);
  }
  const prices = await page.locator(".ladder .price").allTextContents();
  const falling = prices.map(Number).every((price, index, all) => index === 0 || price <= all[index - 1]);
  assert.ok(falling, `prices fall from the top to the bottom: ${prices}`);
  await until("there is a reference price", async () => /^reference [0-9.]+/.test(await text("#mid-reference")));
}

async function choosesDepth() {
  for (const depth of [5, 20, 10]) {
    await page.locator(`#depth label:has(input[value="${depth}"])`).click();
    assert.equal(await page.locator("#asks tr").count(), depth);
    assert.equal(await page.locator("#bids tr").count(), depth);
  }
}

async function choosesTab() {
  await page.getByRole("tab", { name: "Transactions" }).click();
  assert.ok(await page.locator("#panel-transactions").isVisible());
  assert.ok(!(await page.locator("#panel-fills").isVisible()));
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.locator("#panel-offers").isVisible());
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-offers");
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.locator("#panel-fills").isVisible(), "after the last comes the first");
}

async function choosesMarket() {
  const markets = await page.locator("#market option").allTextContents();
  assert.ok(markets.length > 0, "there is a market");
  for (const market of [...markets].reverse()) {
    await page.locator("#market").selectOption(market);
    assert.equal(await text("#col-price"), `Price, ${market.split("/")[1]}`);
  }
}

async function remembersTheChoice() {
  await page.getByRole("tab", { name: "Own offers" }).click();
  await page.reload();
  await until("the tab is chosen again", () => page.locator("#panel-offers").isVisible());
  await page.getByRole("tab", { name: "Fills" }).click();
  await goesLive();
}

async function keepsItsNodes() {
  await page.evaluate(() => document.querySelectorAll(".ladder tr, #latency tr, #feeds li, .tile dd").forEach((node) => { node.kept = true; }));
  await changes("#uptime");
  const lost = await page.evaluate(() => [...document.querySelectorAll(".ladder tr, #latency tr, #feeds li, .tile dd")].filter((node) => !node.kept).length);
  assert.equal(lost, 0);
}

async function showsWhatHappened() {
  await until("a transaction is shown", async () => (await page.locator("#transactions tr").count()) > 0);
  await until("a fill is shown", async () => (await page.locator("#fills tr").count()) > 0);
  await until("tick to wire is measured", async () => /^[0-9]/.test(await text("#tile-t2w")));
  await until("the curve is drawn", async () => ((await page.locator("#curve-line").getAttribute("d")) ?? "").includes("L"));
  assert.ok((await page.locator("#latency tr").count()) > 1, "stages have latencies");
  assert.ok((await page.locator("#feeds li").count()) > 0, "feeds are listed");
}

async function looksRight() {
  await inspect("dark", DESK, "dark");
  await inspect("light", DESK, "light");
  await inspect("phone", PHONE, "dark");
  await inspect("phone-light", PHONE, "light");
  await inspect("tablet", { width: 1000, height: 900 }, "dark");
  await page.setViewportSize(DESK);
  await page.emulateMedia({ colorScheme: "dark" });
}

/** Takes a picture, and has accessibility rules (contrast, names, roles) checked on what is in it. */
async function inspect(name, viewport, colorScheme) {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme });
  await changes("#uptime");
  await page.screenshot({ path: join(outDir, `${name}.png`), fullPage: true });
  const surplus = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(surplus, 0, `${name}: the page is wider than its window`);
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")}`);
  assert.deepEqual(told, [], `${name}: accessibility`);
}

/** Lets the page see the engine's own status with something changed in it. */
async function withStatus(change, look) {
  await page.route("**/status.json", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), ...change } });
  });
  await look();
  await page.unroute("**/status.json");
  await goesLive();
}

async function showsNothingYet() {
  const nothing = {
    feeds: [], markets: [], fills: [], balances: [], profit_loss: [], latency: [], tick_to_wire: null, queues: [], refusals: [],
    ledger: { seq: 0, protocol: 0, close_time_s: 0, age_ms: null, transactions: 0, recent: [] },
    transactions: { submitted: 0, applied: 0, failed: 0, expired: 0, pending: 0, fees_paid: "0.0000000", recent: [] },
  };
  await withStatus(nothing, async () => {
    await until("it waits", async () => (await text("#state")) === "Waiting for the first ledger");
    assert.ok(await page.locator("#fills-empty").isVisible());
    await page.screenshot({ path: join(outDir, "empty.png") });
  });
}

async function tellsTrouble() {
  const { markets } = await (await page.request.get(new URL("status.json", url).href)).json();
  await withStatus({ halted: "reference price is stale", markets: markets.map((market) => ({ ...market, whole: false })) }, async () => {
    await until("the halt is told", async () => (await text("#state")) === "Trading halted: reference price is stale");
    assert.equal(await page.locator("#whole").isVisible(), true);
    await page.screenshot({ path: join(outDir, "halted.png") });
  });
}

async function tellsSilence() {
  const stale = async () => /^Stale since \d\d:\d\d:\d\d/.test(await text("#state"));
  await page.route("**/status.json", (route) => route.abort());
  await until("it says stale when nobody answers", stale);
  assert.match(await page.title(), /^STALE/);
  await page.screenshot({ path: join(outDir, "stale.png") });
  await page.unroute("**/status.json");
  await goesLive();
  await withStatus({ age_ms: 60_000 }, () => until("it says stale when only the server answers", stale));
}
