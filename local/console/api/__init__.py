"""The HTTP API of the pages and dashboards: one blueprint per module.

Imported by `local.console.app` only; it may import the store and its queries.
"""
