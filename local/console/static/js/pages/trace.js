// One trace: its figures, its waterfall, its log lines.

import { main } from "../frame.js";
import { getJson } from "../api.js";
import { onTheme, serviceColor } from "../colors.js";
import { copyButton, empty, failure, h, put } from "../dom.js";
import { dateTime, nanoseconds } from "../format.js";
import { LogList } from "../loglist.js";
import { link, params, setParams } from "../state.js";
import { drawWaterfall } from "../waterfall.js";

const id = decodeURIComponent(location.pathname.split("/")[2]);
const fact = (name, value) => h("div", {}, h("span", {}, name), h("b", {}, value));

async function load() {
  let trace;
  try {
    trace = await getJson(`/api/traces/${encodeURIComponent(id)}`);
  } catch (error) {
    show404(error);
    return;
  }
  draw(trace);
  onTheme(() => draw(trace));
}

function show404(error) {
  const missing = error.status === 404;
  put(
    main,
    h("div", { class: "page-head" }, h("h1", {}, "Trace")),
    missing
      ? h(
          "div",
          { class: "card" },
          empty(
            "This trace is not in the store.",
            h("span", { class: "mono" }, id),
            "It may not have arrived yet (exporters send every second or so), was not sampled, or is older than the store keeps.",
            h(
              "p",
              {},
              h("button", { class: "button", onclick: load }, "Look again"),
              " ",
              h("a", { class: "button", href: "/traces" }, "Search traces"),
            ),
          ),
        )
      : failure(error),
  );
}

function draw(trace) {
  const root = trace.spans.find((span) => !span.parent_span_id) ?? trace.spans[0];
  const counts = Map.groupBy
    ? Map.groupBy(trace.spans, (span) => span.service)
    : group(trace.spans);
  const waterfall = h("div");
  const lines = h("div");
  document.title = `${root.name} · Sightline`;
  const bounds = {
    from: Math.floor(trace.start_ns / 1e9 - 5),
    to: Math.ceil((trace.start_ns + trace.duration_ns) / 1e9 + 5),
  };
  put(
    main,
    h(
      "div",
      { class: "page-head" },
      h("h1", {}, root.name),
      h("span", { class: "mono muted" }, trace.trace_id),
      copyButton(trace.trace_id, "copy id"),
      h(
        "a",
        { class: "button", href: link("/logs", { trace_id: trace.trace_id, ...bounds }) },
        "Logs of this trace",
      ),
    ),
    h(
      "div",
      { class: "stack" },
      h(
        "section",
        { class: "card" },
        h(
          "div",
          { class: "body facts" },
          fact("Start", dateTime(trace.start_ns / 1e6, true)),
          fact("Duration", nanoseconds(trace.duration_ns)),
          fact("Spans", String(trace.spans.length)),
          h(
            "div",
            {},
            h("span", {}, "Errors"),
            trace.errors ? h("b", { class: "badge bad" }, String(trace.errors)) : h("b", {}, "0"),
          ),
          h(
            "div",
            { class: "grow" },
            h("span", {}, "Services"),
            h(
              "div",
              { class: "services" },
              [...counts].map(([name, spans]) =>
                h(
                  "a",
                  {
                    class: "chip",
                    style: { "--chip": serviceColor(name) },
                    href: link("/traces", { service: name }),
                  },
                  `${name} ${spans.length}`,
                ),
              ),
            ),
          ),
        ),
      ),
      trace.truncated
        ? h("div", { class: "notice warn" }, "Only the first 5000 spans are shown.")
        : null,
      h("section", { class: "card" }, waterfall),
      h(
        "section",
        { class: "card" },
        h("header", {}, h("h2", {}, "Log lines of this trace")),
        lines,
      ),
    ),
  );
  drawWaterfall(waterfall, trace, {
    selected: params().get("span") ?? "",
    onSelect: (span) => setParams({ span }),
  });
  showLogs(lines, trace);
}

function group(spans) {
  const groups = new Map();
  for (const span of spans) groups.set(span.service, [...(groups.get(span.service) ?? []), span]);
  return groups;
}

async function showLogs(element, trace) {
  try {
    const { lines } = await getJson("/api/logs", { trace_id: trace.trace_id, limit: 500 });
    const list = new LogList({
      showTrace: false,
      onSpan: (span) => {
        setParams({ span });
        draw(trace);
      },
    });
    put(
      element,
      lines.length
        ? list.element
        : empty(
            "No log line carries this trace id.",
            "Lines are stored from the moment that the process exports logs by OTLP.",
          ),
    );
    list.show(lines.reverse());
  } catch (error) {
    put(element, failure(error));
  }
}

load();
