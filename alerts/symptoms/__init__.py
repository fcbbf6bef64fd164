"""Alerts that are no SLO: thresholds on queues, dependencies, telemetry and alerting itself."""
