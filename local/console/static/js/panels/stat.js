// Stat, gauge and bar gauge: one value per series or row.

import { inkOn, token } from "../colors.js";
import {
  cssColor,
  display,
  fieldOptions,
  fraction,
  thresholdSteps,
  writer,
} from "../dash/field.js";
import { reduce } from "../dash/reduce.js";
import { fill } from "../dash/scope.js";
import { create, createSvg, put, safeLink } from "../dom.js";

/** Return the values to show: {name, value, text, color, options, points}. */
function valuesOf(view, { series, tables }) {
  const { reduceOptions = {} } = view.panel.options ?? {};
  const calc = reduceOptions.calcs?.[0] ?? "lastNotNull";
  const wanted = fieldTest(reduceOptions.fields);
  const found = series
    .filter((one) => wanted(one.name))
    .map((one) => ({
      name: one.name,
      labels: one.labels,
      refId: one.refId,
      value: reduce(one.points, calc),
      points: one.points,
    }));
  for (const table of tables) {
    const name = table.columns.findIndex((column) => column.type === "string");
    for (const row of reduceOptions.values ? table.rows : table.rows.slice(-1)) {
      table.columns.forEach((column, index) => {
        if (column.type === "number" && wanted(column.name))
          found.push({
            name: name < 0 ? column.name : row[name],
            labels: {},
            refId: table.refId,
            value: row[index],
            points: [],
          });
      });
    }
  }
  // As in Grafana: without a value the panel shows its text for that, and its color.
  if (!found.length)
    found.push({ name: "", labels: {}, refId: "A", value: null, points: [], absent: true });
  return found.slice(0, reduceOptions.limit ?? 60).map((one, index) => {
    const options = fieldOptions(view.panel, { ...one, type: "number" });
    return {
      ...one,
      ...display(one.value, options, index),
      name: options.displayName ? fill(options.displayName, view.scope) : one.name,
      options,
    };
  });
}

/** Return which fields a panel shows: all numbers, or those that an expression or a name selects. */
function fieldTest(fields) {
  if (!fields || fields === "/.*/") return () => true;
  const [, body, flags] = /^\/(.*)\/(\w*)$/.exec(fields) ?? [];
  if (body === undefined) return (name) => name === fields;
  try {
    const pattern = new RegExp(body, flags);
    return (name) => pattern.test(name);
  } catch {
    return () => true;
  }
}

const link = (view, value, element) => {
  const first = value.options.links?.[0];
  return first
    ? safeLink(fill(first.url, view.scope.withBuiltins(view.dashboard.linkBuiltins())), element, {
        class: "plain",
      })
    : element;
};

export function drawStat(view, result) {
  const values = valuesOf(view, result);
  const {
    colorMode = "value",
    graphMode = "area",
    textMode = "auto",
    orientation = "auto",
  } = view.panel.options ?? {};
  const { clientWidth: width, clientHeight: height } = view.body;
  const across =
    orientation === "vertical" ||
    (orientation === "auto" && width / values.length > 90 && width > height * 0.9);
  const cell = {
    width: across ? width / values.length : width,
    height: across ? height : height / values.length,
  };
  const named =
    textMode === "value_and_name" ||
    textMode === "name" ||
    (textMode === "auto" && values.length > 1);
  put(
    view.body,
    create(
      "div",
      { class: `stats ${across ? "across" : "down"}` },
      values.map((value) => {
        const graphed = graphMode === "area" && value.points.length > 1;
        const size = fontSize(
          textMode === "name" ? value.name : value.text,
          { ...cell, height: cell.height * (graphed ? 0.66 : 1) },
          named,
        );
        const background = colorMode.startsWith("background");
        return create(
          "div",
          {
            class: `stat${background ? " filled" : ""}${graphed ? " graphed" : ""}`,
            style: background ? { background: value.color, color: inkOn(value.color) } : {},
          },
          graphed ? sparkline(value.points, background ? "currentColor" : value.color) : null,
          link(
            view,
            value,
            create(
              "div",
              { class: "stat-text" },
              named ? create("div", { class: "stat-name" }, value.name) : null,
              textMode === "name" || textMode === "none"
                ? null
                : create(
                    "div",
                    {
                      class: "stat-value",
                      style: {
                        "font-size": `${size}px`,
                        ...(colorMode === "value" ? { color: value.color } : {}),
                      },
                    },
                    value.text,
                  ),
            ),
          ),
        );
      }),
    ),
  );
}

function fontSize(text, { width, height }, named) {
  const byWidth = (width - 24) / Math.max(1, String(text).length) / 0.66;
  return Math.round(
    Math.min(64, Math.max(12, Math.min(byWidth, (height - (named ? 22 : 6)) * 0.72))),
  );
}

function sparkline(points, color) {
  const known = points.filter(([, value]) => value !== null);
  if (known.length < 2) return null;
  const values = known.map(([, value]) => value);
  const [low, high] = [Math.min(0, ...values), Math.max(...values)];
  const [first, last] = [known[0][0], known.at(-1)[0]];
  const across = (ms) => ((100 * (ms - first)) / (last - first || 1)).toFixed(2);
  const up = (value) => (38 - (34 * (value - low)) / (high - low || 1)).toFixed(2);
  const line = known.map(([ms, value]) => `${across(ms)} ${up(value)}`).join("L");
  return createSvg(
    "svg",
    {
      class: "sparkline",
      viewBox: "0 0 100 40",
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    createSvg("path", { d: `M${line}L100 40L0 40Z`, fill: color, opacity: "0.16" }),
    createSvg("path", {
      d: `M${line}`,
      fill: "none",
      stroke: color,
      "stroke-width": "1.6",
      "vector-effect": "non-scaling-stroke",
    }),
  );
}

export function drawBarGauge(view, result) {
  const values = valuesOf(view, result);
  const { orientation = "auto", showUnfilled = true } = view.panel.options ?? {};
  const highest = Math.max(...values.map((one) => one.value ?? 0));
  const vertical = orientation === "vertical";
  put(
    view.body,
    create(
      "div",
      { class: vertical ? "bars upright" : "bars" },
      values.map((one) => {
        const part =
          fraction(one.value, one.options, one.options.min ?? 0, one.options.max ?? highest) * 100;
        return create(
          "div",
          { class: "bar-row" },
          create("div", { class: "bar-name", title: one.name }, one.name),
          create(
            "div",
            { class: showUnfilled ? "bar-track" : "bar-track bare" },
            create("div", {
              class: "bar-fill",
              style: { [vertical ? "height" : "width"]: `${part}%`, background: one.color },
            }),
          ),
          link(
            view,
            one,
            create("div", { class: "bar-value", style: { color: one.color } }, one.text),
          ),
        );
      }),
    ),
  );
}

export function drawGauge(view, result) {
  const values = valuesOf(view, result);
  put(
    view.body,
    create(
      "div",
      { class: "gauges" },
      values.map((one) =>
        create(
          "figure",
          {},
          arc(one),
          values.length > 1 ? create("figcaption", { class: "muted" }, one.name) : null,
        ),
      ),
    ),
  );
}

function arc(one) {
  const { min = 0, max = 100 } = one.options;
  const steps = thresholdSteps(one.options);
  const outer = steps.map((step, index) =>
    ring(
      fraction(Math.max(step.value, min), one.options, min, max),
      fraction(Math.min(steps[index + 1]?.value ?? max, max), one.options, min, max),
      46,
      3,
      cssColor(step.color),
    ),
  );
  const format = writer(one.options);
  return createSvg(
    "svg",
    { viewBox: "0 0 100 64", role: "img", "aria-label": `${one.name} ${one.text}` },
    ring(0, 1, 38, 10, token("--hover")),
    ring(0, fraction(one.value, one.options, min, max), 38, 10, one.color),
    outer,
    createSvg(
      "text",
      {
        x: 50,
        y: 48,
        "text-anchor": "middle",
        "font-size": Math.min(15, 70 / String(one.text).length),
        "font-weight": 650,
        fill: one.color,
      },
      one.text,
    ),
    createSvg(
      "text",
      { x: 10, y: 62, "font-size": 5.5, "text-anchor": "middle", fill: token("--muted") },
      format(min),
    ),
    createSvg(
      "text",
      { x: 90, y: 62, "font-size": 5.5, "text-anchor": "middle", fill: token("--muted") },
      format(max),
    ),
  );
}

function ring(from, to, radius, width, color) {
  if (to <= from) return null;
  const point = (part) => {
    const angle = Math.PI * (1 - part);
    const [across, up] = [50 + radius * Math.cos(angle), 54 - radius * Math.sin(angle)];
    return `${across.toFixed(2)} ${up.toFixed(2)}`;
  };
  return createSvg("path", {
    d: `M${point(from)}A${radius} ${radius} 0 0 1 ${point(to)}`,
    fill: "none",
    stroke: color,
    "stroke-width": width,
  });
}
