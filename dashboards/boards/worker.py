"""Worker and queues: is work late, is it done, and what was given up?"""

from __future__ import annotations

from alerts.symptoms.dependencies import OUTBOX_SECONDS
from alerts.symptoms.queues import AGE_SECONDS, DRAIN_SECONDS
from dashboards import queries as q
from dashboards.grafana.dashboard import Board, Row, choice
from dashboards.grafana.panels import number, series
from dashboards.grafana.style import (
    BAD,
    BREAKER,
    COUNT,
    GOOD,
    NONE_IS_GOOD,
    PURPLE,
    WARN,
    Column,
    Link,
    Look,
    Query,
    half_way,
)
from dashboards.grafana.tables import log_lines, rows, trace_list
from dashboards.objectives import bound_seconds
from observability.instrumentation import semconv as kit

STATES = {"succeeded": GOOD, "retried": WARN, "failed": BAD, "rejected": PURPLE}
AGE = Look("s", half_way(AGE_SECONDS))
# A wait of milliseconds and one of the objective's seconds are both to be read.
WAIT_SECONDS = bound_seconds("orders-queue-wait")
WAIT = Look("s", half_way(WAIT_SECONDS), lowest=0.01, logarithmic=True)
LETTERS = (Column("task", "Task"), Column("Value", "Dead letters", 120))


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
                   "a few seconds.", Query(q.queue_oldest_age(), "{{queue}}"), AGE, size=(5, 5)),
            number("Waiting", "Messages ready in the broker. Alone it says little: see the drain "
                   "time.", Query(q.queue_depth(), "{{queue}}"), Look("none"), size=(5, 5)),
            number("Dead letters", "Tasks that failed for good. Good is none; "
                   "`python -m worker.dead_letters list` shows them.",
                   Query(f"sum({q.dead_letters()})"), Look("none", (1, 10)), size=(4, 5)),
            number("Children", "Processes of the pool; fewer than configured for long is trouble.",
                   Query(q.worker_children(), "{{state}}"), Look("none"), size=(4, 5)),
            number("Circuit breaker", "Open: calls are refused without trying, for a while.",
                   Query(q.breaker_state(), "{{dependency}}"), BREAKER, size=(6, 5), spark=False,
                   links=(Link("Cache and database", "cache-database"),)),
        ),
    )  # fmt: skip


def _queues() -> Row:
    return Row(
        "Is work late?",
        (
            series("Wait before a task starts", "p95 from publishing to start, back-off left out. "
                   f"Good: under the objective, {WAIT_SECONDS:g} s. The scale is logarithmic.",
                   (Query(q.queue_wait_quantile(0.95), "{{queue}}", exemplars=True),), WAIT,
                   links=(Link("Error budget", "slo"),)),
            series("Time to drain the backlog", "Depth over pace. 0: nothing waits. An hour: "
                   "nothing is handled at all.", (Query(q.queue_drain_time(), "{{queue}}"),),
                   Look("s", half_way(DRAIN_SECONDS))),
            series("Messages", "Ready, delivered and not acknowledged, and due later (retries).",
                   (Query(q.queue_depth(), "{{queue}} ready"),
                    Query(q.queue_unacked(), "{{queue}} unacknowledged"),
                    Query(q.queue_scheduled(), "{{queue}} due later")), COUNT),
            series("Age of the oldest message", "It sees the stall that the wait cannot: a task "
                   "that never starts has no wait. It pages at the upper line.",
                   (Query(q.queue_oldest_age(), "{{queue}}"),), AGE, size=(12, 7)),
            series("Wait as the spans measured it", "p95 between sending and processing, from the "
                   "service graph; it should agree with the first panel.",
                   (Query(q.queue_wait_from_spans(), "p95"),), WAIT, size=(12, 7)),
        ),
    )  # fmt: skip


def _tasks() -> Row:
    return Row(
        "Is it done?",
        (
            series("Attempts by outcome", "Retries are normal in small numbers.",
                   (Query(q.task_rate(), "{{state}}"),), Look("ops", colours=STATES),
                   stacked=True),
            series("Run time of an attempt", "p95 by task. Good: far below the time limit, 15 s.",
                   (Query(q.task_duration_quantile(0.95), "{{task}}", exemplars=True),),
                   Look("s")),
            series("Failures by class", "The class that was raised; good is none.",
                   (Query(q.task_errors(), "{{error_type}}"),), NONE_IS_GOOD, stacked=True,
                   many=True),
        ),
    )  # fmt: skip


def _outbox() -> Row:
    return Row(
        "Does the relay keep up?",
        (
            series("Outbox rows due and unsent", "Good: near zero.",
                   (Query(q.outbox_backlog(), "rows"),), COUNT),
            series("Age of the oldest unsent row", "Over the upper line the relay is behind: "
                   "OutboxLagHigh.", (Query(q.outbox_age(), "age"),),
                   Look("s", half_way(OUTBOX_SECONDS))),
            series("Poison rows", "Rows that cannot be sent and were set aside. Good is none.",
                   (Query(q.outbox_poison(), "rows"),), COUNT),
        ),
    )  # fmt: skip


def _evidence() -> Row:
    return Row(
        "Evidence",
        (
            trace_list("Attempts of tasks", "The newest. The id opens the trace, from the request "
                       "on; the name opens the whole story.", q.task_traces(), size=(16, 9)),
            rows("Dead letters by task", "What waits for a person.", Query(q.dead_letters()),
                 LETTERS, Look("none"), size=(8, 9)),
            log_lines("Log lines of worker and relay", "A line leads to its trace.",
                      q.worker_logs()),
        ),
    )  # fmt: skip
