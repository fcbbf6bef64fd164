"""Grafana dashboards written in Python; `python -m dashboards` generates `json/`.

Nothing else in the product imports this package. It imports the queries and thresholds of `alerts`
and the two `semconv` modules. `verify/` imports nothing else of this project, and runs alone.
"""
