// One trace: summary, waterfall, log lines.

import { getJson } from "../api.js";
import { onTheme, serviceColor } from "../colors.js";
import { copyButton, create, empty, failure, put } from "../dom.js";
import { dateTime, nanoseconds } from "../format.js";
import { main } from "../frame.js";
import { LogList } from "../loglist.js";
import { link, params, setParams } from "../state.js";
import { drawWaterfall } from "../waterfall.js";

const id = decodeURIComponent(location.pathname.split("/")[2]);
const fact = (name, value) => create("div", {}, create("span", {}, name), create("b", {}, value));

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
    create("div", { class: "page-head" }, create("h1", {}, "Trace")),
    missing
      ? create(
          "div",
          { class: "card" },
          empty(
            "This trace is not in the store.",
            create("span", { class: "mono" }, id),
            "It may not have arrived yet (exporters send about once a second), was not sampled, " +
              "or was deleted because of its age.",
            create(
              "p",
              {},
              create("button", { class: "button", onclick: load }, "Try again"),
              " ",
              create("a", { class: "button", href: "/traces" }, "Search traces"),
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
  const waterfall = create("div");
  const lines = create("div");
  document.title = `${root.name} · Sightline`;
  const bounds = {
    from: Math.floor(trace.start_ns / 1e9 - 5),
    to: Math.ceil((trace.start_ns + trace.duration_ns) / 1e9 + 5),
  };
  put(
    main,
    create(
      "div",
      { class: "page-head" },
      create("h1", {}, root.name),
      create("span", { class: "mono muted" }, trace.trace_id),
      copyButton(trace.trace_id, "copy id"),
      create(
        "a",
        { class: "button", href: link("/logs", { trace_id: trace.trace_id, ...bounds }) },
        "Logs of this trace",
      ),
    ),
    create(
      "div",
      { class: "stack" },
      create(
        "section",
        { class: "card" },
        create(
          "div",
          { class: "body facts" },
          fact("Start", dateTime(trace.start_ns / 1e6, true)),
          fact("Duration", nanoseconds(trace.duration_ns)),
          fact("Spans", String(trace.spans.length)),
          create(
            "div",
            {},
            create("span", {}, "Errors"),
            trace.errors
              ? create("b", { class: "badge bad" }, String(trace.errors))
              : create("b", {}, "0"),
          ),
          create(
            "div",
            { class: "grow" },
            create("span", {}, "Services"),
            create(
              "div",
              { class: "services" },
              [...counts].map(([name, spans]) =>
                create(
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
        ? create("div", { class: "notice warn" }, "Only the first 5000 spans are shown.")
        : null,
      create("section", { class: "card" }, waterfall),
      create(
        "section",
        { class: "card" },
        create("header", {}, create("h2", {}, "Log lines of this trace")),
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
            "No log lines with this trace id.",
            "Only lines that a process exports by OTLP are stored.",
          ),
    );
    list.show(lines.reverse());
  } catch (error) {
    put(element, failure(error));
  }
}

load();
