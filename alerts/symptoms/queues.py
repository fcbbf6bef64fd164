"""Alerts on the queues: drain time, message age, stalls, capacity, failures."""

from __future__ import annotations

from alerts.promql import JOB, match, series
from alerts.promrules.model import Alert, Group, Recording
from alerts.symptoms.alert import PAGE, TICKET, minutes, threshold
from observability.instrumentation.semconv import (
    CELERY_POLLER_UP,
    CELERY_QUEUE_LIMIT,
    CELERY_QUEUE_MESSAGES,
    CELERY_QUEUE_OLDEST_MESSAGE_AGE,
    CELERY_TASKS,
    QUEUE,
    STATE,
    TASK,
    TASK_FAILURES,
    Metric,
)
from service.semconv import ORDERS_DEAD_LETTER_TASKS, ORDERS_WORKER

DRAIN_SECONDS = 300
DRAIN_CRITICAL_SECONDS = 1800
SMALL_BACKLOG = 50
AGE_SECONDS = 120
CAPACITY_RATIO = 0.8
FAILURE_RATIO = 0.05
MIN_FAILURES = 10

DRAIN_TIME = "queue:drain_time:seconds"
# What leaves the queue for good. A lost message may come back: `task_reject_on_worker_lost`.
HANDLED_STATES = ("succeeded", "failed", "expired", "revoked", "unknown")
HANDLED = series(CELERY_TASKS, match(STATE, *HANDLED_STATES))
FAILED = series(CELERY_TASKS, match(STATE, *TASK_FAILURES))
ENDED = series(CELERY_TASKS, match(STATE, "succeeded", *TASK_FAILURES))


def _highest(metric: Metric) -> str:
    """Return a gauge's highest value per queue; a lost scrape does not end an alert."""
    return f"max by ({QUEUE}) (max_over_time({series(metric)}[2m]))"


DEPTH = _highest(CELERY_QUEUE_MESSAGES)


def group() -> Group:
    """Return the queues' rules."""
    rules = (
        _drain_time(),
        _drain("QueueDrainTimeHigh", DRAIN_SECONDS, TICKET),
        _drain("QueueDrainTimeCritical", DRAIN_CRITICAL_SECONDS, PAGE),
        _oldest(),
        _stalled(),
        _capacity(),
        _dead_letters(),
        _failures(),
        _poller_down(),
    )
    return Group("queues", rules)


def _drain_time() -> Recording:
    handled = f"sum by ({QUEUE}) (rate({HANDLED}[5m]))"
    # Workers gone: depth / 0 = +Inf, which fires. Empty and idle: 0 / 0 = NaN, which does not.
    return Recording(DRAIN_TIME, f"{DEPTH}\n/ ({handled} or {DEPTH} * 0)")


def _drain(name: str, limit: int, severity: str) -> Alert:
    return threshold(
        name,
        f"{DRAIN_TIME} > {limit}\nand {DEPTH} > {SMALL_BACKLOG}",
        hold=minutes(5),
        severity=severity,
        service=ORDERS_WORKER,
        summary=f"Queue {{{{ $labels.queue }}}}: more than {limit // 60} minutes to drain",
        description="At the current rate the backlog of {{ $labels.queue }} drains in"
        f" {{{{ $value | humanizeDuration }}}} (threshold {limit // 60} minutes; +Inf: no task ends"
        " at all). New tasks wait that long.",
        dashboard="worker",
        variables={"queue": "{{ $labels.queue }}"},
    )


def _oldest() -> Alert:
    return threshold(
        "QueueOldestMessageTooOld",
        f"{_highest(CELERY_QUEUE_OLDEST_MESSAGE_AGE)} > {AGE_SECONDS}",
        hold=minutes(2),
        severity=PAGE,
        service=ORDERS_WORKER,
        summary="Queue {{ $labels.queue }}: a message has waited for more than 2 minutes",
        description="The oldest message in {{ $labels.queue }} is {{ $value | humanizeDuration }}"
        " old (threshold 2 minutes). The tasks behind it are late.",
        dashboard="worker",
        variables={"queue": "{{ $labels.queue }}"},
    )


def _stalled() -> Alert:
    lowest = f"min by ({QUEUE}) (min_over_time({series(CELERY_QUEUE_MESSAGES)}[5m]))"
    # 20 minutes back, so that a task of nine minutes does not count as a stall.
    handled = f"sum by ({QUEUE}) (rate({HANDLED}[20m]))"
    return threshold(
        "QueueStalled",
        f"{lowest} > 0\nunless on ({QUEUE}) {handled} > 0",
        hold=minutes(3),
        severity=PAGE,
        service=ORDERS_WORKER,
        summary="Queue {{ $labels.queue }}: stalled",
        description="{{ $labels.queue }} has held at least {{ $value }} messages for 5 minutes"
        " (threshold 0), and none of its tasks has ended for 20 minutes. Nothing in it is"
        " processed.",
        dashboard="worker",
        variables={"queue": "{{ $labels.queue }}"},
    )


def _capacity() -> Alert:
    return threshold(
        "QueueDepthCapacity",
        f"{DEPTH}\n/ {_highest(CELERY_QUEUE_LIMIT)} > {CAPACITY_RATIO}",
        hold=minutes(10),
        severity=TICKET,
        service=ORDERS_WORKER,
        summary="Queue {{ $labels.queue }}: nearly full",
        description="{{ $labels.queue }} is at {{ $value | humanizePercentage }} of its limit"
        f" (threshold {CAPACITY_RATIO:.0%} for 10 minutes). A full broker refuses messages; orders"
        " then wait in the outbox.",
        dashboard="worker",
        variables={"queue": "{{ $labels.queue }}"},
    )


def _dead_letters() -> Alert:
    return threshold(
        "DeadLettersPresent",
        # max, not sum: every process that polls reports the same table.
        f"max by ({TASK}) (max_over_time({series(ORDERS_DEAD_LETTER_TASKS)}[2m])) > 0",
        hold=minutes(5),
        severity=TICKET,
        service=ORDERS_WORKER,
        summary="{{ $labels.task }}: dead letters need attention",
        description="{{ $value }} dead letters of {{ $labels.task }} (threshold 0). They are not"
        " retried; the order behind each is stuck until you replay it.",
        dashboard="worker",
    )


def _failures() -> Alert:
    by = f"sum by ({QUEUE}, {TASK})"
    return threshold(
        "TaskFailureRatioHigh",
        f"{by} (rate({FAILED}[10m]))\n"
        f"/ {by} (rate({ENDED}[10m])) > {FAILURE_RATIO}\n"
        f"and {by} (increase({FAILED}[10m])) >= {MIN_FAILURES}",
        hold=minutes(5),
        severity=TICKET,
        service=ORDERS_WORKER,
        summary=f"{{{{ $labels.task }}}}: more than {FAILURE_RATIO:.0%} of tasks fail",
        description="{{ $value | humanizePercentage }} of the {{ $labels.task }} tasks that ended"
        f" in 10 minutes failed (threshold {FAILURE_RATIO:.0%}; retries that succeeded do not"
        " count). Their orders are not fulfilled.",
        dashboard="worker",
        variables={"queue": "{{ $labels.queue }}"},
    )


def _poller_down() -> Alert:
    return threshold(
        "QueuePollerDown",
        f"max by ({JOB}) (last_over_time({series(CELERY_POLLER_UP)}[2m])) == 0",
        hold=minutes(2),
        severity=TICKET,
        service="broker",
        summary="{{ $labels.job }}: the queues cannot be read",
        description="{{ $labels.job }} has failed to read the queues from the broker for 2 minutes."
        " Alerts on depth, age and stalls cannot fire.",
        dashboard="worker",
    )
