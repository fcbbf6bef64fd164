// Home: key figures, running processes, newest traces, first steps.

import { activeAlerts, isWatchdog } from "../alertdata.js";
import { getJson } from "../api.js";
import { copyButton, create, empty, failure, put } from "../dom.js";
import { compact, duration, nanoseconds, nearTime, short } from "../format.js";
import { facts, main } from "../frame.js";
import { queryInstant } from "../promql.js";
import { link } from "../state.js";

const RATE = 'sum(rate(http_server_request_duration_seconds_count{job="orders"}[1m]))';
const ERRORS =
  'sum(rate(http_server_request_duration_seconds_count{job="orders",' +
  'http_response_status_code=~"5.."}[5m]))';
const P99 =
  "histogram_quantile(0.99, " +
  'sum by (le) (rate(http_server_request_duration_seconds_bucket{job="orders"}[5m])))';
const NONE = "no data yet";
const WAITING = "sum(celery_queue_messages)";
const TILES = [
  ["requests per second", RATE, (value) => short(value, 2)],
  [
    "error ratio, 5 min",
    `(${ERRORS} or vector(0)) / ${RATE.replace("1m", "5m")}`,
    (value) => `${short(value * 100, 2)} %`,
  ],
  ["p99 latency, 5 min", P99, duration],
  ["messages waiting", WAITING, compact],
];
const BODY = JSON.stringify({
  customer_id: "customer-1",
  currency: "EUR",
  items: [{ sku: "tea", quantity: 2, unit_price_cents: 450 }],
});
const ORDER =
  `curl -s -X POST ${facts.service}/v1/orders -H 'Content-Type: application/json' ` +
  `-H "Idempotency-Key: try-$(date +%s)" -d '${BODY}'`;

const tiles = create("div", { class: "tiles" });
const running = create("div", { class: "scroll" });
const newest = create("div", { class: "scroll" });
const problem = create("div");

async function load() {
  const now = Date.now() / 1000;
  const [values, alerts, up, traces, store] = await Promise.allSettled([
    Promise.all(TILES.map(([, expr]) => queryInstant(expr, now))),
    activeAlerts(),
    queryInstant("up", now),
    getJson("/api/traces", { limit: 8 }),
    getJson("/api/store"),
  ]);
  put(problem, up.status === "rejected" ? failure(up.reason) : null);
  showTiles(values, alerts, store);
  showJobs(up);
  showTraces(traces);
}

function showTiles(values, alerts, store) {
  const figures = TILES.map(([name, expr, format], index) => {
    const row = values.value?.[index]?.rows[0];
    const number = row ? Number(row.value) : NaN;
    return tile(
      link("/explore", { expr, range: "1h" }),
      Number.isFinite(number) ? format(number) : NONE,
      name,
    );
  });
  const firing = (alerts.value?.alerts ?? []).filter(
    (alert) => alert.state === "firing" && !isWatchdog(alert),
  ).length;
  const unknown = alerts.value?.problems.length;
  const rows = store.value?.rows;
  put(
    tiles,
    figures,
    tile("/alerts", unknown ? "unknown" : String(firing), "alerts firing", firing ? "--bad" : null),
    tile(
      "/traces",
      rows ? compact(rows.spans) : "unknown",
      rows ? `spans and ${compact(rows.logs)} log lines stored` : "spans stored",
    ),
  );
}

function tile(href, value, name, color = null) {
  return create(
    "a",
    { class: "card tile", href },
    create(
      "b",
      { class: value === NONE ? "none" : null, style: color ? { color: `var(${color})` } : {} },
      value,
    ),
    create("span", {}, name),
  );
}

function showJobs(up) {
  const rows = (up.value?.rows ?? [])
    .sort((left, right) => left.labels.job.localeCompare(right.labels.job))
    .map(({ labels, value }) =>
      create(
        "tr",
        {},
        create(
          "td",
          {},
          create("span", { class: `dot ${value === "1" ? "good" : "bad"}` }),
          " ",
          value === "1" ? "up" : "down",
        ),
        create("td", {}, labels.job),
        create("td", { class: "mono muted" }, labels.instance),
        create(
          "td",
          {},
          create("a", { href: link("/traces", { service: labels.job }) }, "traces"),
          " · ",
          create("a", { href: link("/logs", { service: labels.job }) }, "logs"),
        ),
      ),
    );
  put(
    running,
    rows.length
      ? create(
          "table",
          {},
          create(
            "thead",
            {},
            create(
              "tr",
              {},
              ["State", "Job", "Scraped at", ""].map((name) => create("th", {}, name)),
            ),
          ),
          create("tbody", {}, rows),
        )
      : empty(
          "No data yet: no targets were scraped.",
          `Prometheus at ${facts.prometheus} needs about ten seconds after its start. ` +
            "make status shows every process.",
        ),
  );
}

function showTraces(traces) {
  const rows = (traces.value?.traces ?? []).map((trace) =>
    create(
      "tr",
      {},
      create("td", { class: "nowrap muted" }, nearTime(trace.start_ns / 1e6)),
      create(
        "td",
        {},
        create("a", { href: `/trace/${trace.trace_id}` }, trace.root_name),
        " ",
        create("span", { class: "muted" }, trace.root_service),
      ),
      create("td", { class: "right nowrap" }, nanoseconds(trace.duration_ns)),
      create("td", {}, trace.errors ? create("span", { class: "badge bad" }, "error") : ""),
    ),
  );
  put(
    newest,
    rows.length
      ? create("table", {}, create("tbody", {}, rows))
      : empty("No traces yet.", "Place an order with the command on this page."),
  );
}

put(
  main,
  create("div", { class: "page-head" }, create("h1", {}, "Sightline, local mode")),
  create(
    "div",
    { class: "stack" },
    create(
      "div",
      { class: "notice warn" },
      create(
        "b",
        {},
        "This is the local mode, for development and CI on one machine. It does not replace the stack. ",
      ),
      "Prometheus and Alertmanager are the real ones; this console replaces Grafana, Loki, Tempo " +
        "and Mailpit, and keeps data for about two days. ",
      facts.profile === "demo"
        ? "SLO windows are those of the demo profile: minutes instead of hours and days, so that " +
            "alerts fire soon after a fault. Do not use them for a real service."
        : "SLO windows are those of the production profile.",
    ),
    problem,
    tiles,
    create(
      "div",
      { class: "columns" },
      create(
        "div",
        { class: "stack" },
        create(
          "section",
          { class: "card" },
          create("header", {}, create("h2", {}, "Scrape targets")),
          running,
        ),
        create(
          "section",
          { class: "card" },
          create(
            "header",
            {},
            create("h2", {}, "Newest traces"),
            create("span", { class: "grow" }),
            create("a", { href: "/traces" }, "all"),
          ),
          newest,
        ),
      ),
      create(
        "section",
        { class: "card" },
        create("header", {}, create("h2", {}, "Follow one order")),
        create(
          "div",
          { class: "body" },
          create(
            "ol",
            { class: "steps" },
            create("li", {}, "Place an order. ", copyButton(ORDER), create("pre", {}, ORDER)),
            create(
              "li",
              {},
              "Find it under ",
              create("a", { href: "/traces?operation=POST /v1/orders" }, "Traces"),
              ": one trace through the API, the relay, the worker and the payment provider.",
            ),
            create(
              "li",
              {},
              "Open a span to see its log lines, or go to ",
              create("a", { href: "/logs?live=1" }, "Logs"),
              " and return by the trace link of a line.",
            ),
            create(
              "li",
              {},
              "On ",
              create(
                "a",
                { href: link("/explore", { expr: P99.replace("[5m]", "[1m]"), range: "15m" }) },
                "the p99 chart",
              ),
              " each diamond is an exemplar: click it to open its trace.",
            ),
            create(
              "li",
              {},
              "The confirmation is under ",
              create("a", { href: "/mails" }, "Emails"),
              "; firing alerts with their runbooks are under ",
              create("a", { href: "/alerts" }, "Alerts"),
              ".",
            ),
          ),
        ),
      ),
    ),
  ),
);
addEventListener("refresh", load);
setInterval(() => {
  if (!document.hidden) load();
}, 5000);
load();
