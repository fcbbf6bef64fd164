// Time series with ECharts: shared crosshair, zoom by dragging, exemplars that open a trace.

import {
  atLeast,
  axis,
  axisTime,
  dots,
  exemplarTip,
  isPoint,
  lonely,
  lower,
  marks,
  round,
  upper,
  wholeScale,
} from "./chartparts.js";
import { colorAt, token } from "./colors.js";
import { create } from "./dom.js";
import { dateTime, short } from "./format.js";

let loading = null;

/** Load ECharts once. */
export function loadCharts() {
  loading ??= new Promise((resolve, reject) => {
    const script = create("script", {
      src: "/static/vendor/echarts/echarts.min.js?v=6.1.0",
      onload: () => resolve(globalThis.echarts),
      onerror: () => reject(new Error("the chart library could not be loaded")),
    });
    document.head.append(script);
  });
  return loading;
}

/**
 * A time chart in an element; times are milliseconds.
 *
 * draw({series, start, end, ...}): series are {name, color, points: [[ms, value|null]], stack,
 * fill, dash, axis, draw, width}. Further options: format(value) for axis and tooltip, min, max,
 * thresholds [{value, color}], exemplars [{ms, value, labels}],
 * bands [{start, end, name, color}] where a point in time has no end, log, and seconds per unit.
 */
export class TimeChart {
  constructor(element, { crosshair = null, onZoom, onPick } = {}) {
    this.element = element;
    this.onZoom = onZoom;
    this.onPick = onPick ?? openTrace;
    this.hovered = null;
    this.crosshair = crosshair;
  }

  async draw(content) {
    const echarts = await loadCharts();
    this.content = content;
    if (!this.chart) this.start(echarts);
    this.chart.setOption(this.options(content), { notMerge: true });
    if (this.onZoom)
      this.chart.dispatchAction({
        type: "takeGlobalCursor",
        key: "dataZoomSelect",
        dataZoomSelectActive: true,
      });
  }

  start(echarts) {
    this.chart = echarts.init(this.element, null, { renderer: "canvas" });
    this.leave = this.crosshair?.join(this.chart, this.element);
    this.observer = new ResizeObserver(() => this.chart.resize());
    this.observer.observe(this.element);
    this.chart.on("datazoom", (event) => this.zoomed(event));
    this.chart.on("click", (event) => {
      if (event.seriesId === "exemplars") this.onPick(event.data.labels);
    });
    this.chart.on("mouseover", (event) => {
      if (event.seriesId === "exemplars") this.hovered = event.data;
    });
    this.chart.on("mouseout", () => {
      this.hovered = null;
    });
    addEventListener("themechange", () => {
      if (this.content && this.element.isConnected) this.draw(this.content);
    });
  }

  zoomed(event) {
    const part = event.batch?.[0];
    if (part?.startValue === undefined || !this.onZoom) return;
    this.onZoom(part.startValue, part.endValue);
  }

  options({
    series,
    start,
    end,
    format = short,
    rightFormat = null,
    min,
    max,
    softMax,
    thresholds = [],
    exemplars = [],
    bands = [],
    log = false,
    stepped = false,
    whole = false,
    ticks = null,
    rightTicks = null,
    label = "",
  }) {
    const muted = token("--muted");
    const line = token("--line");
    const [left, other] = [0, 1].map((at) => series.filter((one) => (one.axis ?? 0) === at));
    const wholeUnits =
      ticks && !log
        ? wholeScale(left, ticks, { min, max: upper(max, left) && max, softMax })
        : null;
    const rightUnits = rightTicks ? wholeScale(other, rightTicks, {}) : null;
    return {
      animation: false,
      backgroundColor: "transparent",
      grid: { left: 8, right: 14, top: 12, bottom: 4, containLabel: true },
      xAxis: {
        type: "time",
        min: start,
        max: end,
        splitNumber: 6,
        axisLine: { lineStyle: { color: line } },
        axisTick: { show: false },
        axisLabel: {
          color: muted,
          fontSize: 11,
          hideOverlap: true,
          formatter: (value) => axisTime(value, end - start),
        },
        splitLine: { show: false },
        axisPointer: { label: { show: false } },
      },
      yAxis: [
        axis((value) => (value === softMax && !round(value) ? "" : format(value)), {
          type: log ? "log" : "value",
          minInterval: whole ? 1 : 0,
          min: lower(min, series),
          max: upper(max, series) ?? atLeast(softMax),
          name: label || undefined,
          nameLocation: "middle",
          nameTextStyle: { color: muted, fontSize: 11 },
          ...wholeUnits,
          splitLine: { lineStyle: { color: line, opacity: 0.7 } },
        }),
        ...(rightFormat
          ? [axis(rightFormat, { position: "right", splitLine: { show: false }, ...rightUnits })]
          : []),
      ],
      toolbox: { show: true, top: -60, feature: { dataZoom: { yAxisIndex: "none" } } },
      tooltip: {
        trigger: "axis",
        appendTo: document.body,
        className: "popup tip",
        backgroundColor: "",
        borderWidth: 0,
        padding: 10,
        textStyle: { color: token("--text"), fontSize: 12.5, fontFamily: "inherit" },
        transitionDuration: 0,
        axisPointer: {
          type: "line",
          lineStyle: { color: muted, type: "dashed" },
          animation: false,
        },
        extraCssText: "border: 1px solid var(--line-strong); box-shadow: var(--shadow)",
        formatter: (items) => this.tip(items, format, rightFormat),
      },
      series: [
        ...series.map((one, index) => this.line(one, index, stepped)),
        ...marks(thresholds, bands, (end - start) / 100),
        dots(exemplars),
      ],
    };
  }

  line(one, index, stepped) {
    const color = one.color ?? colorAt(index);
    const bars = one.draw === "bars";
    return {
      type: bars ? "bar" : "line",
      name: one.name,
      yAxisIndex: one.axis ?? 0,
      data: one.points,
      stack: one.stack ?? null,
      color,
      step: stepped || one.step ? "end" : false,
      showSymbol: one.draw === "points" || lonely(one.points),
      symbolSize: 4,
      connectNulls: Boolean(one.connect),
      barMaxWidth: 24,
      barCategoryGap: "15%",
      lineStyle: {
        width: one.draw === "points" ? 0 : (one.width ?? 1.6),
        type: one.dash ? [5, 4] : "solid",
      },
      areaStyle: one.fill ? { opacity: one.fill } : undefined,
      emphasis: { disabled: true },
      sampling: one.stack ? undefined : "lttb",
      z: 2,
    };
  }

  tip(items, format, rightFormat) {
    const list = (Array.isArray(items) ? items : [items]).filter(
      (item) =>
        item.seriesId !== "exemplars" &&
        item.value?.[1] !== null &&
        item.value?.[1] !== undefined &&
        !this.content.series[item.seriesIndex]?.hide?.tooltip,
    );
    if (this.hovered) return exemplarTip(this.hovered, format);
    if (!list.length) return "";
    const sorted = list.sort((left, right) => right.value[1] - left.value[1]);
    const rows = sorted
      .slice(0, 14)
      .map((item) =>
        create(
          "tr",
          {},
          create(
            "td",
            {},
            create("span", { class: "chip", style: { "--chip": item.color } }, item.seriesName),
          ),
          create(
            "td",
            {},
            (this.content.series[item.seriesIndex]?.axis ? (rightFormat ?? format) : format)(
              item.value[1],
            ),
          ),
        ),
      );
    const over = (this.content.bands ?? [])
      .filter((band) => near(band, list[0].value[0], (this.content.end - this.content.start) / 100))
      .map((band) => band.name);
    const more =
      sorted.length > 14 ? create("div", { class: "muted" }, `and ${sorted.length - 14} more`) : "";
    return create(
      "div",
      {},
      create("div", { class: "when" }, dateTime(list[0].value[0])),
      create("table", {}, create("tbody", {}, rows)),
      more,
      [...new Set(over)].slice(0, 5).map((name) => create("div", { class: "muted" }, name)),
    );
  }

  resize() {
    this.chart?.resize();
  }

  dispose() {
    this.observer?.disconnect();
    this.leave?.();
    this.chart?.dispose();
    this.chart = null;
  }
}

/** Return whether an annotation is at a time; one without an end is close to it. */
function near(band, ms, slack) {
  return isPoint(band) ? Math.abs(band.start - ms) <= slack : band.start <= ms && ms <= band.end;
}

/** Open the trace that an exemplar's labels name. */
export function openTrace(labels) {
  const id = labels.trace_id ?? labels.traceID ?? labels.traceId;
  if (id) location.assign(`/trace/${encodeURIComponent(id)}`);
}
