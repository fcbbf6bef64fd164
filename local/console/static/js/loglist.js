// A list of log lines: one row each, which opens to show all fields.

import { levelColor, serviceColor } from "./colors.js";
import { copyButton, create, pairs } from "./dom.js";
import { nearTime } from "./format.js";
import { arrowKeys } from "./frame.js";

const detailOf = (row) => (row.nextSibling?.classList?.contains("detail") ? row.nextSibling : null);
const after = (row) => (detailOf(row) ?? row).nextSibling;

function remove(row) {
  detailOf(row)?.remove();
  row.remove();
}

export class LogList {
  /** Args: showTrace adds trace links; onFilter(key, value) and onSpan(span id) handle clicks. */
  constructor({ showTrace = true, onFilter = null, onSpan = null } = {}) {
    this.showTrace = showTrace;
    this.onFilter = onFilter;
    this.onSpan = onSpan;
    this.element = create("div", { class: "lines", role: "list", "aria-label": "Log lines" });
    arrowKeys(this.element, ".line");
  }

  /** Show these lines; rows that stay keep the focus and their details. */
  show(lines) {
    const held = this.rows ?? new Map();
    this.rows = new Map();
    for (const line of lines) {
      let key = `${line.time_ns} ${line.service} ${line.span_id} ${line.body}`;
      while (this.rows.has(key)) key += "+";
      this.rows.set(key, held.get(key) ?? this.row(line));
    }
    for (const [key, row] of held) if (!this.rows.has(key)) remove(row);
    let next = this.element.firstChild;
    for (const row of this.rows.values()) {
      if (row === next) next = after(row);
      else this.element.insertBefore(row, next);
    }
    while (next) {
      const following = next.nextSibling;
      next.remove();
      next = following;
    }
  }

  /** Add new lines on top, and remove the oldest beyond the limit. */
  prepend(lines, most = 1000) {
    for (const line of lines) this.element.prepend(this.row(line, true));
    while (this.element.children.length > most) this.element.lastChild.remove();
  }

  row(line, fresh = false) {
    const toTrace =
      this.showTrace && line.trace_id
        ? create(
            "a",
            {
              href: `/trace/${line.trace_id}?span=${line.span_id}`,
              title: `trace ${line.trace_id}`,
              onclick: (event) => event.stopPropagation(),
            },
            "trace ↗",
          )
        : this.onSpan && line.span_id
          ? create(
              "button",
              {
                class: "link",
                type: "button",
                onclick: (event) => {
                  event.stopPropagation();
                  this.onSpan(line.span_id);
                },
              },
              "span",
            )
          : create("span");
    const row = create(
      "div",
      {
        class: fresh ? "line fresh" : "line",
        role: "listitem",
        tabindex: 0,
        "aria-expanded": "false",
        style: { "--level": levelColor(line.level) },
        onclick: () => {
          if (!getSelection().toString()) this.toggle(row, line);
        },
        onkeydown: (event) => {
          if (event.key === "Enter" && event.target === row) this.toggle(row, line);
        },
      },
      create("span", { class: "muted" }, nearTime(line.time_ns / 1e6)),
      create("span", { class: "level" }, line.level),
      create(
        "span",
        { class: "service chip", style: { "--chip": serviceColor(line.service) } },
        line.service,
      ),
      create("span", { class: "text" }, line.body),
      toTrace,
    );
    return row;
  }

  toggle(row, line) {
    if (detailOf(row)) {
      detailOf(row).remove();
      row.setAttribute("aria-expanded", "false");
      return;
    }
    const ids = line.trace_id ? { trace_id: line.trace_id, span_id: line.span_id } : {};
    row.after(
      create(
        "div",
        { class: "detail" },
        create(
          "div",
          { class: "columns" },
          create(
            "div",
            {},
            create("h3", {}, "Fields"),
            pairs({ ...ids, severity: line.severity, ...line.attributes }, this.onFilter),
          ),
          create("div", {}, create("h3", {}, "Resource"), pairs(line.resource)),
        ),
        copyButton(JSON.stringify(line, null, 1), "copy as JSON"),
      ),
    );
    row.setAttribute("aria-expanded", "true");
  }
}
