"""Faults of the payment provider: payment_slow and payment_failing."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from werkzeug.exceptions import ServiceUnavailable

from service.faults.switchboard import mark
from simulators.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from service.faults.switchboard import Switchboard
    from simulators.ledger import Charge, Entry


class FaultyLedger(Ledger):
    """A ledger that is slow or unavailable on purpose.

    Half of the faults strike before an entry is made and half after it, as when a response is
    lost on its way.
    """

    def __init__(self, path: Path, switchboard: Switchboard) -> None:
        super().__init__(path)
        self._switchboard = switchboard

    def charge(self, key: str, charge: Charge) -> tuple[Entry, bool]:
        """Charge an order, after a delay or without an answer."""
        with self._strike():
            return super().charge(key, charge)

    def refund(self, key: str, order_id: str) -> tuple[Entry, bool]:
        """Refund an order, after a delay or without an answer."""
        with self._strike():
            return super().refund(key, order_id)

    @contextmanager
    def _strike(self) -> Iterator[None]:
        """Strike before the work or after it."""
        faults = self._switchboard.now()
        late = random.random() < 0.5  # noqa: S311
        fails = random.random() < faults.payment_failing_ratio  # noqa: S311
        if not late:
            _delay_or_fail(faults.payment_slow_seconds, fails=fails)
        yield
        if late:
            _delay_or_fail(faults.payment_slow_seconds, fails=fails)


def _delay_or_fail(seconds: float, *, fails: bool) -> None:
    """Wait, then raise ServiceUnavailable if the fault payment_failing struck."""
    if seconds:
        mark("payment_slow", seconds)
        time.sleep(seconds)
    if fails:
        mark("payment_failing", value=True)
        raise ServiceUnavailable
