// Formats numbers, times and durations for people.

const two = (number) => String(number).padStart(2, "0");

/** Return the time of day: 17:04:09.123. */
export function clock(ms, fraction = true) {
  const date = new Date(ms);
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return fraction ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Return date and time: 2026-11-25 17:04:09. */
export function dateTime(ms, fraction = false) {
  const date = new Date(ms);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${clock(ms, fraction)}`;
}

/** Return the time of day, with the date unless it is today. */
export function nearTime(ms) {
  return new Date(ms).toDateString() === new Date().toDateString() ? clock(ms) : dateTime(ms, true);
}

/** Return a time relative to now: 3 min ago. */
export function ago(ms) {
  const past = (Date.now() - ms) / 1000;
  if (past < 0) return "just now";
  for (const [limit, size, unit] of [
    [90, 1, "s"],
    [5400, 60, "min"],
    [129600, 3600, "h"],
  ]) {
    if (past < limit) return `${Math.round(past / size)} ${unit} ago`;
  }
  return `${Math.round(past / 86400)} d ago`;
}

/** Return a number with three significant digits, without trailing zeros. */
export function short(value, digits = 3) {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return String(value);
  const decimals = Math.min(12, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)))));
  return String(Number(value.toFixed(decimals)));
}

/** Return seconds as 350 ms, 2.4 s, 3 min 20 s or 2 d 4 h. */
export function duration(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 1e-6) return `${short(value * 1e9)} ns`;
  if (size < 1e-3) return `${short(value * 1e6)} µs`;
  if (size < 1) return `${short(value * 1e3)} ms`;
  if (size < 60) return `${short(value)} s`;
  return longDuration(value);
}

function longDuration(value) {
  const sign = value < 0 ? "−" : "";
  const steps = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  let rest = Math.round(Math.abs(value));
  const parts = [];
  for (const [unit, size] of steps) {
    if (rest >= size && parts.length < 2) parts.push(`${Math.floor(rest / size)} ${unit}`);
    rest = parts.length ? rest % size : rest;
  }
  return sign + parts.join(" ");
}

/** Return a duration in nanoseconds as text. */
export const nanoseconds = (value) => duration(value / 1e9);

/** Return a number with a unit prefix, by powers of 1000: 12.3 k, 4.5 M. */
export function compact(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  for (const [limit, unit] of [
    [1e12, " T"],
    [1e9, " G"],
    [1e6, " M"],
    [1e3, " k"],
  ]) {
    if (size >= limit) return short(value / limit) + unit;
  }
  return short(value);
}

/** Return a size by powers of 1024: 12.3 MiB. */
export function bytes(value) {
  if (!Number.isFinite(value)) return String(value);
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let index = 0;
  while (Math.abs(size) >= 1024 && index < units.length - 1)
    [size, index] = [size / 1024, index + 1];
  return `${short(size)} ${units[index]}`;
}

/** Return labels as PromQL writes them: name{a="b", c="d"}. */
export function labelText(labels) {
  const { __name__: name = "", ...rest } = labels;
  const inner = Object.entries(rest)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join(", ");
  return inner ? `${name}{${inner}}` : name || "{}";
}
