"""Worker and queues: is work late, is it done, and what was given up?"""

from __future__ import annotations

from dashboards import queries as q
from dashboards.board import Board, Row, choice
from dashboards.panels import Look, Query, log_lines, number, rows, series, trace_list
from observability.instrumentation import semconv as kit

# Bounds of the alerts QueueOldestMessageTooOld and QueueDrainTimeHigh, and of the queue-wait SLO.
OLDEST = (60, 120)
DRAIN = (150, 300)
WAIT = (15, 30)


def board() -> Board:
    """Return the dashboard."""
    return Board(
        uid="worker",
        title="Worker and queues",
        about="Is work late? Is it done? What was given up?",
        rows=(_now(), _queues(), _tasks(), _outbox(), _evidence()),
        variables=(
            choice("queue", "Queue", f"label_values({kit.CELERY_QUEUE_MESSAGES.name}, queue)"),
        ),
        signals=("prometheus", "loki", "tempo"),
    )


def _now() -> Row:
    return Row(
        "Now",
        (
            number("Oldest message", "How long the message that waits longest has waited. Good: "
                   "a few seconds.", Query(q.queue_oldest_age(), "{{queue}}"), Look("s", OLDEST),
                   size=(6, 4)),
            number("Waiting", "Messages ready in the broker. Alone it says little: see the drain "
                   "time.", Query(q.queue_depth(), "{{queue}}"), size=(6, 4)),
            number("Dead letters", "Tasks that failed for good. Good is none; "
                   "`python -m worker.dead_letters list` shows them.",
                   Query(f"sum({q.dead_letters()})"), Look(good_to_bad=(1, 10)), size=(6, 4)),
            number("Children", "Processes of the pool; fewer than configured for long is trouble.",
                   Query(q.worker_children(), "{{state}}"), size=(6, 4)),
        ),
    )  # fmt: skip


def _queues() -> Row:
    return Row(
        "Is work late?",
        (
            series("Wait before a task starts", "p95 from publishing to start, back-off left out. "
                   "Good: under the dashed objective.",
                   (Query(q.queue_wait_quantile(0.95), "{{queue}}", exemplars=True),),
                   Look("s", WAIT)),
            series("Time to drain the backlog", "Depth over pace. No line: nothing waits.",
                   (Query(f"{q.queue_drain_time()} < Inf or {q.queue_depth()} * 0", "{{queue}}"),),
                   Look("s", DRAIN)),
            series("Messages", "Ready, delivered and not acknowledged, and due later (retries).",
                   (Query(q.queue_depth(), "{{queue}} ready"),
                    Query(q.queue_unacked(), "{{queue}} unacknowledged"),
                    Query(q.queue_scheduled(), "{{queue}} due later"))),
            series("Age of the oldest message", "It sees the stall that the wait cannot: a task "
                   "that never starts has no wait.", (Query(q.queue_oldest_age(), "{{queue}}"),),
                   Look("s", OLDEST), size=(12, 7)),
            series("Wait as the spans measured it", "p95 between sending and processing, from the "
                   "service graph; it should agree with the first panel.",
                   (Query(q.queue_wait_from_spans(), "p95"),), Look("s", WAIT), size=(12, 7)),
        ),
    )  # fmt: skip


def _tasks() -> Row:
    return Row(
        "Is it done?",
        (
            series("Attempts by outcome", "Retries are normal in small numbers.",
                   (Query(q.task_rate(), "{{state}}"),), Look("ops"), stacked=True),
            series("Run time of an attempt", "p95 by task.",
                   (Query(q.task_duration_quantile(0.95), "{{task}}", exemplars=True),),
                   Look("s")),
            series("Failures by class", "The class that was raised; good is none.",
                   (Query(q.task_errors(), "{{error_type}}"),), Look("ops"), stacked=True),
        ),
    )  # fmt: skip


def _outbox() -> Row:
    return Row(
        "Does the relay keep up?",
        (
            series("Outbox rows due and unsent", "Good: near zero.",
                   (Query(q.outbox_backlog(), "rows"),)),
            series("Age of the oldest unsent row", "Over a minute the relay is behind; see "
                   "OutboxLagHigh.", (Query(q.outbox_age(), "age"),), Look("s", (30, 60))),
            series("Poison rows", "Rows that cannot be sent and were set aside. Good is none.",
                   (Query(q.outbox_poison(), "rows"),)),
        ),
    )  # fmt: skip


def _evidence() -> Row:
    return Row(
        "Evidence",
        (
            trace_list("Attempts of tasks", "The newest; a row opens its trace, from the request "
                       "on.", q.task_traces()),
            rows("Dead letters by task", "What waits for a person.", Query(q.dead_letters())),
            log_lines("Log lines of worker and relay", "A line leads to its trace.",
                      q.worker_logs()),
        ),
    )  # fmt: skip
