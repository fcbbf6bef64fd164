"""A system whose parts stop one after the other: which pages fire, and is each of them right?"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import click

from tools.outages.cell import ALERTS, is_well
from tools.outages.gates import Way
from tools.outages.system import System
from tools.servers import wait_until

PAGE_SECONDS = 120.0
# A part without a page of its own is away for as long as a page may take.
AWAY_SECONDS = 90.0
# After a part is back: until its alerts have ended.
CALM_SECONDS = 120.0
# Rules look back for 5 minutes, and queues drain: an alert may begin after its part is back.
AFTERMATH_MINUTES = 10.0
LOAD = 5

# Alerts that follow from a part that is away, in addition to its own page.
_DELIVERY = {
    *("TraceDeliveryRatioLow", "LogDeliveryRatioLow", "SpansDroppedInApp", "TelemetryNotExported"),
}
_LATE = {
    *("QueueOldestMessageTooOld", "QueueDrainTimeHigh", "QueueDrainTimeCritical", "QueueStalled"),
    *("OrdersQueueWaitBudgetBurn", "OutboxLagHigh", "OutboxStuck", "TaskFailureRatioHigh"),
    *("CircuitBreakerOpen", "SLOErrorBudgetExhausted"),
}
_FAILING = {
    *("OrdersAvailabilityBudgetBurn", "OrdersLatencyBudgetBurn", "SLOErrorBudgetExhausted"),
    *("OrdersLatencyP99High", "DBPoolTimeouts", "OrdersTrafficDropped", "SLODataMissing"),
}
FOLLOW = {
    "postgres": {*_FAILING, *_LATE},
    "cache": {"CacheErrorsHigh", "OrdersCacheHitBudgetBurn", "SLOErrorBudgetExhausted"},
    "broker": {*_LATE, "QueuePollerDown", "WorkersMissing"},
    "payment-provider": _LATE,
    "smtp": {*_LATE, "AlertDeliveryFailing"},
    "collector": _DELIVERY,
    "orders-worker": {*_LATE, "TargetDown", "TargetMissing", "SLODataMissing"},
    "orders-relay": {*_LATE, "TargetDown", "TargetMissing", "QueuePollerDown"},
    "orders": {*_FAILING, "TargetDown", "TargetMissing", *_DELIVERY},
}
# Parts without an alert of their own: the supervisor restarts a process that does not answer before
# it would page.
PROCESSES = ("orders-worker", "orders-relay", "orders")
WITHOUT_PAGE = PROCESSES


@dataclass
class _Part:
    name: str
    page: str
    stop: Callable[[], None]
    start: Callable[[], None]


def take_down(system: System, seconds: float) -> dict[str, Any]:
    """Stop part after part until the time is over, and return what fired.

    Args:
        system: A running one.
        seconds: How long; a part that has begun is finished.
    """
    wait_until(lambda: is_well(system) and not system.firing(), 120, 1)
    begun, steps = time.monotonic(), []
    for part in cycle(_parts(system)):
        if time.monotonic() - begun > seconds:
            break
        step = _take_down(system, part)
        step["minute"] = (step.pop("at") - begun) / 60
        steps.append(step)
        attribute(steps)
        click.echo(step)
    return {"minutes": (time.monotonic() - begun) / 60, "load": LOAD, "steps": steps}


def attribute(steps: list[dict[str, Any]]) -> None:
    """Tell what follows from the last part, or an earlier one, from what is false."""
    last = steps[-1]
    for step in reversed(steps):
        if last["minute"] - step["minute"] > AFTERMATH_MINUTES:
            break
        found = set(last["false"]) & FOLLOW[step["part"]]
        last["false"] = sorted(set(last["false"]) - found)
        suffix = "" if step is last else f" (of {step['part']})"
        last["right"] += [f"{name}{suffix}" for name in sorted(found)]


def _take_down(system: System, part: _Part) -> dict[str, Any]:
    started, began, after = time.monotonic(), time.time(), None
    seen: set[str] = set()
    patience = PAGE_SECONDS if part.page else AWAY_SECONDS
    part.stop()
    try:
        while after is None and time.monotonic() - started < patience:
            time.sleep(1)
            # An alert that was pending before belongs to the part before.
            seen |= system.firing(since=began)
            if part.page and part.page in seen:
                after = round(time.monotonic() - started)
    finally:
        part.start()
    calm = time.monotonic() + CALM_SECONDS
    while time.monotonic() < calm and (system.firing() or not is_well(system)):
        time.sleep(1)
        seen |= system.firing(since=began)
    seen.discard(part.page)
    return {
        "at": started,
        "part": part.name,
        "page": part.page,
        "after": after,
        "right": [],
        "false": sorted(seen),
    }


def _parts(system: System) -> list[_Part]:
    parts = []
    for name, page in ALERTS.items():
        gate = system.gates[name]
        own = "" if name in WITHOUT_PAGE else page
        parts.append(_Part(name, own, partial(gate.fail, Way.STOPPED), gate.restore))
    for name in PROCESSES:
        send = partial(_signal, system, name)
        stop, start = partial(send, signal.SIGSTOP), partial(send, signal.SIGCONT)
        parts.append(_Part(name, "", stop, start))
    return parts


def _signal(system: System, name: str, number: signal.Signals) -> None:
    """Send a signal to a process of the system and its children, which are in its group."""
    pid = system.local.pids()[name]
    if pid is not None:
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(pid), number)
