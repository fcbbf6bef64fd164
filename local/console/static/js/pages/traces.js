// Traces: search form, scatter chart of the results, and their list.

import { getJson } from "../api.js";
import { onTheme } from "../colors.js";
import { create, empty, failure, put } from "../dom.js";
import { main } from "../frame.js";
import { onNavigate, params, setParams } from "../state.js";
import { TimeRange } from "../timerange.js";
import { drawScatter, traceTable } from "../tracelist.js";

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
  drawScatter(picture, traces, start, end);
  put(list, traces.length ? traceTable(traces) : nothing());
}

function nothing() {
  const filtered = FIELDS.some((name) => params().get(name));
  return filtered
    ? empty("No traces match.", "Widen the time range or remove a filter.")
    : empty(
        "No traces yet.",
        "They arrive at the OTLP port a second or two after the first order. " +
          "If a service is up but sends none, check OTEL_SDK_DISABLED.",
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
