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
        data: thresholds.map(({ value, color }) => ({
          yAxis: value,
          lineStyle: { color, type: "dashed", width: 1.2 },
        })),
      },
      markArea: {
        silent: true,
        data: merged(bands).map(({ start, end, color }) => [
          { xAxis: start, itemStyle: { color, opacity: end - start < narrow ? 0.5 : 0.09 } },
          { xAxis: end },
        ]),
      },
    },
  ];
}

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
