// Logs: filters, volume over time, live tail, links from lines to traces.

import { getJson } from "../api.js";
import { TimeChart } from "../chart.js";
import { levelColor } from "../colors.js";
import { create, empty, failure, put } from "../dom.js";
import { short } from "../format.js";
import { main } from "../frame.js";
import { LogList } from "../loglist.js";
import { onNavigate, params, setParams } from "../state.js";
import { TimeRange } from "../timerange.js";

const FIELDS = ["level", "text", "trace_id", "span_id", "attr"];
const LEVELS = ["", "debug", "info", "warn", "error", "fatal"];
const ORDER = ["trace", "debug", "info", "warn", "error", "fatal"];
const TAIL_MS = 1000;

const range = new TimeRange({ from: "now-1h" }, (why) => {
  if (!tailing || why === "range") search();
});
const fields = {
  level: create(
    "select",
    {},
    LEVELS.map((word) => create("option", { value: word }, word ? `${word} and above` : "any")),
  ),
  text: create("input", { placeholder: "part of the message", "data-search": true }),
  trace_id: create("input", { class: "mono", placeholder: "32 hex digits" }),
  span_id: create("input", { class: "mono", placeholder: "16 hex digits" }),
  attr: create("input", { class: "mono", placeholder: "key=value or key" }),
};
const services = create("div", { class: "row", role: "group", "aria-label": "Services" });
const problem = create("div");
const volume = create("div", { class: "volume" });
const count = create("span", { class: "muted" });
const list = new LogList({ onFilter: filter });
const place = create("div");
const live = create(
  "button",
  { class: "button", type: "button", "aria-pressed": "false", onclick: () => setTail(!tailing) },
  create("span", { class: "live-dot" }),
  "Live tail",
);
const chart = new TimeChart(volume, { onZoom: (from, to) => range.zoom(from, to) });
let tailing = false;
let timer = null;
let last = 0;

function filter(key, value) {
  if (key === "trace_id" || key === "span_id") fields[key].value = value;
  else if (key !== "severity")
    fields.attr.value = `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`;
  submit();
}

const chosen = () => params().getAll("service");

async function loadServices() {
  const known = (await getJson("/api/services").catch(() => ({ services: [] }))).services;
  const names = [...new Set([...known, ...chosen()])];
  put(
    services,
    create("span", { class: "muted" }, "Services"),
    names.map((name) =>
      create(
        "button",
        {
          class: "button small",
          type: "button",
          "aria-pressed": String(chosen().includes(name)),
          onclick: () => {
            const next = chosen().includes(name)
              ? chosen().filter((one) => one !== name)
              : [...chosen(), name];
            setParams({ service: next }, { push: true });
            loadServices();
            search();
          },
        },
        name,
      ),
    ),
    names.length ? null : create("span", { class: "faint" }, "no log lines from any service yet"),
  );
}

const conditions = () => ({
  service: chosen(),
  ...Object.fromEntries(FIELDS.map((name) => [name, params().get(name) ?? ""])),
});

function submit(event) {
  event?.preventDefault();
  setParams(Object.fromEntries(FIELDS.map((name) => [name, fields[name].value.trim()])), {
    push: true,
  });
  search();
}

async function search() {
  const { start, end } = range.bounds();
  place.classList.add("loading");
  try {
    const asked = { ...conditions(), from: start, to: end };
    const [found, counted] = await Promise.all([
      getJson("/api/logs", { ...asked, limit: 500 }),
      // Counting a long range may take too long; the newest lines are there all the same.
      getJson("/api/logs/volume", { ...asked, steps: 60 }).catch((error) => ({
        volume: [],
        step_ns: 1e9,
        error,
      })),
    ]);
    put(problem, counted.error && failure(counted.error));
    show(found.lines, counted, start, end);
    last = Math.max(last, (await getJson("/api/logs/last")).last_id);
  } catch (error) {
    put(problem, failure(error));
  }
  place.classList.remove("loading");
}

function show(lines, { volume: counts, step_ns: step }, start, end) {
  const counted = counts.reduce((sum, one) => sum + one.count, 0);
  const total = Math.max(counted, lines.length);
  count.textContent =
    total > lines.length ? `newest ${lines.length} of ${short(total, 6)} lines` : `${total} lines`;
  drawVolume(counts, step / 1e6, start * 1000, end * 1000);
  list.show(lines);
  put(place, lines.length ? list.element : nothing());
}

function nothing() {
  const filtered = chosen().length || FIELDS.some((name) => params().get(name));
  return filtered
    ? empty("No lines match.", "Widen the time range or remove a filter.")
    : empty(
        "No log lines yet.",
        "Processes export them by OTLP a second or two after they write them. " +
          "make logs shows what they print.",
      );
}

function drawVolume(counts, step, start, end) {
  volume.hidden = !counts.length;
  if (!counts.length) return;
  const times = [];
  for (let at = Math.floor(start / step) * step; at <= end; at += step) times.push(at);
  const series = ORDER.filter((level) => counts.some((one) => one.level === level)).map((level) => {
    const known = new Map(
      counts
        .filter((one) => one.level === level)
        .map((one) => [Math.round(one.time_ns / 1e6), one.count]),
    );
    return {
      name: level,
      color: levelColor(level),
      stack: "lines",
      draw: "bars",
      points: times.map((at) => [at, known.get(Math.round(at)) ?? 0]),
    };
  });
  chart.draw({ series, start, end, format: short });
}

function setTail(on) {
  tailing = on;
  live.setAttribute("aria-pressed", String(on));
  setParams({ live: on ? "1" : "" });
  clearInterval(timer);
  if (on) timer = setInterval(tail, TAIL_MS);
}

async function tail() {
  if (document.hidden) return;
  try {
    const { lines, last_id: next } = await getJson("/api/logs", {
      ...conditions(),
      after: last,
      limit: 200,
    });
    last = Math.max(last, next);
    put(problem);
    if (!lines.length) return;
    if (!list.element.isConnected) put(place, list.element);
    list.prepend(lines);
    count.textContent = `live, ${list.element.querySelectorAll(".line").length} lines`;
  } catch (error) {
    put(problem, failure(error));
  }
}

function readAddress() {
  for (const name of FIELDS) fields[name].value = params().get(name) ?? "";
  setTail(params().get("live") === "1");
  loadServices();
}

const label = (name, element, wide) =>
  create("label", { class: wide ? "field wide" : "field" }, name, element);
const form = create(
  "form",
  { class: "card", onsubmit: submit },
  create(
    "div",
    { class: "filters" },
    label("Text", fields.text, true),
    label("Level", fields.level),
    label("Trace id", fields.trace_id, true),
    label("Span id", fields.span_id),
    label("Field", fields.attr, true),
    create("button", { class: "button primary" }, "Search"),
    create(
      "button",
      {
        class: "button",
        type: "button",
        onclick: () => {
          setParams(
            { ...Object.fromEntries(FIELDS.map((name) => [name, ""])), service: [] },
            { push: true },
          );
          readAddress();
          search();
        },
      },
      "Clear",
    ),
  ),
  create("div", { style: { padding: "0 14px 12px" } }, services),
);
fields.level.addEventListener("change", submit);

put(
  main,
  create("div", { class: "page-head" }, create("h1", {}, "Logs"), live, range.element),
  create(
    "div",
    { class: "stack" },
    form,
    problem,
    create(
      "section",
      { class: "card" },
      create("header", {}, create("h2", {}, "Lines"), count),
      volume,
      place,
    ),
  ),
);
onNavigate(() => {
  readAddress();
  search();
});
readAddress();
search();
