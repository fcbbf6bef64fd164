"""Probe the dependencies of a process at scrape time."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from .. import semconv
from .background import BackgroundCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric as Family

_logger = logging.getLogger(__name__)


class DependencyProbes:
    """A collector of `dependency_up`: 1 for a dependency that answers, 0 if it fails or hangs.

    Args:
        probes: A probe per dependency, which is down if the probe raises or returns False.
        timeout_seconds: After this a dependency counts as down; its probe is not started again
            before it has ended.
    """

    def __init__(
        self, probes: Mapping[str, Callable[[], object]], *, timeout_seconds: float = 2.0
    ) -> None:
        self._probes = {name: BackgroundCall(_Probe(name, probe)) for name, probe in probes.items()}
        self._timeout = timeout_seconds

    def describe(self) -> list[Family]:
        """Return the family without values."""
        return [_family({})]

    def collect(self) -> Iterator[Family]:
        """Run all probes at once and yield their results."""
        running = {name: probe.begin() for name, probe in self._probes.items()}
        deadline = time.monotonic() + self._timeout
        results: dict[tuple[str, ...], float] = {
            (name,): call.result(deadline) or 0.0 for name, call in running.items()
        }
        yield _family(results)


def _family(results: Mapping[tuple[str, ...], float]) -> Family:
    # It loads prometheus_client, which a program that only bounds its lookups does not need.
    from ..metrics import family  # noqa: PLC0415

    return family(semconv.DEPENDENCY_UP, results)


class _Probe:
    def __init__(self, name: str, check: Callable[[], object]) -> None:
        self._name = name
        self._check = check
        self._was_up = True

    def __call__(self) -> float:
        """Return 1 if the dependency is up, else 0, and log when it goes down."""
        try:
            is_up, problem = self._check() is not False, "its probe returned False"
        except Exception as error:  # noqa: BLE001 - any error means that it is down
            is_up, problem = False, f"{type(error).__name__}: {error}"
        if self._was_up and not is_up:
            _logger.warning("%s is down: %s", self._name, problem)
        self._was_up = is_up
        return float(is_up)
