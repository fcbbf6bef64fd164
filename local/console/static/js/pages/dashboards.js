// The list of dashboards.

import { getJson } from "../api.js";
import { create, empty, failure, put } from "../dom.js";
import { purpose } from "../format.js";
import { main } from "../frame.js";

const search = create("input", {
  placeholder: "filter by title or tag",
  "aria-label": "Filter",
  "data-search": true,
  size: 30,
  oninput: () => show(),
});
const list = create("div", { class: "dashboard-list" });
let all = [];

function show() {
  const wanted = search.value.trim().toLowerCase();
  const found = all.filter((one) =>
    `${one.title} ${one.tags.join(" ")} ${one.description}`.toLowerCase().includes(wanted),
  );
  // A runbook is found by its name or by an alert's link; forty of them would hide the dashboards.
  const shown = wanted ? found : found.filter((one) => !one.tags.includes("runbook"));
  const folded = found.length - shown.length;
  put(
    list,
    shown.map(card),
    folded ? create("p", { class: "muted" }, `and ${folded} runbooks: `, showRunbooks()) : null,
    found.length
      ? null
      : create(
          "div",
          { class: "card" },
          all.length
            ? empty("No dashboards match the filter.")
            : empty("No dashboards yet.", "python -m dashboards writes them to dashboards/json."),
        ),
  );
}

const showRunbooks = () =>
  create(
    "button",
    {
      type: "button",
      onclick: () => {
        search.value = "runbook";
        show();
      },
    },
    "list them",
  );

function card(one) {
  if (one.problem)
    return create(
      "div",
      { class: "card tile" },
      create("h2", {}, one.file),
      create("div", { class: "badge bad" }, one.problem),
    );
  return create(
    "a",
    { class: "card tile", href: `/d/${encodeURIComponent(one.uid)}` },
    create("h2", {}, one.title),
    create("span", {}, purpose(one.description)),
    create(
      "div",
      { class: "labels" },
      one.tags.map((tag) => create("span", { class: "badge" }, tag)),
    ),
  );
}

put(main, create("div", { class: "page-head" }, create("h1", {}, "Dashboards"), search), list);
try {
  all = (await getJson("/api/dashboards")).dashboards;
  show();
} catch (error) {
  put(list, failure(error));
}
