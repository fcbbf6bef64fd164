// Parts of the Metrics page: example queries, values, exemplars.

import { create, empty } from "./dom.js";
import { labelText, nearTime, short } from "./format.js";

export const EXAMPLES = [
  [
    "Requests per second by route",
    "sum by (http_route) (rate(http_server_request_duration_seconds_count[1m]))",
  ],
  [
    "p99 latency, with exemplars",
    "histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket[1m])))",
  ],
  [
    "Ratio of failed requests",
    'sum(rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[1m]))' +
      " / sum(rate(http_server_request_duration_seconds_count[1m]))",
  ],
  ["Messages waiting, by queue", "sum by (queue) (celery_queue_messages)"],
  [
    "Queue wait, p95",
    "histogram_quantile(0.95, " +
      "sum by (le, queue) (rate(celery_task_queue_wait_seconds_bucket[1m])))",
  ],
  ["Targets that answer scrapes", "up"],
];

/** Return the values of instant queries, with their query's letter if there are several. */
export function valueTable(rows, several) {
  const keys = [...new Set(rows.flatMap(({ labels }) => Object.keys(labels)))].filter(
    (key) => key !== "__name__" || rows.some(({ labels }) => labels.__name__),
  );
  const head = create(
    "tr",
    {},
    several ? create("th", {}, "") : null,
    keys.map((key) => create("th", {}, key === "__name__" ? "name" : key)),
    create("th", { class: "right" }, "value"),
  );
  const body = rows.slice(0, 300).map(({ labels, value, letter }) =>
    create(
      "tr",
      {},
      several ? create("td", {}, letter) : null,
      keys.map((key) => create("td", { class: "mono" }, labels[key] ?? "")),
      create("td", { class: "right mono", title: value }, short(Number(value), 5)),
    ),
  );
  return rows.length
    ? create("table", {}, create("thead", {}, head), create("tbody", {}, body))
    : empty("No values at the end of the range.");
}

/** Return the exemplars, highest first. */
export function exemplarTable(exemplars) {
  const rows = [...exemplars]
    .sort((left, right) => right.value - left.value)
    .slice(0, 50)
    .map(({ ms, value, labels, series }) =>
      create(
        "tr",
        {},
        create("td", { class: "right mono" }, short(value)),
        create("td", { class: "nowrap" }, nearTime(ms)),
        create(
          "td",
          {},
          labels.trace_id
            ? create("a", { class: "mono", href: `/trace/${labels.trace_id}` }, labels.trace_id)
            : labelText(labels),
        ),
        create("td", { class: "mono muted" }, labelText(series)),
      ),
    );
  const head = create(
    "tr",
    {},
    ["value", "when", "trace", "series"].map((name, index) =>
      create("th", { class: index ? "" : "right" }, name),
    ),
  );
  return rows.length
    ? create("table", {}, create("thead", {}, head), create("tbody", {}, rows))
    : empty(
        "No exemplars for this query.",
        "Query the _bucket series of a histogram, or a counter with exemplars.",
      );
}
