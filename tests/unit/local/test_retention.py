"""The limits of the store."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from local.store.model import LogLine, Span
from local.store.retention import Limits, enforce, used_bytes
from local.store.schema import open_writer
from local.store.store import Store, row_counts


def span(number: int, start_ns: int) -> Span:
    attributes = {"padding": "x" * 500, "number": number}
    return Span(
        f"{number:032x}", f"{number:016x}", "", "shop", "GET", 2, start_ns, 1, 0, "", attributes, {}
    )


def fill(path: Path, count: int, age: timedelta) -> None:
    store = Store(path, Limits())
    start = time.time_ns() - int(age.total_seconds() * 1e9)
    store.put_spans([span(number + 1, start + number) for number in range(count)])
    store.put_lines([LogLine(start, "shop", 9, "INFO", "old", "", "", {}, {})])
    store.close()


def test_old_rows_are_deleted_and_newer_ones_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    fill(path, 100, timedelta(hours=3))
    store = Store(path, Limits())
    store.put_spans([span(1_000, time.time_ns())])
    store.close()
    connection = open_writer(path)
    enforce(connection, Limits(max_age=timedelta(hours=2)), now_ns=time.time_ns())
    assert connection.execute("SELECT count(*) FROM spans").fetchone()[0] == 1
    assert connection.execute("SELECT count(*) FROM logs").fetchone()[0] == 0
    connection.close()


def test_a_store_at_its_size_limit_deletes_the_oldest_rows_and_stops_growing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.sqlite"
    limits = Limits(max_bytes=3_000_000)
    fill(path, 8_000, timedelta(minutes=1))
    connection = open_writer(path)
    assert used_bytes(connection) > limits.max_bytes
    while used_bytes(connection) > limits.max_bytes:
        assert enforce(connection, limits, now_ns=time.time_ns()) > 0
    newest = connection.execute("SELECT max(id) FROM spans").fetchone()[0]
    assert newest == 8_000
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    store = Store(path, limits)
    store.put_spans([span(10_000 + number, time.time_ns()) for number in range(2_000)])
    assert store.reader().execute("PRAGMA page_count").fetchone()[0] == pages
    store.close()


def test_a_file_that_is_not_a_database_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"not a database" * 1000)
    store = Store(path, Limits())
    assert row_counts(store.reader()) == {"spans": 0, "logs": 0, "mails": 0}
    store.close()
