// One panel: frame, queries, drawing, errors.

import { create, failure, keepPlace, put, safeLink } from "../dom.js";
import { drawHeatmap } from "../panels/heatmap.js";
import { drawAlertList, drawLogs, drawText, drawTraces, drawUnknown } from "../panels/others.js";
import { drawBarGauge, drawGauge, drawStat } from "../panels/stat.js";
import { drawTable } from "../panels/table.js";
import { drawTimeSeries } from "../panels/timeseries.js";
import { link, seconds } from "../state.js";
import { display, fieldOptions } from "./field.js";
import { intervalBuiltins, intervalFor, runTargets } from "./query.js";
import { fill } from "./scope.js";
import { notesOf } from "./support.js";

const DRAW = {
  timeseries: drawTimeSeries,
  stat: drawStat,
  gauge: drawGauge,
  bargauge: drawBarGauge,
  heatmap: drawHeatmap,
  table: drawTable,
  logs: drawLogs,
  traces: drawTraces,
};
const WITHOUT_QUERY = { text: drawText, alertlist: drawAlertList };

export class PanelView {
  constructor(panel, scope, dashboard) {
    this.panel = panel;
    this.scope = scope;
    this.dashboard = dashboard;
    this.state = null;
    this.visible = false;
    this.drawn = false;
    this.body = create("div", { class: "panel-body" });
    this.warning = create("span", { class: "badge bad", hidden: true });
    this.differs = create("span", { class: "badge", hidden: true });
    this.notes = notesOf(panel);
    this.note();
    this.element = create(
      "section",
      {
        class: panel.transparent ? "panel transparent" : "panel card",
        tabindex: -1,
        "aria-label": fill(panel.title, scope),
      },
      this.header(),
      this.body,
    );
  }

  header() {
    const title = fill(this.panel.title ?? "", this.scope);
    if (!title && this.panel.transparent) return null;
    const { description } = this.panel;
    const info = description
      ? create(
          "button",
          {
            class: "info",
            type: "button",
            "aria-label": `Description: ${fill(description, this.scope)}`,
            title: fill(description, this.scope),
          },
          "i",
        )
      : null;
    const links = (this.panel.links ?? []).map((one) =>
      safeLink(fill(one.url, this.scope.withBuiltins(this.dashboard.linkBuiltins())), one.title, {
        class: "panel-link",
        target: one.targetBlank ? "_blank" : null,
      }),
    );
    return create(
      "header",
      {},
      create("h3", { title }, title),
      info,
      this.ownTime(),
      this.differs,
      this.warning,
      create("span", { class: "grow" }),
      create("span", { class: "onward" }, links),
      create(
        "span",
        { class: "tools" },
        this.explore(),
        create(
          "button",
          {
            class: "panel-link",
            type: "button",
            title: "View this panel",
            "aria-label": `Show ${title} alone`,
            onclick: () => this.dashboard.viewAlone(this.panel),
          },
          "⤢",
        ),
      ),
    );
  }

  /** Show which settings only Grafana draws; `more` are those of the queries. */
  note(more = []) {
    const all = [...this.notes, ...more];
    this.differs.hidden = !all.length;
    this.differs.textContent =
      all.length > 1 ? `${all.length} settings only in Grafana` : "1 setting only in Grafana";
    this.differs.title = `Not drawn here:\n${all.join("\n")}`;
    this.differs.setAttribute("aria-label", `Not drawn here: ${all.join(", ")}`);
  }

  /** Return the panel's own time range in words, unless it is to be hidden. */
  ownTime() {
    const { timeFrom, timeShift, hideTimeOverride } = this.panel;
    if (hideTimeOverride || !(timeFrom || timeShift)) return null;
    const parts = [
      timeFrom ? `last ${fill(timeFrom, this.scope)}` : null,
      timeShift ? `shifted by ${fill(timeShift, this.scope)}` : null,
    ];
    return create("span", { class: "badge info" }, parts.filter(Boolean).join(", "));
  }

  explore() {
    const expressions = (this.panel.targets ?? []).map((target) => target.expr).filter(Boolean);
    if (!expressions.length || ["logs"].includes(this.panel.type)) return null;
    const go = () => {
      const { range } = this.dashboard;
      const bounds = range.bounds();
      const scope = this.scope.withBuiltins(intervalBuiltins(intervalFor(bounds, 600), bounds));
      const query = expressions
        .map((expr) => `expr=${encodeURIComponent(fill(expr, scope, "query"))}`)
        .join("&");
      location.assign(`${link("/explore", { from: range.from, to: range.to })}&${query}`);
    };
    return create(
      "button",
      { class: "panel-link", type: "button", title: "Open its queries in Metrics", onclick: go },
      "query",
    );
  }

  /** Query and draw; the old drawing stays until the answer arrives. */
  async refresh() {
    if (!this.visible && !this.dashboard.eager) return;
    // Let a slow query finish instead of replacing it by a new one.
    if (this.asking) return;
    this.asking = true;
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.bounds = ownBounds(this.panel, this.scope, this.dashboard.range);
    this.element.classList.add("asking");
    try {
      await keepPlace(this.body, () => this.ask(signal));
      this.drawn = true;
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      this.fail(error);
    } finally {
      this.asking = false;
    }
    this.element.classList.remove("asking");
  }

  async ask(signal) {
    const direct = WITHOUT_QUERY[this.panel.type];
    if (direct) {
      await direct(this);
      return;
    }
    const draw = DRAW[this.panel.type];
    if (!draw) {
      drawUnknown(this);
      return;
    }
    const result = await runTargets(
      this.panel,
      this.scope.withBuiltins(this.dashboard.linkBuiltins()),
      this.bounds,
      this.body.clientWidth || 600,
      signal,
    );
    await this.dashboard.annotations;
    if (signal.aborted) return;
    this.warning.hidden = !result.errors.length;
    this.warning.textContent = "query failed";
    this.warning.title = result.errors.join("\n");
    const count =
      result.series.length +
      result.tables.length +
      result.logs.length +
      result.traces.length +
      (result.trace ? 1 : 0);
    this.note(result.skipped);
    if (result.errors.length && !count) {
      this.fail(new Error(result.errors.join("; ")));
      return;
    }
    if (result.skipped.length && !count) {
      this.onlyInGrafana(result.skipped);
      return;
    }
    if (!count && this.panel.type === "timeseries") {
      this.nothing();
      return;
    }
    await draw(this, result);
  }

  /** Cancel the query and clear the panel, because another panel replaces it. */
  leave() {
    this.controller?.abort();
    this.clear();
  }

  clear() {
    this.state?.dispose?.();
    this.state = null;
  }

  fail(error) {
    this.clear();
    this.drawn = true;
    put(this.body, create("div", { class: "panel-note" }, failure(error)));
  }

  onlyInGrafana(what) {
    this.clear();
    put(
      this.body,
      create(
        "div",
        { class: "panel-note empty" },
        create("b", {}, "Only in Grafana"),
        create("div", {}, `The local mode has not: ${[...new Set(what)].join(", ")}.`),
      ),
    );
  }

  nothing() {
    this.clear();
    const options = fieldOptions(this.panel, { name: "", labels: {}, type: "number" });
    const absent = options.noValue ? display(null, options) : {};
    const names = [
      ...new Set(
        (this.panel.targets ?? []).flatMap((target) =>
          metricNames(fill(target.expr ?? "", this.scope, "query")),
        ),
      ),
    ];
    put(
      this.body,
      create(
        "div",
        { class: "panel-note empty" },
        absent.text
          ? create("b", { style: { color: absent.color } }, absent.text)
          : create("b", {}, "No data yet"),
        create(
          "div",
          {},
          names.length ? `in this range for ${names.slice(0, 3).join(", ")}` : "in this range",
        ),
      ),
    );
  }
}

/** Return a panel's time range: the dashboard's, or its own, shifted into the past. */
function ownBounds({ timeFrom, timeShift }, scope, range) {
  const bounds = range.bounds();
  const span = seconds(fill(timeFrom ?? "", scope));
  // As in Grafana, a panel's own range applies only if the dashboard's follows the clock.
  if (span > 0 && range.from.startsWith("now")) {
    bounds.end = Date.now() / 1000;
    bounds.start = bounds.end - span;
  }
  const shift = seconds(fill(timeShift ?? "", scope).split("/")[0]) || 0;
  return { start: bounds.start - shift, end: bounds.end - shift };
}

const WORDS = new Set([
  "sum",
  "by",
  "rate",
  "max",
  "min",
  "avg",
  "count",
  "topk",
  "or",
  "and",
  "unless",
  "without",
  "on",
  "ignoring",
  "offset",
  "bool",
  "vector",
  "le",
  "increase",
  "histogram_quantile",
  "label_replace",
  "clamp_min",
  "clamp_max",
  "group_left",
  "group_right",
]);

/** Return the names in a query that look like metrics. */
function metricNames(expr) {
  const bare = expr
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\{[^}]*\}/g, "{}")
    .replace(/\[[^\]]*\]/g, "")
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, "");
  return [...bare.matchAll(/[A-Za-z_:][\w:]*(?!\s*\()\b/g)]
    .map(([name]) => name)
    .filter((name) => !WORDS.has(name) && /[_:]|^up$/.test(name));
}
