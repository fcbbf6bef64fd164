"""Dashboards, panels and tables as Grafana reads them; the only package that knows its SDK."""
