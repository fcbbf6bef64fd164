"""Dashboards, panels and tables in Grafana's JSON model; for `dashboards.boards`.

The only package that imports Grafana's foundation SDK.
"""
