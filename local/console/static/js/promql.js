// Queries Prometheus, and aligns range results on one grid of time.

import { prometheus } from "./api.js";
import { labelText } from "./format.js";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** Return the step in seconds that gives about `points` points. */
export function stepFor(start, end, points = 400, least = 1) {
  const wanted = Math.max((end - start) / points, least);
  return STEPS.find((step) => step >= wanted) ?? 86400;
}

/** Return series as {labels, name, points: [[ms, value|null]]}, all over the same times. */
export async function queryRange(expr, { start, end, step, signal }) {
  const first = Math.ceil(start / step) * step;
  const last = Math.floor(end / step) * step;
  const data = await prometheus(
    "query_range",
    { query: expr, start: first, end: last, step },
    signal,
  );
  if (data.resultType !== "matrix") return [];
  return data.result.map(({ metric, values = [] }) => ({
    labels: metric,
    name: labelText(metric),
    points: onGrid(values, first, last, step),
  }));
}

function onGrid(values, first, last, step) {
  const known = new Map(values.map(([at, text]) => [Math.round(at * 1000), number(text)]));
  const points = [];
  for (let at = first; at <= last + step / 1000; at += step) {
    const ms = Math.round(at * 1000);
    points.push([ms, known.get(ms) ?? null]);
  }
  return points;
}

/** Return a sample's number, or null, drawn as a gap, for NaN and infinities. */
export function number(text) {
  const value = text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
  return Number.isFinite(value) ? value : null;
}

/** Return the result of a query at one time: {type, rows: [{labels, value, ms}]}. */
export async function queryInstant(expr, time, signal) {
  const data = await prometheus("query", { query: expr, time }, signal);
  if (data.resultType === "scalar" || data.resultType === "string") {
    return {
      type: data.resultType,
      rows: [{ labels: {}, value: data.result[1], ms: data.result[0] * 1000 }],
    };
  }
  const rows = data.result.map(({ metric, value, values }) => {
    const [at, text] = value ?? values.at(-1);
    return { labels: metric, value: text, ms: at * 1000 };
  });
  return { type: data.resultType, rows };
}

/** Return the exemplars of a query's metrics, the highest ones of each time slot. */
export async function queryExemplars(expr, { start, end, signal }, most = 120) {
  const data = await prometheus("query_exemplars", { query: expr, start, end }, signal);
  const all = data.flatMap(({ exemplars, seriesLabels }) =>
    exemplars.map((one) => ({
      ms: one.timestamp * 1000,
      value: Number(one.value),
      labels: one.labels,
      series: seriesLabels,
    })),
  );
  return thin(all, start * 1000, end * 1000, most);
}

function thin(exemplars, start, end, most) {
  const size = Math.max(1, (end - start) / (most / 3));
  const slots = new Map();
  for (const one of exemplars.sort((left, right) => right.value - left.value)) {
    const slot = Math.floor((one.ms - start) / size);
    const held = slots.get(slot) ?? [];
    if (held.length < 3) slots.set(slot, [...held, one]);
  }
  return [...slots.values()].flat();
}
