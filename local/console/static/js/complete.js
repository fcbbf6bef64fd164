// Suggestions for PromQL while typing: metric names, labels, label values, functions.

import { prometheus } from "./api.js";
import { create, put } from "./dom.js";

const FUNCTIONS = [
  "abs",
  "absent",
  "avg",
  "avg_over_time",
  "bottomk",
  "by",
  "ceil",
  "clamp",
  "clamp_max",
  "clamp_min",
  "count",
  "count_over_time",
  "delta",
  "deriv",
  "floor",
  "group_left",
  "group_right",
  "histogram_quantile",
  "idelta",
  "ignoring",
  "increase",
  "irate",
  "label_join",
  "label_replace",
  "max",
  "max_over_time",
  "min",
  "min_over_time",
  "on",
  "or",
  "predict_linear",
  "quantile",
  "quantile_over_time",
  "rate",
  "resets",
  "round",
  "sort",
  "sort_desc",
  "stddev",
  "sum",
  "sum_over_time",
  "time",
  "timestamp",
  "topk",
  "unless",
  "vector",
  "without",
];

const cache = new Map();
const once = (key, ask) => {
  if (!cache.has(key))
    cache.set(
      key,
      ask().catch(() => {
        cache.delete(key);
        return [];
      }),
    );
  return cache.get(key);
};

const metricNames = () => once("names", () => prometheus("label/__name__/values"));
const metadata = () =>
  once("metadata", () => prometheus("metadata").then((data) => Object.entries(data)));
const labelNames = (metric) =>
  once(`labels ${metric}`, () => prometheus("labels", metric ? { "match[]": metric } : {}));
const labelValues = (metric, label) =>
  once(`values ${metric} ${label}`, () =>
    prometheus(`label/${encodeURIComponent(label)}/values`, metric ? { "match[]": metric } : {}),
  );

/** Return the suggestions at the cursor: {from, items: [{text, hint}]}. */
async function suggestions(text, cursor) {
  const before = text.slice(0, cursor);
  const value = /([A-Za-z_][\w:]*)?\{[^{}]*?([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*"([^"]*)$/.exec(
    before,
  );
  if (value)
    return matching(
      value[3],
      (await labelValues(value[1], value[2])).map((one) => ({ text: one })),
      cursor,
    );
  const label =
    /([A-Za-z_][\w:]*)?\{(?:[^{}]*,)?\s*([A-Za-z_]\w*)?$/.exec(before) ??
    /()(?:by|without|on|ignoring)\s*\((?:[^()]*,)?\s*([A-Za-z_]\w*)?$/.exec(before);
  if (label)
    return matching(
      label[2] ?? "",
      (await labelNames(label[1])).map((one) => ({ text: one, hint: "label" })),
      cursor,
    );
  const word = /[A-Za-z_][\w:]*$/.exec(before)?.[0] ?? "";
  if (!word) return { from: cursor, items: [] };
  const help = new Map(await metadata());
  const names = (await metricNames()).map((one) => ({ text: one, hint: hint(help, one) }));
  return matching(
    word,
    [...FUNCTIONS.map((one) => ({ text: one, hint: "function" })), ...names],
    cursor,
  );
}

function hint(help, name) {
  const family = name.replace(/_(bucket|count|sum|total)$/, "");
  const found = (help.get(name) ?? help.get(family) ?? help.get(`${family}_total`))?.[0];
  return found ? `${found.type}: ${found.help}` : "";
}

function matching(word, items, cursor) {
  const wanted = word.toLowerCase();
  const rank = ({ text }) => (text.toLowerCase().startsWith(wanted) ? 0 : 1);
  const found = items.filter(({ text }) => text.toLowerCase().includes(wanted) && text !== word);
  return {
    from: cursor - word.length,
    items: found.sort((left, right) => rank(left) - rank(right)).slice(0, 40),
  };
}

/** Attach suggestions to a text area; `submit` runs on Enter unless one is selected. */
export function autocomplete(area, submit) {
  const list = create("ul", {
    class: "suggest",
    role: "listbox",
    hidden: true,
    id: `suggest-${Math.random().toString(36).slice(2)}`,
  });
  area.setAttribute("role", "combobox");
  area.setAttribute("aria-controls", list.id);
  area.setAttribute("aria-expanded", "false");
  let found = { from: 0, items: [] };
  let chosen = -1;
  let turn = 0;
  const show = () => {
    list.hidden = !found.items.length;
    area.setAttribute("aria-expanded", String(!list.hidden));
    put(
      list,
      found.items.map(({ text, hint: note }, index) =>
        create(
          "li",
          {
            role: "option",
            "aria-selected": String(index === chosen),
            onpointerdown: (event) => {
              event.preventDefault();
              take(index);
            },
          },
          text,
          note ? create("span", {}, note) : null,
        ),
      ),
    );
    list.children[chosen]?.scrollIntoView({ block: "nearest" });
  };
  const close = () => {
    turn += 1;
    found = { from: 0, items: [] };
    chosen = -1;
    show();
  };
  const take = (index) => {
    const cursor = area.selectionStart;
    const { text } = found.items[index];
    area.setRangeText(text, found.from, cursor, "end");
    close();
    area.dispatchEvent(new Event("resize-me"));
    area.focus();
  };
  area.addEventListener("input", async () => {
    turn += 1;
    const mine = turn;
    const answer = await suggestions(area.value, area.selectionStart);
    if (mine !== turn) return;
    found = answer;
    chosen = -1;
    show();
  });
  area.addEventListener("blur", close);
  area.addEventListener("keydown", (event) => {
    const open = found.items.length > 0;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      chosen =
        (chosen + (event.key === "ArrowDown" ? 1 : -1) + found.items.length) % found.items.length;
      show();
    } else if (open && (event.key === "Tab" || (event.key === "Enter" && chosen >= 0))) {
      event.preventDefault();
      take(Math.max(chosen, 0));
    } else if (event.key === "Escape") close();
    else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      close();
      submit();
    }
  });
  return list;
}
