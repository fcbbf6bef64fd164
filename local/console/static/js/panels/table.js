// Tables of instant queries, series or traces; sortable, with colored cells and links.

import { inkOn } from "../colors.js";
import { display, fieldOptions, fraction } from "../dash/field.js";
import { matrixTable } from "../dash/query.js";
import { fill } from "../dash/scope.js";
import { sortRows, transform } from "../dash/transform.js";
import { create, empty, put, safeLink } from "../dom.js";
import { clock, dateTime, duration } from "../format.js";

const MOST_ROWS = 500;
const SORTED = new WeakMap();

export function drawTable(view, { series, tables }) {
  const source = tables.length ? tables : series.length ? [matrixTable(series)] : [];
  const done = transform(source, view.panel.transformations);
  if (!done.length || !done[0].rows.length) {
    const { noValue } = view.panel.fieldConfig?.defaults ?? {};
    put(view.body, empty(noValue || "No rows.", view.panel.description ?? ""));
    return;
  }
  const table = done[Math.min(view.panel.options?.frameIndex ?? 0, done.length - 1)];
  const wanted = SORTED.get(view) ?? defaultSort(view.panel, table);
  const rows = wanted ? sortRows(table.rows, wanted.index, wanted.descending) : table.rows;
  const columns = table.columns
    .map((column) => ({
      ...column,
      options: fieldOptions(view.panel, {
        name: column.name,
        column: column.source,
        refId: table.refId,
        labels: {},
        type: column.type,
      }),
    }))
    .map((column, index) => ({ ...column, index }))
    .filter(({ options: { custom = {} } }) => !custom.hidden && !custom.hideFrom?.viz);
  put(
    view.body,
    create(
      "div",
      { class: "scroll fill" },
      create(
        "table",
        { class: "dense" },
        view.panel.options?.showHeader === false
          ? null
          : create(
              "thead",
              {},
              create(
                "tr",
                {},
                columns.map((column) =>
                  head(view, column, wanted, () => drawTable(view, { series, tables })),
                ),
              ),
            ),
        create(
          "tbody",
          {},
          rows.slice(0, MOST_ROWS).map((row) =>
            create(
              "tr",
              {},
              columns.map((column) => cell(view, column, row, table)),
            ),
          ),
        ),
      ),
    ),
  );
}

function defaultSort(panel, table) {
  const first = panel.options?.sortBy?.[0];
  const index = table.columns.findIndex((column) => column.name === first?.displayName);
  return index < 0 ? null : { index, descending: Boolean(first.desc) };
}

function head(view, column, wanted, redraw) {
  const mine = wanted?.index === column.index;
  const sort = () => {
    SORTED.set(view, {
      index: column.index,
      descending: mine ? !wanted.descending : column.type === "number",
    });
    redraw();
  };
  return create(
    "th",
    {
      class: numeric(column) ? "right" : "",
      "aria-sort": mine ? (wanted.descending ? "descending" : "ascending") : "none",
    },
    create(
      "button",
      { class: "link", type: "button", onclick: sort },
      column.options.displayName || column.name,
      mine ? (wanted.descending ? " ↓" : " ↑") : "",
    ),
  );
}

const today = (ms) => new Date(ms).toDateString() === new Date().toDateString();
const numeric = (column) => column.type === "number" || column.type === "duration";

function cell(view, column, row, table) {
  const value = row[column.index];
  if (column.type === "trace")
    return create(
      "td",
      {},
      create("a", { class: "mono", href: `/trace/${value}` }, String(value).slice(0, 12)),
    );
  if (column.type === "duration") return create("td", { class: "right nowrap" }, duration(value));
  if (column.type === "time")
    return create(
      "td",
      { class: "nowrap", title: dateTime(value, true) },
      today(value) ? clock(value, false) : dateTime(value),
    );
  const shown = display(value, column.options);
  const { cellOptions, displayMode } = column.options.custom ?? {};
  const style = cellOptions?.type ?? displayMode ?? "auto";
  const text = linked(view, column, row, table, shown.text);
  if (style.startsWith("color-background"))
    return create(
      "td",
      { class: numeric(column) ? "right" : "" },
      create(
        "span",
        { class: "cell-fill", style: { background: shown.color, color: inkOn(shown.color) } },
        text,
      ),
    );
  if (style.endsWith("gauge"))
    return create(
      "td",
      {},
      create(
        "div",
        { class: "bar-track" },
        create("div", {
          class: "bar-fill",
          style: { width: `${fraction(value, column.options) * 100}%`, background: shown.color },
        }),
      ),
      text,
    );
  const colored = style === "color-text" || shown.mapped;
  return create(
    "td",
    { class: numeric(column) ? "right" : "", style: colored ? { color: shown.color } : {} },
    text,
  );
}

function linked(view, column, row, table, text) {
  const first = column.options.links?.[0];
  if (first) {
    const fields = Object.fromEntries(
      table.columns.flatMap((other, index) =>
        [other.source ?? other.name, other.name].flatMap((name) => [
          [`__data.fields.${name}`, row[index]],
          [`__data.fields["${name}"]`, row[index]],
        ]),
      ),
    );
    const paths = { ...fields, "__value.raw": row[column.index], "__value.text": text };
    const url = first.url.replace(
      /\$\{__data\.fields\[["']?([^\]"']+)["']?\](?::\w+)?\}/g,
      (_, name) => encodeURIComponent(paths[`__data.fields.${name}`] ?? ""),
    );
    return safeLink(
      fill(url, view.scope.withBuiltins({ ...view.dashboard.linkBuiltins(), __paths: paths })),
      text,
      { title: fill(first.title ?? "", view.scope) },
    );
  }
  return (column.source ?? column.name) === "alertname"
    ? create("a", { href: `/runbook/${encodeURIComponent(text)}`, title: "runbook" }, text)
    : text;
}
