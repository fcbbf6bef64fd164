// Runs a panel's targets against Prometheus, or against this console's Loki and Tempo APIs.

import { getJson, prometheus } from "../api.js";
import { labelText } from "../format.js";
import { number, queryExemplars, queryRange } from "../promql.js";
import { seconds } from "../state.js";
import { fill } from "./scope.js";
import { transformSeries } from "./transform.js";

const SCRAPE_SECONDS = 5;
const NICE = [
  1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200,
  86400,
];

/** Return the step in seconds for a width in pixels, rounded as in Grafana. */
export function intervalFor({ start, end }, width, least = SCRAPE_SECONDS) {
  const wanted = Math.max((end - start) / Math.max(width, 50), least);
  return NICE.find((step) => step >= wanted * 0.99) ?? 86400;
}

/** Return the built-in variables for a step and a range. */
export function intervalBuiltins(step, { start, end }) {
  const range = Math.round(end - start);
  const rate = Math.max(step + SCRAPE_SECONDS, 4 * SCRAPE_SECONDS);
  return {
    __interval: `${step}s`,
    __interval_ms: String(step * 1000),
    __rate_interval: `${rate}s`,
    __rate_interval_ms: String(rate * 1000),
    __range: `${range}s`,
    __range_s: String(range),
    __range_ms: String(range * 1000),
    __from: String(Math.round(start * 1000)),
    __to: String(Math.round(end * 1000)),
  };
}

/** Return the results of every target: {series, tables, logs, traces, exemplars, errors}. */
export async function runTargets(panel, scope, bounds, width, signal) {
  const result = {
    series: [],
    tables: [],
    logs: [],
    traces: [],
    trace: null,
    exemplars: [],
    errors: [],
    skipped: [],
  };
  const targets = (panel.targets ?? []).filter((target) => !target.hide);
  await Promise.all(
    targets.map(async (target, index) => {
      try {
        merge(
          result,
          await runTarget(panel, target, targets.length, scope, bounds, width, signal),
          index,
        );
      } catch (error) {
        if (error.name === "AbortError") throw error;
        if (error instanceof OnlyInGrafana) result.skipped.push(error.message);
        else
          result.errors.push(
            targets.length > 1 ? `${target.refId}: ${error.message}` : error.message,
          );
      }
    }),
  );
  for (const name of ["series", "tables"])
    result[name].sort((left, right) => left.order - right.order);
  if (panel.type !== "table") result.series = transformSeries(result.series, panel.transformations);
  return result;
}

/** A query that the console cannot run. */
class OnlyInGrafana extends Error {}

function merge(result, answer, order) {
  for (const name of ["series", "tables"])
    result[name].push(...(answer[name] ?? []).map((one) => ({ ...one, order })));
  for (const name of ["logs", "traces", "exemplars"]) result[name].push(...(answer[name] ?? []));
  result.trace = answer.trace ?? result.trace;
}

function runTarget(panel, target, count, scope, bounds, width, signal) {
  const { type = "prometheus", uid } = target.datasource ?? {};
  const run = { prometheus: runPrometheus, loki: runLoki, tempo: runTempo }[type];
  if (!run)
    throw new OnlyInGrafana(
      type === "unknown" ? `the data source “${uid}”` : `data sources of the type ${type}`,
    );
  return run({ panel, target, count, scope, bounds, width, signal });
}

async function runPrometheus({ panel, target, count, scope, bounds, width, signal }) {
  const least = seconds(fill(target.interval || panel.interval || "", scope)) || SCRAPE_SECONDS;
  const step =
    intervalFor(bounds, panel.maxDataPoints ?? width, least) * (target.intervalFactor ?? 1);
  const expr = fill(target.expr, scope.withBuiltins(intervalBuiltins(step, bounds)), "query");
  if (!expr.trim()) return {};
  const table = target.format === "table";
  const answer = {};
  if (target.instant && !target.range) {
    const rows = await instant(expr, bounds.end, signal);
    if (table) answer.tables = [vectorTable(rows, target, count)];
    // Prometheus sorts the series of a range, and returns those of an instant in any order.
    answer.series = table
      ? []
      : rows
          .map(({ labels, value, ms }) => ({
            refId: target.refId,
            labels,
            name: legend(target, labels, rows.length, expr),
            points: [[ms, value]],
          }))
          .sort((left, right) => left.name.localeCompare(right.name));
    return answer;
  }
  const wanted = [queryRange(expr, { ...bounds, step, signal })];
  if (target.exemplar) wanted.push(queryExemplars(expr, { ...bounds, signal }, 90).catch(() => []));
  const [series, exemplars = []] = await Promise.all(wanted);
  answer.series = series.map((one) => ({
    ...one,
    refId: target.refId,
    step,
    name: legend(target, one.labels, series.length, expr),
  }));
  answer.exemplars = exemplars;
  if (table) {
    answer.tables = [samplesTable(answer.series, target, count)];
    answer.series = [];
  }
  return answer;
}

async function instant(expr, time, signal) {
  const { resultType, result } = await prometheus("query", { query: expr, time }, signal);
  if (resultType === "scalar")
    return [{ labels: {}, ms: result[0] * 1000, value: number(result[1]) }];
  return result.map(({ metric, value, values }) => ({
    labels: metric,
    ms: (value ?? values.at(-1))[0] * 1000,
    value: number((value ?? values.at(-1))[1]),
  }));
}

/** Return the name of a series: its legend format, or the labels that distinguish it. */
export function legend(target, labels, count, expr = "") {
  const format = target.legendFormat;
  if (format && format !== "__auto")
    return (
      format.replace(/\{\{\s*([^}]+?)\s*\}\}/g, (_, name) => labels[name] ?? "").trim() ||
      labelText(labels)
    );
  const names = Object.keys(labels);
  if (!names.length) return expr;
  return names.length === 1 && count > 1 ? labels[names[0]] : labelText(labels);
}

function vectorTable(rows, target, count) {
  const labels = [...new Set(rows.flatMap((row) => Object.keys(row.labels)))].sort();
  const value = count > 1 ? `Value #${target.refId}` : "Value";
  return {
    refId: target.refId,
    columns: [
      { name: "Time", type: "time" },
      ...labels.map((name) => ({ name, type: "string" })),
      { name: value, type: "number" },
    ],
    rows: rows.map((row) => [row.ms, ...labels.map((name) => row.labels[name] ?? ""), row.value]),
  };
}

/** Return a table with a row per sample of a range query. */
function samplesTable(series, target, count) {
  const rows = series.flatMap(({ labels, points }) =>
    points.filter(([, value]) => value !== null).map(([ms, value]) => ({ labels, ms, value })),
  );
  return vectorTable(
    rows.sort((left, right) => left.ms - right.ms),
    target,
    count,
  );
}

/** Return a table with a column per series and a row per time. */
export function matrixTable(series) {
  const times = [...new Set(series.flatMap((one) => one.points.map(([ms]) => ms)))].sort(
    (left, right) => left - right,
  );
  const maps = series.map((one) => new Map(one.points));
  return {
    refId: series[0]?.refId,
    columns: [
      { name: "Time", type: "time" },
      ...series.map((one) => ({ name: one.name, type: "number" })),
    ],
    rows: times.map((ms) => [ms, ...maps.map((map) => map.get(ms) ?? null)]),
  };
}

async function runLoki({ panel, target, scope, bounds, width, signal }) {
  const least = seconds(fill(panel.interval || "", scope)) || SCRAPE_SECONDS;
  const step = intervalFor(bounds, panel.maxDataPoints ?? width, least);
  const expr = fill(
    target.expr,
    scope.withBuiltins({ ...intervalBuiltins(step, bounds), __auto: `${step}s` }),
    "query",
  );
  const path = target.queryType === "instant" ? "query" : "query_range";
  const { data } = await getJson(
    `/loki/api/v1/${path}`,
    {
      query: expr,
      start: bounds.start,
      end: bounds.end,
      limit: Math.min(target.maxLines || 500, 5000),
      step: `${step}s`,
    },
    signal,
  );
  if (data.resultType === "streams")
    return {
      logs: data.result
        .flatMap(({ stream, values }) => values.map(([ns, body]) => logLine(stream, ns, body)))
        .sort((left, right) => right.time_ns - left.time_ns),
    };
  return {
    series: data.result.map(({ metric, value, values }) => ({
      refId: target.refId,
      labels: metric,
      name: legend(target, metric, data.result.length, expr),
      points: (values ?? [value]).map(([at, text]) => [Math.round(at * 1000), number(text)]),
    })),
  };
}

function logLine(stream, ns, body) {
  const {
    trace_id = "",
    span_id = "",
    service_name = "",
    detected_level = "info",
    severity_text = "",
    ...attributes
  } = stream;
  return {
    time_ns: Number(ns),
    service: service_name,
    level: detected_level,
    severity: severity_text,
    body,
    trace_id,
    span_id,
    attributes,
    resource: { "service.name": service_name },
  };
}

async function runTempo({ panel, target, scope, bounds, signal }) {
  const query = fill(target.query ?? "", scope, "query").trim();
  if (target.queryType === "serviceMap") throw new OnlyInGrafana("the service map");
  if (/^[0-9a-fA-F]{8,32}$/.test(query))
    return { trace: await getJson(`/api/traces/${query}`, {}, signal) };
  if (!query.startsWith("{")) return { trace: null };
  const { traces } = await getJson(
    "/tempo/api/search",
    {
      q: query,
      start: Math.floor(bounds.start),
      end: Math.ceil(bounds.end),
      limit: target.limit ?? 20,
      spss: target.spss ?? 3,
    },
    signal,
  );
  const table = target.tableType === "spans" ? spanTable : traceTable;
  return { traces, tables: panel.type === "table" ? [table(target, traces)] : [] };
}

const columnsOf = (list) => list.map(([name, source, type]) => ({ name, source, type }));

// The columns of Grafana's table of spans: the attributes that the query selects are between them.
function spanTable(target, traces) {
  const spans = traces.flatMap((trace) =>
    trace.spanSet.spans.map((span) => ({
      trace,
      span,
      attributes: Object.fromEntries(
        span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]),
      ),
    })),
  );
  spans.sort((left, right) => right.span.startTimeUnixNano - left.span.startTimeUnixNano);
  const names = [...new Set(spans.flatMap((one) => Object.keys(one.attributes)))].sort();
  return {
    refId: target.refId,
    columns: [
      { name: "traceIdHidden", type: "string" },
      { name: "Trace Service", source: "traceService", type: "string" },
      { name: "Trace Name", source: "traceName", type: "string" },
      { name: "Span ID", source: "spanID", type: "string" },
      { name: "Start time", source: "time", type: "time" },
      { name: "Name", source: "name", type: "string" },
      ...names.map((name) => ({ name, type: "string" })),
      { name: "Duration", source: "duration", type: "duration" },
    ],
    rows: spans.map(({ trace, span, attributes }) => [
      trace.traceID,
      trace.rootServiceName,
      trace.rootTraceName,
      span.spanID,
      Number(span.startTimeUnixNano) / 1e6,
      span.name,
      ...names.map((name) => attributes[name] ?? ""),
      Number(span.durationNanos) / 1e9,
    ]),
  };
}

// Overrides and links refer to a column by its source, as in Grafana.
function traceTable(target, traces) {
  const columns = columnsOf([
    ["Trace ID", "traceID", "trace"],
    ["Start time", "startTime", "time"],
    ["Service", "traceService", "string"],
    ["Name", "traceName", "string"],
    ["Duration", "traceDuration", "duration"],
  ]);
  return {
    refId: target.refId,
    columns,
    rows: traces.map((one) => [
      one.traceID,
      Number(one.startTimeUnixNano) / 1e6,
      one.rootServiceName,
      one.rootTraceName,
      one.durationMs / 1000,
    ]),
  };
}
