"""The store's tables and indexes, and the connections to its file."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from local.store.words import MOST_WORDS

if TYPE_CHECKING:
    from pathlib import Path

# A store of another version is deleted: it only holds a developer's last hours.
VERSION = 5

_TABLES = """
CREATE TABLE resources(id INTEGER PRIMARY KEY, document TEXT NOT NULL UNIQUE);
CREATE TABLE operations(
    service TEXT NOT NULL, name TEXT NOT NULL, seen_ns INTEGER NOT NULL,
    PRIMARY KEY (service, name)
) WITHOUT ROWID;
CREATE TABLE spans(
    id INTEGER PRIMARY KEY, trace_id TEXT NOT NULL, span_id TEXT NOT NULL,
    parent_id TEXT NOT NULL, service TEXT NOT NULL, name TEXT NOT NULL, kind INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, status INTEGER NOT NULL,
    status_message TEXT NOT NULL, attributes TEXT NOT NULL, events TEXT NOT NULL,
    links TEXT NOT NULL, resource_id INTEGER NOT NULL, scope_name TEXT NOT NULL,
    scope_version TEXT NOT NULL, trace_state TEXT NOT NULL
);
CREATE UNIQUE INDEX spans_id ON spans(trace_id, span_id, kind, start_ns);
CREATE INDEX spans_start ON spans(start_ns);
CREATE INDEX spans_service ON spans(service, start_ns);
CREATE INDEX spans_duration ON spans(duration_ns);
CREATE INDEX spans_error ON spans(start_ns) WHERE status = 2;
CREATE INDEX spans_root ON spans(start_ns) WHERE parent_id = '';
CREATE INDEX spans_resource ON spans(resource_id);
CREATE INDEX spans_entry ON spans(start_ns, kind, duration_ns, service) WHERE kind IN (2, 5);
CREATE TABLE logs(
    id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, service TEXT NOT NULL,
    severity INTEGER NOT NULL, severity_text TEXT NOT NULL, body TEXT NOT NULL,
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, attributes TEXT NOT NULL,
    resource_id INTEGER NOT NULL, scope_name TEXT NOT NULL, scope_version TEXT NOT NULL,
    event_name TEXT NOT NULL
);
CREATE INDEX logs_time ON logs(time_ns, severity);
CREATE INDEX logs_service ON logs(service, time_ns, severity);
CREATE INDEX logs_severe ON logs(time_ns) WHERE severity >= 13;
CREATE INDEX logs_trace ON logs(trace_id, time_ns) WHERE trace_id <> '';
CREATE INDEX logs_resource ON logs(resource_id);
CREATE TABLE templates(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE mails(
    id INTEGER PRIMARY KEY, received_ns INTEGER NOT NULL, message_id TEXT NOT NULL,
    sender TEXT NOT NULL, recipients TEXT NOT NULL, subject TEXT NOT NULL,
    trace_id TEXT NOT NULL, order_id TEXT NOT NULL, headers TEXT NOT NULL, text TEXT NOT NULL,
    size INTEGER NOT NULL
);
CREATE INDEX mails_received ON mails(received_ns);
CREATE INDEX mails_trace ON mails(trace_id);
CREATE INDEX mails_order ON mails(order_id);
"""
# The writer stores the words of a row, at most MOST_WORDS, under ids that follow from the row's
# id. A trigger deletes them, so that no statement that deletes rows can forget them.
_WORDS = """
CREATE TABLE {table}_words(
    id INTEGER PRIMARY KEY, word TEXT NOT NULL, time_ns INTEGER NOT NULL
);
CREATE INDEX {table}_word ON {table}_words(word, time_ns);
CREATE TRIGGER {table}_deleted AFTER DELETE ON {table} BEGIN
    DELETE FROM {table}_words WHERE id >= old.id * {most} AND id < (old.id + 1) * {most};
END;
"""
_TABLES += _WORDS.format(table="spans", most=MOST_WORDS)
_TABLES += _WORDS.format(table="logs", most=MOST_WORDS)


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the file for its one writer, and create missing tables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path)
    except sqlite3.OperationalError:
        raise
    except (sqlite3.DatabaseError, _OtherVersionError):
        _discard(path)
        return _open(path)


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the file read-only; a writer never waits for a reader."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=5, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA cache_size = -1024")
    return connection


class _OtherVersionError(Exception):
    """A file that another version of the store wrote."""


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -4096")
    connection.execute("PRAGMA journal_size_limit = 16777216")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {VERSION};COMMIT;")
    elif version != VERSION:
        raise _OtherVersionError


def _discard(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
