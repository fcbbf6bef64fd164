"""Links from panels to other dashboards."""

from __future__ import annotations

from dashboards.grafana.style import Link

TO_BUDGET = (Link("Error budget", "slo"),)
TO_CACHE = (Link("Cache and database", "cache-database"),)
TO_TELEMETRY = (Link("Telemetry health", "telemetry"),)
TO_WORKER = (Link("Worker and queues", "worker"),)
