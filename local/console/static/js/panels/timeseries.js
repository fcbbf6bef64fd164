// Time series: lines, bars or points, stacked or not, with thresholds, exemplars and a legend.

import { TimeChart } from "../chart.js";
import { colorAt } from "../colors.js";
import { cssColor, fieldOptions, thresholdSteps, valueColor, writer } from "../dash/field.js";
import { calcName, reduce } from "../dash/reduce.js";
import { ticksOf } from "../dash/units.js";
import { create, put } from "../dom.js";

const HIDDEN = new WeakMap();

export function drawTimeSeries(view, { series, exemplars, step }) {
  const lines = series.map((one, index) => styled(view.panel, one, index));
  const hidden = HIDDEN.get(view) ?? new Set();
  HIDDEN.set(view, hidden);
  const state = prepare(view);
  const redraw = () => {
    const visible = lines.filter((line) => !hidden.has(line.name) && !line.hide.viz);
    state.chart.draw(content(view, stack(visible), exemplars));
    legend(state.legend, view, lines, hidden, redraw);
  };
  redraw();
  return step;
}

function prepare(view) {
  if (view.state?.kind === "timeseries") return view.state;
  const right = view.panel.options?.legend?.placement === "right";
  const box = create("div", { class: "plot" });
  const list = create("div", { class: "plot-legend" });
  put(view.body, create("div", { class: right ? "plot-box beside" : "plot-box" }, box, list));
  const chart = new TimeChart(box, {
    crosshair: view.dashboard.crosshair,
    onZoom: (from, to) => view.dashboard.range.zoom(from, to),
  });
  view.state = { kind: "timeseries", chart, legend: list, dispose: () => chart.dispose() };
  return view.state;
}

function styled(panel, one, index) {
  const options = fieldOptions(panel, {
    name: one.name,
    labels: one.labels,
    refId: one.refId,
    type: "number",
    points: one.points,
  });
  const custom = options.custom ?? {};
  const mode = options.color?.mode ?? "palette-classic";
  const color =
    mode === "fixed"
      ? cssColor(options.color.fixedColor)
      : mode.startsWith("palette")
        ? colorAt(index)
        : valueColor(reduce(one.points), options, index);
  return {
    name: options.displayName || one.name,
    points: custom.nullsAsZero ? one.points.map(([ms, value]) => [ms, value ?? 0]) : one.points,
    labels: one.labels,
    options,
    color,
    stack:
      custom.stacking?.mode && custom.stacking.mode !== "none"
        ? `stack ${custom.stacking.group ?? "A"}`
        : null,
    percent: custom.stacking?.mode === "percent",
    fill: (custom.fillOpacity ?? 0) / 100,
    width: custom.lineWidth ?? 1,
    dash: ["dash", "dot"].includes(custom.lineStyle?.fill),
    draw: custom.drawStyle,
    step: ["stepAfter", "stepBefore"].includes(custom.lineInterpolation),
    connect: custom.spanNulls === true,
    right: custom.axisPlacement === "right",
    negative: custom.transform === "negative-Y",
    hide: custom.hideFrom ?? {},
  };
}

/** Return lines for stacking: over the same times, gaps as 0, in percent mode as shares. */
function stack(lines) {
  const stacked = lines.filter((line) => line.stack);
  if (!stacked.length) return lines.map(turned);
  const times = [...new Set(stacked.flatMap((line) => line.points.map(([ms]) => ms)))].sort(
    (left, right) => left - right,
  );
  const sums = new Map(times.map((ms) => [ms, 0]));
  const maps = new Map(stacked.map((line) => [line, new Map(line.points)]));
  for (const map of maps.values())
    for (const [ms, value] of map) sums.set(ms, sums.get(ms) + (value ?? 0));
  const share = (line, ms) => {
    const value = maps.get(line).get(ms) ?? 0;
    return line.percent ? (sums.get(ms) ? value / sums.get(ms) : 0) : value;
  };
  const known = new Set(
    stacked.flatMap((line) => line.points.filter(([, value]) => value !== null).map(([ms]) => ms)),
  );
  // A line of zeros would cover the others as if it had their value.
  const flat = (line) =>
    [...sums.values()].some(Boolean) && line.points.every(([, value]) => !value);
  const drawn = (line) => ({
    ...line,
    points: times.map((ms) => [ms, known.has(ms) ? share(line, ms) : null]),
    ...(flat(line) ? { width: 0, fill: 0 } : {}),
  });
  return lines.map((line) => (line.stack ? drawn(line) : turned(line)));
}

const turned = (line) =>
  line.negative
    ? { ...line, points: line.points.map(([ms, value]) => [ms, value === null ? null : -value]) }
    : line;

function content(view, lines, exemplars) {
  const base = fieldOptions(view.panel, { name: "", labels: {}, type: "number" });
  const left = lines.find((line) => !line.right) ?? lines[0];
  const right = lines.find((line) => line.right);
  const options = left?.options ?? base;
  const { start, end } = view.bounds;
  const style = options.custom?.thresholdsStyle?.mode ?? "off";
  const steps =
    style === "off" ? [] : thresholdSteps(options).filter((one) => Number.isFinite(one.value));
  const highest = Math.max(
    0,
    ...lines.flatMap((line) => line.points.map(([, value]) => value ?? 0)),
    ...steps.map((one) => one.value),
  );
  return {
    series: lines.map((line) => ({ ...line, axis: line.right && right !== left ? 1 : 0 })),
    start: start * 1000,
    end: end * 1000,
    format: writer(options),
    rightFormat: right && right !== left ? writer(right.options) : null,
    whole: options.decimals === 0,
    min: options.min ?? options.custom?.axisSoftMin,
    max: options.max,
    softMax: options.custom?.axisSoftMax,
    log: options.custom?.scaleDistribution?.type === "log",
    thresholds: steps.map((one) => ({ value: one.value, color: cssColor(one.color) })),
    exemplars: exemplars.filter((one) => !highest || one.value <= highest * 3),
    bands: view.dashboard.bands,
    ticks: ticksOf(options.unit),
    rightTicks: ticksOf(right?.options.unit),
    label: options.custom?.axisLabel,
  };
}

function legend(element, view, lines, hidden, redraw) {
  const {
    showLegend = true,
    displayMode = "list",
    calcs = [],
    hideZero = false,
    hideEmpty = false,
  } = view.panel.options?.legend ?? {};
  const listed = lines.filter(
    (line) =>
      !line.hide.legend &&
      !(hideZero && line.points.every(([, value]) => !value)) &&
      !(hideEmpty && line.points.every(([, value]) => value === null)),
  );
  element.hidden = !showLegend || displayMode === "hidden" || !listed.length;
  if (element.hidden) return;
  const toggle = (line, event) => {
    if (event.ctrlKey || event.metaKey) {
      if (!hidden.delete(line.name)) hidden.add(line.name);
    } else if (hidden.size && !hidden.has(line.name)) hidden.clear();
    else {
      hidden.clear();
      lines.forEach((other) => {
        if (other.name !== line.name) hidden.add(other.name);
      });
    }
    redraw();
  };
  const name = (line) =>
    create(
      "button",
      {
        class: "chip",
        type: "button",
        style: { "--chip": line.color },
        title: `${line.name}\nclick to show only this series, Ctrl+click to hide or show it`,
        "aria-pressed": String(!hidden.has(line.name)),
        onclick: (event) => toggle(line, event),
      },
      line.name,
    );
  const value = (line, calc) => writer(line.options)(reduce(line.points, calc));
  if (displayMode === "table") {
    put(
      element,
      create(
        "table",
        {},
        create(
          "thead",
          {},
          create(
            "tr",
            {},
            create("th", {}, "Name"),
            calcs.map((calc) => create("th", { class: "right" }, calcName(calc))),
          ),
        ),
        create(
          "tbody",
          {},
          listed.map((line) =>
            create(
              "tr",
              {},
              create("td", {}, name(line)),
              calcs.map((calc) => create("td", { class: "right" }, value(line, calc))),
            ),
          ),
        ),
      ),
    );
  } else
    put(
      element,
      create(
        "div",
        { class: "legend" },
        listed.map((line) =>
          create(
            "span",
            {},
            name(line),
            calcs.map((calc) =>
              create("span", { class: "muted" }, ` ${calcName(calc)} ${value(line, calc)}`),
            ),
          ),
        ),
      ),
    );
}
