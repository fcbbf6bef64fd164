// The list of dashboards.

import { main } from "../frame.js";
import { getJson } from "../api.js";
import { empty, failure, h, put } from "../dom.js";

const search = h("input", {
  placeholder: "filter by title or tag",
  "aria-label": "Filter",
  "data-search": true,
  size: 30,
  oninput: () => show(),
});
const list = h("div", { class: "dashboard-list" });
let all = [];

function show() {
  const wanted = search.value.trim().toLowerCase();
  const found = all.filter((one) =>
    `${one.title} ${one.tags.join(" ")} ${one.description}`.toLowerCase().includes(wanted),
  );
  put(
    list,
    found.map(card),
    found.length
      ? null
      : h(
          "div",
          { class: "card" },
          all.length
            ? empty("No dashboard fits the filter.")
            : empty("No dashboards yet.", "python -m dashboards writes them to dashboards/json."),
        ),
  );
}

function card(one) {
  if (one.problem)
    return h(
      "div",
      { class: "card tile" },
      h("h2", {}, one.file),
      h("div", { class: "badge bad" }, one.problem),
    );
  return h(
    "a",
    { class: "card tile", href: `/d/${encodeURIComponent(one.uid)}` },
    h("h2", {}, one.title),
    h("span", {}, one.description.replace(/\s*Written by .*$/, "")),
    h(
      "div",
      { class: "labels" },
      one.tags.map((tag) => h("span", { class: "badge" }, tag)),
    ),
  );
}

put(main, h("div", { class: "page-head" }, h("h1", {}, "Dashboards"), search), list);
try {
  all = (await getJson("/api/dashboards")).dashboards;
  show();
} catch (error) {
  put(list, failure(error));
}
