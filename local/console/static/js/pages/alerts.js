// Alerts: firing and pending, their state in Alertmanager, and their runbooks.

import { activeAlerts, isWatchdog, runbookName, severityClass } from "../alertdata.js";
import { getJson } from "../api.js";
import { token } from "../colors.js";
import { create, empty, failure, put, safeLink } from "../dom.js";
import { ago, dateTime, short } from "../format.js";
import { facts, main } from "../frame.js";
import { markdown } from "../markdown.js";
import { link } from "../state.js";

const SHOWN = new Set(["alertname", "severity"]);
const list = create("div", { class: "stack" });
const problem = create("div", { class: "stack" });
const count = create("span", { class: "muted" });
const opened = new Set();

async function load() {
  const { alerts, problems } = await activeAlerts();
  put(problem, problems.map(failure));
  const real = alerts.filter((alert) => !isWatchdog(alert));
  const watchdog = alerts.some(isWatchdog);
  const firing = real.filter((alert) => alert.state === "firing").length;
  count.textContent = `${firing} firing, ${real.length - firing} pending`;
  document.title = firing ? `(${firing}) Alerts · Sightline` : "Alerts · Sightline";
  put(
    list,
    real.map(card),
    !real.length && !problems.length
      ? create(
          "div",
          { class: "card" },
          empty(
            "No alerts are firing or pending.",
            "Alerts are evaluated every 15 seconds. " +
              "The demo profile has short windows, so that a fault triggers one within minutes.",
          ),
        )
      : null,
    watchdog || problems.length
      ? null
      : create(
          "div",
          { class: "notice warn" },
          "Watchdog is not firing. It always should: Prometheus has loaded no rules, " +
            "or does not evaluate them.",
        ),
    watchdog
      ? create(
          "p",
          { class: "muted" },
          create("span", { class: "dot good" }),
          " Watchdog is firing, as it always should: rules are evaluated.",
        )
      : null,
  );
}

function card(alert) {
  const { labels, annotations } = alert;
  const name = labels.alertname;
  const key = JSON.stringify(labels);
  const runbook = create("div", { hidden: true });
  const button = create(
    "button",
    {
      class: "button small",
      type: "button",
      "aria-expanded": "false",
      onclick: () => toggle(alert, runbook, button, key),
    },
    "Runbook",
  );
  const rest = Object.entries(labels).filter(([label]) => !SHOWN.has(label));
  const element = create(
    "article",
    {
      class: "alert",
      style: {
        "--level":
          alert.state === "firing"
            ? token(severityClass(labels.severity) === "bad" ? "--bad" : "--warn")
            : token("--line-strong"),
      },
    },
    create(
      "div",
      { class: "row" },
      create("span", { class: `badge ${alert.state === "firing" ? "bad" : "warn"}` }, alert.state),
      create("h2", {}, name),
      create(
        "span",
        { class: `badge ${severityClass(labels.severity)}` },
        labels.severity ?? "no severity",
      ),
      alert.handled
        ? create("span", { class: "badge", title: "state in Alertmanager" }, alert.handled)
        : null,
      create("span", { class: "grow" }),
      create(
        "span",
        { class: "muted", title: dateTime(Date.parse(alert.activeAt)) },
        `started ${ago(Date.parse(alert.activeAt))}`,
      ),
    ),
    annotations.summary ? create("div", {}, annotations.summary) : null,
    annotations.description ? create("div", { class: "muted" }, annotations.description) : null,
    create(
      "div",
      { class: "labels" },
      rest.map(([label, value]) => create("span", { class: "label-pair" }, `${label}=${value}`)),
      create("span", { class: "label-pair" }, `value ${short(Number(alert.value), 4)}`),
    ),
    create(
      "div",
      { class: "row" },
      button,
      create(
        "a",
        {
          class: "button small",
          href: link("/explore", { expr: `ALERTS{alertname="${name}"}`, range: "1h" }),
        },
        "History",
      ),
      create(
        "a",
        { class: "button small", href: `/alerts/rules#${encodeURIComponent(name)}` },
        "Rule",
      ),
      annotations.dashboard_url
        ? safeLink(here(annotations.dashboard_url), "Dashboard", { class: "button small" })
        : null,
    ),
    runbook,
  );
  if (opened.has(key)) toggle(alert, runbook, button, key);
  return element;
}

/** Return the path of a dashboard of the Docker stack, which is the same here. */
function here(address) {
  return address.replace(/^https?:\/\/[^/]+(?=\/d\/)/, "");
}

async function toggle(alert, element, button, key) {
  const show = element.hidden;
  element.hidden = !show;
  button.setAttribute("aria-expanded", String(show));
  if (!show) {
    opened.delete(key);
    return;
  }
  opened.add(key);
  const name = runbookName(alert);
  try {
    const { markdown: text } = await getJson(`/api/runbooks/${encodeURIComponent(name)}`);
    put(element, text.trim() ? markdown(text) : empty(`${name}.md is empty.`));
  } catch (error) {
    put(element, failure({ message: `${error.message}. Expected alerts/runbooks/${name}.md.` }));
  }
}

put(
  main,
  create(
    "div",
    { class: "page-head" },
    create("h1", {}, "Alerts"),
    count,
    create("a", { class: "button", href: "/alerts/rules" }, "All rules"),
    create(
      "button",
      {
        class: "button",
        type: "button",
        onclick: load,
        "aria-label": "Refresh",
        title: "Refresh (r)",
      },
      "↻",
    ),
  ),
  create(
    "div",
    { class: "stack" },
    problem,
    list,
    create(
      "p",
      { class: "faint" },
      `Prometheus at ${facts.prometheus}, Alertmanager at ${facts.alertmanager}; ` +
        `SLO profile ${facts.profile}.`,
    ),
  ),
);
addEventListener("refresh", load);
setInterval(() => {
  if (!document.hidden) load();
}, 10_000);
load();
