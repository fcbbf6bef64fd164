// The waterfall of a trace: a row per span, foldable, with attributes, events and log lines.

import { getJson } from "./api.js";
import { serviceColor } from "./colors.js";
import { copyButton, create, pairs, put } from "./dom.js";
import { clock, nanoseconds, nearTime } from "./format.js";
import { link } from "./state.js";
import { spanTree } from "./tree.js";

/** Draw a trace into an element; `selected` is the id of the span to open. */
export function drawWaterfall(element, trace, { selected = "", onSelect = () => {} } = {}) {
  const nodes = spanTree(trace.spans);
  const folded = new Set();
  const rows = new Map(
    nodes.map((node) => [
      node,
      row(node, trace, { fold: () => fold(node), open: () => open(node) }),
    ]),
  );
  const hiddenBy = (node) => {
    for (let at = node.parent; at; at = at.parent) if (folded.has(at)) return true;
    return false;
  };
  const details = new Map();

  function refresh() {
    for (const [node, line] of rows) {
      line.hidden = hiddenBy(node);
      const button = line.querySelector(".fold");
      if (node.children.length) {
        button.textContent = folded.has(node) ? "▸" : "▾";
        button.setAttribute("aria-label", folded.has(node) ? "Unfold" : "Fold");
      }
      if (details.has(node)) details.get(node).hidden = line.hidden;
    }
  }
  function fold(node, shut = !folded.has(node)) {
    if (!node.children.length) return;
    if (shut) folded.add(node);
    else folded.delete(node);
    refresh();
  }
  function open(node) {
    const line = rows.get(node);
    const old = details.get(node);
    if (old) {
      old.remove();
      details.delete(node);
      line.setAttribute("aria-expanded", "false");
      onSelect("");
      return;
    }
    const detail = spanDetail(node.span, trace);
    details.set(node, detail);
    line.after(detail);
    line.setAttribute("aria-expanded", "true");
    onSelect(node.span.span_id);
  }
  function keys(event) {
    const line = event.target.closest(".span");
    const node = line && nodes.find((one) => rows.get(one) === line);
    if (!node) return;
    const visible = nodes.filter((one) => !rows.get(one).hidden);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) rows.get(visible[visible.indexOf(node) + step] ?? node).focus();
    else if (event.key === "ArrowLeft") {
      if (node.children.length && !folded.has(node)) fold(node, true);
      else if (node.parent) rows.get(node.parent).focus();
    } else if (event.key === "ArrowRight") fold(node, false);
    else if (event.key === "Enter" || event.key === " ") open(node);
    else return;
    event.preventDefault();
  }

  const body = create("div", { onkeydown: keys, role: "tree", "aria-label": "Spans" }, [
    ...rows.values(),
  ]);
  put(element, create("div", { class: "waterfall" }, ruler(trace.duration_ns), body));
  refresh();
  const chosen = nodes.find((node) => node.span.span_id === selected);
  if (chosen) {
    open(chosen);
    rows.get(chosen).scrollIntoView({ block: "center" });
  }
}

function ruler(total) {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    create("span", { style: { left: `${part * 100}%` } }, nanoseconds(total * part)),
  );
  return create(
    "div",
    { class: "ruler" },
    create("span", {}, "Span"),
    create("div", { class: "ticks" }, ticks),
  );
}

function row({ span, depth, children, parent }, trace, { fold, open }) {
  const color = serviceColor(span.service);
  const newService = parent?.span.service !== span.service;
  return create(
    "div",
    {
      class: "span",
      role: "treeitem",
      tabindex: 0,
      "aria-expanded": "false",
      "aria-level": depth + 1,
      style: { "--chip": color },
      data: { span: span.span_id },
      onclick: open,
    },
    create(
      "div",
      { class: "what", style: { "padding-left": `${10 + depth * 16}px` } },
      create(
        "button",
        {
          class: "fold",
          type: "button",
          tabindex: -1,
          onclick: (event) => {
            event.stopPropagation();
            fold();
          },
        },
        children.length ? "▾" : "",
      ),
      create("span", { class: "mark" }),
      create(
        "span",
        { class: "label", title: `${span.service} · ${span.name}` },
        newService ? create("b", {}, span.service, " ") : null,
        create("span", { class: newService ? "service" : "" }, span.name),
      ),
      span.status === "error" ? create("span", { class: "badge bad" }, "error") : null,
    ),
    lane(span, trace),
  );
}

function lane(span, trace) {
  const total = Math.max(trace.duration_ns, 1);
  const left = (100 * (span.start_ns - trace.start_ns)) / total;
  const width = (100 * span.duration_ns) / total;
  const atEnd = left + width > 82;
  const place = atEnd ? { right: `${100 - left}%` } : { left: `${left + width}%` };
  const events = span.events.map((event) =>
    create("i", {
      class: event.name === "exception" ? "event bad" : "event",
      title: event.name,
      style: {
        left: `${Math.min(99.8, Math.max(0, (100 * (event.time_ns - trace.start_ns)) / total))}%`,
      },
    }),
  );
  return create(
    "div",
    { class: "lane" },
    create("i", {
      class: span.status === "error" ? "bar error" : "bar",
      style: { left: `${left}%`, width: `${width}%` },
    }),
    events,
    create("span", { class: "time", style: place }, nanoseconds(span.duration_ns)),
  );
}

function spanDetail(span, trace) {
  const search = (key, value) =>
    location.assign(
      link("/traces", {
        attr: `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
      }),
    );
  const logs = create("div", { class: "muted" }, "loading log lines…");
  const facts = {
    service: span.service,
    kind: span.kind,
    start: `${clock(span.start_ns / 1e6)}  (+${nanoseconds(span.start_ns - trace.start_ns)})`,
    duration: nanoseconds(span.duration_ns),
    status: span.status_message ? `${span.status}: ${span.status_message}` : span.status,
    span_id: span.span_id,
    ...(span.scope.name && { scope: `${span.scope.name} ${span.scope.version}`.trim() }),
    ...(span.trace_state && { trace_state: span.trace_state }),
  };
  showLogs(logs, span);
  return create(
    "div",
    { class: "detail" },
    create(
      "div",
      { class: "columns" },
      create(
        "div",
        {},
        create("h3", {}, "Span"),
        pairs(facts),
        copyButton(span.span_id, "copy span id"),
      ),
      create(
        "div",
        {},
        create("h3", {}, "Attributes"),
        Object.keys(span.attributes).length
          ? pairs(span.attributes, search)
          : create("span", { class: "muted" }, "none"),
      ),
      create("div", {}, create("h3", {}, "Resource"), pairs(span.resource)),
    ),
    span.events.length
      ? [create("h3", {}, "Events"), span.events.map((event) => spanEvent(event, span))]
      : null,
    span.links.length
      ? [
          create("h3", {}, "Links"),
          span.links.map((one) =>
            create(
              "div",
              {},
              create(
                "a",
                { class: "mono", href: `/trace/${one.trace_id}?span=${one.span_id}` },
                one.trace_id,
              ),
              Object.keys(one.attributes).length ? pairs(one.attributes) : null,
            ),
          ),
        ]
      : null,
    create("h3", {}, "Log lines of this span"),
    logs,
  );
}

function spanEvent(event, span) {
  const { "exception.stacktrace": stack, ...rest } = event.attributes;
  return create(
    "div",
    {},
    create("b", {}, event.name),
    " ",
    create("span", { class: "muted" }, `+${nanoseconds(event.time_ns - span.start_ns)}`),
    Object.keys(rest).length ? pairs(rest) : null,
    stack ? create("pre", {}, stack) : null,
  );
}

async function showLogs(element, span) {
  try {
    const { lines } = await getJson("/api/logs", {
      trace_id: span.trace_id,
      span_id: span.span_id,
      limit: 50,
    });
    const rows = lines
      .reverse()
      .map((line) =>
        create(
          "tr",
          {},
          create("td", {}, nearTime(line.time_ns / 1e6)),
          create("td", {}, `${line.level}  ${line.body}`),
        ),
      );
    put(
      element,
      rows.length ? create("table", { class: "pairs" }, create("tbody", {}, rows)) : "none",
    );
  } catch (error) {
    put(element, error.message);
  }
}
