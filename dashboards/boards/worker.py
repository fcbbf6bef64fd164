"""Worker and queues: queue wait, backlog, task outcomes, outbox, dead letters."""

from __future__ import annotations

from alerts.symptoms.dependencies import OUTBOX_SECONDS
from alerts.symptoms.queues import AGE_SECONDS, DRAIN_SECONDS
from dashboards import queries as q
from dashboards.boards.links import TO_BUDGET, TO_CACHE
from dashboards.boards.service import MEMORY
from dashboards.grafana.colours import BAD, BROWN, GOOD, GREY, PURPLE, STEEL, WARN, WINE
from dashboards.grafana.dashboard import Dashboard, Row, choice
from dashboards.grafana.panels import stat, timeseries
from dashboards.grafana.style import BREAKER, COUNT, NONE_IS_GOOD, Column, Query, Style, warn_before
from dashboards.grafana.tables import ATTEMPTS, logs, span_list, table
from dashboards.objectives import bound_seconds
from observability.instrumentation import semconv as kit
from service import semconv as orders

STATES = {
    "succeeded": GOOD,
    "retried": WARN,
    "failed": BAD,
    "rejected": PURPLE,
    "expired": GREY,
    "revoked": STEEL,
    "unknown": BROWN,
    "lost": WINE,
}
AGE = Style("dthms", warn_before(AGE_SECONDS))
# In minutes, since Grafana divides an axis of 200 seconds at 1.67 minutes.
AGE_MINUTES = Style("m", warn_before(AGE_SECONDS / 60))
DRAIN_MINUTES = Style("m", warn_before(DRAIN_SECONDS / 60))
OUTBOX_MINUTES = Style("m", warn_before(OUTBOX_SECONDS / 60))
# Logarithmic, so that waits of milliseconds and of the objective's seconds are both readable.
WAIT_SECONDS = bound_seconds("orders-queue-wait")
WAIT = Style("suffix:s", warn_before(WAIT_SECONDS), minimum=0.01, logarithmic=True)
DEAD_LETTERS = (Column("task", "Task"), Column("Value", "Dead letters", 120))


def dashboard() -> Dashboard:
    """Return the dashboard."""
    return Dashboard(
        uid="worker",
        title="Worker and queues",
        description="Queues, tasks, outbox and dead letters. "
        "Good: short waits, no failures, no dead letters.",
        rows=(_overview(), _queues(), _tasks(), _outbox(), _saturation(), _evidence()),
        variables=(
            choice("queue", "Queue", f"label_values({kit.CELERY_QUEUE_MESSAGES.name}, queue)"),
        ),
        signals=("prometheus", "loki", "tempo"),
    )


def _overview() -> Row:
    return Row(
        "Overview",
        (
            stat("Oldest message age", "How long the oldest message has waited. Good: a few "
                 "seconds.", Query(q.now(q.queue_oldest_age(), q.QUEUES), "{{queue}}"), AGE,
                 size=(5, 5)),
            stat("Ready messages", "Messages that wait in the broker. Many are fine if the time "
                 "to drain is short.", Query(q.now(q.queue_depth(), q.QUEUES), "{{queue}}"),
                 Style("none"), size=(5, 5)),
            stat("Dead letters", "Tasks that failed for good. Good: 0; "
                 "`python -m worker.dead_letters list` lists them.",
                 Query(f"sum({q.dead_letters()})"), Style("none", (1, 10)), size=(4, 5)),
            stat("Child processes", "Processes of the pool, by state. Good: together as many as "
                 "configured.", Query(q.now(q.worker_children(), q.CHILD_STATES), "{{state}}"),
                 Style("none"), size=(4, 5)),
            stat("Circuit breaker state", "Good: closed. Open: calls fail at once, without an "
                 "attempt, for a while.",
                 Query(q.now(q.breaker_state(), q.BREAKERS), "{{dependency}}"), BREAKER,
                 size=(6, 5), one_per_line=True, links=TO_CACHE),
        ),
    )  # fmt: skip


def _queues() -> Row:
    return Row(
        "Queues",
        (
            timeseries("Queue wait p95", "From publishing to the task's start, without retry "
                       f"delays. Good: below the objective, {WAIT_SECONDS:g} s. Logarithmic.",
                       (Query(q.queue_wait_quantile(0.95), "{{queue}}", exemplars=True),), WAIT,
                       links=TO_BUDGET),
            timeseries("Time to drain", "Ready messages divided by the rate at which they are "
                       "handled, at most 1 hour. 0: the queue is empty. 1 hour: very slow or "
                       "stalled.",
                       (Query(q.minutes(q.queue_drain_time()), "{{queue}}"),), DRAIN_MINUTES),
            timeseries("Messages by state", "Ready, delivered but not acknowledged, and scheduled "
                       "for later (retries).",
                       (Query(q.queue_depth(), "{{queue}} ready"),
                        Query(q.queue_unacked(), "{{queue}} unacknowledged"),
                        Query(q.queue_scheduled(), "{{queue}} scheduled")), COUNT),
            timeseries("Oldest message age over time", "Shows a stall that the queue wait cannot "
                       "show: a task that never starts has no wait. It pages at the upper line.",
                       (Query(q.minutes(q.queue_oldest_age()), "{{queue}}"),), AGE_MINUTES,
                       size=(12, 7)),
            timeseries("Queue wait p95 from spans", "From sending to processing, by Tempo's "
                       "service graph. Good: it agrees with the queue wait from metrics.",
                       (Query(q.queue_wait_from_spans(), "p95"),), WAIT, size=(12, 7)),
        ),
    )  # fmt: skip


def _tasks() -> Row:
    return Row(
        "Tasks",
        (
            timeseries("Task outcomes", "Attempts per second. Good: nearly all succeed; a few "
                       "retries are normal. Lost: the child was killed.",
                       (Query(q.task_rate(), "{{state}}"),),
                       Style("ops", colours=STATES), stacked=True),
            timeseries("Task duration p95", "Duration of an attempt, by task. Good: far below the "
                       "time limit, 15 s.",
                       (Query(q.task_duration_quantile(0.95), "{{task}}", exemplars=True),),
                       Style("s")),
            timeseries("Task failures by error type", "Failed and lost attempts and unknown tasks "
                       "per second, by exception class. Good: 0.",
                       (Query(q.task_errors(), "{{error_type}}"),),
                       NONE_IS_GOOD, stacked=True, legend_right=True),
        ),
    )  # fmt: skip


def _outbox() -> Row:
    return Row(
        "Outbox",
        (
            timeseries("Outbox backlog", "Rows that are due and not yet published. Good: near 0.",
                       (Query(q.outbox_backlog(), "rows"),), COUNT),
            timeseries("Oldest outbox row age", "Good: a few seconds. Above the upper line the "
                       "relay is behind, and OutboxLagHigh fires.",
                       (Query(q.minutes(q.outbox_age()), "age"),), OUTBOX_MINUTES),
            timeseries("Outbox poison rows", "Rows that cannot be published and were set aside. "
                       "Good: 0.", (Query(q.outbox_poison(), "rows"),), COUNT),
        ),
    )  # fmt: skip


def _saturation() -> Row:
    processes = f'job=~"{orders.ORDERS_WORKER}|{orders.ORDERS_RELAY}"'
    return Row(
        "Saturation",
        (
            timeseries("Child processes over time", "Busy and idle processes of the pool. If all "
                       "are busy and messages wait, start more workers.",
                       (Query(q.worker_children(), "{{state}}"),), COUNT, size=(12, 7),
                       stacked=True),
            timeseries("Process memory", MEMORY, (Query(q.process_memory(processes), "{{job}}"),),
                       Style("bytes"), size=(12, 7)),
        ),
    )  # fmt: skip


def _evidence() -> Row:
    return Row(
        "Evidence",
        (
            span_list("Task attempts", "The newest attempts. The task opens the order details.",
                      q.task_attempts(), ATTEMPTS, size=(16, 9)),
            table("Dead letters by task", "Tasks that failed for good and wait for a decision. "
                  "Good: none.", Query(q.dead_letters()), DEAD_LETTERS, Style("none"),
                  size=(8, 9)),
            logs("Logs", "Log lines of worker and relay; each links to its trace.",
                 q.worker_logs()),
        ),
    )  # fmt: skip
