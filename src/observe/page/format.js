// Numbers and times as people read them. What is exact stays in titles.

const grouped = new Map();

/** A decimal string or number with `places` decimals and grouped thousands. */
export function decimal(value, places = 2) {
  if (value === null || value === undefined) return "–";
  if (!grouped.has(places)) {
    grouped.set(places, new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places }));
  }
  // A loss that rounds to nothing is nothing, not "-0.00".
  const text = grouped.get(places).format(Number(value)).replace(/^-(?=[0.,]*$)/, "");
  return text.replace("-", "−");
}

/** The same with its sign, for differences. */
export function signed(value, places = 2) {
  const text = decimal(value, places);
  return Number(value) > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** 1 for a gain, -1 for a loss, 0 for what is shown as zero. */
export function direction(value, places = 2) {
  const shown = Number(Number(value).toFixed(places));
  return Math.sign(shown);
}

/** Decimals for a sum of money: small ones need more to be seen moving. */
export const finer = (value) => (Math.abs(Number(value)) < 1 ? 4 : 2);

export const count = (value) => decimal(value, 0);

/** Nanoseconds with three digits and the unit that suits. */
export function duration(ns) {
  const units = [["ns", 1], ["µs", 1e3], ["ms", 1e6], ["s", 1e9]];
  const [unit, size] = units.findLast(([, least]) => ns >= least) ?? units[0];
  const value = ns / size;
  const places = unit === "ns" || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(places)} ${unit}`;
}

/** How long ago, coarser the longer. */
export function age(ms) {
  if (ms === null || ms === undefined) return "never";
  if (ms < 100) return "< 0.1 s";
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return span(ms);
}

/** A long time. */
export function span(ms) {
  const seconds = Math.floor(ms / 1000);
  const [d, h, m, s] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} min`;
  return m > 0 ? `${m} min ${s} s` : `${s} s`;
}

/** Local time of day. */
export function clock(ms) {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** Decimals that all of these prices need so that they line up: trailing zeros that all share go, five stay. */
export function placesOf(prices) {
  const needed = prices.map((text) => text.replace(/0+$/, "").split(".")[1]?.length ?? 0);
  return Math.min(7, Math.max(5, ...needed));
}
