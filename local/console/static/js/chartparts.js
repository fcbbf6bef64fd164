// Parts of a time chart: axes, thresholds, bands, exemplars.

import { token } from "./colors.js";
import { create } from "./dom.js";
import { clock, dateTime } from "./format.js";

/** Return an ECharts axis with labels in this format. */
export function axis(format, more) {
  return {
    type: "value",
    splitNumber: 5,
    axisLabel: { color: token("--muted"), fontSize: 11, formatter: format, hideOverlap: true },
    ...more,
  };
}

/** Return the lower end of the axis: a set minimum, unless values are below it. */
export function lower(min, series) {
  if (min === undefined || min === null) return null;
  return (range) => (series.some((one) => !one.stack) && range.min < min ? null : min);
}

/** Return the upper end of the axis: a set maximum, unless values are above it. */
export function upper(max, series) {
  if (max === undefined || max === null) return null;
  const highest = Math.max(
    ...series.flatMap((one) => one.points.map(([, value]) => value ?? -Infinity)),
  );
  return highest > max ? null : max;
}

/** Return whether a value has one digit; the label of another top, 525, would overlap 500. */
export const round = (value) => Number(value.toPrecision(1)) === value;

/** Return a soft maximum: it only extends the axis, so that a threshold is inside it. */
export function atLeast(softMax) {
  return Number.isFinite(softMax) ? (range) => (range.max > softMax ? null : softMax) : null;
}

const WHOLE_SECONDS = [
  60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600,
  2592000,
];

/** Return the seconds between ticks: 1, 2 or 5 of a power of ten up to 30 s, whole units above. */
export function tickSeconds(span, ticks = 5) {
  const least = span / ticks;
  if (least > 30)
    return WHOLE_SECONDS.find((one) => one >= least) ?? Math.ceil(least / 31536000) * 31536000;
  if (least > 20) return 30;
  if (least > 10) return least > 15 ? 20 : 15;
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= least * 0.999);
}

/** Return the bytes between ticks: 1, 2 or 5 of a power of ten, in a unit that is a power of 1024. */
export function tickBytes(span, ticks = 5) {
  const least = Math.max(1, span / ticks);
  const unit = 1024 ** Math.floor(Math.log(least) / Math.log(1024));
  return [1, 2, 5, 10, 20, 50, 100, 200, 500, 1024]
    .map((count) => count * unit)
    .find((one) => one >= least);
}

/**
 * Return {interval, min, max} of an axis, so that each tick is a whole unit.
 *
 * `ticks` returns the distance between the ticks of a span.
 */
export function wholeScale(series, ticks, { min, max, softMax }) {
  const [low, high] = extent(series);
  const bottom = Math.min(min ?? 0, low);
  const top = Math.max(max ?? -Infinity, high, softMax ?? -Infinity);
  if (!(top > bottom)) return null;
  const interval = ticks(top - bottom);
  return {
    interval,
    min: Math.floor(bottom / interval + 1e-9) * interval,
    max: Math.ceil(top / interval - 1e-9) * interval,
  };
}

/** Return the lowest and the highest value, of stacked series their sum. */
function extent(series) {
  const sums = new Map();
  let [low, high] = [Infinity, -Infinity];
  for (const { points, stack } of series)
    for (const [ms, value] of points) {
      if (value === null || value === undefined) continue;
      const key = stack ? `${stack} ${ms}` : null;
      const seen = key ? value + (sums.get(key) ?? 0) : value;
      if (key) sums.set(key, seen);
      low = Math.min(low, seen);
      high = Math.max(high, seen);
    }
  return [low, high];
}

/** Return whether there is only one point, which needs a dot because it has no line. */
export function lonely(points) {
  return points.filter(([, value]) => value !== null).length <= 1;
}

/** Return a label of the time axis: with the date or the seconds where the range needs them. */
export function axisTime(value, span) {
  const date = new Date(value);
  if (span > 36 * 3600e3)
    return `${date.getMonth() + 1}/${date.getDate()} ${clock(value, false).slice(0, 5)}`;
  return span < 10 * 60e3 ? clock(value, false) : clock(value, false).slice(0, 5);
}

/** Return the series that carries thresholds as lines and bands as areas. */
export function marks(thresholds, bands, narrow) {
  if (!thresholds.length && !bands.length) return [];
  return [
    {
      type: "line",
      id: "marks",
      data: [],
      silent: true,
      markLine: {
        symbol: "none",
        silent: true,
        animation: false,
        label: { show: false },
        data: [
          ...thresholds.map(({ value, color }) => ({
            yAxis: value,
            lineStyle: { color, type: "dashed", width: 1.2 },
          })),
          // A point in time is a line; many of them must not hide the graph.
          ...bands
            .filter(isPoint)
            .slice(0, 100)
            .map(({ start, color }) => ({
              xAxis: start,
              lineStyle: { color, type: [3, 4], width: 1 },
            })),
        ],
      },
      markArea: {
        silent: true,
        data: merged(bands.filter((band) => !isPoint(band))).map(({ start, end, color }) => [
          { xAxis: start, itemStyle: { color, opacity: end - start < narrow ? 0.5 : 0.09 } },
          { xAxis: end },
        ]),
      },
    },
  ];
}

/** Return whether an annotation has a start only. */
export const isPoint = ({ start, end }) => end === undefined || end <= start;

/** Merge overlapping bands of one color, because many on top of each other hide the lines. */
function merged(bands) {
  const out = [];
  for (const band of [...bands].sort((left, right) => left.start - right.start)) {
    const last = out.findLast((one) => one.color === band.color);
    if (last && band.start <= last.end) last.end = Math.max(last.end, band.end);
    else out.push({ ...band });
  }
  return out;
}

/** Return the series of exemplars. */
export function dots(exemplars) {
  return {
    type: "scatter",
    id: "exemplars",
    name: "exemplars",
    symbol: "diamond",
    symbolSize: 9,
    z: 5,
    cursor: "pointer",
    itemStyle: {
      color: token("--accent"),
      borderColor: token("--surface"),
      borderWidth: 1,
      opacity: 0.9,
    },
    emphasis: { scale: 1.6 },
    data: exemplars.map(({ ms, value, labels }) => ({ value: [ms, value], labels })),
  };
}

/** Return the tooltip of an exemplar. */
export function exemplarTip(point, format) {
  const rows = [
    ["when", dateTime(point.value[0], true)],
    ["value", format(point.value[1])],
    ...Object.entries(point.labels),
  ];
  return create(
    "div",
    {},
    create("div", { class: "when" }, "Exemplar: click to open its trace"),
    create(
      "table",
      {},
      create(
        "tbody",
        {},
        rows.map(([key, value]) =>
          create("tr", {}, create("td", { class: "muted" }, key), create("td", {}, value)),
        ),
      ),
    ),
  );
}
