// Colors that color-blind people can distinguish (after Okabe and Ito), one set per theme.

const SETS = {
  dark: [
    "#56b4e9",
    "#e69f00",
    "#2fbf8f",
    "#cc79a7",
    "#f0d442",
    "#8d9bff",
    "#e8703a",
    "#b4bcc8",
    "#4fd0d6",
    "#c5a3f0",
  ],
  light: [
    "#0072b2",
    "#c97700",
    "#008663",
    "#b0508a",
    "#9a8500",
    "#4f5bd5",
    "#c24a00",
    "#68727e",
    "#007f86",
    "#7b4fc0",
  ],
};
const FIRST = [
  "orders",
  "orders-worker",
  "orders-relay",
  "payment-provider",
  "customers",
  "console",
];
const LEVELS = {
  trace: "--faint",
  debug: "--faint",
  info: "--info",
  warn: "--warn",
  error: "--bad",
  fatal: "--bad",
};

export const theme = () => document.documentElement.dataset.theme;
export const palette = () => SETS[theme()];
export const colorAt = (index) => palette()[index % palette().length];

const LEAST_CONTRAST = 3;
const READABLE = new Map();

/** Return red, green and blue of a color, 0 to 255, or null for `transparent` and its like. */
function channels(color) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = "#010203";
  context.fillStyle = color;
  const hex = /^#(..)(..)(..)$/.exec(context.fillStyle);
  if (!hex || context.fillStyle === "#010203") return null;
  return hex.slice(1).map((part) => Number.parseInt(part, 16));
}

/** Return the relative luminance as WCAG 2 defines it. */
function luminance(rgb) {
  const [red, green, blue] = rgb.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function ratio(left, right) {
  const [high, low] = [luminance(left), luminance(right)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

/** Return a color, mixed with black or white until it is visible on a panel of this theme. */
export function readable(color) {
  const key = `${theme()} ${color}`;
  if (!READABLE.has(key)) READABLE.set(key, mixed(color));
  return READABLE.get(key);
}

function mixed(color) {
  const [own, surface] = [channels(color), channels(token("--surface"))];
  if (!own || !surface) return color;
  const end = luminance(surface) > 0.4 ? 0 : 255;
  for (let part = 0; part <= 1; part += 0.04) {
    const rgb = own.map((value) => Math.round(value + (end - value) * part));
    if (ratio(rgb, surface) >= LEAST_CONTRAST)
      return part ? `#${rgb.map((value) => value.toString(16).padStart(2, "0")).join("")}` : color;
  }
  return token("--text");
}

/** Return black or white, whichever is easier to read on a color. */
export function inkOn(color) {
  const rgb = channels(color);
  if (!rgb) return token("--text");
  return ratio(rgb, [0, 0, 0]) > ratio(rgb, [255, 255, 255]) ? "#000000" : "#ffffff";
}
export const token = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const levelColor = (level) => token(LEVELS[level] ?? "--muted");

/** Return a service's color, the same on every page. */
export function serviceColor(service) {
  const known = FIRST.indexOf(service);
  if (known >= 0) return colorAt(known);
  let hash = 7;
  for (const letter of service) hash = (hash * 31 + letter.codePointAt(0)) % 1009;
  return colorAt(hash);
}

/** Run a callback after a change of the theme. */
export const onTheme = (callback) => addEventListener("themechange", callback);
