// A panel's field options for one series: unit, color, mappings, name.
// Source: Grafana 11, field configuration: defaults, then overrides in order.

import { colorAt, readable, token } from "../colors.js";
import { unitFormat } from "./units.js";

const NAMED = {
  green: "#3fa66b",
  yellow: "#d9b424",
  orange: "#e0852b",
  red: "#d8544f",
  blue: "#4a86d8",
  purple: "#9a6fd0",
  gray: "#8a94a0",
  grey: "#8a94a0",
};
// Grafana's shades: how much black or white is mixed in.
const SHADES = {
  "super-light": [0.6, 255],
  light: [0.35, 255],
  "semi-dark": [0.15, 0],
  dark: [0.3, 0],
};

function named(color) {
  const [, shade, hue] = /^(super-light|light|semi-dark|dark)-(\w+)$/.exec(color) ?? [];
  if (!NAMED[hue]) return NAMED[color] ?? color;
  const [part, end] = SHADES[shade];
  const parts = [1, 3, 5].map((at) => Number.parseInt(NAMED[hue].slice(at, at + 2), 16));
  return `rgb(${parts.map((value) => Math.round(value + (end - value) * part)).join(", ")})`;
}

/** Return a color that CSS understands and that is visible in this theme. */
export function cssColor(color) {
  if (!color) return token("--muted");
  if (color === "text") return token("--text");
  const known = named(color);
  return CSS.supports("color", known) ? readable(known) : token("--muted");
}

/** Return the options of one series: {name, labels, refId, type, index}. */
export function fieldOptions(panel, field) {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const options = { ...defaults, custom: { ...defaults.custom } };
  for (const { matcher, properties } of overrides) {
    if (matches(matcher, field))
      for (const { id, value } of properties ?? []) assign(options, id, value);
  }
  return options;
}

function matches({ id, options } = {}, field) {
  if (id === "byName") return field.name === options || field.column === options;
  if (id === "byRegexp") return pattern(options).test(field.name);
  if (id === "byFrameRefID") return field.refId === options;
  if (id === "byType") return field.type === options;
  if (id === "byValue")
    return options?.reducer === "allIsZero" && (field.points ?? []).every(([, value]) => !value);
  if (id === "byNames")
    return (options?.mode === "exclude") !== (options?.names ?? []).includes(field.name);
  return false;
}

function pattern(text) {
  const [, body, flags] = /^\/(.*)\/(\w*)$/.exec(text) ?? [null, text, ""];
  try {
    return new RegExp(body, flags.replace("g", ""));
  } catch {
    return /$^/;
  }
}

function assign(options, id, value) {
  const path = id.split(".");
  if (path[0] === "custom") options.custom = { ...options.custom, [path[1]]: value };
  else options[id] = value;
}

/** Return the function that formats numbers with these options. */
export function writer(options) {
  return unitFormat(options.unit, options.decimals ?? null);
}

/** Return {text, color, mapped} for a value. */
export function display(value, options, index = 0) {
  const mapped = mapping(value, options.mappings ?? []);
  const color = mapped?.color ? cssColor(mapped.color) : valueColor(value, options, index);
  if (mapped?.text) return { text: mapped.text, color, mapped: true };
  if (value === null || value === undefined || Number.isNaN(value))
    return { text: options.noValue || "no data", color: token("--muted"), mapped: false };
  return {
    text: typeof value === "number" ? writer(options)(value) : String(value),
    color,
    mapped: false,
  };
}

/** Return a value's color by color mode and thresholds. */
export function valueColor(value, options, index = 0) {
  const mode = options.color?.mode ?? "thresholds";
  if (mode === "fixed") return cssColor(options.color.fixedColor);
  if (mode.startsWith("palette")) return colorAt(index);
  if (mode.startsWith("continuous")) return mix(mode, fraction(value, options));
  return thresholdColor(value, options);
}

/** Return the color of the threshold that a value has reached. */
function thresholdColor(value, options) {
  const steps = thresholdSteps(options);
  let color = steps[0]?.color ?? "text";
  for (const step of steps)
    if (typeof value === "number" && value >= step.value) color = step.color;
  return cssColor(color);
}

/** Return the thresholds with numeric bounds; the first is minus infinity. */
export function thresholdSteps(options) {
  const { steps = [], mode } = options.thresholds ?? {};
  const { min = 0, max = 100 } = options;
  const bound = (value) => (mode === "percentage" ? min + (value / 100) * (max - min) : value);
  return steps.map((step) => ({
    color: step.color,
    value: step.value === null || step.value === undefined ? -Infinity : bound(step.value),
  }));
}

/** Return the position of a value between min and max, from 0 to 1. */
export function fraction(value, options, min = options.min ?? 0, max = options.max ?? 100) {
  return max > min && typeof value === "number"
    ? Math.min(1, Math.max(0, (value - min) / (max - min)))
    : 0;
}

const SCALES = {
  "continuous-GrYlRd": ["#2f9e63", "#e0b400", "#d0433d"],
  "continuous-RdYlGr": ["#d0433d", "#e0b400", "#2f9e63"],
  "continuous-BlPu": ["#3b7dd8", "#8e5cc7"],
  "continuous-blues": ["#bcd6f5", "#1c5fae"],
};

function mix(mode, part) {
  const colors = SCALES[mode] ?? ["#3b7dd8", "#e0b400", "#d0433d"];
  return readable(colors[Math.min(colors.length - 1, Math.floor(part * colors.length))]);
}

function mapping(value, mappings) {
  for (const one of mappings) {
    const found = MAPPERS[one.type]?.(value, one.options ?? {});
    if (found) return found;
  }
  return null;
}

const MAPPERS = {
  value: (value, options) => options[String(value)] ?? options[shortest(value)] ?? null,
  range: (value, { from, to, result }) =>
    typeof value === "number" && value >= (from ?? -Infinity) && value <= (to ?? Infinity)
      ? result
      : null,
  regex: (value, { pattern: text, result }) =>
    typeof value === "string" && pattern(text).test(value) ? result : null,
  special: (value, { match, result }) =>
    (match === "null" && value === null) ||
    (match === "nan" && Number.isNaN(value)) ||
    (match === "null+nan" && (value === null || Number.isNaN(value))) ||
    (match === "true" && value === true) ||
    (match === "false" && value === false) ||
    (match === "empty" && value === "")
      ? result
      : null,
};

const shortest = (value) =>
  typeof value === "number" ? String(Number(value.toFixed(6))) : String(value);
