// Heat map of a histogram's buckets over time.

import { loadCharts, openTrace } from "../chart.js";
import { onTheme, readable, theme, token } from "../colors.js";
import { ofCategories } from "../crosshair.js";
import { unitFormat } from "../dash/units.js";
import { create, empty, put } from "../dom.js";
import { clock, dateTime, short } from "../format.js";

const VIRIDIS = [
  "#440154",
  "#482878",
  "#3e4a89",
  "#31688e",
  "#26828e",
  "#1f9e89",
  "#35b779",
  "#6ece58",
  "#b5de2b",
  "#fde725",
];
const SCHEMES = {
  Viridis: VIRIDIS,
  Inferno: ["#000004", "#420a68", "#932667", "#dd513a", "#fca50a", "#fcffa4"],
  Oranges: ["#fff5eb", "#fdbe85", "#fd8d3c", "#d94701"],
  Blues: ["#eff3ff", "#9ecae1", "#4292c6", "#084594"],
  Greens: ["#edf8e9", "#a1d99b", "#41ab5d", "#005a32"],
};

export async function drawHeatmap(view, { series, exemplars }) {
  const grid = cells(series);
  if (!grid.data.length) {
    dispose(view);
    put(view.body, empty("No data in this range.", "No observations in this range."));
    return;
  }
  const chart = await prepare(view);
  view.state.redraw = () => chart.setOption(options(view, grid, exemplars), { notMerge: true });
  view.state.times = grid.times;
  view.state.redraw();
  chart.dispatchAction({
    type: "takeGlobalCursor",
    key: "dataZoomSelect",
    dataZoomSelectActive: true,
  });
}

function dispose(view) {
  view.state?.dispose?.();
  view.state = null;
}

async function prepare(view) {
  if (view.state?.kind === "heatmap") return view.state.chart;
  const echarts = await loadCharts();
  const box = create("div", { class: "plot" });
  put(view.body, box);
  const chart = echarts.init(box);
  const observer = new ResizeObserver(() => chart.resize());
  observer.observe(box);
  chart.on("datazoom", (event) => {
    const part = event.batch?.[0];
    if (part?.startValue !== undefined)
      view.dashboard.range.zoom(view.state.times[part.startValue], view.state.times[part.endValue]);
  });
  chart.on("click", (event) => {
    if (event.data?.labels) openTrace(event.data.labels);
  });
  const places = ofCategories(chart, () => view.state?.times ?? []);
  const leave = view.dashboard.crosshair?.join(chart, box, places);
  view.state = {
    kind: "heatmap",
    chart,
    dispose: () => {
      leave?.();
      observer.disconnect();
      chart.dispose();
    },
  };
  onTheme(() => view.state?.redraw?.());
  return chart;
}

/** Return the counts between cumulative buckets, without empty rows above and below. */
function cells(series) {
  const buckets = series
    .map((one) => ({
      le: Number(one.labels.le === "+Inf" ? Infinity : (one.labels.le ?? one.name)),
      points: one.points,
    }))
    .filter((one) => !Number.isNaN(one.le))
    .sort((left, right) => left.le - right.le);
  const times = buckets[0]?.points.map(([ms]) => ms) ?? [];
  const data = [];
  for (const [row, { points }] of buckets.entries()) {
    for (const [column, [, value]] of points.entries()) {
      const grown = (value ?? 0) - (row ? (buckets[row - 1].points[column]?.[1] ?? 0) : 0);
      if (grown > 1e-9) data.push([column, row, grown]);
    }
  }
  if (!data.length) return { times, bounds: [], lowest: 0, data };
  const rows = data.map((cell) => cell[1]);
  const [low, high] = [Math.max(0, Math.min(...rows) - 1), Math.max(...rows) + 1];
  const used = buckets.slice(low, high + 1);
  return {
    times,
    bounds: used.map((one) => one.le),
    lowest: low ? buckets[low - 1].le : 0,
    data: data.map(([column, row, value]) => [column, row - low, value]),
  };
}

function options(view, { times, bounds, data, lowest }, exemplars) {
  const { color = {}, yAxis = {} } = view.panel.options ?? {};
  const format = unitFormat(
    yAxis.unit ?? view.panel.fieldConfig?.defaults?.unit ?? "short",
    yAxis.decimals ?? null,
  );
  const colors = SCHEMES[color.scheme] ?? VIRIDIS;
  const turned = theme() === "light" && colors === VIRIDIS ? [...colors].reverse() : colors;
  const shade = turned.map(readable);
  const muted = token("--muted");
  const exponent = color.exponent ?? 0.5;
  const highest = Math.max(...data.map((cell) => cell[2]));
  const bound = (value) => (value === Infinity ? "∞" : format(value));
  const range = (row) => `${bound(row ? bounds[row - 1] : lowest)} to ${bound(bounds[row])}`;
  return {
    animation: false,
    grid: { left: 8, right: 14, top: 10, bottom: 4, containLabel: true },
    toolbox: { show: true, top: -60, feature: { dataZoom: { yAxisIndex: "none" } } },
    xAxis: {
      type: "category",
      data: times,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: token("--line") } },
      axisLabel: {
        color: muted,
        fontSize: 11,
        hideOverlap: true,
        formatter: (value) => clock(Number(value), false).slice(0, 5),
      },
    },
    yAxis: {
      type: "category",
      data: bounds.map((bound) => (bound === Infinity ? "∞" : format(bound))),
      axisTick: { show: false },
      axisLine: { show: false },
      axisLabel: { color: muted, fontSize: 11, hideOverlap: true },
      splitLine: { show: false },
    },
    visualMap: {
      show: false,
      min: 0,
      max: highest ** exponent,
      dimension: 3,
      inRange: { color: shade },
      seriesIndex: 0,
    },
    tooltip: {
      trigger: "item",
      appendTo: document.body,
      className: "popup tip",
      backgroundColor: "",
      borderWidth: 0,
      textStyle: { color: token("--text"), fontSize: 12.5, fontFamily: "inherit" },
      extraCssText: "border: 1px solid var(--line-strong); box-shadow: var(--shadow)",
      formatter: ({ data: cell }) =>
        cell.labels
          ? create(
              "div",
              {},
              create("div", { class: "when" }, "Exemplar: click to open its trace"),
              create("div", {}, format(cell.seen)),
              create("div", { class: "mono" }, cell.labels.trace_id ?? ""),
            )
          : create(
              "div",
              {},
              create("div", { class: "when" }, dateTime(times[cell[0]])),
              create("div", {}, range(cell[1])),
              create("b", {}, `${short(cell[2])} per second`),
            ),
    },
    series: [
      {
        type: "heatmap",
        data: data.map((cell) => [...cell, cell[2] ** exponent]),
        itemStyle: { borderColor: token("--surface"), borderWidth: 0.5 },
        progressive: 0,
        progressiveThreshold: 1e9,
        emphasis: { disabled: true },
      },
      {
        type: "scatter",
        symbol: "diamond",
        symbolSize: 8,
        itemStyle: { color: token("--accent"), borderColor: token("--surface"), borderWidth: 1 },
        z: 4,
        data: exemplars.map((one) => dot(one, times, bounds)).filter(Boolean),
      },
    ],
  };
}

function dot({ ms, value, labels }, times, bounds) {
  const row = bounds.findIndex((bound) => value <= bound);
  if (row < 0 || ms < times[0] || ms > times.at(-1)) return null;
  const column = Math.round(
    (ms - times[0]) / ((times.at(-1) - times[0]) / (times.length - 1 || 1)),
  );
  return { value: [column, row], labels, seen: value };
}
