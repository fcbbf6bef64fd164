"""The ports at which programs that one call has instrumented serve their metrics."""

PORT_VARIABLE = "OTEL_EXPORTER_PROMETHEUS_PORT"
WEB_PORT = 9464
WORKER_PORT = 9465
