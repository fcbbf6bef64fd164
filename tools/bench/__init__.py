"""Benchmarks: what telemetry costs per request, and how fast panels are with a day of data."""
