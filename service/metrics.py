"""The business metrics: orders placed, and orders finished by outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.semconv import ORDERS_FINISHED, ORDERS_PLACED, OUTCOMES

if TYPE_CHECKING:
    from observability.instrumentation.telemetry import Telemetry
    from service.orders import OrderStatus


class OrderMetrics:
    """Counters of orders and their outcomes; every series exists at 0 from the start."""

    def __init__(self, telemetry: Telemetry) -> None:
        placed = telemetry.metrics.counter(ORDERS_PLACED)
        finished = telemetry.metrics.counter(ORDERS_FINISHED)
        placed.zero([()])
        finished.zero([(outcome,) for outcome in OUTCOMES])
        self._placed = placed.labels()
        self._finished = {outcome: finished.labels(outcome) for outcome in OUTCOMES}

    def order_placed(self) -> None:
        """Count an order that was accepted."""
        self._placed.inc()

    def order_finished(self, outcome: OrderStatus) -> None:
        """Count an order that reached confirmed, payment_failed or cancelled."""
        self._finished[outcome.value].inc()
