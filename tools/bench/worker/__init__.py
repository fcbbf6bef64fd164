"""What telemetry costs a Celery worker: `python -m tools.bench.worker`."""
