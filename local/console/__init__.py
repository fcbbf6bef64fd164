"""The local mode's pages: metrics, traces, logs, alerts, mails and dashboards in a browser."""
