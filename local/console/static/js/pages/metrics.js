// Metrics: any PromQL as a chart and a table, with exemplars that open their trace.

import { TimeChart } from "../chart.js";
import { colorAt } from "../colors.js";
import { autocomplete } from "../complete.js";
import { create, empty, failure, put } from "../dom.js";
import { duration, short } from "../format.js";
import { facts, main } from "../frame.js";
import { EXAMPLES, exemplarTable, valueTable } from "../metricsparts.js";
import { queryExemplars, queryInstant, queryRange, stepFor } from "../promql.js";
import { onNavigate, params, setParams } from "../state.js";
import { TimeRange } from "../timerange.js";

const MOST_SERIES = 60;
const LETTERS = "ABCDEF";

const range = new TimeRange({ from: "now-30m" }, () => run());
const queries = create("div");
const problem = create("div");
const box = create("div", { class: "chart" });
const legend = create("div", { class: "legend" });
const table = create("div", { class: "scroll" });
const dots = create("div", { class: "scroll" });
const note = create("span", { class: "muted" });
const start = create("div", { class: "stack" });
const result = create("div", { class: "stack", hidden: true });
const chart = new TimeChart(box, { onZoom: (from, to) => range.zoom(from, to) });
const hidden = new Set();
let controller = null;

const stepChoice = create(
  "select",
  {
    "aria-label": "Step",
    title: "Step",
    onchange: () => {
      setParams({ step: stepChoice.value });
      run();
    },
  },
  ["", "1", "5", "15", "60", "300", "3600"].map((step) =>
    create("option", { value: step }, step ? `step ${duration(Number(step))}` : "step auto"),
  ),
);

const expressions = () =>
  [...queries.querySelectorAll("textarea")].map((area) => area.value.trim());

function addQuery(text = "") {
  const index = queries.children.length;
  const submit = () => go();
  const area = create("textarea", {
    rows: 1,
    spellcheck: "false",
    autocomplete: "off",
    "aria-label": `Query ${LETTERS[index]}`,
    "data-search": index === 0,
    placeholder: "PromQL, for example  rate(orders_placed_total[1m])",
  });
  area.value = text;
  const fit = () => {
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight + 2}px`;
  };
  area.addEventListener("input", fit);
  area.addEventListener("resize-me", fit);
  const remove =
    index === 0
      ? null
      : create(
          "button",
          {
            class: "icon-button",
            type: "button",
            "aria-label": `Remove query ${LETTERS[index]}`,
            onclick: () => {
              setQueries(expressions().filter((_, other) => other !== index));
              go();
            },
          },
          "×",
        );
  queries.append(
    create(
      "div",
      { class: "query" },
      create("span", { class: "letter" }, LETTERS[index]),
      create("div", { class: "edit" }, area, autocomplete(area, submit)),
      remove,
    ),
  );
  requestAnimationFrame(fit);
  return area;
}

function setQueries(texts) {
  put(queries);
  (texts.length ? texts : [""]).forEach(addQuery);
}

function go() {
  setParams({ expr: expressions().filter(Boolean), step: stepChoice.value }, { push: true });
  run();
}

async function run() {
  const wanted = expressions()
    .map((expr, index) => ({ expr, letter: LETTERS[index] }))
    .filter(({ expr }) => expr);
  start.hidden = wanted.length > 0;
  result.hidden = !wanted.length;
  put(problem);
  if (!wanted.length) return;
  controller?.abort();
  controller = new AbortController();
  const { signal } = controller;
  const bounds = range.bounds();
  const step = Number(stepChoice.value) || stepFor(bounds.start, bounds.end, 400, 5);
  result.classList.add("loading");
  const answers = await Promise.allSettled(wanted.map((query) => ask(query, bounds, step, signal)));
  if (signal.aborted) return;
  result.classList.remove("loading");
  show(answers, wanted, bounds, step);
}

async function ask({ expr, letter }, bounds, step, signal) {
  const [series, instant, exemplars] = await Promise.all([
    queryRange(expr, { ...bounds, step, signal }),
    queryInstant(expr, bounds.end, signal),
    queryExemplars(expr, { ...bounds, signal }).catch(() => []),
  ]);
  for (const one of series) if (one.name === "{}") one.name = expr;
  return { letter, series, instant, exemplars };
}

function show(answers, wanted, bounds, step) {
  const bad = answers
    .map((answer, index) => [answer, wanted[index]])
    .filter(([answer]) => answer.status === "rejected");
  put(
    problem,
    bad.map(([{ reason }, { letter }]) => failure({ message: `${letter}: ${reason.message}` })),
  );
  const good = answers
    .filter((answer) => answer.status === "fulfilled")
    .map((answer) => answer.value);
  result.hidden = !good.length;
  if (!good.length) {
    note.textContent = "";
    return;
  }
  const several = wanted.length > 1;
  const all = good.flatMap(({ letter, series }) =>
    series.map((one) => ({
      ...one,
      key: `${letter} ${one.name}`,
      name: several ? `${letter} ${one.name}` : one.name,
    })),
  );
  all.forEach((one, index) => {
    one.color = colorAt(index);
  });
  const exemplars = good.flatMap((one) => one.exemplars);
  const drawn = all.length > MOST_SERIES ? `, first ${MOST_SERIES} drawn` : "";
  note.textContent = `${all.length} series, step ${duration(step)}${drawn}`;
  draw(all.slice(0, MOST_SERIES), exemplars, bounds);
  put(
    table,
    valueTable(
      good.flatMap(({ letter, instant }) => instant.rows.map((row) => ({ ...row, letter }))),
      several,
    ),
  );
  put(dots, exemplarTable(exemplars));
  if (!all.length && !bad.length) put(problem, noData(wanted));
}

function noData(wanted) {
  return empty(
    "No data in this range.",
    `Prometheus has no samples for ${wanted.map(({ expr }) => expr).join(" and ")}.`,
    "Metrics appear a few seconds after their process was first scraped. " +
      "Try a longer range, or the query `up`.",
  );
}

function draw(series, exemplars, { start: from, end: to }) {
  const visible = series.filter((one) => !hidden.has(one.key));
  const biggest = Math.max(
    0,
    ...visible.flatMap((one) => one.points.map(([, value]) => value ?? 0)),
  );
  // Exemplars are single observations; one far above the lines would flatten them.
  const near = exemplars.filter((one) => biggest === 0 || one.value <= biggest * 4);
  chart.draw({
    series: visible,
    exemplars: near,
    start: from * 1000,
    end: to * 1000,
    format: short,
  });
  put(
    legend,
    series.map((one) =>
      create(
        "button",
        {
          class: "chip",
          type: "button",
          style: { "--chip": one.color },
          "aria-pressed": String(!hidden.has(one.key)),
          title: "click to hide or show, Ctrl+click to show only this series",
          onclick: (event) => {
            toggle(one, series, event.ctrlKey || event.metaKey);
            draw(series, exemplars, { start: from, end: to });
          },
        },
        one.name,
      ),
    ),
  );
}

function toggle(one, series, only) {
  if (only) {
    for (const other of series) hidden.add(other.key);
    hidden.delete(one.key);
  } else if (!hidden.delete(one.key)) hidden.add(one.key);
}

put(
  main,
  create("div", { class: "page-head" }, create("h1", {}, "Metrics"), range.element),
  create(
    "div",
    { class: "stack" },
    create(
      "div",
      { class: "card" },
      create(
        "div",
        { class: "body" },
        queries,
        create(
          "div",
          { class: "row", style: { "margin-top": "10px" } },
          create("button", { class: "button primary", type: "button", onclick: go }, "Run"),
          create(
            "button",
            {
              class: "button",
              type: "button",
              onclick: () => {
                if (queries.children.length < LETTERS.length) addQuery().focus();
              },
            },
            "Add query",
          ),
          stepChoice,
          create("span", { class: "grow" }),
          note,
        ),
      ),
    ),
    problem,
    start,
    result,
  ),
);
put(
  start,
  create("h2", {}, "Try one of these"),
  create(
    "div",
    { class: "examples" },
    EXAMPLES.map(([name, expr]) =>
      create(
        "button",
        {
          type: "button",
          onclick: () => {
            setQueries([expr]);
            go();
          },
        },
        name,
        create("code", {}, expr),
      ),
    ),
  ),
  create(
    "p",
    { class: "muted" },
    `Queries run on Prometheus at ${facts.prometheus}. Enter runs the query, ` +
      "Shift+Enter starts a new line, Tab accepts a suggestion.",
  ),
);
put(
  result,
  create("section", { class: "card", "aria-label": "Chart" }, box, legend),
  create(
    "section",
    { class: "card" },
    create("header", {}, create("h2", {}, "Values at the end of the range")),
    table,
  ),
  create(
    "section",
    { class: "card" },
    create(
      "header",
      {},
      create("h2", {}, "Exemplars"),
      create("span", { class: "muted" }, "single requests, highest first"),
    ),
    dots,
  ),
);

function load() {
  setQueries(params().getAll("expr"));
  stepChoice.value = params().get("step") ?? "";
  run();
}
onNavigate(load);
load();
