// A dashboard: variables, time range, sections of panels, annotations.

import { getJson, prometheus } from "../api.js";
import { Crosshair } from "../crosshair.js";
import { create, put, safeLink } from "../dom.js";
import { labelText } from "../format.js";
import { params, setParams } from "../state.js";
import { cssColor } from "./field.js";
import { sections } from "./layout.js";
import { PanelView } from "./panel.js";
import { intervalFor } from "./query.js";
import { fill } from "./scope.js";
import { Variables } from "./variables.js";

export class Dashboard {
  /** Args: model is the JSON; range a TimeRange; eager draws all panels, for screenshots. */
  constructor(model, range, { eager = false } = {}) {
    this.model = model;
    this.range = range;
    this.eager = eager;
    this.crosshair = model.graphTooltip ? new Crosshair() : null;
    this.views = [];
    this.bands = [];
    this.element = create("div", { class: "dashboard" });
    this.variables = new Variables(model.templating?.list, () => this.reload());
    this.folded = new Map();
    this.watcher = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) this.seen(entry);
      },
      { rootMargin: "300px" },
    );
  }

  seen({ target, isIntersecting }) {
    const view = this.views.find((one) => one.element === target);
    if (!view || view.visible === isIntersecting) return;
    view.visible = isIntersecting;
    if (isIntersecting && !this.eager && view.stale !== this.turn) {
      view.stale = this.turn;
      view.refresh();
    }
  }

  /** Load the variables, rebuild the layout, and run every query. */
  async reload() {
    await this.variables.load(this.range.bounds());
    this.layout();
    await this.refresh();
  }

  /** Refresh every visible panel. */
  async refresh() {
    this.turn = (this.turn ?? 0) + 1;
    this.annotations = this.annotate();
    const asked = this.views.filter((view) => this.eager || view.visible);
    asked.forEach((view) => {
      view.stale = this.turn;
    });
    await Promise.all(asked.map((view) => view.refresh()));
  }

  layout() {
    this.watcher.disconnect();
    for (const view of this.views) view.leave();
    this.views = [];
    const alone = params().get("viewPanel");
    const parts = sections(this.model.panels, this.variables.scope);
    const chosen =
      alone === null
        ? null
        : parts.flatMap((part) => part.items).find(({ panel }) => this.idOf(panel) === alone);
    put(this.element, chosen ? this.alone(chosen) : parts.map((part) => this.section(part)));
    for (const view of this.views) this.watcher.observe(view.element);
  }

  /** Return a panel's id; its place in the list where generated JSON has none, or 0. */
  idOf(panel) {
    return String(panel.id || `at-${this.allPanels().indexOf(panel)}`);
  }

  allPanels() {
    return this.model.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  }

  viewAlone(panel) {
    const back = params().get("viewPanel") !== null;
    setParams({ viewPanel: back ? null : this.idOf(panel) }, { push: true });
    this.layout();
    this.refresh();
  }

  alone({ panel, scope }) {
    const view = this.view(panel, scope);
    view.element.classList.add("alone");
    return view.element;
  }

  view(panel, scope) {
    const view = new PanelView(panel, scope, this);
    this.views.push(view);
    return view;
  }

  section(part) {
    const grid = create("div", { class: "panels" });
    const open = !(this.folded.get(part.key) ?? part.collapsed);
    const show = (visible) => {
      if (visible && !grid.children.length)
        grid.append(...part.items.map((item) => this.item(item)));
      grid.hidden = !visible;
    };
    show(open);
    if (part.title === null) return grid;
    const button = create(
      "button",
      {
        class: "row-title",
        type: "button",
        "aria-expanded": String(open),
        onclick: () => {
          const now = button.getAttribute("aria-expanded") !== "true";
          button.setAttribute("aria-expanded", String(now));
          this.folded.set(part.key, !now);
          show(now);
          for (const element of grid.querySelectorAll(".panel")) this.watcher.observe(element);
        },
      },
      fill(part.title, part.scope),
    );
    return create(
      "div",
      { class: "section" },
      button,
      part.note ? create("div", { class: "faint row-note" }, part.note) : null,
      grid,
    );
  }

  item({ panel, scope, column, line, width, height }) {
    const { element } = this.view(panel, scope);
    element.style.setProperty("grid-column", `${column + 1} / span ${width}`);
    element.style.setProperty("grid-row", `${line + 1} / span ${height}`);
    return element;
  }

  linkBuiltins() {
    const [from, to] = [this.range.from, this.range.to].map(encodeURIComponent);
    const time = `from=${from}&to=${to}`;
    const chosen = [...this.variables.scope.variables]
      .filter(([, one]) => one.options.length || one.value)
      .map(([name]) => fill(`\${${name}:queryparam}`, this.variables.scope))
      .join("&");
    return {
      __url_time_range: time,
      __all_variables: chosen,
      __dashboard: this.model.title,
      __dashboard_uid: this.model.uid,
      __org: "1",
    };
  }

  async annotate() {
    const wanted = (this.model.annotations?.list ?? []).filter(
      (one) => one.enable !== false && one.expr && params().get("annotations") !== "off",
    );
    const bounds = this.range.bounds();
    const step = intervalFor(bounds, 400);
    const found = await Promise.all(
      wanted.map((one) =>
        (one.datasource.type === "loki" ? moments : bands)(
          one,
          this.variables.scope,
          bounds,
          step,
        ).catch(() => []),
      ),
    );
    this.bands = found.flat();
  }
}

/**
 * Return the time ranges in which an annotation's series have samples; a single sample, or a value
 * that is itself a time, is a point.
 */
async function bands(annotation, scope, { start, end }, step) {
  if (annotation.datasource.type !== "prometheus") return [];
  const data = await prometheus("query_range", {
    query: fill(annotation.expr, scope, "query"),
    start,
    end,
    step,
  });
  const color = cssColor(annotation.iconColor);
  return data.result.slice(0, 60).flatMap(({ metric, values = [] }) => {
    const name = annotation.titleFormat
      ? titled(annotation.titleFormat, metric)
      : `${annotation.name}: ${metric.alertname ?? labelText(metric)}`;
    const out = [];
    if (annotation.useValueForTime)
      return [...new Set(values.map(([, value]) => Number(value)))]
        .filter((ms) => ms >= start * 1000 && ms <= end * 1000)
        .map((ms) => ({ start: ms, color, name }));
    for (const [at] of values) {
      const last = out.at(-1);
      if (last && at * 1000 - last.end <= step * 1500) last.end = at * 1000;
      else out.push({ start: at * 1000, end: at * 1000, color, name });
    }
    return out;
  });
}

/** Return the log lines that an annotation finds, each as a point in time. */
async function moments(annotation, scope, { start, end }) {
  const query = fill(annotation.target?.expr ?? annotation.expr, scope, "query");
  const { data } = await getJson("/loki/api/v1/query_range", {
    query,
    start,
    end,
    limit: annotation.maxLines || 100,
  });
  return data.result.flatMap(({ stream, values }) =>
    values.map(([ns, line]) => {
      const at = Number(ns) / 1e6;
      return {
        start: at,
        color: cssColor(annotation.iconColor),
        name: annotation.titleFormat
          ? titled(annotation.titleFormat, stream)
          : `${annotation.name}: ${line}`,
      };
    }),
  );
}

const titled = (format, labels) =>
  format
    .replace(/\{\{\s*([^}]+?)\s*\}\}/g, (_, label) => labels[label] ?? "")
    .replace(/\s+/g, " ")
    .trim();

/** Return a dashboard's links to other dashboards. */
export function dashboardLinks(model, all, builtins) {
  const time = (one) =>
    [one.keepTime ? builtins.__url_time_range : "", one.includeVars ? builtins.__all_variables : ""]
      .filter(Boolean)
      .join("&");
  return (model.links ?? []).flatMap((one) => {
    if (one.type !== "dashboards" && !one.url) return [];
    if (one.type !== "dashboards")
      return [
        safeLink(
          [one.url, time(one)].filter(Boolean).join(one.url.includes("?") ? "&" : "?"),
          one.title,
          { class: "panel-link" },
        ),
      ];
    const others = all.filter(
      (other) =>
        other.uid !== model.uid && (one.tags ?? []).every((tag) => other.tags.includes(tag)),
    );
    return others.map((other) =>
      create(
        "a",
        {
          href: `/d/${encodeURIComponent(other.uid)}?${time(one)}`,
          class: "panel-link",
          title: other.description,
        },
        other.title,
      ),
    );
  });
}
