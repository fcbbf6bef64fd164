"""Show a circuit breaker: its state and every change of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pybreaker

from . import semconv

if TYPE_CHECKING:
    from .telemetry import Telemetry


class BreakerInstruments(pybreaker.CircuitBreakerListener):
    """Listen to one breaker; with several processes the most open one shows.

    Args:
        telemetry: Whose instruments.
        dependency: The `dependency` label.
    """

    def __init__(self, telemetry: Telemetry, dependency: str) -> None:
        self._state = telemetry.metrics.gauge(semconv.CIRCUIT_BREAKER_STATE).labels(dependency)
        self._state.set(semconv.BREAKER_STATES["closed"])
        transitions = telemetry.metrics.counter(semconv.CIRCUIT_BREAKER_TRANSITIONS)
        self._transitions = {
            state: transitions.labels(dependency, state) for state in semconv.BREAKER_STATES
        }

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:  # noqa: ARG002
        """Note the new state."""
        if new_state.name in semconv.BREAKER_STATES:
            self._state.set(semconv.BREAKER_STATES[new_state.name])
            self._transitions[new_state.name].inc()
