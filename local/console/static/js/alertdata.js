// Prometheus' alerts, each with its state in Alertmanager.

import { getJson, prometheus } from "./api.js";

/**
 * Return {alerts, problems}, firing alerts first.
 *
 * `handled` of an alert: notified, silenced, inhibited, not at Alertmanager yet, or empty.
 */
export async function activeAlerts() {
  const [ours, theirs] = await Promise.allSettled([
    prometheus("alerts"),
    getJson("/api/alertmanager/api/v2/alerts"),
  ]);
  const problems = [ours, theirs]
    .filter((one) => one.status === "rejected")
    .map((one) => one.reason);
  const states = new Map((theirs.value ?? []).map((one) => [key(one.labels), one.status]));
  const alerts = (ours.value?.alerts ?? []).map((alert) => ({
    ...alert,
    handled: handled(alert, states),
  }));
  return { alerts: alerts.sort(byWeight), problems };
}

function handled(alert, states) {
  const status = states.get(key(alert.labels));
  if (!status) return alert.state === "firing" ? "not at Alertmanager yet" : "";
  if (status.silencedBy.length) return "silenced";
  return status.inhibitedBy.length ? "inhibited" : "notified";
}

const key = (labels) => JSON.stringify(Object.entries(labels).sort());

const WEIGHTS = { firing: 0, pending: 10 };
const SEVERITIES = { page: 0, critical: 0, ticket: 1, warning: 1 };

function byWeight(left, right) {
  const weight = (alert) => (WEIGHTS[alert.state] ?? 20) + (SEVERITIES[alert.labels.severity] ?? 2);
  return (
    weight(left) - weight(right) || left.labels.alertname.localeCompare(right.labels.alertname)
  );
}

/** Return the class of a severity's badge. */
export const severityClass = (severity) =>
  ({ page: "bad", critical: "bad", ticket: "warn", warning: "warn" })[severity] ?? "";

/** Return whether an alert is the one that always fires. */
export const isWatchdog = (alert) => alert.labels.alertname === "Watchdog";

/** Return the runbook's name for an alert. */
export function runbookName(alert) {
  const last = (alert.annotations.runbook_url ?? "")
    .split(/[?#]/)[0]
    .split("/")
    .at(-1)
    .replace(/\.md$/, "")
    .replace(/^runbook-/, "");
  return last || alert.labels.alertname;
}
