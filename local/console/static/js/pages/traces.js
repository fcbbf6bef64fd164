// Traces: search form, scatter chart of the results, and their list.

import { getJson } from "../api.js";
import { loadCharts } from "../chart.js";
import { onTheme, serviceColor, token } from "../colors.js";
import { create, empty, failure, put } from "../dom.js";
import { dateTime, duration, nanoseconds, nearTime } from "../format.js";
import { arrowKeys, main } from "../frame.js";
import { onNavigate, params, setParams } from "../state.js";
import { TimeRange } from "../timerange.js";

const range = new TimeRange({ from: "now-1h" }, () => search());
const FIELDS = [
  "service",
  "operation",
  "status",
  "min_ms",
  "max_ms",
  "attr",
  "text",
  "order",
  "limit",
];
const input = (name, props) => create("input", { name, ...props });
const fields = {
  service: create("select", { name: "service" }),
  operation: input("operation", { list: "operations", placeholder: "any" }),
  status: create(
    "select",
    { name: "status" },
    ["", "error", "ok", "unset"].map((word) => create("option", { value: word }, word || "any")),
  ),
  min_ms: input("min_ms", { inputmode: "decimal", placeholder: "ms" }),
  max_ms: input("max_ms", { inputmode: "decimal", placeholder: "ms" }),
  attr: input("attr", { placeholder: "order.id=… or http.route", class: "mono" }),
  text: input("text", { placeholder: "in name, error or attributes" }),
  order: create(
    "select",
    { name: "order" },
    ["newest", "slowest"].map((word) => create("option", {}, word)),
  ),
  limit: create(
    "select",
    { name: "limit" },
    ["20", "50", "100", "500"].map((word) => create("option", {}, word)),
  ),
};
const byId = input("id", {
  placeholder: "trace id",
  class: "mono",
  "aria-label": "Trace id",
  "data-search": true,
  size: 34,
});
const operations = create("datalist", { id: "operations" });
const problem = create("div");
const picture = create("div", { class: "scatter" });
const list = create("div", { class: "scroll" });
const count = create("span", { class: "muted" });
let chart = null;
let shown = [];

async function loadChoices() {
  const { services } = await getJson("/api/services").catch(() => ({ services: [] }));
  const chosen = params().get("service") ?? "";
  put(
    fields.service,
    ["", ...new Set([...services, ...(chosen ? [chosen] : [])])].map((name) =>
      create("option", { value: name, selected: name === chosen }, name || "any"),
    ),
  );
  await loadOperations();
}

async function loadOperations() {
  const { operations: names } = await getJson("/api/operations", {
    service: fields.service.value,
  }).catch(() => ({ operations: [] }));
  put(
    operations,
    names.map((name) => create("option", { value: name })),
  );
}

function readAddress() {
  const query = params();
  for (const name of FIELDS)
    if (name !== "service")
      fields[name].value = query.get(name) ?? { order: "newest", limit: "50" }[name] ?? "";
}

function submit(event) {
  event?.preventDefault();
  const values = Object.fromEntries(FIELDS.map((name) => [name, fields[name].value.trim()]));
  if (values.order === "newest") values.order = "";
  if (values.limit === "50") values.limit = "";
  setParams(values, { push: true });
  search();
}

async function search() {
  const query = params();
  const { start, end } = range.bounds();
  const values = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
  if (!values.limit) values.limit = "50";
  list.classList.add("loading");
  try {
    const { traces } = await getJson("/api/traces", { ...values, from: start, to: end });
    put(problem);
    show(traces, start, end);
  } catch (error) {
    put(problem, failure(error));
  }
  list.classList.remove("loading");
}

function show(traces, start, end) {
  shown = traces;
  count.textContent = traces.length ? `${traces.length} traces` : "";
  draw(traces, start, end);
  put(list, traces.length ? table(traces) : nothing());
}

function nothing() {
  const filtered = FIELDS.some((name) => params().get(name));
  return filtered
    ? empty("No traces match.", "Widen the time range or remove a condition.")
    : empty(
        "No traces yet.",
        "They arrive at the OTLP port a second or two after the first order. " +
          "If a service is up but sends none, check OTEL_SDK_DISABLED.",
      );
}

function table(traces) {
  const longest = Math.max(...traces.map((trace) => trace.duration_ns));
  const open = (trace, event) => {
    const address = `/trace/${trace.trace_id}`;
    if (event.ctrlKey || event.metaKey) window.open(address);
    else location.assign(address);
  };
  const rows = traces.map((trace) =>
    create(
      "tr",
      {
        tabindex: 0,
        onclick: (event) => {
          if (!event.target.closest("a")) open(trace, event);
        },
        onkeydown: (event) => {
          if (event.key === "Enter") open(trace, event);
        },
      },
      create("td", { class: "nowrap" }, nearTime(trace.start_ns / 1e6)),
      create(
        "td",
        { class: "name" },
        create("a", { href: `/trace/${trace.trace_id}` }, trace.root_name),
        " ",
        create("span", { class: "muted" }, trace.root_service),
      ),
      create(
        "td",
        { class: "bar-cell" },
        nanoseconds(trace.duration_ns),
        create("div", {
          class: "meter",
          style: {
            width: `${(100 * trace.duration_ns) / longest}%`,
            background: trace.errors ? token("--bad") : serviceColor(trace.root_service),
          },
        }),
      ),
      create("td", { class: "right" }, trace.spans),
      create(
        "td",
        {},
        trace.errors
          ? create(
              "span",
              { class: "badge bad" },
              `${trace.errors} error${trace.errors > 1 ? "s" : ""}`,
            )
          : "",
      ),
      create(
        "td",
        {},
        create(
          "div",
          { class: "services" },
          trace.services.map((name) =>
            create("span", { class: "chip", style: { "--chip": serviceColor(name) } }, name),
          ),
        ),
      ),
      create("td", { class: "mono faint" }, trace.trace_id.slice(0, 8)),
    ),
  );
  const body = create("tbody", {}, rows);
  arrowKeys(body, "tr");
  return create(
    "table",
    { class: "results" },
    create(
      "thead",
      {},
      create(
        "tr",
        {},
        ["Start", "Trace", "Duration"].map((name) => create("th", {}, name)),
        create("th", { class: "right" }, "Spans"),
        ["", "Services", "Id"].map((name) => create("th", {}, name)),
      ),
    ),
    body,
  );
}

async function draw(traces, start, end) {
  picture.hidden = !traces.length;
  if (!traces.length) return;
  const echarts = await loadCharts();
  if (!chart) {
    chart = echarts.init(picture);
    new ResizeObserver(() => chart.resize()).observe(picture);
    chart.on("click", ({ data }) => location.assign(`/trace/${data.trace.trace_id}`));
  }
  const muted = token("--muted");
  const from = Math.min(...traces.map((trace) => trace.start_ns)) / 1e6;
  const wide =
    traces.length > 20 ? Math.max(start * 1000, from - (end * 1000 - from) * 0.02) : start * 1000;
  chart.setOption(
    {
      animation: false,
      grid: { left: 8, right: 18, top: 14, bottom: 4, containLabel: true },
      xAxis: {
        type: "time",
        min: wide,
        max: end * 1000,
        axisLine: { lineStyle: { color: token("--line") } },
        axisLabel: { color: muted, fontSize: 11, hideOverlap: true },
        splitLine: { show: false },
      },
      yAxis: {
        type: "value",
        axisLabel: { color: muted, fontSize: 11, formatter: duration },
        splitLine: { lineStyle: { color: token("--line") } },
        splitNumber: 3,
      },
      tooltip: {
        trigger: "item",
        appendTo: document.body,
        className: "popup tip",
        backgroundColor: "",
        borderWidth: 0,
        textStyle: { color: token("--text"), fontSize: 12.5, fontFamily: "inherit" },
        extraCssText: "border: 1px solid var(--line-strong); box-shadow: var(--shadow)",
        formatter: ({ data: { trace } }) =>
          create(
            "div",
            {},
            create("b", {}, trace.root_name),
            create(
              "div",
              { class: "muted" },
              `${trace.root_service}, ${dateTime(trace.start_ns / 1e6, true)}`,
            ),
            create(
              "div",
              {},
              `${nanoseconds(trace.duration_ns)}, ${trace.spans} spans, ${trace.errors} errors`,
            ),
          ),
      },
      series: [
        {
          type: "scatter",
          symbolSize: 9,
          cursor: "pointer",
          data: traces.map((trace) => ({
            value: [trace.start_ns / 1e6, trace.duration_ns / 1e9],
            trace,
            symbol: trace.errors ? "diamond" : "circle",
            itemStyle: {
              color: trace.errors ? token("--bad") : serviceColor(trace.root_service),
              opacity: 0.85,
            },
          })),
        },
      ],
    },
    { notMerge: true },
  );
}

const label = (name, element, wide = false) =>
  create("label", { class: wide ? "field wide" : "field" }, name, element);
const form = create(
  "form",
  { class: "filters card", onsubmit: submit },
  label("Service", fields.service),
  label("Operation", fields.operation, true),
  label("Status", fields.status),
  label("Min duration", fields.min_ms),
  label("Max duration", fields.max_ms),
  label("Attribute", fields.attr, true),
  label("Text", fields.text, true),
  label("Sort by", fields.order),
  label("Limit", fields.limit),
  operations,
  create("button", { class: "button primary" }, "Search"),
  create(
    "button",
    {
      class: "button",
      type: "button",
      onclick: () => {
        setParams(Object.fromEntries(FIELDS.map((name) => [name, ""])), { push: true });
        fields.service.value = "";
        readAddress();
        search();
      },
    },
    "Clear",
  ),
);
fields.service.addEventListener("change", () => {
  loadOperations();
  submit();
});
for (const name of ["status", "order", "limit"]) fields[name].addEventListener("change", submit);

put(
  main,
  create(
    "div",
    { class: "page-head" },
    create("h1", {}, "Traces"),
    create(
      "form",
      {
        class: "group",
        onsubmit: (event) => {
          event.preventDefault();
          if (byId.value.trim()) location.assign(`/trace/${encodeURIComponent(byId.value.trim())}`);
        },
      },
      byId,
      create("button", { class: "button" }, "Open"),
    ),
    range.element,
  ),
  create(
    "div",
    { class: "stack" },
    form,
    problem,
    create(
      "section",
      { class: "card" },
      create("header", {}, create("h2", {}, "Results"), count),
      picture,
      list,
    ),
  ),
);
readAddress();
onNavigate(() => {
  readAddress();
  loadChoices();
});
onTheme(() => {
  const { start, end } = range.bounds();
  show(shown, start, end);
});
loadChoices();
search();
