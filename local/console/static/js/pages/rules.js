// Rules: every group with health, state and last evaluation.

import { severityClass } from "../alertdata.js";
import { prometheus } from "../api.js";
import { create, empty, failure, put } from "../dom.js";
import { ago, dateTime, duration } from "../format.js";
import { main } from "../frame.js";
import { link } from "../state.js";

const STATES = { firing: "bad", pending: "warn", inactive: "good" };
const search = create("input", {
  placeholder: "filter by name, group or expression",
  "data-search": true,
  "aria-label": "Filter",
  size: 36,
  oninput: () => show(),
});
const kind = create(
  "select",
  { "aria-label": "Kind", onchange: () => show() },
  [
    ["", "alerts and recordings"],
    ["alerting", "alerts"],
    ["recording", "recordings"],
  ].map(([value, name]) => create("option", { value }, name)),
);
const list = create("div", { class: "stack" });
const count = create("span", { class: "muted" });
let groups = [];

async function load() {
  try {
    groups = (await prometheus("rules")).groups;
    show();
  } catch (error) {
    put(list, failure(error));
  }
}

function show() {
  const wanted = search.value.trim().toLowerCase();
  const fits = (group, rule) =>
    (!kind.value || rule.type === kind.value) &&
    `${rule.name} ${group.name} ${rule.query}`.toLowerCase().includes(wanted);
  const shown = groups
    .map((group) => ({ ...group, rules: group.rules.filter((rule) => fits(group, rule)) }))
    .filter((group) => group.rules.length);
  const all = groups.flatMap((group) => group.rules);
  const bad = all.filter((rule) => rule.health === "err").length;
  const alerting = all.filter((rule) => rule.type === "alerting").length;
  const errors = bad ? `, ${bad} with errors` : "";
  count.textContent = `${alerting} alerts, ${all.length - alerting} recordings${errors}`;
  put(
    list,
    shown.map(card),
    shown.length
      ? null
      : create(
          "div",
          { class: "card" },
          groups.length
            ? empty("No rules match the filter.")
            : empty(
                "Prometheus has loaded no rules.",
                "Its rule_files match no files: check prometheus.yml in the state folder.",
              ),
        ),
  );
  document
    .getElementById(decodeURIComponent(location.hash.slice(1)))
    ?.scrollIntoView({ block: "center" });
}

function card(group) {
  return create(
    "section",
    { class: "card" },
    create(
      "header",
      {},
      create("h2", {}, group.name),
      create("span", { class: "muted" }, `every ${duration(group.interval)}`),
      create("span", { class: "grow" }),
      create(
        "span",
        { class: "muted", title: group.file },
        `evaluated ${ago(Date.parse(group.lastEvaluation))} in ${duration(group.evaluationTime)}`,
      ),
    ),
    create(
      "div",
      { class: "scroll" },
      create(
        "table",
        {},
        create(
          "thead",
          {},
          create(
            "tr",
            {},
            ["State", "Rule", "Expression", "For", "Last evaluation"].map((name) =>
              create("th", {}, name),
            ),
          ),
        ),
        create("tbody", {}, group.rules.map(row)),
      ),
    ),
  );
}

function row(rule) {
  const alert = rule.type === "alerting";
  const state =
    rule.health === "err"
      ? create("span", { class: "badge bad" }, "error")
      : alert
        ? create("span", { class: `badge ${STATES[rule.state] ?? ""}` }, rule.state)
        : create("span", { class: "badge" }, rule.health === "ok" ? "recorded" : rule.health);
  return create(
    "tr",
    { id: rule.name },
    create("td", {}, state),
    create(
      "td",
      {},
      alert
        ? create(
            "a",
            { href: `/runbook/${encodeURIComponent(rule.name)}`, title: "runbook" },
            rule.name,
          )
        : create("span", { class: "mono" }, rule.name),
      " ",
      rule.labels?.severity
        ? create(
            "span",
            { class: `badge ${severityClass(rule.labels.severity)}` },
            rule.labels.severity,
          )
        : null,
      rule.lastError ? create("div", { class: "notice bad" }, rule.lastError) : null,
    ),
    create(
      "td",
      { class: "expression" },
      create(
        "a",
        {
          class: "mono",
          href: link("/explore", { expr: rule.query, range: "1h" }),
          title: "open as a chart",
        },
        rule.query,
      ),
    ),
    create("td", { class: "nowrap" }, alert && rule.duration ? duration(rule.duration) : ""),
    create(
      "td",
      { class: "nowrap muted", title: dateTime(Date.parse(rule.lastEvaluation)) },
      `${ago(Date.parse(rule.lastEvaluation))}, ${duration(rule.evaluationTime)}`,
    ),
  );
}

put(
  main,
  create(
    "div",
    { class: "page-head" },
    create("h1", {}, "Rules"),
    count,
    kind,
    search,
    create("a", { class: "button", href: "/alerts" }, "Active alerts"),
  ),
  list,
);
addEventListener("refresh", load);
load();
