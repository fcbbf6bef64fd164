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

/** Return unix seconds for `now-1h`, seconds, milliseconds or an ISO time; NaN for other texts. */
export function moment(text, now = Date.now() / 1000) {
  const relative = /^now(?:-(\d+)(s|m|h|d|w))?(?:\/[smhdw])?$/.exec(text ?? "");
  if (relative) return relative[1] ? now - Number(relative[1]) * UNITS[relative[2]] : now;
  if (/^\d+(\.\d+)?$/.test(text ?? ""))
    return Number(text) > 1e11 ? Number(text) / 1000 : Number(text);
  return Date.parse(text) / 1000;
}

/** Return seconds for `15m` or `1h30m`; NaN for other texts. */
export function seconds(text) {
  const parts = [...(text ?? "").matchAll(/(\d+)(s|m|h|d|w)/g)];
  if (!parts.length || parts.map((part) => part[0]).join("") !== text) return NaN;
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * UNITS[unit], 0);
}
