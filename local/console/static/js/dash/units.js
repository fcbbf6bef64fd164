// Grafana's units, those that dashboards of services use.

import { tickBytes, tickSeconds } from "../chartparts.js";
import { bytes, compact, dateTime, duration, short } from "../format.js";

const suffix =
  (unit, format = compact) =>
  (value) =>
    `${format(value)} ${unit}`;
const seconds = (factor) => (value) => duration(value * factor);

const UNITS = {
  short: compact,
  none: (value) => short(value, 5),
  "": compact,
  string: String,
  locale: (value) => value.toLocaleString(),
  sci: (value) => value.toExponential(2),
  percent: (value) => `${short(value)}%`,
  percentunit: (value) => `${percent(value)}%`,
  humidity: suffix("%H"),
  bool: (value) => (value ? "True" : "False"),
  bool_yes_no: (value) => (value ? "Yes" : "No"),
  bool_on_off: (value) => (value ? "On" : "Off"),
  s: seconds(1),
  dtdurations: seconds(1),
  dthms: seconds(1),
  clocks: seconds(1),
  ms: seconds(1e-3),
  dtdurationms: seconds(1e-3),
  µs: seconds(1e-6),
  us: seconds(1e-6),
  ns: seconds(1e-9),
  m: seconds(60),
  h: seconds(3600),
  d: seconds(86400),
  bytes,
  decbytes: (value) => `${compact(value)}B`,
  bits: suffix("b"),
  kbytes: (value) => bytes(value * 1024),
  mbytes: (value) => bytes(value * 1048576),
  gbytes: (value) => bytes(value * 1073741824),
  Bps: (value) => `${compact(value)}B/s`,
  binBps: (value) => `${bytes(value)}/s`,
  bps: (value) => `${compact(value)}b/s`,
  reqps: suffix("req/s"),
  ops: suffix("ops/s"),
  cps: suffix("c/s"),
  rps: suffix("rd/s"),
  wps: suffix("wr/s"),
  iops: suffix("io/s"),
  eps: suffix("evt/s"),
  mps: suffix("msg/s"),
  recps: suffix("rec/s"),
  rowsps: suffix("rows/s"),
  reqpm: suffix("req/min"),
  opm: suffix("ops/min"),
  cpm: suffix("c/min"),
  hertz: suffix("Hz"),
  currencyUSD: (value) => `$${short(value, 4)}`,
  currencyEUR: (value) => `€${short(value, 4)}`,
  dateTimeAsIso: (value) => dateTime(value),
  dateTimeAsLocal: (value) => dateTime(value),
  dateTimeFromNow: (value) => `${duration((Date.now() - value) / 1000)} ago`,
  celsius: suffix("°C", short),
  watt: suffix("W"),
};

const SECONDS = { s: 1, ms: 1e-3, µs: 1e-6, us: 1e-6, ns: 1e-9, m: 60, h: 3600, d: 86400 };
Object.assign(SECONDS, { dtdurations: 1, clocks: 1, dtdurationms: 1e-3 });

const BYTES = { bytes: 1, binBps: 1, kbytes: 1024, mbytes: 1024 ** 2, gbytes: 1024 ** 3 };

/** Return the function that gives the distance of ticks for a span, or null for units in tens. */
export function ticksOf(unit) {
  const [tick, size] =
    unit in SECONDS ? [tickSeconds, SECONDS[unit]] : unit in BYTES ? [tickBytes, BYTES[unit]] : [];
  return tick ? (span) => tick(span * size) / size : null;
}

/** Return a ratio as a percentage: more digits near 100 (99.95), three elsewhere (1.23). */
function percent(value) {
  const number = value * 100;
  return Math.abs(number) >= 90 && Math.abs(number) < 100
    ? String(Number(number.toFixed(3)))
    : short(number);
}

/** Return the function that formats numbers of a unit. */
export function unitFormat(unit = "", decimals = null) {
  const known = UNITS[unit];
  const fixed = Number.isInteger(decimals) ? (value) => rounded(value, unit, decimals) : null;
  if (fixed && fixed(1) !== null) return (value) => (finite(value) ? fixed(value) : special(value));
  const [kind, word] = unit.includes(":") ? unit.split(/:(.*)/) : ["suffix", unit];
  // Grafana does not scale a unit of one's own.
  const plain = (value) => short(value, 5);
  const other = kind === "prefix" ? (value) => `${word}${plain(value)}` : suffix(word, plain);
  return (value) => (finite(value) ? (known ?? other)(value) : special(value));
}

const finite = (value) => typeof value === "number" && Number.isFinite(value);
const special = (value) =>
  value === null || value === undefined || Number.isNaN(value)
    ? "no value"
    : value === Infinity
      ? "∞"
      : value === -Infinity
        ? "−∞"
        : String(value);

/** Return a value with fixed decimals, or null if the unit chooses its own scale. */
function rounded(value, unit, decimals) {
  if (unit === "percentunit") return `${(value * 100).toFixed(decimals)}%`;
  if (unit === "percent") return `${value.toFixed(decimals)}%`;
  if (["none", "short", ""].includes(unit))
    return Math.abs(value) < 1000 ? value.toFixed(decimals) : compact(value);
  return null;
}
