"""The tasks of an app and the queues that its configuration sends them to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

# Celery's own tasks; few apps use them, and each would add a dozen series per queue.
_INTERNAL = "celery."


class RoutedTasks(Mapping[str, str]):
    """Each task of an app and its queue, by `app.tasks`, `task_routes` and `task_queues`.

    Read when it is first used: the app imports its tasks and completes its configuration late.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    @cached_property
    def _queues(self) -> dict[str, str]:
        names = sorted(name for name in self._app.tasks if not name.startswith(_INTERNAL))
        return {name: self._queue_of(name) for name in names}

    def _queue_of(self, name: str) -> str:
        app = self._app
        # As `Task.apply_async` does: what the task itself says goes before the routes.
        task = app.tasks[name]
        own = {key: getattr(task, key, None) for key in ("queue", "exchange", "routing_key")}
        options = {key: value for key, value in own.items() if value is not None}
        try:
            routed: dict[str, Any] = app.amqp.router.route(options, name)
        except Exception:  # noqa: BLE001 - a router of the app that needs the arguments of a call
            routed = {}
        queue = routed.get("queue") or app.amqp.default_queue
        return str(getattr(queue, "name", queue))

    def __getitem__(self, name: str) -> str:
        return self._queues[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._queues)

    def __len__(self) -> int:
        return len(self._queues)
