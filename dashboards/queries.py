"""All PromQL, LogQL and TraceQL queries of the dashboards, one function each.

A docstring names the labels and the unit of the result. `$service`, `$queue` and `$cache` are
variables of the dashboards, regular expressions with `.+` for All; `$order` and `$trace` are pasted
ids, empty for any; `$__rate_interval` is Grafana's, at least four scrape intervals. The names of
metrics and labels come from the semconv modules.

Nothing old is shown as new. A gauge is read by `fresh`, since Prometheus repeats the last sample of
a series for five minutes unless it knows that its target is gone. A panel of newest values reads
`now`: rates over a minute, whatever the time range, and NaN, drawn as "no data", for what has gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from alerts.catalogue import LOKI, STORE, TEMPO
from alerts.promql import equal, series
from alerts.symptoms.queues import DRAIN_CRITICAL_SECONDS, HANDLED_STATES
from alerts.symptoms.telemetry import LINES_ACCEPTED, SPANS_ACCEPTED
from dashboards.objectives import alerts_by_dashboard, bound_seconds, period_seconds
from observability.instrumentation import semconv as kit
from service import semconv as orders

SERVICE = 'job=~"$service"'
# Probes are no requests of customers: they succeed while all others hang.
PROBES = "/livez|/readyz"
CUSTOMERS = f'{SERVICE},{kit.HTTP_ROUTE}!~"{PROBES}"'
QUEUE = f'{kit.QUEUE}=~"$queue"'
CACHE = f'{kit.CACHE}=~"$cache"'
REQUESTS = kit.HTTP_SERVER_REQUEST_DURATION.name
OK = f'{kit.HTTP_RESPONSE_STATUS_CODE}!~"5.."'
ERROR = f'{kit.HTTP_RESPONSE_STATUS_CODE}=~"5.."'
HANDLED = f'{kit.STATE}=~"{"|".join(HANDLED_STATES)}"'
# For servers and backends, scraped every 15 s, and for Tempo's metrics, which arrive late;
# `$__rate_interval` assumes a scrape interval of 5 s.
SLOW_SCRAPE = "1m"
# The oldest sample that is shown, and the window of rates in panels of newest values.
FRESH_SECONDS = 60
NOW = "1m"
# A series that ended within this time is shown as no data; later it is forgotten.
REMEMBERED = "1h"
# Labels that distinguish alerts of the same name.
ALERT_OBJECTS = ("slo", "burn", kit.QUEUE, "job", kit.DEPENDENCY, kit.POOL, kit.CACHE, kit.REASON)


@dataclass(frozen=True)
class Known:
    """What a panel expects to see: the values of a label that a metric had in the last hour.

    Args:
        selector: A selector of a metric with few series.
        label: Its label.
    """

    selector: str
    label: str


SERVICES = Known(f"{kit.HTTP_SERVER_ACTIVE_REQUESTS.name}{{{SERVICE}}}", "job")
QUEUES = Known(f"{kit.CELERY_QUEUE_MESSAGES.name}{{{QUEUE}}}", kit.QUEUE)
CACHES = Known(f"{kit.CACHE_REQUESTS.name}{{{CACHE}}}", kit.CACHE)
DEPENDENCIES = Known(kit.DEPENDENCY_UP.name, kit.DEPENDENCY)
BREAKERS = Known(kit.CIRCUIT_BREAKER_STATE.name, kit.DEPENDENCY)
CHILD_STATES = Known(kit.CELERY_WORKER_CHILDREN.name, kit.STATE)
SLOS = Known("slo:objective:ratio", "slo")
TARGETS = Known("up", "job")
OURS = (orders.ORDERS, orders.ORDERS_WORKER, orders.ORDERS_RELAY, orders.PAYMENT_PROVIDER)
PROCESSES = Known(f'up{{job=~"{"|".join(OURS)}"}}', "job")
TRACE_STORES = f'up{{job=~"{TEMPO.name}|{STORE.name}"}}'
LOG_STORES = f'up{{job=~"{LOKI.name}|{STORE.name}"}}'


# Alerts of the past: every sample counts, however old; and the seconds between two that do.
_HISTORY = 'ALERTS{alertstate="firing"}'
HISTORY_STEP = 15


def fresh(selector: str) -> str:
    """Return a selector's series whose last sample is at most a minute old; the same labels."""
    return f"({selector} and timestamp({selector}) > time() - {FRESH_SECONDS})"


def now(expr: str, known: Known | None = None) -> str:
    """Return a query for panels of newest values; labels: the one that is known.

    Its windows are a minute: `$__rate_interval` grows with the time range. A known value without a
    result is NaN, in the place where its value was.
    """
    expr = expr.replace("$__rate_interval", NOW)
    if known is None:
        return expr
    past = f"group by ({known.label}) (max_over_time({known.selector}[{REMEMBERED}])) * NaN"
    # Another label set, so that both exist; `max` prefers any number to NaN.
    nothing = f'label_replace({past}, "at", "past", "", "")'
    return f"max by ({known.label}) ({nothing} or {expr})"


def minutes(expr: str) -> str:
    """Return a query in seconds as minutes; the same labels."""
    return f"({expr}) / 60"


def request_rate(by: str = kit.HTTP_ROUTE) -> str:
    """Return requests per second; labels: `by`."""
    return f"sum by ({by}) (rate({REQUESTS}_count{{{CUSTOMERS}}}[$__rate_interval]))"


def error_ratio() -> str:
    """Return the share of requests answered with 5xx, 0-1; labels: job; empty without requests.

    1 if requests were in progress for a minute and none was answered: they hang.
    """
    bad = f"sum by (job) (rate({REQUESTS}_count{{{CUSTOMERS},{ERROR}}}[$__rate_interval]))"
    total = request_rate("job")
    hang = f"(sum by (job) (min_over_time({SERVICES.selector}[{NOW}])) > 0) * 0 + 1"
    return f"({bad} or {total} * 0) / ({total} > 0) or {hang}"


def errors_by_code() -> str:
    """Return requests per second answered with 4xx or 5xx; labels: status code."""
    bad = f'{kit.HTTP_RESPONSE_STATUS_CODE}=~"[45].."'
    code = kit.HTTP_RESPONSE_STATUS_CODE
    return f"sum by ({code}) (rate({REQUESTS}_count{{{CUSTOMERS},{bad}}}[$__rate_interval]))"


def latency_quantile(quantile: float, by: str = "") -> str:
    """Return a latency quantile of successful requests, seconds; labels: `by`."""
    labels = f"le, {by}" if by else "le"
    rate = f"rate({REQUESTS}_bucket{{{CUSTOMERS},{OK}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by ({labels}) ({rate}))"


def latency_buckets() -> str:
    """Return successful requests per second by histogram bucket; labels: le."""
    return f"sum by (le) (rate({REQUESTS}_bucket{{{CUSTOMERS},{OK}}}[$__rate_interval]))"


def active_requests() -> str:
    """Return requests in progress; labels: job."""
    return f"sum by (job) ({fresh(SERVICES.selector)})"


def queue_depth() -> str:
    """Return messages ready in the broker; labels: queue."""
    return f"max by ({kit.QUEUE}) ({fresh(QUEUES.selector)})"


def queue_unacked() -> str:
    """Return messages delivered but not acknowledged; labels: queue."""
    name = kit.CELERY_QUEUE_UNACKED_MESSAGES.name
    return f"max by ({kit.QUEUE}) ({fresh(f'{name}{{{QUEUE}}}')})"


def queue_scheduled() -> str:
    """Return messages scheduled for later, retries included; labels: queue."""
    name = kit.CELERY_QUEUE_SCHEDULED_MESSAGES.name
    return f"max by ({kit.QUEUE}) ({fresh(f'{name}{{{QUEUE}}}')})"


def queue_oldest_age(selector: str = QUEUE) -> str:
    """Return the age of the oldest message, seconds; labels: queue."""
    name = kit.CELERY_QUEUE_OLDEST_MESSAGE_AGE.name
    return f"max by ({kit.QUEUE}) ({fresh(f'{name}{{{selector}}}')})"


def queue_drain_time() -> str:
    """Return the time to drain the backlog at the current rate, seconds; labels: queue.

    0 if no message waits; an hour, the maximum, if messages wait and none is handled.
    """
    depth = queue_depth()
    rate = f"rate({kit.CELERY_TASKS.name}{{{QUEUE},{HANDLED}}}[$__rate_interval])"
    handled = f"(sum by ({kit.QUEUE}) ({rate}) or {depth} * 0)"
    return f"clamp_max(({depth} > 0) / {handled}, {2 * DRAIN_CRITICAL_SECONDS}) or {depth} * 0"


def queue_wait_quantile(quantile: float) -> str:
    """Return a quantile of the wait from publishing to the task's start, seconds; labels: queue."""
    name = kit.CELERY_TASK_QUEUE_WAIT.name
    rate = f"rate({name}_bucket{{{QUEUE}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by (le, {kit.QUEUE}) ({rate}))"


def task_duration_quantile(quantile: float) -> str:
    """Return a quantile of the duration of task attempts, seconds; labels: task."""
    name = kit.CELERY_TASK_DURATION.name
    rate = f"rate({name}_bucket{{{QUEUE}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by (le, {kit.TASK}) ({rate}))"


def task_rate(by: str = kit.STATE) -> str:
    """Return task attempts per second; labels: `by`."""
    return f"sum by ({by}) (rate({kit.CELERY_TASKS.name}{{{QUEUE}}}[$__rate_interval]))"


def task_errors() -> str:
    """Return failed attempts per second; labels: error_type."""
    rate = f"rate({kit.CELERY_TASK_ERRORS.name}{{{QUEUE}}}[$__rate_interval])"
    return f"sum by ({kit.ERROR_TYPE}) ({rate})"


def worker_children() -> str:
    """Return the worker's child processes; labels: state."""
    return f"sum by ({kit.STATE}) ({fresh(CHILD_STATES.selector)})"


def dead_letters() -> str:
    """Return tasks that failed for good and wait for a decision; labels: task."""
    return f"max by ({kit.TASK}) ({fresh(orders.ORDERS_DEAD_LETTER_TASKS.name)})"


def cache_hit_ratio() -> str:
    """Return the share of cache lookups that hit, without bypasses, 0-1; labels: cache."""
    name = kit.CACHE_REQUESTS.name
    hit = f'sum by ({kit.CACHE}) (rate({name}{{{CACHE},{kit.RESULT}="hit"}}[$__rate_interval]))'
    lookups = f'rate({name}{{{CACHE},{kit.RESULT}!="bypass"}}[$__rate_interval])'
    return f"{hit} / (sum by ({kit.CACHE}) ({lookups}) > 0)"


def cache_rate() -> str:
    """Return cache lookups per second; labels: result."""
    return f"sum by ({kit.RESULT}) (rate({kit.CACHE_REQUESTS.name}{{{CACHE}}}[$__rate_interval]))"


def cache_duration_quantile(quantile: float) -> str:
    """Return a quantile of the duration of cache commands, seconds; labels: cache."""
    name = kit.CACHE_REQUEST_DURATION.name
    rate = f"rate({name}_bucket{{{CACHE}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by (le, {kit.CACHE}) ({rate}))"


def pool_use_ratio() -> str:
    """Return the share of a pool's connections in use, 0-1; labels: pool."""
    in_use = f"sum by ({kit.POOL}) ({fresh(kit.DB_POOL_IN_USE.name)})"
    return f"{in_use} / sum by ({kit.POOL}) ({fresh(kit.DB_POOL_MAX.name)})"


def pool_waiting() -> str:
    """Return requests waiting for a connection; labels: pool."""
    return f"sum by ({kit.POOL}) ({fresh(kit.DB_POOL_WAITING.name)})"


def pool_wait_quantile(quantile: float) -> str:
    """Return a quantile of the wait for a connection, seconds; labels: pool."""
    rate = f"rate({kit.DB_POOL_WAIT.name}_bucket[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by (le, {kit.POOL}) ({rate}))"


def pool_timeouts() -> str:
    """Return requests per second that gave up waiting for a connection; labels: pool."""
    return f"sum by ({kit.POOL}) (rate({kit.DB_POOL_TIMEOUTS.name}[$__rate_interval]))"


def dependency_up() -> str:
    """Return 1 if every process reaches the dependency, else 0; labels: dependency."""
    return f"min by ({kit.DEPENDENCY}) ({fresh(DEPENDENCIES.selector)})"


def breaker_state() -> str:
    """Return 0 closed, 1 half-open, 2 open; labels: dependency."""
    return f"max by ({kit.DEPENDENCY}) ({fresh(BREAKERS.selector)})"


def process_memory(jobs: str = SERVICE) -> str:
    """Return the memory of each process and its children, bytes; labels: job, instance."""
    return f"max by (job, instance) ({fresh(f'{kit.PROCESS_MEMORY_USAGE.name}{{{jobs}}}')})"


def orders_placed() -> str:
    """Return orders accepted per second; no labels."""
    return f"sum(rate({orders.ORDERS_PLACED.name}[$__rate_interval]))"


def orders_finished() -> str:
    """Return orders that reached an outcome per second; labels: outcome."""
    rate = f"rate({orders.ORDERS_FINISHED.name}[$__rate_interval])"
    return f"sum by ({orders.OUTCOME}) ({rate})"


def outbox_backlog() -> str:
    """Return outbox rows that are due and unpublished; no labels."""
    return f"max({fresh(orders.OUTBOX_UNPUBLISHED_ROWS.name)})"


def outbox_age() -> str:
    """Return the age of the oldest unpublished outbox row, seconds; no labels."""
    return f"max({fresh(orders.OUTBOX_OLDEST_UNPUBLISHED_AGE.name)})"


def outbox_poison() -> str:
    """Return outbox rows that were set aside; no labels."""
    return f"max({fresh(orders.OUTBOX_POISON_ROWS.name)})"


def spans_ended() -> str:
    """Return spans ended by the applications, per second; labels: job."""
    return f"sum by (job) (rate({kit.TELEMETRY_SPANS_ENDED.name}[$__rate_interval]))"


def spans_dropped() -> str:
    """Return spans lost before delivery, per second; labels: reason."""
    rate = f"rate({kit.TELEMETRY_SPANS_DROPPED.name}[$__rate_interval])"
    return f"sum by ({kit.REASON}) ({rate})"


def log_lines() -> str:
    """Return log lines written by the applications, per second; labels: job."""
    return f"sum by (job) (rate({kit.TELEMETRY_LOG_LINES.name}[$__rate_interval]))"


def spans_accepted() -> str:
    """Return spans accepted by the trace store, per second over 5 m; no labels."""
    return f"sum({fresh(SPANS_ACCEPTED)})"


def spans_sent() -> str:
    """Return sampled spans that ended, per second over 5 m; no labels."""
    return f'sum(rate({kit.TELEMETRY_SPANS_ENDED.name}{{{kit.SAMPLED}="true"}}[5m]))'


def lines_accepted() -> str:
    """Return log lines accepted by the log store, per second over 5 m; no labels."""
    return f"sum({fresh(LINES_ACCEPTED)})"


def lines_sent() -> str:
    """Return log lines written by the applications, per second over 5 m; no labels."""
    return f"sum(rate({kit.TELEMETRY_LOG_LINES.name}[5m]))"


def trace_delivery_ratio() -> str:
    """Return accepted spans over sampled spans that ended, 0-1; no labels."""
    return _delivered(spans_accepted(), spans_sent(), TRACE_STORES)


def log_delivery_ratio() -> str:
    """Return accepted log lines over written ones, 0-1; no labels."""
    return _delivered(lines_accepted(), lines_sent(), LOG_STORES)


def _delivered(accepted: str, sent: str, stores: str) -> str:
    """Return a ratio of averages over 5 minutes, as long as both ends live; no labels."""
    living = sent.replace("[5m]", f"[{NOW}]")
    ratio = f"clamp_max({accepted} / ({sent} > 0), 1) and {living} > 0"
    return f"{ratio} and on () {_answers(stores)}"


def _answers(selector: str = "up") -> str:
    """Return 1 for each target that answered its last scrape; labels: job, instance."""
    return f"({fresh(selector)} == 1)"


def signal_cost() -> str:
    """Return samples, spans and log lines stored per second; labels: signal."""
    samples = f"sum(rate(prometheus_tsdb_head_samples_appended_total[{NOW}]))"
    spans = f"({spans_accepted()} and on () {_answers(TRACE_STORES)})"
    lines = f"({lines_accepted()} and on () {_answers(LOG_STORES)})"
    named = [("metrics", samples), ("traces", spans), ("logs", lines)]
    return " or ".join(f'label_replace({e}, "signal", "{n}", "", "")' for n, e in named)


def targets_up(selector: str = "up") -> str:
    """Return 1 if all targets of a job answered their last scrape, else 0; labels: job."""
    return f"min by (job) ({fresh(selector)})"


def scrape_seconds() -> str:
    """Return the duration of the slowest last scrape, seconds; labels: job."""
    return f"max by (job) ({fresh('scrape_duration_seconds')})"


def series_by_job() -> str:
    """Return the number of series of the last scrape; labels: job."""
    return f"sum by (job) ({fresh('scrape_samples_post_metric_relabeling')})"


def series_by_metric() -> str:
    """Return the fifteen metrics with the most series; labels: metric."""
    counted = f'count by (__name__) ({{job=~".+"}} and on (job, instance) {_answers()})'
    named = f'label_replace({counted}, "metric", "$1", "__name__", "(.+)")'
    return f"topk(15, max by (metric) ({named}))"


def head_series() -> str:
    """Return the active series in Prometheus' memory; no labels."""
    return f"max({fresh('prometheus_tsdb_head_series')})"


def _measured(name: str) -> str:
    """Return a series of an SLO while the service that it is about answers; the same labels."""
    past = f"group by (job) (max_over_time(up[{REMEMBERED}]))"
    gone = f"({past} unless on (job) {_answers()})"
    named = f'label_replace({gone}, "service", "$1", "job", "(.+)")'
    return f"{fresh(name)} unless on (service) {named}"


def slo_objective() -> str:
    """Return the objective of each SLO, 0-1; labels: slo."""
    return f"max by (slo) ({fresh(SLOS.selector)})"


def slo_budget_remaining() -> str:
    """Return the share of the error budget that remains, at most 1; labels: slo."""
    return f"max by (slo) ({_measured('slo:error_budget_remaining:ratio')})"


def slo_coverage() -> str:
    """Return the share of the SLO's period for which there is data, 0-1; labels: slo."""
    return f"max by (slo) ({fresh('slo:window_coverage:ratio30d')})"


def slo_burn(window: str) -> str:
    """Return the burn rate over a window; 1 is just sustainable; labels: slo."""
    return f"max by (slo) ({fresh(f'slo:burn_rate:ratio{window}')})"


def slo_good_ratio() -> str:
    """Return the share of good events in the shortest window, 0-1; labels: slo."""
    return f"1 - max by (slo) ({_measured('slo:sli_error:ratio_rate5m')})"


def alerts_firing() -> str:
    """Return the time since which each alert fires, Unix milliseconds; Watchdog is included.

    Labels: severity, alertname, service, about (the object of the alert), dashboard (uid).
    """
    found = _about(f"ALERTS_FOR_STATE and ignoring (alertstate) {_firing()}")
    for uid, names in alerts_by_dashboard().items():
        found = f'label_replace({found}, "dashboard", "{uid}", "alertname", "{"|".join(names)}")'
    return f"max by (severity, alertname, service, about, dashboard) ({found}) * 1000"


def _about(alerts: str) -> str:
    """Return alerts with the label `about`: the object of the alert."""
    labels = ", ".join(f'"{label}"' for label in ALERT_OBJECTS)
    found = f'label_join({alerts}, "about", " ", {labels})'
    found = f'label_replace({found}, "about", "$1", "about", " *(.*?) *")'
    return f'label_replace({found}, "about", "-", "about", "")'


def alerts_began() -> str:
    """Return when each alert of the time range first fired or waited to, Unix milliseconds.

    Watchdog is not included. Labels: severity, alertname, service, about.
    """
    fired = f"count_over_time({_HISTORY}[$__range])"
    since = f"min_over_time(ALERTS_FOR_STATE[$__range]) and ignoring (alertstate) {fired}"
    return f"max by (severity, alertname, service, about) ({_about(since)}) * 1000"


def alerts_duration() -> str:
    """Return how long each alert fired in the time range, seconds; Watchdog is not included.

    Labels: severity, alertname, service, about.
    """
    time = f"sum_over_time({_HISTORY}[$__range:{HISTORY_STEP}s]) * {HISTORY_STEP}"
    return f"max by (severity, alertname, service, about) ({_about(time)})"


def alerts_over_time() -> str:
    """Return the number of alerts that fired; labels: alertname."""
    return f"count by (alertname) ({_HISTORY})"


def slo_budget_spent() -> str:
    """Return the share of the whole period's error budget spent in the time range; labels: slo.

    Bad events of the range over those that the period allows at its average traffic.
    """
    bad = "max by (slo) (avg_over_time(slo:sli_bad:rate5m[$__range])) * $__range_s"
    total = "max by (slo) (slo:sli_total:rate30d) * max by (slo) (slo:error_budget:ratio)"
    seconds = " or ".join(
        f'max by (slo) (slo:objective:ratio{{profile="{name}"}}) * 0 + {period}'
        for name, period in period_seconds().items()
    )
    return f"{bad} / ({total} * ({seconds}) > 0)"


def alerts_started(uid: str) -> str:
    """Return when the firing pages and tickets of a dashboard began, Unix milliseconds.

    Every page is about the home page. Labels: alertname, severity, service.
    """
    names = "|".join(alerts_by_dashboard().get(uid, ()))
    chosen = 'severity="page"' if uid == "home" else f'severity=~"page|ticket",alertname=~"{names}"'
    since = f"ALERTS_FOR_STATE and ignoring (alertstate) {_firing(chosen)}"
    return f"max by (alertname, severity, service) ({since}) * 1000"


def alerts_count(severity: str) -> str:
    """Return the number of firing alerts of a severity; no labels; empty if no rule is evaluated.

    Watchdog, which always fires, proves that alerts are.
    """
    watchdog = _firing('alertname="Watchdog"')
    count = f"count({_firing(equal('severity', severity))})"
    return f"{count} or count({watchdog}) * 0"


def _firing(*matchers: str) -> str:
    return fresh(series("ALERTS", equal("alertstate", "firing"), *matchers))


def service_graph() -> str:
    """Return requests per second between services, from spans.

    Labels: client, server, connection_type (`call` if the spans name no other type).
    """
    rate = f"rate(traces_service_graph_request_total[{SLOW_SCRAPE}])"
    # Tempo repeats the counters of a service that is gone.
    summed = f"sum by (client, server, connection_type) ({rate}) > 0"
    return f'label_replace({summed}, "connection_type", "call", "connection_type", "")'


def span_seconds() -> str:
    """Return the fifteen kinds of spans with the most time, seconds per second.

    Labels: service, span_name, span_kind.
    """
    rate = f'rate(traces_spanmetrics_latency_sum{{service=~"$service"}}[{SLOW_SCRAPE}])'
    return f"topk(15, sum by (service, span_name, span_kind) ({rate}) > 0)"


def queue_wait_from_spans() -> str:
    """Return the p95 of the time from sending to processing, from spans, seconds; no labels."""
    name = "traces_service_graph_request_messaging_system_seconds_bucket"
    return f"histogram_quantile(0.95, sum by (le) (rate({name}[{SLOW_SCRAPE}])))"


# Metrics of the servers' exporters, which only the Docker mode runs.


def postgres_transactions() -> str:
    """Return committed transactions per second; labels: datname."""
    committed = f'rate(pg_stat_database_xact_commit{{datname="orders"}}[{SLOW_SCRAPE}])'
    return f"sum by (datname) ({committed})"


def postgres_cache_ratio() -> str:
    """Return the share of block reads answered from PostgreSQL's cache, 0-1; no labels."""
    hit = f'sum(rate(pg_stat_database_blks_hit{{datname="orders"}}[{SLOW_SCRAPE}]))'
    read = f'sum(rate(pg_stat_database_blks_read{{datname="orders"}}[{SLOW_SCRAPE}]))'
    return f"{hit} / ({hit} + {read} > 0)"


def postgres_connection_ratio() -> str:
    """Return the share of the server's connections that are open, 0-1; no labels."""
    used = f"sum({fresh('pg_stat_database_numbackends')})"
    return f"{used} / max({fresh('pg_settings_max_connections')})"


def redis_memory() -> str:
    """Return the memory used by each Redis, bytes; labels: job."""
    return f"max by (job) ({fresh('redis_memory_used_bytes')})"


def redis_evictions() -> str:
    """Return keys evicted per second; labels: job."""
    return f"sum by (job) (rate(redis_evicted_keys_total[{SLOW_SCRAPE}]))"


def redis_commands() -> str:
    """Return commands per second; labels: job."""
    return f"sum by (job) (rate(redis_commands_processed_total[{SLOW_SCRAPE}]))"


def collector_queue_ratio() -> str:
    """Return the used share of the Collector's sending queues, 0-1; labels: exporter."""
    size = fresh("otelcol_exporter_queue_size")
    return f"max by (exporter) ({size} / {fresh('otelcol_exporter_queue_capacity')})"


def loki_lines() -> str:
    """Return log lines received by Loki, per second; no labels."""
    return f"sum(rate(loki_distributor_lines_received_total[{SLOW_SCRAPE}]))"


def tempo_spans() -> str:
    """Return spans received by Tempo, per second; no labels."""
    return f"sum(rate(tempo_distributor_spans_received_total[{SLOW_SCRAPE}]))"


def bytes_received() -> str:
    """Return bytes received by Loki and Tempo, per second; labels: job."""
    loki = f"rate(loki_distributor_bytes_received_total[{SLOW_SCRAPE}])"
    tempo = f"rate(tempo_distributor_bytes_received_total[{SLOW_SCRAPE}])"
    return f"sum by (job) ({loki} or {tempo})"


# LogQL and TraceQL.


def service_logs() -> str:
    """Return the log lines of the chosen services."""
    return '{service_namespace=~"$namespace", service_name=~"$service"}'


def worker_logs() -> str:
    """Return the log lines of the worker and the relay."""
    return f'{{service_name=~"{orders.ORDERS_WORKER}|{orders.ORDERS_RELAY}"}}'


def order_logs() -> str:
    """Return the log lines with the order's id and the trace id."""
    # Tempo's search omits the leading zeros of an id.
    return '{service_name=~".+"} | order_id=~"$order.*" | trace_id=~"0*$trace.*"'


def process_starts() -> str:
    """Return the line that every process of ours writes once, when its telemetry starts."""
    return '{service_name=~".+"} |= "traces and logs go to"'


# Tempo returns any traces that match, unless it is asked for the newest.
NEWEST = "with (most_recent=true)"


def order_traces() -> str:
    """Return the traces with a span that has the order's id, the newest of all without one."""
    return f'{{ span.{orders.ATTR_ORDER_ID} =~ "$order.*" }} {NEWEST}'


def order_attempts() -> str:
    """Return the spans of the attempts in which a task handled the order, with task and number."""
    order = f'span.{orders.ATTR_ORDER_ID} =~ "$order.*"'
    return _attempts(f"{order} && span.{kit.ATTR_CELERY_TASK_ATTEMPT} >= 1")


def _attempts(chosen: str) -> str:
    shown = f"span.{kit.ATTR_CELERY_TASK_NAME}, span.{kit.ATTR_CELERY_TASK_ATTEMPT}"
    return f"{{ kind = consumer && {chosen} }} | select({shown}) {NEWEST}"


def slow_traces() -> str:
    """Return the traces of requests to the chosen services that took longer than `$slower`."""
    slow = "kind = server && duration > $slower"
    return f'{{ resource.service.name =~ "$service" && {slow} }} {NEWEST}'


def slow_bounds() -> list[str]:
    """Return the values of `$slower`, the latency objective included."""
    objective = round(bound_seconds("orders-latency") * 1000)
    return [f"{ms}ms" for ms in sorted({10, 50, 100, 250, objective, 2 * objective})]


def failed_traces() -> str:
    """Return the traces of the chosen services with a failed or rejected span."""
    code = f"span.{kit.ATTR_HTTP_RESPONSE_STATUS_CODE}"
    failed = f"(status = error || {code} >= 400)"
    return f'{{ resource.service.name =~ "$service" && {failed} }} {NEWEST}'


def task_attempts() -> str:
    """Return the spans of task attempts of the chosen queues, with task and number."""
    return _attempts(f'span.{kit.ATTR_MESSAGING_DESTINATION} =~ "$queue"')
