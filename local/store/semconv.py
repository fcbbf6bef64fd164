"""The names that the store exposes: its own counters, and Tempo's span metrics.

Source: names and labels of Tempo 3.0's metrics generator (span-metrics, service-graphs).
"""

from __future__ import annotations

from observability.instrumentation.semconv import REASON, Metric

SERVICE = "service"
SPAN_NAME = "span_name"
SPAN_KIND = "span_kind"
STATUS_CODE = "status_code"
CLIENT = "client"
SERVER = "server"
CONNECTION_TYPE = "connection_type"
TABLE = "table"

SPAN_LABELS = (SERVICE, SPAN_NAME, SPAN_KIND, STATUS_CODE)
EDGE_LABELS = (CLIENT, SERVER, CONNECTION_TYPE)

KIND_NAMES = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUS_NAMES = ("unset", "ok", "error")
LEVELS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}

CONNECTION_DIRECT = ""
CONNECTION_MESSAGING = "messaging_system"
CONNECTION_DATABASE = "database"
CONNECTION_VIRTUAL = "virtual_node"
USER = "user"

REJECT_REASONS = ("bad_request", "too_large", "busy", "storage")
TABLES = ("spans", "logs", "mails")

# Source: Tempo's defaults, span-metrics `histogram_buckets` and service-graphs `histogram_buckets`.
SPAN_SECONDS = tuple(0.002 * 2**power for power in range(14))
EDGE_SECONDS = tuple(0.1 * 2**power for power in range(8))

SPANS_ACCEPTED = Metric(
    "telemetry_store_spans_accepted_total",
    "counter",
    "{span}",
    "Spans that were stored.",
    (SERVICE,),
)
LOG_LINES_ACCEPTED = Metric(
    "telemetry_store_log_lines_accepted_total",
    "counter",
    "{line}",
    "Log lines that were stored.",
    (SERVICE,),
)
REQUESTS_REJECTED = Metric(
    "telemetry_store_requests_rejected_total",
    "counter",
    "{request}",
    "OTLP requests that were not stored, by reason.",
    (REASON,),
)
STORE_SIZE = Metric(
    "telemetry_store_size_bytes", "gauge", "By", "Bytes in use in the store's file."
)
STORE_ROWS = Metric(
    "telemetry_store_rows", "gauge", "{row}", "Rows in the store, by table.", (TABLE,)
)
STORE_OLDEST = Metric(
    "telemetry_store_oldest_timestamp_seconds",
    "gauge",
    "s",
    "When the oldest span in the store started; absent while there is none.",
)
SPAN_CALLS = Metric(
    "traces_spanmetrics_calls_total", "counter", "{span}", "Spans by operation.", SPAN_LABELS
)
SPAN_SIZE = Metric(
    "traces_spanmetrics_size_total",
    "counter",
    "By",
    "Bytes of spans as stored, by operation.",
    SPAN_LABELS,
)
SPAN_LATENCY = Metric(
    "traces_spanmetrics_latency",
    "histogram",
    "s",
    "Duration of spans by operation.",
    SPAN_LABELS,
    SPAN_SECONDS,
)
EDGE_REQUESTS = Metric(
    "traces_service_graph_request_total",
    "counter",
    "{request}",
    "Requests between two nodes.",
    EDGE_LABELS,
)
EDGE_FAILED = Metric(
    "traces_service_graph_request_failed_total",
    "counter",
    "{request}",
    "Failed requests between two nodes.",
    EDGE_LABELS,
)
EDGE_SERVER = Metric(
    "traces_service_graph_request_server_seconds",
    "histogram",
    "s",
    "Duration as the server saw it.",
    EDGE_LABELS,
    EDGE_SECONDS,
)
EDGE_CLIENT = Metric(
    "traces_service_graph_request_client_seconds",
    "histogram",
    "s",
    "Duration as the client saw it.",
    EDGE_LABELS,
    EDGE_SECONDS,
)
EDGE_MESSAGING = Metric(
    "traces_service_graph_request_messaging_system_seconds",
    "histogram",
    "s",
    "Time between the end of sending a message and the start of its processing.",
    EDGE_LABELS,
    EDGE_SECONDS,
)

METRICS = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
