"""One order: paste its id or its trace id, and see everything that happened to it."""

from __future__ import annotations

from dashboards import queries as q
from dashboards.grafana.dashboard import Board, Row, free_text
from dashboards.grafana.panels import note
from dashboards.grafana.tables import log_lines, trace, trace_list

WORDS = (
    "Paste an **order id** above: its requests, its attempts and its log lines are left; empty "
    "stands for any order, the newest.\n\n"
    "Click the **name** of a trace, or paste a **trace id** above: its spans are drawn below."
)


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="order",
        title="One order",
        about="What happened to this order, from the request to the e-mail?",
        rows=(_find(), _spans(), _lines()),
        variables=(free_text("order", "Order id"), free_text("trace", "Trace id")),
        signals=("prometheus", "loki", "tempo"),
    )


def _find() -> Row:
    return Row(
        "Which order?",
        (
            note(WORDS, size=(24, 3)),
            trace_list("Requests that name the order", "Each with everything that followed from "
                       "it. A name draws its spans below.", q.order_traces(), size=(12, 8)),
            trace_list("Attempts of its tasks", "More than one of a kind: it was tried again. "
                       "Good: every order has one that charges and one that mails.",
                       q.order_attempts(), size=(12, 8)),
        ),
    )  # fmt: skip


def _spans() -> Row:
    return Row(
        "What happened?",
        (
            trace("Spans of the trace", "Request, outbox, queue, task, payment, e-mail: one trace. "
                  "An attempt of a task is a span of its own. Nothing is drawn before a trace is "
                  "chosen.", "$trace"),
        ),
    )  # fmt: skip


def _lines() -> Row:
    return Row(
        "What was said?",
        (log_lines("Log lines", "Every process that touched the order.", q.order_logs()),),
    )
