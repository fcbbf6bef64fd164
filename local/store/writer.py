"""The one thread that writes: everything queued is stored in one transaction."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.store import retention, rows, words
from local.store.errors import BadPayloadError, StoreBusyError, StoreError, StoreFailedError
from local.store.schema import open_writer
from local.store.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.store.model import Attributes, LogLine, Mail, Span
    from local.store.retention import Limits

MAX_WAITING = 64
MAX_ROWS_AT_ONCE = 20_000
MAX_RESOURCES_KNOWN = 512
MAX_OPERATIONS_KNOWN = 5_000
# Longer names are in no list of operations; they are stored and found like the others.
MAX_OPERATION = 200
RETENTION_SECONDS = 10.0
WRITE_TIMEOUT = 20.0
# A round of writing and deleting takes less, even on a slow disk.
SILENT_SECONDS = 60.0

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Batch:
    """The signals of one request; `done` is set once they are stored or have failed."""

    spans: list[Span] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)
    delete_mails: bool = False
    done: threading.Event = field(default_factory=threading.Event)
    error: StoreError | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.spans) + len(self.lines) + len(self.mails)


class Writer:
    """The writing thread: stores batches in order of arrival, and enforces the limits in between.

    Args:
        path: The SQLite file.
        limits: Maximum age and size.
        on_stored: Called in the writing thread with the spans and lines that are new.
    """

    def __init__(
        self, path: Path, limits: Limits, on_stored: Callable[[list[Span], list[LogLine]], None]
    ) -> None:
        self._connection = open_writer(path)
        self._limits = limits
        self._on_stored = on_stored
        self._waiting: queue.Queue[Batch | None] = queue.Queue(MAX_WAITING)
        self._templates = words.Templates(self._connection)
        self._resources: dict[str, int] = {}
        self._operations: dict[tuple[str, str], int] = {}
        self._retention_ran = time.monotonic()
        self._began: float | None = None
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def store(self, batch: Batch) -> None:
        """Store a batch; return once it is written.

        Raises:
            StoreBusyError: The queue is full.
            StoreFailedError: SQLite failed, or timed out.
            BadPayloadError: The batch has a value that cannot be stored; the others are stored.
        """
        if not self._thread.is_alive():
            raise StoreFailedError("the store is closed")
        try:
            self._waiting.put_nowait(batch)
        except queue.Full:
            raise StoreBusyError("too many requests are waiting to be written") from None
        if not batch.done.wait(WRITE_TIMEOUT):
            raise StoreFailedError("timeout: the store did not write in time")
        if batch.error:
            raise batch.error

    def problem(self) -> str:
        """Return why the thread does not write, empty if it does or has nothing to do."""
        if not self._thread.is_alive():
            return "the store's writer has ended"
        began = self._began
        if began is not None and time.monotonic() - began > SILENT_SECONDS:
            return f"the store's writer has been busy for more than {SILENT_SECONDS:.0f} s"
        return ""

    def close(self) -> None:
        """Write what is queued, then close the file."""
        self._waiting.put(None)
        self._thread.join(10)

    def _run(self) -> None:
        running = True
        while running:
            self._began = None
            batches, running = self._take()
            self._began = time.monotonic()
            if batches:
                self._write(batches)
            if time.monotonic() - self._retention_ran > RETENTION_SECONDS:
                self._enforce_limits()
        self._connection.close()

    def _take(self) -> tuple[list[Batch], bool]:
        batches: list[Batch] = []
        rows_taken = 0
        try:
            item = self._waiting.get(timeout=RETENTION_SECONDS)
            while item is not None:
                batches.append(item)
                rows_taken += len(item)
                if rows_taken >= MAX_ROWS_AT_ONCE:
                    return batches, True
                item = self._waiting.get_nowait()
        except queue.Empty:
            return batches, True
        return batches, False

    def _write(self, batches: list[Batch]) -> None:
        """Store the batches together; if that fails, each alone, so that only a bad one does."""
        error = self._store(batches)
        for batch in batches:
            batch.error = self._store([batch]) if error and len(batches) > 1 else error
            batch.done.set()

    def _store(self, batches: list[Batch]) -> StoreError | None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            fresh = [span for batch in batches for span in self._insert(batch)]
            self._connection.execute("COMMIT")
        except Exception as problem:  # noqa: BLE001 - one bad batch must not end the only writer
            self._roll_back()
            return _refusal(problem)
        try:
            self._on_stored(fresh, [line for batch in batches for line in batch.lines])
        except Exception:
            _logger.exception("the metrics of a stored batch were not counted")
        return None

    def _roll_back(self) -> None:
        # Ids that were assigned in a transaction that was rolled back would point nowhere.
        self._resources.clear()
        self._operations.clear()
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._templates.reload()

    def _insert(self, batch: Batch) -> list[Span]:
        execute = self._connection.execute
        fresh = []
        span_words: list[tuple[int, str, int]] = []
        for span in batch.spans:
            row = rows.span_row(span, self._resource_id(span.resource))
            if (stored := execute(rows.INSERT_SPAN, row)).rowcount:
                fresh.append(span)
                self._note(span.service, span.name if len(span.name) <= MAX_OPERATION else "")
                span_words += words.rows_of(stored.lastrowid or 0, span.start_ns, span.attributes)
        self._connection.executemany(words.INSERT.format("spans"), span_words)
        self._insert_lines(batch.lines)
        self._connection.executemany(
            rows.INSERT_MAIL, [rows.mail_row(mail) for mail in batch.mails]
        )
        if batch.delete_mails:
            execute("DELETE FROM mails")
        for service in {line.service for line in batch.lines}:
            self._note(service, "")
        return fresh

    def _insert_lines(self, lines: list[LogLine]) -> None:
        connection = self._connection
        connection.executemany(
            rows.INSERT_LOG,
            [rows.log_row(line, self._resource_id(line.resource)) for line in lines],
        )
        # SQLite numbers rows from the largest id on, and no other connection writes.
        last: int = connection.execute("SELECT coalesce(max(id), 0) FROM logs").fetchone()[0]
        log_words: list[tuple[int, str, int]] = []
        for row_id, line in enumerate(lines, last - len(lines) + 1):
            word = self._templates.word(line.body)
            log_words += words.rows_of(row_id, line.time_ns, line.attributes, word)
        connection.executemany(words.INSERT.format("logs"), log_words)

    def _resource_id(self, resource: Attributes) -> int:
        document = rows.dump(resource)
        known = self._resources.get(document)
        if known is None:
            if len(self._resources) >= MAX_RESOURCES_KNOWN:
                self._resources.clear()
            execute = self._connection.execute
            execute("INSERT OR IGNORE INTO resources VALUES (NULL, ?)", (document,))
            query = "SELECT id FROM resources WHERE document = ?"
            known = self._resources[document] = execute(query, (document,)).fetchone()[0]
        return known

    def _note(self, service: str, name: str) -> None:
        now = int(time.time())
        key = (service, name)
        if now - self._operations.get(key, 0) < 60:
            return
        if len(self._operations) >= MAX_OPERATIONS_KNOWN:
            self._operations.clear()
        self._operations[key] = now
        self._connection.execute(
            "INSERT INTO operations VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET seen_ns = excluded.seen_ns",
            (service, name, now * 10**9),
        )

    def _enforce_limits(self) -> None:
        self._retention_ran = time.monotonic()
        try:
            if retention.enforce(self._connection, self._limits, now_ns=time.time_ns()):
                # What is cached may be deleted.
                self._resources.clear()
                self._operations.clear()
        except Exception:
            _logger.exception("old rows were not deleted")
            self._roll_back()


def _refusal(problem: Exception) -> StoreError:
    passing = (sqlite3.OperationalError, sqlite3.InternalError, MemoryError)
    if isinstance(problem, passing) or type(problem) is sqlite3.DatabaseError:
        return StoreFailedError(f"SQLite: {problem}")
    return BadPayloadError(f"cannot be stored: {type(problem).__name__}: {clean(str(problem))}")
