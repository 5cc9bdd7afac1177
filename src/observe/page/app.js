// Asks for the status twice a second, and lets the person choose what to see of it.

import { age, clock } from "./format.js";
import { draw } from "./view.js";

const POLL_MS = 500;
const HIDDEN_POLL_MS = 5000;
const TIMEOUT_MS = 2000;
/** A status older than this was not made by an engine that turns. */
const STALE_AFTER_MS = 3000;

const byId = (id) => document.getElementById(id);
const choice = { market: "", depth: 10, tab: "fills" };
let newest = null;
let answeredAt = null;

/** The choice lives in the address, so that a reload, or a bookmark, shows the same. */
function readChoice() {
  const words = new URLSearchParams(location.hash.slice(1));
  choice.market = words.get("market") ?? choice.market;
  if (["fills", "transactions", "offers"].includes(words.get("tab"))) choice.tab = words.get("tab");
  if (["5", "10", "20"].includes(words.get("depth"))) choice.depth = Number(words.get("depth"));
}

function choose(change) {
  Object.assign(choice, change);
  history.replaceState(null, "", `#${new URLSearchParams(choice)}`);
  show();
}

function show() {
  for (const radio of document.querySelectorAll('input[name="depth"]')) radio.checked = Number(radio.value) === choice.depth;
  for (const tab of document.querySelectorAll('[role="tab"]')) {
    const on = tab.id === `tab-${choice.tab}`;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !on;
  }
  if (newest) draw(newest, choice);
}

function listen() {
  byId("market").addEventListener("change", (event) => choose({ market: event.target.value }));
  byId("depth").addEventListener("change", (event) => choose({ depth: Number(event.target.value) }));
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const select = (tab) => choose({ tab: tab.id.slice("tab-".length) });
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = tabs[(to + tabs.length) % tabs.length];
      select(next);
      next.focus();
    });
  });
  window.addEventListener("hashchange", () => { readChoice(); show(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) poll(); });
}

/** What the engine is doing, in words that only change when that does: a screen reader speaks each change. */
function tellState() {
  const [state, words] = (() => {
    if (newest === null) return answeredAt === null ? ["waiting", "Connecting"] : ["stale", "No answer from the engine"];
    const silentMs = newest.age_ms + (Date.now() - answeredAt);
    if (silentMs > STALE_AFTER_MS) return ["stale", `Stale since ${clock(answeredAt - newest.age_ms)}: the engine does not answer`];
    if (newest.halted !== null) return ["halted", `Trading halted: ${newest.halted}`];
    if (newest.ledger.seq === 0) return ["waiting", "Waiting for the first ledger"];
    return ["live", "Live"];
  })();
  const node = byId("state");
  if (node.textContent !== words) node.textContent = words;
  node.dataset.state = state;
  document.documentElement.classList.toggle("stale", state === "stale");
  if (state === "stale") document.title = "STALE · Stellar connector";
}

let timer = 0;
let asking = false;

async function poll() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  try {
    const answer = await fetch("/status.json", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    newest = await answer.json();
    answeredAt = Date.now();
    draw(newest, choice);
  } catch (error) {
    // The state says so; the next poll tries again. A mistake of the page itself belongs in the console.
    if (!["AbortError", "TimeoutError"].includes(error.name) && !/fetch|status/i.test(error.message)) console.error(error);
  }
  asking = false;
  tellState();
  timer = setTimeout(poll, document.hidden ? HIDDEN_POLL_MS : POLL_MS);
}

readChoice();
listen();
show();
poll();
setInterval(() => { if (newest) { tellState(); byId("ledger-age").textContent = ledgerAge(); } }, 250);

function ledgerAge() {
  const ms = newest.ledger.age_ms;
  return ms === null ? "–" : `${age(ms + newest.age_ms + (Date.now() - answeredAt))} ago`;
}
