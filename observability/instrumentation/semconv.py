"""The names in the telemetry: every metric, label and attribute that the kit emits.

Standard library only, so that dashboards and alerts can import the names without an SDK. Where a
convention of OpenTelemetry is stable, its names are used, in their Prometheus spelling; the others
are prefixed by their subject (celery, cache, db, telemetry).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Across = Literal["sum", "max"]


@dataclass(frozen=True)
class Metric:
    """One metric family, as declared before any value exists.

    Args:
        name: As exposed; counters end in `_total`, histograms carry their unit.
        kind: The type, as in Prometheus.
        unit: UCUM unit; `s` seconds, `1` a ratio or state, `{thing}` a count of things.
        description: One sentence for the `# HELP` line.
        labels: Label names in the order in which `labels()` takes them.
        buckets: Upper bounds of a histogram in its unit, without +Inf.
        across: How a gauge's values of several processes become one.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    across: Across = "sum"


# Label names. Source: OpenTelemetry semantic conventions 1.40, HTTP metrics; dots as underscores.
HTTP_REQUEST_METHOD = "http_request_method"
HTTP_ROUTE = "http_route"
HTTP_RESPONSE_STATUS_CODE = "http_response_status_code"
ERROR_TYPE = "error_type"
QUEUE = "queue"
TASK = "task"
STATE = "state"
CACHE = "cache"
RESULT = "result"
POOL = "pool"
DEPENDENCY = "dependency"
TO = "to"
REASON = "reason"
COLLECTOR = "collector"
SAMPLED = "sampled"

# The one label value for everything that is unknown, such as an invented HTTP method.
OTHER = "_OTHER"

# Source: semantic conventions, http.request.method: known methods, the rest is _OTHER.
KNOWN_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")

CACHE_RESULTS = ("hit", "miss", "error", "bypass")
# How a message can end. The first four have run; `retried` ends an attempt, and a new message
# follows; `unknown` has no task in this worker; the child that ran a `lost` one was killed.
TASK_RUN_STATES = ("succeeded", "failed", "retried", "rejected")
TASK_STATES = (*TASK_RUN_STATES, "expired", "revoked", "unknown", "lost")
TASK_FAILURES = ("failed", "lost", "unknown")
BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}
DROP_REASONS = ("queue_full", "export_failed", "fault", "shutdown")
SCRAPE_FAILURE_REASONS = ("late", "failed")

# 0.25 and 0.5 s are bounds because objectives are set there; 0.3 s reads within 0.25-0.35.
HTTP_SECONDS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.25,
    0.35,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    10.0,
)
TASK_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
CACHE_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)
POOL_WAIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

HTTP_SERVER_REQUEST_DURATION = Metric(
    "http_server_request_duration_seconds",
    "histogram",
    "s",
    "Duration of HTTP server requests.",
    (HTTP_REQUEST_METHOD, HTTP_ROUTE, HTTP_RESPONSE_STATUS_CODE),
    HTTP_SECONDS,
)
HTTP_SERVER_ACTIVE_REQUESTS = Metric(
    "http_server_active_requests",
    "gauge",
    "{request}",
    "HTTP server requests in flight.",
    (HTTP_REQUEST_METHOD,),
)

CELERY_TASK_QUEUE_WAIT = Metric(
    "celery_task_queue_wait_seconds",
    "histogram",
    "s",
    "Time from publishing a message to the start of its task.",
    (QUEUE, TASK),
    TASK_SECONDS,
)
CELERY_TASK_DURATION = Metric(
    "celery_task_duration_seconds",
    "histogram",
    "s",
    "Run time of one attempt of a task, by its outcome.",
    (QUEUE, TASK, STATE),
    TASK_SECONDS,
)
CELERY_TASKS = Metric(
    "celery_tasks_total",
    "counter",
    "{attempt}",
    "Attempts of tasks that ended, and messages that never ran, by outcome.",
    (QUEUE, TASK, STATE),
)
CELERY_TASK_ERRORS = Metric(
    "celery_task_errors_total",
    "counter",
    "{error}",
    "Attempts of tasks that failed or were lost, and unknown tasks, by class of error.",
    (QUEUE, TASK, ERROR_TYPE),
)
CELERY_QUEUE_MESSAGES = Metric(
    "celery_queue_messages",
    "gauge",
    "{message}",
    "Messages ready in the broker, over all priorities.",
    (QUEUE,),
)
CELERY_QUEUE_UNACKED_MESSAGES = Metric(
    "celery_queue_unacked_messages",
    "gauge",
    "{message}",
    "Messages delivered but not acknowledged.",
    (QUEUE,),
)
CELERY_QUEUE_SCHEDULED_MESSAGES = Metric(
    "celery_queue_scheduled_messages",
    "gauge",
    "{message}",
    "Messages that are due later.",
    (QUEUE,),
)
CELERY_QUEUE_OLDEST_MESSAGE_AGE = Metric(
    "celery_queue_oldest_message_age_seconds",
    "gauge",
    "s",
    "Age of the message that has waited longest; 0 when the queue is empty.",
    (QUEUE,),
)
CELERY_QUEUE_LIMIT = Metric(
    "celery_queue_limit_messages",
    "gauge",
    "{message}",
    "How deep a queue may become; a setting.",
    (QUEUE,),
)
CELERY_POLLER_UP = Metric(
    "celery_poller_up", "gauge", "1", "1 while the broker can be read, else 0.", across="max"
)
CELERY_WORKER_CHILDREN = Metric(
    "celery_worker_children",
    "gauge",
    "{process}",
    "Children of the worker's pool that are alive.",
    (STATE,),
)

CACHE_REQUESTS = Metric(
    "cache_requests_total",
    "counter",
    "{request}",
    "Lookups in a cache, by result.",
    (CACHE, RESULT),
)
CACHE_REQUEST_DURATION = Metric(
    "cache_request_duration_seconds",
    "histogram",
    "s",
    "Duration of cache commands.",
    (CACHE,),
    CACHE_SECONDS,
)

DB_POOL_IN_USE = Metric(
    "db_pool_in_use_connections",
    "gauge",
    "{connection}",
    "Connections handed out of the pool.",
    (POOL,),
)
DB_POOL_MAX = Metric(
    "db_pool_max_connections",
    "gauge",
    "{connection}",
    "Connections that the pool may open.",
    (POOL,),
)
DB_POOL_WAITING = Metric(
    "db_pool_waiting_requests",
    "gauge",
    "{request}",
    "Requests that wait for a connection.",
    (POOL,),
)
DB_POOL_TIMEOUTS = Metric(
    "db_pool_timeouts_total",
    "counter",
    "{timeout}",
    "Requests that gave up waiting for a connection.",
    (POOL,),
)
DB_POOL_WAIT = Metric(
    "db_pool_wait_seconds",
    "histogram",
    "s",
    "Time that a request waited for a connection.",
    (POOL,),
    POOL_WAIT_SECONDS,
)

DEPENDENCY_UP = Metric(
    "dependency_up",
    "gauge",
    "1",
    "1 while this process reaches the dependency, else 0.",
    (DEPENDENCY,),
    across="max",
)
CIRCUIT_BREAKER_STATE = Metric(
    "circuit_breaker_state",
    "gauge",
    "1",
    "0 closed, 1 half-open, 2 open.",
    (DEPENDENCY,),
    across="max",
)
CIRCUIT_BREAKER_TRANSITIONS = Metric(
    "circuit_breaker_transitions_total",
    "counter",
    "{transition}",
    "Changes of a breaker's state, by the state it changed to.",
    (DEPENDENCY, TO),
)

PROCESS_MEMORY_USAGE = Metric(
    "process_memory_usage_bytes",
    "gauge",
    "By",
    "Memory of this process and all its children; pages that they share count once.",
)

TELEMETRY_SPANS_ENDED = Metric(
    "telemetry_spans_ended_total",
    "counter",
    "{span}",
    "Spans that the application ended.",
    (SAMPLED,),
)
TELEMETRY_SPANS_DROPPED = Metric(
    "telemetry_spans_dropped_total",
    "counter",
    "{span}",
    "Sampled spans that were never delivered.",
    (REASON,),
)
TELEMETRY_SCRAPE_FAILURES = Metric(
    "telemetry_scrape_failures_total",
    "counter",
    "{scrape}",
    "Scrapes that did without a collector, since it failed or was late; its series were absent.",
    (COLLECTOR, REASON),
)
TELEMETRY_SPANS_EXPORTED = Metric(
    "telemetry_spans_exported_total", "counter", "{span}", "Spans that the receiver accepted."
)
TELEMETRY_LOG_LINES = Metric(
    "telemetry_log_lines_total", "counter", "{line}", "Log lines that the application wrote."
)
TELEMETRY_LOG_LINES_EXPORTED = Metric(
    "telemetry_log_lines_exported_total",
    "counter",
    "{line}",
    "Log lines that the receiver accepted.",
)

METRICS = tuple(value for value in list(globals().values()) if isinstance(value, Metric))

# Attributes of spans and log records. Source: OpenTelemetry semantic conventions 1.40.
ATTR_SERVICE_NAME = "service.name"
ATTR_SERVICE_NAMESPACE = "service.namespace"
ATTR_SERVICE_VERSION = "service.version"
ATTR_SERVICE_INSTANCE_ID = "service.instance.id"
ATTR_PROCESS_PID = "process.pid"
ATTR_TELEMETRY_SDK_NAME = "telemetry.sdk.name"
ATTR_TELEMETRY_SDK_LANGUAGE = "telemetry.sdk.language"
ATTR_ERROR_TYPE = "error.type"
ATTR_MESSAGING_SYSTEM = "messaging.system"
ATTR_MESSAGING_OPERATION_NAME = "messaging.operation.name"
ATTR_MESSAGING_OPERATION_TYPE = "messaging.operation.type"
ATTR_MESSAGING_DESTINATION = "messaging.destination.name"
ATTR_MESSAGING_MESSAGE_ID = "messaging.message.id"
ATTR_CELERY_TASK_NAME = "celery.task.name"
ATTR_CELERY_TASK_ATTEMPT = "celery.task.attempt"
ATTR_DB_SYSTEM = "db.system.name"
ATTR_DB_OPERATION = "db.operation.name"
ATTR_DB_QUERY_TEXT = "db.query.text"
ATTR_DB_NAMESPACE = "db.namespace"
ATTR_SERVER_ADDRESS = "server.address"
ATTR_SERVER_PORT = "server.port"

# Source: semantic conventions 1.40, HTTP spans, exceptions and messaging.
ATTR_HTTP_REQUEST_METHOD = "http.request.method"
ATTR_HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original"
ATTR_HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
ATTR_HTTP_ROUTE = "http.route"
ATTR_URL_PATH = "url.path"
ATTR_URL_QUERY = "url.query"
ATTR_URL_SCHEME = "url.scheme"
ATTR_URL_FULL = "url.full"
ATTR_CLIENT_ADDRESS = "client.address"
ATTR_CLIENT_PORT = "client.port"
ATTR_NETWORK_PROTOCOL_VERSION = "network.protocol.version"
ATTR_USER_AGENT = "user_agent.original"
ATTR_DB_COLLECTION = "db.collection.name"
ATTR_DB_BATCH_SIZE = "db.operation.batch.size"
ATTR_EXCEPTION_TYPE = "exception.type"
ATTR_EXCEPTION_MESSAGE = "exception.message"
ATTR_EXCEPTION_STACKTRACE = "exception.stacktrace"
EVENT_EXCEPTION = "exception"
# Why a span that was not sampled was exported anyway: `error` or `slow`.
ATTR_KEPT_BECAUSE = "telemetry.kept_because"
# Seconds that the request took; a field of the access line.
ATTR_HTTP_DURATION = "http.server.request.duration"

# Source: W3C Trace Context, and its level 2 for the answer.
HEADER_TRACEPARENT = "traceparent"
HEADER_TRACESTATE = "tracestate"
HEADER_TRACERESPONSE = "traceresponse"

# Fields of a log line. Source: OpenTelemetry log data model, as snake case.
LOG_TIMESTAMP = "timestamp"
LOG_SEVERITY = "severity_text"
LOG_BODY = "body"
LOG_LOGGER = "logger"
LOG_TRACE_ID = "trace_id"
LOG_SPAN_ID = "span_id"
LOG_TRACE_FLAGS = "trace_flags"

# The label of an exemplar; Tempo's `trace_id_label_name` and Grafana's data source use it too.
EXEMPLAR_TRACE_ID = "trace_id"

# Headers of a Celery message, which has no time of its own:
# https://github.com/celery/celery/issues/5696
HEADER_ENQUEUED_AT = "enqueued_at"
HEADER_ATTEMPT = "attempt"
