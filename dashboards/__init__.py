"""Dashboards as Python; `python -m dashboards` writes `json/`."""
