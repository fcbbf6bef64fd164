"""Thresholds on the queues: how long until empty, how old, whether anything moves."""

from __future__ import annotations

from alerts.promql import equal, match, series
from alerts.promrules.model import Alert, Group, Recording
from alerts.symptoms.alert import PAGE, TICKET, minutes, threshold
from observability.instrumentation.semconv import (
    CELERY_QUEUE_LIMIT,
    CELERY_QUEUE_MESSAGES,
    CELERY_QUEUE_OLDEST_MESSAGE_AGE,
    CELERY_TASKS,
    QUEUE,
    STATE,
    TASK,
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
HANDLED = series(CELERY_TASKS, match(STATE, "succeeded", "failed"))
FAILED = series(CELERY_TASKS, equal(STATE, "failed"))


def _highest(metric: Metric) -> str:
    """Return a gauge's highest value per queue; a lost scrape does not end an alert."""
    return f"max by ({QUEUE}) (max_over_time({series(metric)}[2m]))"


DEPTH = _highest(CELERY_QUEUE_MESSAGES)


def group() -> Group:
    """Return the queues' rules."""
    rules = (
        _drain_time(),
        _drain_high(),
        _drain_critical(),
        _oldest(),
        _stalled(),
        _capacity(),
        _dead_letters(),
        _failures(),
    )
    return Group("queues", rules)


def _drain_time() -> Recording:
    handled = f"sum by ({QUEUE}) (rate({HANDLED}[5m]))"
    # Workers gone: depth / 0 = +Inf, which fires. Empty and idle: 0 / 0 = NaN, which does not.
    return Recording(DRAIN_TIME, f"{DEPTH}\n/ ({handled} or {DEPTH} * 0)")


def _drain_expr(limit: int) -> str:
    return f"{DRAIN_TIME} > {limit}\nand {DEPTH} > {SMALL_BACKLOG}"


def _drain_high() -> Alert:
    return threshold(
        "QueueDrainTimeHigh",
        _drain_expr(DRAIN_SECONDS),
        hold=minutes(5),
        severity=TICKET,
        service=ORDERS_WORKER,
        summary="Queue {{ $labels.queue }} needs more than 5 minutes to drain",
        description="At the present rate the backlog of {{ $labels.queue }} is gone in"
        " {{ $value | humanizeDuration }} (+Inf: nothing is handled at all).",
        dashboard="worker",
        variables={"queue": "{{ $labels.queue }}"},
    )


def _drain_critical() -> Alert:
    return threshold(
        "QueueDrainTimeCritical",
        _drain_expr(DRAIN_CRITICAL_SECONDS),
        hold=minutes(5),
        severity=PAGE,
        service=ORDERS_WORKER,
        summary="Queue {{ $labels.queue }} needs more than 30 minutes to drain",
        description="At the present rate the backlog of {{ $labels.queue }} is gone in"
        " {{ $value | humanizeDuration }} (+Inf: nothing is handled at all).",
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
        summary="A message in {{ $labels.queue }} has waited longer than 2 minutes",
        description="The oldest message of {{ $labels.queue }} is"
        " {{ $value | humanizeDuration }} old.",
        dashboard="worker",
        variables={"queue": "{{ $labels.queue }}"},
    )


def _stalled() -> Alert:
    lowest = f"min by ({QUEUE}) (min_over_time({series(CELERY_QUEUE_MESSAGES)}[5m]))"
    # 20 minutes back, so that a task of nine minutes is no stall.
    handled = f"sum by ({QUEUE}) (rate({HANDLED}[20m]))"
    return threshold(
        "QueueStalled",
        f"{lowest} > 0\nunless on ({QUEUE}) {handled} > 0",
        hold=minutes(3),
        severity=PAGE,
        service=ORDERS_WORKER,
        summary="Queue {{ $labels.queue }} does not move",
        description="{{ $labels.queue }} holds messages (never fewer than {{ $value }} in"
        " 5 minutes) and no task of it has ended for 20 minutes.",
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
        summary="Queue {{ $labels.queue }} is nearly as deep as the broker can hold",
        description="{{ $labels.queue }} has been over 80 % of its limit for 10 minutes, now"
        " {{ $value | humanizePercentage }}.",
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
        summary="Tasks of {{ $labels.task }} failed for good and wait for a person",
        description="{{ $value }} dead letters of {{ $labels.task }}; each is an order to look at.",
        dashboard="worker",
    )


def _failures() -> Alert:
    by = f"sum by ({QUEUE}, {TASK})"
    return threshold(
        "TaskFailureRatioHigh",
        f"{by} (rate({FAILED}[10m]))\n"
        f"/ {by} (rate({HANDLED}[10m])) > {FAILURE_RATIO}\n"
        f"and {by} (increase({FAILED}[10m])) >= {MIN_FAILURES}",
        hold=minutes(5),
        severity=TICKET,
        service=ORDERS_WORKER,
        summary="More than 5 % of {{ $labels.task }} fail",
        description="{{ $value | humanizePercentage }} of the {{ $labels.task }} tasks that ended"
        " in 10 minutes failed (retries that succeeded later do not count).",
        dashboard="worker",
        variables={"queue": "{{ $labels.queue }}"},
    )
