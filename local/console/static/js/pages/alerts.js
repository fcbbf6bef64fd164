// Alerts: what fires, what is about to, what Alertmanager does with it, and the runbook beside it.

import { facts, main } from "../frame.js";
import { getJson } from "../api.js";
import { activeAlerts, isWatchdog, runbookName, severityClass } from "../alertdata.js";
import { token } from "../colors.js";
import { empty, failure, h, put, safeLink } from "../dom.js";
import { ago, dateTime, short } from "../format.js";
import { markdown } from "../markdown.js";
import { link } from "../state.js";

const SHOWN = new Set(["alertname", "severity"]);
const list = h("div", { class: "stack" });
const problem = h("div", { class: "stack" });
const count = h("span", { class: "muted" });
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
      ? h(
          "div",
          { class: "card" },
          empty(
            "Nothing fires and nothing is pending.",
            "Alerts are evaluated every 15 seconds; the demo profile shortens the windows so that a fault shows within minutes.",
          ),
        )
      : null,
    watchdog || problems.length
      ? null
      : h(
          "div",
          { class: "notice warn" },
          "Watchdog does not fire. It always should: while it is silent, Prometheus evaluates no rules or has none loaded.",
        ),
    watchdog
      ? h(
          "p",
          { class: "muted" },
          h("span", { class: "dot good" }),
          " Watchdog fires, as it always should: rules are evaluated.",
        )
      : null,
  );
}

function card(alert) {
  const { labels, annotations } = alert;
  const name = labels.alertname;
  const key = JSON.stringify(labels);
  const runbook = h("div", { hidden: true });
  const button = h(
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
  const element = h(
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
    h(
      "div",
      { class: "row" },
      h("span", { class: `badge ${alert.state === "firing" ? "bad" : "warn"}` }, alert.state),
      h("h2", {}, name),
      h(
        "span",
        { class: `badge ${severityClass(labels.severity)}` },
        labels.severity ?? "no severity",
      ),
      alert.handled
        ? h("span", { class: "badge", title: "what Alertmanager does with it" }, alert.handled)
        : null,
      h("span", { class: "grow" }),
      h(
        "span",
        { class: "muted", title: dateTime(Date.parse(alert.activeAt)) },
        `since ${ago(Date.parse(alert.activeAt))}`,
      ),
    ),
    annotations.summary ? h("div", {}, annotations.summary) : null,
    annotations.description ? h("div", { class: "muted" }, annotations.description) : null,
    h(
      "div",
      { class: "labels" },
      rest.map(([label, value]) => h("span", { class: "label-pair" }, `${label}=${value}`)),
      h("span", { class: "label-pair" }, `value ${short(Number(alert.value), 4)}`),
    ),
    h(
      "div",
      { class: "row" },
      button,
      h(
        "a",
        {
          class: "button small",
          href: link("/explore", { expr: `ALERTS{alertname="${name}"}`, range: "1h" }),
        },
        "History",
      ),
      h("a", { class: "button small", href: `/alerts/rules#${encodeURIComponent(name)}` }, "Rule"),
      annotations.dashboard_url
        ? safeLink(here(annotations.dashboard_url), "Dashboard", { class: "button small" })
        : null,
    ),
    runbook,
  );
  if (opened.has(key)) toggle(alert, runbook, button, key);
  return element;
}

/** A dashboard of the Docker stack has the same path here. */
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
  h(
    "div",
    { class: "page-head" },
    h("h1", {}, "Alerts"),
    count,
    h("a", { class: "button", href: "/alerts/rules" }, "All rules"),
    h(
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
  h(
    "div",
    { class: "stack" },
    problem,
    list,
    h(
      "p",
      { class: "faint" },
      `Prometheus at ${facts.prometheus}, Alertmanager at ${facts.alertmanager}; windows of the ${facts.profile} profile.`,
    ),
  ),
);
addEventListener("refresh", load);
setInterval(() => {
  if (!document.hidden) load();
}, 10_000);
load();
