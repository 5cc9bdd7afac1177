// From a status to the page. Nodes are kept and only what changed is written, so that nothing flickers, a selection
// stays, and a screen reader is not disturbed.

import { age, clock, count, decimal, direction, duration, finer, placesOf, signed, span } from "./format.js";

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** Draws all of it. */
export function draw(status, choice) {
  const market = status.markets.find((one) => one.name === choice.market) ?? status.markets[0];
  const profit = status.profit_loss.find((line) => line.pair === market?.name) ?? status.profit_loss[0];
  drawHeader(status);
  drawTiles(status, market, profit);
  drawMarkets(status, market);
  drawBook(market, choice.depth);
  drawProfit(profit, status.transactions);
  drawLatency(status);
  drawFeeds(status.feeds);
  drawLedgers(status.ledger.recent);
  drawActivity(status, market);
  rows(byId("balances"), status.balances.map((line) => [
    { text: shortened(line.account), hint: line.account }, { text: line.asset }, amountCell(line.available), amountCell(line.total),
  ]));
  rows(byId("queues"), status.queues.map((queue) => [
    { text: queue.ring }, number(count(queue.length)), number(count(queue.capacity)),
    number(count(queue.dropped), queue.dropped > 0 ? "warn" : ""),
  ]));
  rows(byId("refusals"), status.refusals.filter((line) => line.count > 0).map((line) => [
    { text: line.name.replaceAll("_", " ") }, number(count(line.count)),
  ]));
  byId("refusals-empty").hidden = status.refusals.some((line) => line.count > 0);
  document.title = title(market, profit);
}

/** An account as explorers show it: its first and last four characters. What is no key stays whole. */
function shortened(account) {
  return /^[GM][A-Z2-7]{55,}$/.test(account) ? `${account.slice(0, 4)}…${account.slice(-4)}` : account;
}

/** Writes a node's text, class and title if they changed. */
function put(node, text, kind, hint) {
  if (node.textContent !== text) node.textContent = text;
  if (kind !== undefined && node.className !== kind) node.className = kind;
  if (hint !== undefined && node.title !== hint) node.title = hint;
}

/** Makes a body show these rows; a cell is { text, kind, hint }. */
function rows(body, lines) {
  while (body.rows.length > lines.length) body.deleteRow(-1);
  lines.forEach((cells, index) => {
    const row = body.rows[index] ?? body.insertRow();
    while (row.cells.length > cells.length) row.deleteCell(-1);
    cells.forEach((cell, at) => put(row.cells[at] ?? row.insertCell(), cell.text, cell.kind ?? "", cell.hint ?? ""));
  });
}

const number = (text, more = "", hint = "") => ({ text, kind: `n ${more}`.trim(), hint });
const amountCell = (text, more = "") => number(decimal(text, 2), more, text);
const sideCell = (side) => ({ text: side, kind: side });
const gainKind = (value, places) => ["loss", "", "gain"][direction(value, places) + 1];

function title(market, profit) {
  const parts = [];
  if (profit) parts.push(`${signed(profit.total, finer(profit.total))} ${profit.asset}`);
  if (market?.reference) parts.push(`${market.name} ${market.reference.mid.toFixed(5)}`);
  return [...parts, "Stellar connector"].join(" · ");
}

function drawHeader({ program, ledger }) {
  put(byId("mode"), program.mode);
  put(byId("ledger"), ledger.seq === 0 ? "–" : count(ledger.seq), undefined, `protocol ${ledger.protocol}`);
  put(byId("uptime"), span(program.uptime_ms));
  put(byId("network"), program.network, undefined, program.network);
  put(byId("seed"), program.seed === null ? "–" : String(program.seed));
  put(byId("build"), `${program.version} · ${program.build}`);
}

function tile(name, value, sub, kind = "") {
  put(byId(`tile-${name}`), value, kind);
  put(byId(`tile-${name}-sub`), sub);
}

function drawTiles(status, market, profit) {
  const { transactions: tx, tick_to_wire: wire } = status;
  if (profit) {
    const places = finer(profit.total);
    tile("pnl", `${signed(profit.total, places)} ${profit.asset}`, `${profit.strategy} on ${profit.pair}`, gainKind(profit.total, places));
  } else {
    tile("pnl", "–", "no strategy");
  }
  if (market) {
    const mid = market.reference?.mid;
    const worth = mid === undefined ? "no reference price" : `worth ${signed(Number(market.position) * mid)} ${market.quote}`;
    tile("position", `${signed(market.position)} ${market.base}`, worth);
    const spread = market.spread_bp === null ? "–" : `${decimal(market.spread_bp, 1)} bp`;
    const offers = market.active_offers === 1 ? "1 offer of ours" : `${count(market.active_offers)} offers of ours`;
    tile("spread", spread, `${offers} in the book`);
    tile("fills", count(market.fills), `${decimal(market.volume_quote, 0)} ${market.quote} traded`);
  } else {
    for (const name of ["position", "spread", "fills"]) tile(name, "–", "no market yet");
  }
  const trouble = tx.recent.some((one) => one.state === "failed" || one.state === "expired");
  tile("tx", `${count(tx.applied)} of ${count(tx.submitted)}`, `${count(tx.failed)} failed, ${count(tx.expired)} expired, ${count(tx.pending)} pending`);
  byId("tile-tx-sub").className = trouble ? "sub warn" : "sub";
  if (wire && wire.count > 0) tile("t2w", duration(wire.p50_ns), `p99 ${duration(wire.p99_ns)}, max ${duration(wire.max_ns)}`);
  else tile("t2w", "–", "nothing sent yet");
}

function drawMarkets({ markets, markets_configured: configured }, market) {
  const select = byId("market");
  const names = markets.map((one) => one.name);
  if ([...select.options].map((option) => option.value).join() !== names.join()) {
    select.replaceChildren(...names.map((name) => new Option(name, name)));
  }
  if (market && select.value !== market.name) select.value = market.name;
  select.hidden = markets.length === 0;
  put(byId("more"), configured > markets.length ? `${count(markets.length)} of ${count(configured)} markets; all are in the metrics` : "");
  const whole = byId("whole");
  whole.hidden = !market || market.whole;
  put(whole, "not whole");
}

function drawBook(market, depth) {
  const asks = market?.asks.slice(0, depth) ?? [];
  const bids = market?.bids.slice(0, depth) ?? [];
  const places = placesOf([...asks, ...bids].map((level) => level.price.decimal));
  const most = Math.max(sum(asks), sum(bids), 1e-7);
  put(byId("col-amount"), market ? `Amount, ${market.base}` : "Amount");
  put(byId("col-price"), market ? `Price, ${market.quote}` : "Price");
  ladder(byId("asks"), withTotals(asks).reverse(), { depth, places, most, atEnd: true });
  ladder(byId("bids"), withTotals(bids), { depth, places, most, atEnd: false });
  put(byId("mid-spread"), market?.spread_bp == null ? "no spread" : `${decimal(market.spread_bp, 1)} bp`);
  const reference = market?.reference;
  put(byId("mid-reference"), reference ? `reference ${reference.mid.toFixed(places)} · ${age(reference.age_ms)}` : "no reference price");
}

const sum = (levels) => levels.reduce((total, level) => total + Number(level.amount), 0);

function withTotals(levels) {
  let total = 0;
  return levels.map((level) => ({ ...level, total: (total += Number(level.amount)) }));
}

/** Always `depth` rows, so that the middle stays where the eye left it. */
function ladder(body, levels, { depth, places, most, atEnd }) {
  const missing = Array(Math.max(0, depth - levels.length)).fill(null);
  const lines = atEnd ? [...missing, ...levels] : [...levels, ...missing];
  rows(body, lines.map((level) => (level === null ? ["", "", "", ""].map((text) => ({ text })) : ladderCells(level, places))));
  lines.forEach((level, index) => {
    const row = body.rows[index];
    row.className = level !== null && Number(level.own_amount) > 0 ? "ours" : "";
    // Through the object model: a style attribute is what the page's own policy forbids.
    row.style.setProperty("--depth", level === null ? "0%" : `${((100 * level.total) / most).toFixed(1)}%`);
  });
}

function ladderCells(level, places) {
  const { decimal: price, n, d } = level.price;
  const own = Number(level.own_amount) > 0;
  return [
    { text: own ? decimal(level.own_amount, 2) : "", kind: "own", hint: own ? level.own_amount : "" },
    { text: decimal(level.amount, 2), hint: level.amount },
    { text: decimal(level.total, 0), kind: "total" },
    { text: Number(price).toFixed(places), kind: "price", hint: `${price} = ${n}/${d}` },
  ];
}

function drawProfit(profit, transactions) {
  put(byId("pnl-what"), profit ? `${profit.pair}, ${profit.asset}` : "");
  for (const part of ["realised", "unrealised"]) {
    const value = profit?.[part] ?? null;
    put(byId(`pnl-${part}`), value === null ? "–" : signed(value, 4), value === null ? "" : gainKind(value, 4), value ?? "");
  }
  put(byId("pnl-fees"), `${decimal(transactions.fees_paid, 4)} XLM`, undefined, transactions.fees_paid);
  const history = profit?.history.map((point) => Number(point.total)) ?? [];
  const [low, high] = [Math.min(0, ...history), Math.max(0, ...history)];
  const room = high - low || 1;
  const y = (value) => (6 + 128 * (1 - (value - low) / room)).toFixed(1);
  const x = (index) => ((600 * index) / Math.max(1, history.length - 1)).toFixed(1);
  const line = history.length < 2 ? "" : `M${history.map((value, index) => `${x(index)} ${y(value)}`).join("L")}`;
  byId("curve-line").setAttribute("d", line);
  byId("curve-area").setAttribute("d", line && `${line}L600 ${y(0)}L0 ${y(0)}Z`);
  byId("curve-zero").setAttribute("d", `M0 ${y(0)}L600 ${y(0)}`);
  byId("curve").classList.toggle("losing", (history.at(-1) ?? 0) < 0);
  const places = finer(Math.max(high, -low));
  put(byId("curve-max"), line && signed(high, places));
  put(byId("curve-min"), line && signed(low, places));
}

function drawLatency({ latency, tick_to_wire: wire }) {
  const stages = [...latency, ...(wire ? [{ ...wire, stage: "tick to wire" }] : [])];
  const measured = stages.filter((stage) => stage.count > 0);
  const low = Math.floor(Math.log10(Math.max(10, Math.min(1e5, ...measured.map((stage) => stage.p50_ns)))));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(1e3, ...measured.map((stage) => stage.max_ns)))));
  const at = (ns) => (100 * (Math.log10(Math.max(ns, 1)) - low)) / (high - low);
  put(byId("latency-scale"), measured.length > 0 ? `bars: ${duration(10 ** low)} to ${duration(10 ** high)}, logarithmic` : "");
  const body = byId("latency");
  rows(body, stages.map((stage) => {
    const value = (ns) => number(stage.count > 0 ? duration(ns) : "–", "", `${count(ns)} ns`);
    return [
      { text: stage.stage.replaceAll("_", " ") }, { text: "", kind: "plot" },
      value(stage.p50_ns), value(stage.p99_ns), value(stage.p999_ns), value(stage.max_ns),
      number(count(stage.count), "minor"),
    ];
  }));
  stages.forEach((stage, index) => plot(body.rows[index].cells[1], stage, at));
}

/** A bar from the median to 99 %, a thin line on to the largest. */
function plot(cell, stage, at) {
  const bounds = stage.count > 0 ? [at(stage.p50_ns), at(stage.p99_ns), at(stage.max_ns)] : [0, 0, 0];
  ["--p50", "--p99", "--max"].forEach((name, index) => {
    cell.style.setProperty(name, `${Math.min(100, Math.max(0, bounds[index])).toFixed(1)}%`);
  });
}

function drawFeeds(feeds) {
  const list = byId("feeds");
  const up = feeds.filter((feed) => feed.up).length;
  put(byId("feeds-sum"), feeds.length > 0 ? `${up} of ${feeds.length} up` : "");
  while (list.children.length > feeds.length) list.lastElementChild.remove();
  feeds.forEach((feed, index) => {
    const item = list.children[index] ?? list.appendChild(feedItem());
    const [dot, name, since, detail] = item.children;
    put(dot, feed.up ? "up" : "down", `lamp ${feed.up ? "up" : "down"}`);
    put(name, feed.name, undefined, feed.endpoint);
    put(since, age(feed.last_message_age_ms));
    const faults = feed.faults.filter((fault) => fault.count > 0).map((fault) => `${count(fault.count)} ${fault.name.replaceAll("_", " ")}`);
    put(detail, [feed.endpoint, feed.detail, faults.length > 0 ? `faults: ${faults.join(", ")}` : ""].filter(Boolean).join(" · "));
  });
}

function feedItem() {
  const item = document.createElement("li");
  for (const kind of ["lamp", "name", "since", "detail"]) {
    item.appendChild(document.createElement("span")).className = kind;
  }
  return item;
}

function drawLedgers(recent) {
  const ticker = byId("ticker");
  const shown = recent.slice(0, 60).reverse();
  const most = Math.max(1, ...shown.map((ledger) => ledger.transactions));
  while (ticker.children.length > shown.length * 2) ticker.lastElementChild.remove();
  while (ticker.children.length < shown.length * 2) ticker.appendChild(document.createElementNS(SVG, "rect"));
  shown.forEach((ledger, index) => {
    const place = 60 - shown.length + index;
    const bar = (node, height, kind) => {
      const attributes = { x: place * 10 + 1, y: (44 - height).toFixed(1), width: 8, height: height.toFixed(1), class: kind };
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    };
    const tall = (transactions) => (transactions === 0 ? 0 : Math.max(2, (42 * transactions) / most));
    bar(ticker.children[2 * index], Math.max(1, tall(ledger.transactions)), ledger.own > 0 ? "own" : "");
    bar(ticker.children[2 * index + 1], tall(ledger.failed), "fail");
  });
  const last = recent[0];
  put(byId("ledgers-sum"), last ? `${count(last.seq)}: ${count(last.transactions)} transactions, ${count(last.own)} ours` : "");
}

function drawActivity(status, market) {
  rows(byId("fills"), status.fills.map((fill) => [
    { text: clock(fill.time_ms), hint: new Date(fill.time_ms).toISOString() }, number(count(fill.ledger), "minor"),
    { text: fill.market }, sideCell(fill.side), amountCell(fill.base),
    number(fill.price), amountCell(fill.quote, "minor"), { text: fill.liquidity, kind: "minor" },
  ]));
  byId("fills-empty").hidden = status.fills.length > 0;
  rows(byId("transactions"), status.transactions.recent.map((one) => [
    { text: clock(one.sent_ms), hint: new Date(one.sent_ms).toISOString() }, { text: one.fate, kind: `fate ${one.state}` },
    number(one.ledger === null ? "–" : count(one.ledger)), { text: one.market, kind: "minor" }, number(count(one.operations), "minor"),
    number(count(Math.round(Number(one.fee) * 1e7)), "minor"), { text: one.hash.slice(0, 8), kind: "hash", hint: one.hash },
  ]));
  byId("transactions-empty").hidden = status.transactions.recent.length > 0;
  rows(byId("offers"), market?.own_offers.map((offer) => offerCells(offer, market)) ?? []);
  byId("offers-empty").hidden = (market?.own_offers.length ?? 0) > 0;
}

function offerCells(offer, market) {
  const price = Number(offer.price.decimal);
  const mid = market.reference?.mid;
  const sells = offer.side === "sell" ? market.base : market.quote;
  return [
    { text: market.name }, sideCell(offer.side), number(offer.price.decimal, "", `${offer.price.n}/${offer.price.d}`),
    number(`${decimal(offer.amount)} ${sells}`, "", offer.amount),
    number(mid === undefined ? "–" : `${signed(1e4 * (price / mid - 1), 1)} bp`, "minor"), number(offer.id),
  ];
}
