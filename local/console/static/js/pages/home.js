// Home: what this is, what runs, how it is, and where to go first.

import { facts, main } from "../frame.js";
import { getJson } from "../api.js";
import { activeAlerts, isWatchdog } from "../alertdata.js";
import { copyButton, empty, failure, h, put } from "../dom.js";
import { compact, duration, nanoseconds, nearTime, short } from "../format.js";
import { queryInstant } from "../promql.js";
import { link } from "../state.js";

const RATE = 'sum(rate(http_server_request_duration_seconds_count{job="orders"}[1m]))';
const ERRORS =
  'sum(rate(http_server_request_duration_seconds_count{job="orders",http_response_status_code=~"5.."}[5m]))';
const P99 =
  'histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket{job="orders"}[5m])))';
const NONE = "no data yet";
const WAITING = "sum(celery_queue_messages)";
const TILES = [
  ["requests per second", RATE, (value) => short(value, 2)],
  [
    "of requests failed, 5 min",
    `(${ERRORS} or vector(0)) / ${RATE.replace("1m", "5m")}`,
    (value) => `${short(value * 100, 2)} %`,
  ],
  ["p99 latency, 5 min", P99, duration],
  ["messages waiting", WAITING, compact],
];
const ORDER = `curl -s -X POST ${facts.service}/v1/orders -H 'Content-Type: application/json' -H "Idempotency-Key: try-$(date +%s)" -d '{"customer_id": "customer-1", "currency": "EUR", "items": [{"sku": "tea", "quantity": 2, "unit_price_cents": 450}]}'`;

const tiles = h("div", { class: "tiles" });
const running = h("div", { class: "scroll" });
const newest = h("div", { class: "scroll" });
const problem = h("div");

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
      rows ? `spans, ${compact(rows.logs)} log lines` : "spans stored",
    ),
  );
}

function tile(href, value, name, color = null) {
  return h(
    "a",
    { class: "card tile", href },
    h(
      "b",
      { class: value === NONE ? "none" : null, style: color ? { color: `var(${color})` } : {} },
      value,
    ),
    h("span", {}, name),
  );
}

function showJobs(up) {
  const rows = (up.value?.rows ?? [])
    .sort((a, b) => a.labels.job.localeCompare(b.labels.job))
    .map(({ labels, value }) =>
      h(
        "tr",
        {},
        h(
          "td",
          {},
          h("span", { class: `dot ${value === "1" ? "good" : "bad"}` }),
          " ",
          value === "1" ? "up" : "down",
        ),
        h("td", {}, labels.job),
        h("td", { class: "mono muted" }, labels.instance),
        h(
          "td",
          {},
          h("a", { href: link("/traces", { service: labels.job }) }, "traces"),
          " · ",
          h("a", { href: link("/logs", { service: labels.job }) }, "logs"),
        ),
      ),
    );
  put(
    running,
    rows.length
      ? h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["State", "Job", "Scraped at", ""].map((name) => h("th", {}, name)),
            ),
          ),
          h("tbody", {}, rows),
        )
      : empty(
          "No data yet: no target was scraped.",
          `Prometheus at ${facts.prometheus} needs about ten seconds after its start; make status shows every process.`,
        ),
  );
}

function showTraces(traces) {
  const rows = (traces.value?.traces ?? []).map((trace) =>
    h(
      "tr",
      {},
      h("td", { class: "nowrap muted" }, nearTime(trace.start_ns / 1e6)),
      h(
        "td",
        {},
        h("a", { href: `/trace/${trace.trace_id}` }, trace.root_name),
        " ",
        h("span", { class: "muted" }, trace.root_service),
      ),
      h("td", { class: "right nowrap" }, nanoseconds(trace.duration_ns)),
      h("td", {}, trace.errors ? h("span", { class: "badge bad" }, "error") : ""),
    ),
  );
  put(
    newest,
    rows.length
      ? h("table", {}, h("tbody", {}, rows))
      : empty("No traces yet.", "Place an order with the command beside this, then look again."),
  );
}

put(
  main,
  h("div", { class: "page-head" }, h("h1", {}, "Sightline, local mode")),
  h(
    "div",
    { class: "stack" },
    h(
      "div",
      { class: "notice warn" },
      h("b", {}, "A developer's and CI mode on one machine, not a replacement for the stack. "),
      "Prometheus and Alertmanager are the real ones; this console stands in for Grafana, Loki, Tempo and Mailpit and keeps what it gets for about two days. ",
      facts.profile === "demo"
        ? "SLO windows are those of the demo profile: minutes instead of days, so that a drill shows at once; never judge a real service by them."
        : "SLO windows are those of the production profile.",
    ),
    problem,
    tiles,
    h(
      "div",
      { class: "columns" },
      h(
        "div",
        { class: "stack" },
        h("section", { class: "card" }, h("header", {}, h("h2", {}, "What is running")), running),
        h(
          "section",
          { class: "card" },
          h(
            "header",
            {},
            h("h2", {}, "Newest traces"),
            h("span", { class: "grow" }),
            h("a", { href: "/traces" }, "all"),
          ),
          newest,
        ),
      ),
      h(
        "section",
        { class: "card" },
        h("header", {}, h("h2", {}, "Follow one order")),
        h(
          "div",
          { class: "body" },
          h(
            "ol",
            { class: "steps" },
            h("li", {}, "Place an order. ", copyButton(ORDER), h("pre", {}, ORDER)),
            h(
              "li",
              {},
              "Find it under ",
              h("a", { href: "/traces?operation=POST /v1/orders" }, "Traces"),
              ": one trace through API, relay, worker and payment provider.",
            ),
            h(
              "li",
              {},
              "Open a span to see its log lines, or go to ",
              h("a", { href: "/logs?live=1" }, "Logs"),
              " and back by a line's trace link.",
            ),
            h(
              "li",
              {},
              "On ",
              h(
                "a",
                { href: link("/explore", { expr: P99.replace("[5m]", "[1m]"), range: "15m" }) },
                "the p99 chart",
              ),
              " each diamond is an exemplar: click it to land in its trace.",
            ),
            h(
              "li",
              {},
              "The confirmation is under ",
              h("a", { href: "/mails" }, "Mails"),
              "; what fires, with its runbook, under ",
              h("a", { href: "/alerts" }, "Alerts"),
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
