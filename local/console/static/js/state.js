// The page's state is in its URL, so that every view can be shared as a link.

export const params = () => new URLSearchParams(location.search);

/** Write values into the URL; null, "" and [] remove a parameter. */
export function setParams(values, { push = false } = {}) {
  const query = params();
  for (const [name, value] of Object.entries(values)) {
    query.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") query.append(name, one);
    }
  }
  const text = query.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
  const address = text ? `${location.pathname}?${text}` : location.pathname;
  if (address === location.pathname + location.search) return;
  history[push ? "pushState" : "replaceState"](null, "", address);
}

/** Return a path with query parameters. */
export function link(path, values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== "" && value !== null && value !== undefined) query.append(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** Run a callback after back or forward. */
export const onNavigate = (callback) => addEventListener("popstate", callback);

const UNITS = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/**
 * Return unix seconds for `now-1h`, `now-1d/d`, seconds, milliseconds or an ISO time; NaN for other
 * texts. `up` rounds `/d` to the end of the day, as for the end of a range.
 */
export function moment(text, now = Date.now() / 1000, { up = false } = {}) {
  if (/^now(?:[+-]\d+[smhdwMQy]|\/[smhdwMQy])*$/.test(text ?? "")) return dateMath(text, now, up);
  if (/^\d+(\.\d+)?$/.test(text ?? ""))
    return Number(text) > 1e11 ? Number(text) / 1000 : Number(text);
  return Date.parse(text) / 1000;
}

/** Source: Grafana's date math, in the browser's time zone; weeks start on Sunday. */
function dateMath(text, now, up) {
  const date = new Date(now * 1000);
  for (const [, sign, amount, unit, rounded] of text.matchAll(
    /([+-])(\d+)([smhdwMQy])|\/([smhdwMQy])/g,
  ))
    if (rounded) {
      toStart(date, rounded);
      if (up) {
        move(date, 1, rounded);
        date.setMilliseconds(-1);
      }
    } else move(date, sign === "-" ? -Number(amount) : Number(amount), unit);
  return date.getTime() / 1000;
}

function move(date, amount, unit) {
  const months = { M: 1, Q: 3, y: 12 }[unit];
  if (months) date.setMonth(date.getMonth() + amount * months);
  else if (unit === "d" || unit === "w")
    date.setDate(date.getDate() + amount * (unit === "w" ? 7 : 1));
  else date.setTime(date.getTime() + amount * UNITS[unit] * 1000);
}

function toStart(date, unit) {
  const size = "smhdwMQy".indexOf(unit);
  date.setMilliseconds(0);
  if (size >= 1) date.setSeconds(0);
  if (size >= 2) date.setMinutes(0);
  if (size >= 3) date.setHours(0);
  if (unit === "w") date.setDate(date.getDate() - date.getDay());
  if (size >= 5) date.setDate(1);
  if (unit === "Q") date.setMonth(date.getMonth() - (date.getMonth() % 3));
  if (unit === "y") date.setMonth(0);
}

/** Return seconds for `15m` or `1h30m`; NaN for other texts. */
export function seconds(text) {
  const parts = [...(text ?? "").matchAll(/(\d+)(s|m|h|d|w)/g)];
  if (!parts.length || parts.map((part) => part[0]).join("") !== text) return NaN;
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * UNITS[unit], 0);
}
