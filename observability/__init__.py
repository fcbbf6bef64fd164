"""Observability: import `instrumentation`, mount `stack` and `scrape`.

This package imports nothing; services, workers and local tools import `instrumentation`.
"""
