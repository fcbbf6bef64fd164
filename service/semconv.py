"""The names in the telemetry of orders: business metrics, their labels, and attributes.

Standard library only (the kit's `semconv` included), so that dashboards and alerts can read it.
"""

from __future__ import annotations

from observability.instrumentation.semconv import TASK, Metric

SERVICE_NAMESPACE = "sightline"

# One name everywhere: Compose service, supervised process, Prometheus job, service.name.
ORDERS = "orders"
ORDERS_WORKER = "orders-worker"
ORDERS_RELAY = "orders-relay"
PAYMENT_PROVIDER = "payment-provider"
CUSTOMERS = "customers"

QUEUE_ORDERS = "orders"
QUEUE_EMAILS = "emails"
QUEUES = (QUEUE_ORDERS, QUEUE_EMAILS)

TASK_FULFIL_ORDER = "fulfil_order"
TASK_REFUND_ORDER = "refund_order"
TASK_SEND_ORDER_EMAIL = "send_order_email"
TASK_QUEUES = {
    TASK_FULFIL_ORDER: QUEUE_ORDERS,
    TASK_REFUND_ORDER: QUEUE_ORDERS,
    TASK_SEND_ORDER_EMAIL: QUEUE_EMAILS,
}

CACHE_ORDERS = "orders"
POOL_ORDERS = "orders"
POOL_ORDERS_WORKER = "orders-worker"

DEPENDENCIES = ("postgres", "cache", "broker", "payment-provider", "smtp")

OUTCOME = "outcome"
OUTCOMES = ("confirmed", "payment_failed", "cancelled")

ORDERS_PLACED = Metric("orders_placed_total", "counter", "{order}", "Orders that were accepted.")
ORDERS_FINISHED = Metric(
    "orders_finished_total",
    "counter",
    "{order}",
    "Orders that reached an outcome, by outcome.",
    (OUTCOME,),
)
ORDERS_DEAD_LETTER_TASKS = Metric(
    "orders_dead_letter_tasks",
    "gauge",
    "{task}",
    "Tasks that failed for good and wait for a person, by task.",
    (TASK,),
    across="max",
)
OUTBOX_UNPUBLISHED_ROWS = Metric(
    "outbox_unpublished_rows",
    "gauge",
    "{row}",
    "Outbox rows that are due and not yet sent.",
    across="max",
)
OUTBOX_OLDEST_UNPUBLISHED_AGE = Metric(
    "outbox_oldest_unpublished_age_seconds",
    "gauge",
    "s",
    "Age of the oldest outbox row that is due and not yet sent; 0 when there is none.",
    across="max",
)
OUTBOX_POISON_ROWS = Metric(
    "outbox_poison_rows",
    "gauge",
    "{row}",
    "Outbox rows that were set aside because they cannot be sent.",
    across="max",
)

METRICS = tuple(value for value in list(globals().values()) if isinstance(value, Metric))

ATTR_ORDER_ID = "order.id"
ATTR_ORDER_STATUS = "order.status"
ATTR_CUSTOMER_ID = "customer.id"

# Source: semantic conventions 1.40, feature flags in logs and events.
EVENT_FEATURE_FLAG = "feature_flag.evaluation"
ATTR_FEATURE_FLAG_KEY = "feature_flag.key"
ATTR_FEATURE_FLAG_VALUE = "feature_flag.result.value"
SPAN_RELAY_PAUSE = "pause relay"
