"""The limits of the store."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from local.store import writer
from local.store.model import LogLine, Span
from local.store.retention import MOST_OPERATIONS, Limits, enforce, used_bytes
from local.store.schema import open_writer
from local.store.store import Store, row_counts
from tools.servers import wait_until


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


def test_resources_without_a_row_are_deleted_so_they_do_not_push_out_telemetry(
    tmp_path: Path,
) -> None:
    """8 MB of distinct resources came with lines that were deleted for their age."""
    path = tmp_path / "store.sqlite"
    limits = Limits(max_bytes=8_000_000)
    store = Store(path, limits)
    now = time.time_ns()
    store.put_spans([span(number, now) for number in range(1, 101)])
    old = LogLine(1, "shop", 9, "INFO", "old", "", "", {}, {})
    for start in range(0, 8_000, 1_000):
        resources = [{"n": number, "x": "x" * 1_000} for number in range(start, start + 1_000)]
        store.put_lines([replace(old, resource=resource) for resource in resources])
    store.close()
    connection = open_writer(path)
    assert used_bytes(connection) > limits.max_bytes
    while enforce(connection, limits, now_ns=now):
        pass
    assert used_bytes(connection) < 1_000_000
    counts = [
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("resources", "logs", "spans")
    ]
    assert counts == [1, 0, 100]
    connection.close()


def test_resources_that_come_with_known_spans_do_not_push_out_telemetry(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", Limits())
    for number in range(2_000):
        store.put_spans([replace(span(1, 1), resource={"n": number})])
    store.close()
    connection = open_writer(tmp_path / "store.sqlite")
    enforce(connection, Limits(max_age=timedelta(days=36500)), now_ns=time.time_ns())
    assert connection.execute("SELECT count(*) FROM resources").fetchone()[0] == 1
    connection.close()


def test_operations_are_forgotten_when_they_are_old_or_too_many(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", Limits())
    now = time.time_ns()
    store.put_spans([replace(span(number, now), name=f"name {number}") for number in range(1, 6)])
    store.put_spans([replace(span(9, now), name="x" * 1_000)])
    store.close()
    connection = open_writer(tmp_path / "store.sqlite")
    names = "SELECT name FROM operations ORDER BY seen_ns, name"
    assert len(connection.execute(names).fetchall()) == 6
    connection.executemany(
        "INSERT INTO operations VALUES ('shop', ?, ?)",
        [(f"older {number}", now - 10**12 + number) for number in range(MOST_OPERATIONS)],
    )
    enforce(connection, Limits(), now_ns=now)
    found = [row[0] for row in connection.execute(names)]
    assert len(found) == MOST_OPERATIONS
    assert "name 1" in found
    enforce(connection, Limits(max_age=timedelta(seconds=900)), now_ns=now)
    assert len(connection.execute(names).fetchall()) == 6
    connection.close()


def test_a_resource_is_stored_again_after_it_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer remembers ids of resources; one that is deleted must not be used again."""
    monkeypatch.setattr(writer, "RETENTION_SECONDS", 0.0)
    store = Store(tmp_path / "store.sqlite", Limits(max_age=timedelta(hours=1)))
    line = LogLine(1, "shop", 9, "INFO", "old", "", "", {}, {"a": 1})
    store.put_lines([line])
    wait_until(lambda: not row_counts(store.reader())["logs"])
    for number in range(3):
        store.put_lines([replace(line, time_ns=time.time_ns(), body=str(number))])
    joined = "SELECT count(*) FROM logs JOIN resources ON resources.id = resource_id"
    assert store.reader().execute(joined).fetchone()[0] == 3
    store.close()
