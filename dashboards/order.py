"""One order: paste its id or its trace id, and see everything that happened to it."""

from __future__ import annotations

from dashboards import queries as q
from dashboards.board import Board, Row, free_text
from dashboards.panels import log_lines, note, trace, trace_list


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="order",
        title="One order",
        about="What happened to this order, from the request to the e-mail?",
        rows=(_find(), _spans(), _lines()),
        variables=(
            free_text("order", "Order id", ".+"),
            free_text("trace", "Trace id", ".+"),
        ),
        signals=("prometheus", "loki", "tempo"),
    )


def _find() -> Row:
    return Row(
        "Which order?",
        (
            note("Paste an **order id** or a **trace id** above. `.+` stands for any: the newest "
                 "orders are listed. A row opens its trace.", size=(8, 8)),
            trace_list("Traces of orders", "One request, and everything that followed from it.",
                       q.order_traces(), size=(16, 8)),
        ),
    )  # fmt: skip


def _spans() -> Row:
    return Row(
        "What happened?",
        (
            trace("Spans of the trace", "Paste a trace id above. Request, outbox, queue, task, "
                  "payment, e-mail: one trace. An attempt of a task is a span of its own.",
                  "$trace"),
        ),
    )  # fmt: skip


def _lines() -> Row:
    return Row(
        "What was said?",
        (log_lines("Log lines", "Every process that touched the order.", q.order_logs()),),
    )
