"""Order details: the traces and log lines of one order, found by its id or its trace id."""

from __future__ import annotations

from dashboards import queries as q
from dashboards.grafana.dashboard import Dashboard, Row, free_text, trace_or_nothing
from dashboards.grafana.panels import text
from dashboards.grafana.tables import ATTEMPTS, logs, span_list, trace, trace_list

HOW_TO = (
    "Paste an **order id** above to see only its requests, task attempts and log lines. If it is "
    "empty, the newest of all orders are listed.\n\n"
    "Click the **name** of a trace, or paste a **trace id** above, to draw its spans below."
)


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="order",
        title="Order details",
        description="The traces and log lines of one order. Good: one attempt per task, no errors.",
        rows=(_search(), _trace(), _logs()),
        variables=(
            free_text("order", "Order id"),
            free_text("trace", "Trace id"),
            trace_or_nothing("spans", text_box="trace"),
        ),
        signals=("prometheus", "loki", "tempo"),
    )


def _search() -> Row:
    return Row(
        "Search",
        (
            text(HOW_TO, size=(24, 3)),
            trace_list("Traces of the order", "One row per trace in which a span has the order's "
                       "id. Click a name to draw its spans below.", q.order_traces(),
                       size=(12, 8)),
            span_list("Task attempts", "One row per attempt. Good: one attempt that charges and "
                      "one that sends the email; more of one kind are retries.",
                      q.order_attempts(), ATTEMPTS, size=(12, 8)),
        ),
    )  # fmt: skip


def _trace() -> Row:
    return Row(
        "Trace",
        (
            trace("Trace spans", "Request, outbox, queue, task, payment, email: one trace. "
                  "Each attempt of a task is a span. Empty until a trace is selected.", "$spans"),
        ),
    )  # fmt: skip


def _logs() -> Row:
    return Row(
        "Logs",
        (logs("Logs", "Log lines with the order's id, from every process.", q.order_logs()),),
    )
