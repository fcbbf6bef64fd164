"""The Celery tasks: read a message and hand it to this process's handler, in `runner.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from service.semconv import TASK_QUEUES
from worker.errors import BadMessageError
from worker.tasks.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Celery


class Handler(Protocol):
    """An object that runs messages in the process that received them."""

    def run(self, delivery: Delivery) -> None:
        """Run an attempt at the task of an outbox row."""

    def adopt(self, task: str, order_id: UUID, payload: Mapping[str, Any]) -> None:
        """Take over a message that came without a row."""


def register_tasks(app: Celery, handler: Callable[[], Handler]) -> None:
    """Register a Celery task for each task name.

    Args:
        app: Gets the tasks.
        handler: Returns this process's handler; called for each message.
    """
    for name in TASK_QUEUES:
        app.task(name=name)(_task(name, handler))


def _task(name: str, handler: Callable[[], Handler]) -> Callable[..., None]:
    def task(
        order_id: str,
        payload: dict[str, Any] | None = None,
        row: int | None = None,
        attempt: int = 1,
    ) -> None:
        try:
            order = UUID(order_id)
        except (ValueError, AttributeError, TypeError) as error:
            raise BadMessageError(f"{order_id!r} is not an order id") from error
        if row is None:
            handler().adopt(name, order, payload or {})
        else:
            handler().run(Delivery(name, row, attempt, order, payload or {}))

    task.__name__ = task.__qualname__ = name
    return task
