"""Check that every panel of a dashboard has data; works with the dashboards of any project.

Imports nothing outside this package; `python -m dashboards verify` runs it.
"""
