"""Metrics that are read from the database, over one short connection per scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from observability.instrumentation.metrics import family
from service.semconv import (
    OUTBOX_OLDEST_UNPUBLISHED_AGE,
    OUTBOX_POISON_ROWS,
    OUTBOX_UNPUBLISHED_ROWS,
)
from service.storage import outbox, postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric as Family

    from worker.settings import WorkerSettings


class OutboxCollector:
    """The outbox's backlog.

    Args:
        connect: Opens the connection of one scrape.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection]) -> None:
        self._connect = connect

    def collect(self) -> Iterator[Family]:
        """Yield three gauges, or nothing while the database cannot be read."""
        try:
            with self._connect() as conn:
                backlog = outbox.backlog(conn)
        except psycopg.Error:
            return
        yield family(OUTBOX_UNPUBLISHED_ROWS, {(): backlog.unpublished_rows})
        yield family(OUTBOX_OLDEST_UNPUBLISHED_AGE, {(): backlog.oldest_unpublished_age_seconds})
        yield family(OUTBOX_POISON_ROWS, {(): backlog.poison_rows})


def connect(settings: WorkerSettings, program: str) -> psycopg.Connection:
    """Open the connection of one scrape of a program."""
    return postgres.connect(settings.database, f"{program}-scrape")


def ping_database(settings: WorkerSettings, program: str) -> bool:
    """Return whether the database answers."""
    with connect(settings, program) as conn:
        return conn.execute("SELECT 1").fetchone() is not None
