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
