"""The switchboard of all processes: which faults are on.

Faults are OpenFeature flags in one file, which every process reads within a second of a request.
Setting one takes write access to that file; `python -m service.faults` does it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from openfeature import api
from opentelemetry import trace

from service.faults.flag_provider import FlagFile, FlagFileProvider, Flags, read_flags, write_flags
from service.semconv import ATTR_FEATURE_FLAG_KEY, ATTR_FEATURE_FLAG_VALUE, EVENT_FEATURE_FLAG

if TYPE_CHECKING:
    from pathlib import Path

    from openfeature.client import OpenFeatureClient

OFF = "off"
ON = "on"
CUSTOM = "custom"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fault:
    """A fault that can be switched on.

    Args:
        name: The flag's key and the word on the command line.
        field: The field of `Faults` that holds its value.
        description: What goes wrong, in one sentence.
        on: Value of the variant `on`; a number, or True.
        most: Highest value that is accepted; 1 for a ratio.
    """

    name: str
    field: str
    description: str
    on: float | bool = True
    most: float = 1.0


FAULTS = (
    Fault("payment_slow", "payment_slow_seconds", "The payment provider answers late.", 3.0, 60),
    Fault("payment_failing", "payment_failing_ratio", "The payment provider answers 503.", 0.5),
    Fault("database_slow", "database_slow_seconds", "Each transaction waits first.", 0.6, 30),
    Fault("database_failing", "database_failing_ratio", "Transactions of the API fail.", 0.2),
    Fault("cold_cache", "cold_cache", "Every lookup in the cache is a miss."),
    Fault("hot_key", "hot_key", "All reads queue for one key of the cache."),
    Fault("error_rate", "error_ratio", "Requests to the API answer 500.", 0.05),
    Fault("worker_stuck", "worker_stuck", "Tasks start and do not go on."),
    Fault("relay_dead", "relay_dead", "The relay sends nothing."),
    Fault("poison_message", "poison_message", "Each order adds a message that cannot be sent."),
    Fault("email_down", "email_down", "The mail server refuses everything."),
    Fault(
        "memory_growth",
        "memory_growth_mb",
        "Each API worker leaks: MB per minute.",
        15.0,
        600,
    ),
    Fault("telemetry_dropped", "telemetry_dropped", "Spans and log lines are thrown away."),
)
BY_NAME = {fault.name: fault for fault in FAULTS}


@dataclass(frozen=True)
class Faults:
    """The faults that are on at a moment; 0 and False are off."""

    payment_slow_seconds: float = 0.0
    payment_failing_ratio: float = 0.0
    database_slow_seconds: float = 0.0
    database_failing_ratio: float = 0.0
    cold_cache: bool = False
    hot_key: bool = False
    error_ratio: float = 0.0
    worker_stuck: bool = False
    relay_dead: bool = False
    poison_message: bool = False
    email_down: bool = False
    memory_growth_mb: float = 0.0
    telemetry_dropped: bool = False


class Switchboard:
    """The faults of a flag file.

    Flags are evaluated when their file changes, not per request, which reads several of them.

    Args:
        path: The flag file; None means that no fault is ever on.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = FlagFile(path)
        self._client: OpenFeatureClient | None = None
        self._generation = 0
        self._faults = Faults()

    def now(self) -> Faults:
        """Return the faults that are on; check the file's timestamp at most once a second."""
        generation = self._file.refresh()
        if generation != self._generation:
            self._generation = generation
            self._evaluate()
        return self._faults

    def drops_telemetry(self) -> bool:
        """Return whether the fault telemetry_dropped is on."""
        return self.now().telemetry_dropped

    def _evaluate(self) -> None:
        if self._client is None:
            domain = f"faults-{id(self)}"
            api.set_provider_and_wait(FlagFileProvider(self._file), domain)
            self._client = api.get_client(domain)
        values: dict[str, Any] = {fault.field: _value(self._client, fault) for fault in FAULTS}
        before, self._faults = self._faults, Faults(**values)
        for field in fields(Faults):
            value = getattr(self._faults, field.name)
            if value != getattr(before, field.name):
                logger.warning("fault %s is now %s", field.name, value or OFF)


def _value(client: OpenFeatureClient, fault: Fault) -> float | bool:
    if isinstance(fault.on, bool):
        return client.get_boolean_value(fault.name, False)
    return min(fault.most, max(0.0, client.get_float_value(fault.name, 0.0)))


def mark(fault: str, value: float | bool) -> None:
    """Record in the current span and in the log that a fault took effect here."""
    trace.get_current_span().add_event(
        EVENT_FEATURE_FLAG, {ATTR_FEATURE_FLAG_KEY: fault, ATTR_FEATURE_FLAG_VALUE: value}
    )
    logger.warning("fault %s strikes", fault, extra={ATTR_FEATURE_FLAG_KEY: fault})


def default_flags() -> Flags:
    """Return all faults as flags, each switched off."""
    return {fault.name: _flag(fault, OFF, fault.on) for fault in FAULTS}


def _flag(fault: Fault, variant: str, custom: float | bool) -> dict[str, Any]:
    off = False if isinstance(fault.on, bool) else 0.0
    variants = {OFF: off, ON: fault.on}
    if variant == CUSTOM:
        variants[CUSTOM] = custom
    return {"state": "ENABLED", "variants": variants, "defaultVariant": variant}


def set_fault(path: Path, name: str, text: str) -> None:
    """Set one fault to `on`, `off`, or a number within its bounds.

    Raises:
        ValueError: The name or the value is not valid; the message has what was expected.
    """
    fault = BY_NAME.get(name)
    if fault is None:
        raise ValueError(f"{name!r} is not a fault: expected one of {', '.join(BY_NAME)}")
    flags = {**default_flags(), **read_flags(path)}
    if text in {ON, OFF}:
        flags[name] = _flag(fault, text, fault.on)
    else:
        flags[name] = _flag(fault, CUSTOM, _number(fault, text))
    write_flags(path, flags)


def _number(fault: Fault, text: str) -> float:
    expected = "on or off" if fault.on is True else f"on, off or a number from 0 to {fault.most}"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if fault.on is True or not 0 <= value <= fault.most:
        raise ValueError(f"{fault.name}={text!r}: expected {expected}")
    return value
