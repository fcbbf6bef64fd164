"""The console: metrics, traces, logs, alerts, emails and dashboards in a browser.

A process of its own, started by the plan (`python -m local.console`); only its settings are
imported elsewhere, by `local.settings`. It may import `local.store`. Its scripts are in
`static/js`, ECharts is in `static/vendor`.
"""
