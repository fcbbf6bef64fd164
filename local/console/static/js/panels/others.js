// Panels of logs, traces, alerts and text, and the note for unsupported types.

import { activeAlerts, isWatchdog, severityClass } from "../alertdata.js";
import { fill } from "../dash/scope.js";
import { create, empty, put } from "../dom.js";
import { ago } from "../format.js";
import { LogList } from "../loglist.js";
import { markdown } from "../markdown.js";
import { drawWaterfall } from "../waterfall.js";

export function drawLogs(view, { logs }) {
  if (!logs.length) {
    view.state = null;
    put(view.body, empty(view.panel.fieldConfig.defaults.noValue || "No log lines in this range."));
    return;
  }
  const lines = view.panel.options?.sortOrder === "Ascending" ? [...logs].reverse() : logs;
  if (view.state?.kind !== "logs") {
    const list = new LogList();
    put(view.body, create("div", { class: "scroll fill" }, list.element));
    view.state = { kind: "logs", list };
  }
  view.state.list.show(lines);
}

export function drawTraces(view, { trace, traces }) {
  if (trace) {
    if (
      view.state?.kind === "trace" &&
      view.state.id === trace.trace_id &&
      view.state.count === trace.spans.length
    )
      return;
    const box = create("div", { class: "scroll fill" });
    put(view.body, box);
    drawWaterfall(box, trace);
    view.state = { kind: "trace", id: trace.trace_id, count: trace.spans.length };
    return;
  }
  view.state = null;
  if (!traces.length) {
    put(
      view.body,
      empty(
        view.panel.fieldConfig.defaults.noValue ||
          "No trace selected. Paste a trace id into the field above, or open one from a table.",
      ),
    );
    return;
  }
  put(
    view.body,
    create(
      "div",
      { class: "scroll fill" },
      create(
        "table",
        { class: "dense" },
        create(
          "tbody",
          {},
          traces.map((one) =>
            create(
              "tr",
              {},
              create("td", {}, create("a", { href: `/trace/${one.traceID}` }, one.rootTraceName)),
              create("td", { class: "muted" }, one.rootServiceName),
              create("td", { class: "right" }, traceDuration(one)),
            ),
          ),
        ),
      ),
    ),
  );
}

/** Return a trace's duration; Tempo rounds it to milliseconds and leaves 0 out. */
const traceDuration = ({ durationMs }) => (durationMs ? `${durationMs} ms` : "< 1 ms");

export async function drawAlertList(view) {
  const { alerts, problems } = await activeAlerts();
  const { stateFilter = {}, maxItems = 50, alertName = "" } = view.panel.options ?? {};
  const wanted = alerts
    .filter(
      (alert) =>
        !isWatchdog(alert) &&
        (stateFilter[alert.state] ?? true) &&
        alert.labels.alertname.includes(fill(alertName, view.scope)),
    )
    .slice(0, maxItems);
  if (problems.length && !alerts.length) throw problems[0];
  put(
    view.body,
    wanted.length
      ? create(
          "div",
          { class: "scroll fill" },
          create(
            "table",
            { class: "dense" },
            create(
              "tbody",
              {},
              wanted.map((alert) =>
                create(
                  "tr",
                  {},
                  create(
                    "td",
                    {},
                    create(
                      "span",
                      { class: `badge ${alert.state === "firing" ? "bad" : "warn"}` },
                      alert.state,
                    ),
                  ),
                  create(
                    "td",
                    {},
                    create(
                      "a",
                      { href: `/runbook/${encodeURIComponent(alert.labels.alertname)}` },
                      alert.labels.alertname,
                    ),
                    create("div", { class: "muted" }, alert.annotations.summary ?? ""),
                  ),
                  create(
                    "td",
                    {},
                    create(
                      "span",
                      { class: `badge ${severityClass(alert.labels.severity)}` },
                      alert.labels.severity ?? "",
                    ),
                  ),
                  create("td", { class: "right nowrap muted" }, ago(Date.parse(alert.activeAt))),
                ),
              ),
            ),
          ),
        )
      : empty("No alerts are firing."),
  );
}

export function drawText(view) {
  const { content = "", mode = "markdown" } = view.panel.options ?? {};
  const text = fill(content, view.scope);
  put(
    view.body,
    create(
      "div",
      { class: "scroll fill padded" },
      mode === "markdown"
        ? markdown(text)
        : mode === "code"
          ? create("pre", {}, text)
          : create("div", {}, text.replace(/<[^>]*>/g, "")),
    ),
  );
}

export function drawUnknown(view) {
  put(
    view.body,
    empty(
      `Panels of the type “${view.panel.type}” are only drawn in Grafana.`,
      "The local mode draws time series, stat, gauge, bar gauge, heatmap, table, logs, traces, " +
        "alert list and text.",
    ),
  );
}
