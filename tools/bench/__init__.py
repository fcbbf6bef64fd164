"""Measure what telemetry costs."""
