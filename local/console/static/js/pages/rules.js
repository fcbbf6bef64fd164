// Rules: every group with its health, state and last evaluation.

import { main } from "../frame.js";
import { prometheus } from "../api.js";
import { severityClass } from "../alertdata.js";
import { empty, failure, h, put } from "../dom.js";
import { ago, dateTime, duration } from "../format.js";
import { link } from "../state.js";

const STATES = { firing: "bad", pending: "warn", inactive: "good" };
const search = h("input", {
  placeholder: "filter by name, group or expression",
  "data-search": true,
  "aria-label": "Filter",
  size: 36,
  oninput: () => show(),
});
const kind = h(
  "select",
  { "aria-label": "Kind", onchange: () => show() },
  [
    ["", "alerts and recordings"],
    ["alerting", "alerts"],
    ["recording", "recordings"],
  ].map(([value, name]) => h("option", { value }, name)),
);
const list = h("div", { class: "stack" });
const count = h("span", { class: "muted" });
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
  count.textContent = `${all.filter((rule) => rule.type === "alerting").length} alerts, ${all.filter((rule) => rule.type === "recording").length} recordings${bad ? `, ${bad} with errors` : ""}`;
  put(
    list,
    shown.map(card),
    shown.length
      ? null
      : h(
          "div",
          { class: "card" },
          groups.length
            ? empty("No rule fits the filter.")
            : empty(
                "Prometheus has no rules loaded.",
                "Its rule_files match no file: look at prometheus.yml in the state folder.",
              ),
        ),
  );
  document
    .getElementById(decodeURIComponent(location.hash.slice(1)))
    ?.scrollIntoView({ block: "center" });
}

function card(group) {
  return h(
    "section",
    { class: "card" },
    h(
      "header",
      {},
      h("h2", {}, group.name),
      h("span", { class: "muted" }, `every ${duration(group.interval)}`),
      h("span", { class: "grow" }),
      h(
        "span",
        { class: "muted", title: group.file },
        `evaluated ${ago(Date.parse(group.lastEvaluation))} in ${duration(group.evaluationTime)}`,
      ),
    ),
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["State", "Rule", "Expression", "For", "Last evaluation"].map((name) =>
              h("th", {}, name),
            ),
          ),
        ),
        h("tbody", {}, group.rules.map(row)),
      ),
    ),
  );
}

function row(rule) {
  const alert = rule.type === "alerting";
  const state =
    rule.health === "err"
      ? h("span", { class: "badge bad" }, "error")
      : alert
        ? h("span", { class: `badge ${STATES[rule.state] ?? ""}` }, rule.state)
        : h("span", { class: "badge" }, rule.health === "ok" ? "recorded" : rule.health);
  return h(
    "tr",
    { id: rule.name },
    h("td", {}, state),
    h(
      "td",
      {},
      alert
        ? h("a", { href: `/runbook/${encodeURIComponent(rule.name)}`, title: "runbook" }, rule.name)
        : h("span", { class: "mono" }, rule.name),
      " ",
      rule.labels?.severity
        ? h("span", { class: `badge ${severityClass(rule.labels.severity)}` }, rule.labels.severity)
        : null,
      rule.lastError ? h("div", { class: "notice bad" }, rule.lastError) : null,
    ),
    h(
      "td",
      { class: "expression" },
      h(
        "a",
        {
          class: "mono",
          href: link("/explore", { expr: rule.query, range: "1h" }),
          title: "open as a chart",
        },
        rule.query,
      ),
    ),
    h("td", { class: "nowrap" }, alert && rule.duration ? duration(rule.duration) : ""),
    h(
      "td",
      { class: "nowrap muted", title: dateTime(Date.parse(rule.lastEvaluation)) },
      `${ago(Date.parse(rule.lastEvaluation))}, ${duration(rule.evaluationTime)}`,
    ),
  );
}

put(
  main,
  h(
    "div",
    { class: "page-head" },
    h("h1", {}, "Rules"),
    count,
    kind,
    search,
    h("a", { class: "button", href: "/alerts" }, "Active alerts"),
  ),
  list,
);
addEventListener("refresh", load);
load();
