"""A store full of the sample's telemetry, as its writer would have stored it, but in bulk."""

from __future__ import annotations

import random
import sqlite3
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.store import rows, words
from local.store.model import LogLine, Span
from local.store.schema import open_writer

SECOND = 10**9
MS = 10**6
BATCH = 2_000
# Of five requests, one places an order; the others read it.
READS = 4
# How ids begin in the first part; a copy of it has its number there.
FIRST = "00000000"
PART_HOURS = 0.5
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
SQL = {"db.system.name": "postgresql", "db.namespace": "orders", "server.port": 15432}
SQL_TEXT = "SELECT id, status, total FROM orders WHERE id = %s AND customer_id = %s FOR UPDATE"
RESOURCE = {"service.namespace": "sightline", "service.version": "0.2.0", "process.pid": 4711}


class Shop:
    """The telemetry of one request after the other, the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)

    def requests(self, at_ns: int) -> tuple[list[Span], list[LogLine]]:
        """Return what an order and the reads that follow it leave behind."""
        made = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        order = FIRST + made[len(FIRST) :]
        spans, lines = self._order(at_ns, order)
        for number in range(READS):
            more = self._read(at_ns + (number + 1) * 100 * MS, order)
            spans += more[0]
            lines += more[1]
        return spans, lines

    def _order(self, at_ns: int, order: str) -> tuple[list[Span], list[LogLine]]:
        trace = self._id(128)
        customer = f"customer-{self._random.randrange(2000):04}"
        known = {"order.id": order, "customer.id": customer}
        refused = self._random.random() < 0.1
        root = self._server(at_ns, trace, "POST /v1/orders", 422 if refused else 201, 12, known)
        made = [root]
        if refused:
            made[0].attributes.pop("order.id")
        else:
            made += self._work(root, order)
        lines = [
            self._line(one, f"{one.name} {201}", {"url.path": "/v1/orders"}) for one in made[:1]
        ]
        if not refused:
            lines.append(self._line(root, "order placed", known))
            for one in made:
                if one.kind in (PRODUCER, CONSUMER):
                    lines.append(self._line(one, f"{one.name} done", {}))
                if one.kind == CONSUMER:
                    task = f"Task {one.name}[outbox-{self._random.randrange(10**6)}-1] received"
                    lines.append(replace(self._line(one, task, {}), trace_id="", span_id=""))
                if one.service == "payment-provider":
                    lines.append(self._line(one, "charge succeeded", known))
        return made, lines

    def _work(self, root: Span, order: str) -> list[Span]:
        """Return the rest of an order's trace: statements, queue, task, payment, email."""
        made = []
        for number, name in enumerate(
            ("INSERT idempotency_keys", "INSERT orders", "INSERT outbox")
        ):
            made.append(self._child(root, "orders", name, CLIENT, number, 2, self._sql(name)))
        for queue in ("orders", "emails"):
            sent = self._child(root, "orders-relay", f"send {queue}", PRODUCER, 300, 2, {})
            known = {
                "messaging.system": "celery",
                "messaging.destination.name": queue,
                "messaging.message.id": f"outbox-{self._random.randrange(10**7)}-1",
                "celery.task.name": "fulfil_order" if queue == "orders" else "send_order_email",
                "celery.task.attempt": 1,
                "order.id": order,
            }
            took = self._random.choice((40, 60, 90, 120, 200, 700))
            task = self._child(sent, "orders-worker", f"process {queue}", CONSUMER, 50, took, known)
            made += [sent, task]
            for number, name in enumerate(("SELECT orders", "UPDATE orders", "DELETE outbox") * 2):
                made.append(
                    self._child(task, "orders-worker", name, CLIENT, number, 2, self._sql(name))
                )
            if queue == "orders":
                call = self._child(task, "orders-worker", "POST", CLIENT, 5, 30, {})
                charge = self._server(
                    call.start_ns + MS, root.trace_id, "POST /v1/charges", 201, 28,
                    {"order.id": order}, "payment-provider", call.span_id,
                )  # fmt: skip
                made += [call, charge]
        return made

    def _read(self, at_ns: int, order: str) -> tuple[list[Span], list[LogLine]]:
        path = f"/v1/orders/{order}"
        slow = 1500 if self._random.random() < 0.0005 else 3
        name = "GET /v1/orders/<uuid:order_id>"
        status = 404 if self._random.random() < 0.05 else 200
        root = self._server(at_ns, self._id(128), name, status, slow, {"order.id": order})
        lookup = self._child(root, "orders", "GET", CLIENT, 1, 1, {"db.system.name": "redis"})
        line = self._line(root, f"GET {path} {status}", {"url.path": path})
        return [root, lookup], [line]

    def _server(
        self, at_ns: int, trace: str, name: str, status: int, ms: int, known: dict[str, Any],
        service: str = "orders", parent: str = "",
    ) -> Span:  # fmt: skip
        attributes = {
            **known,
            "http.request.method": name.partition(" ")[0],
            "url.scheme": "http",
            "http.response.status_code": status,
            "http.route": name.partition(" ")[2],
            "server.address": "127.0.0.1:8000",
            "client.address": "127.0.0.1",
            "client.port": self._random.randrange(40000, 60000),
            "user_agent.original": "python/gevent-http-client-2.6.1",
        }
        took = ms * MS + self._random.randrange(MS)
        return self._span(trace, parent, service, name, SERVER, at_ns, took, attributes)

    def _child(
        self, parent: Span, service: str, name: str, kind: int, after_ms: int, ms: int,
        attributes: dict[str, Any],
    ) -> Span:  # fmt: skip
        at_ns = parent.start_ns + after_ms * MS + self._random.randrange(MS)
        took = ms * MS + self._random.randrange(MS)
        return self._span(
            parent.trace_id, parent.span_id, service, name, kind, at_ns, took, attributes
        )

    def _sql(self, name: str) -> dict[str, Any]:
        return {**SQL, "db.operation.name": name.partition(" ")[0], "db.query.text": SQL_TEXT}

    def _span(self, trace: str, parent: str, service: str, name: str, *rest: Any) -> Span:
        kind, at_ns, took, attributes = rest
        resource = {"service.name": service, **RESOURCE}
        return Span(
            trace,
            self._id(64),
            parent,
            service,
            name,
            kind,
            at_ns,
            took,
            0,
            "",
            attributes,
            resource,
        )

    def _line(self, span: Span, body: str, attributes: dict[str, Any]) -> LogLine:
        resource = {"service.name": span.service, **RESOURCE}
        known = {**attributes, "client.address": "127.0.0.1"} if attributes else attributes
        at_ns = span.start_ns + span.duration_ns
        return LogLine(
            at_ns, span.service, 9, "INFO", body, span.trace_id, span.span_id, known, resource
        )

    def _id(self, bits: int) -> str:
        return FIRST + f"{self._random.getrandbits(bits):0{bits // 4}x}"[len(FIRST) :]


def started(at_ns: int) -> LogLine:
    """Return the line of a process that starts, for the dashboards' annotation."""
    body, resource = "traces and logs go to http://127.0.0.1:4318", {"service.name": "orders"}
    return LogLine(at_ns, "orders", 9, "INFO", body, "", "", {}, resource | RESOURCE)


def write(path: Path, *, hours: float, rate: float) -> None:
    """Write a store with the last hours at a rate of requests per second.

    Half an hour is generated and then copied, with other ids and times; the indexes are made at the
    end. It takes minutes instead of an hour.
    """
    connection = open_writer(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -500000")
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL"
    indexes = list(connection.execute(query))
    for name, _ in indexes:
        if name != "spans_id":
            connection.execute(f"DROP INDEX {name}")
    part = min(PART_HOURS, hours)
    end = time.time_ns() - 60 * SECOND
    start = end - int(part * 3600 * SECOND)
    filler, shop = _Filler(connection), Shop()
    filler.put([], [started(start)])
    for at_ns in range(start, end, int((READS + 1) / rate * SECOND)):
        filler.put(*shop.requests(at_ns))
    filler.flush()
    connection.execute("DROP INDEX spans_id")
    _copy(connection, parts=round(hours / part), back_ns=end - start)
    for name, sql in indexes:
        sys.stderr.write(f"\r{name}          ")
        connection.execute(sql)
    connection.close()
    sys.stderr.write("\n")


def _copy(connection: sqlite3.Connection, *, parts: int, back_ns: int) -> None:
    """Move the first part to the end of the history, and fill the time before it with copies."""
    count = {
        table: connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
        for table in ("spans", "logs")
    }
    for number in range(1, parts):
        ids = f"'{number:08x}'"
        connection.execute("BEGIN")
        for table, most in count.items():
            for name, step in ((table, 1), (f"{table}_words", words.MOST_WORDS)):
                columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
                new = ", ".join(
                    _changed(one, ids, step * most * number, back_ns * number) for one in columns
                )
                shift = f"id <= {(most + 1) * step - 1}"
                connection.execute(f"INSERT INTO {name} SELECT {new} FROM {name} WHERE {shift}")
        connection.execute("COMMIT")
        sys.stderr.write(f"\r{number + 1} of {parts} parts")
    back = back_ns * (parts - 1)
    # Ids grow with time in a real store, so the first part becomes the oldest.
    for table, column in (("spans", "start_ns"), ("logs", "time_ns")):
        for name, time_column in ((table, column), (f"{table}_words", "time_ns")):
            connection.execute(f"UPDATE {name} SET {time_column} = {time_column} - {back}")


def _changed(column: str, ids: str, offset: int, after_ns: int) -> str:
    """Return SQL for a column of a copy."""
    return {
        "id": f"id + {offset}",
        "trace_id": f"CASE trace_id WHEN '' THEN '' ELSE {ids} || substr(trace_id, 9) END",
        "span_id": f"CASE span_id WHEN '' THEN '' ELSE {ids} || substr(span_id, 9) END",
        "parent_id": f"CASE parent_id WHEN '' THEN '' ELSE {ids} || substr(parent_id, 9) END",
        "start_ns": f"start_ns + {after_ns}",
        "time_ns": f"time_ns + {after_ns}",
        "attributes": f"replace(attributes, '\"{FIRST}-', '\"' || {ids} || '-')",
        "body": f"replace(body, '{FIRST}-', {ids} || '-')",
        "word": f"replace(word, '={FIRST}-', '=' || {ids} || '-')",
    }.get(column, column)


class _Filler:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._templates = words.Templates(connection)
        self._resources: dict[str, int] = {}
        self._services: set[tuple[str, str]] = set()
        self._rows: dict[str, list[Any]] = {name: [] for name in ("spans", "logs", "sw", "lw")}
        self._ids = {"spans": 0, "logs": 0}

    def put(self, spans: list[Span], lines: list[LogLine]) -> None:
        for span in spans:
            self._ids["spans"] += 1
            self._rows["spans"].append(rows.span_row(span, self._resource(span)))
            found = words.rows_of(self._ids["spans"], span.start_ns, span.attributes)
            self._rows["sw"] += found
            self._note(span.service, span.name)
        for line in lines:
            self._ids["logs"] += 1
            self._rows["logs"].append(rows.log_row(line, self._resource(line)))
            word = self._templates.word(line.body)
            found = words.rows_of(self._ids["logs"], line.time_ns, line.attributes, word)
            self._rows["lw"] += found
        if len(self._rows["spans"]) > BATCH:
            self.flush()

    def flush(self) -> None:
        execute = self._connection.executemany
        self._connection.execute("BEGIN")
        execute(rows.INSERT_SPAN, self._rows["spans"])
        execute(rows.INSERT_LOG, self._rows["logs"])
        execute(words.INSERT.format("spans"), self._rows["sw"])
        execute(words.INSERT.format("logs"), self._rows["lw"])
        self._connection.execute("COMMIT")
        for found in self._rows.values():
            found.clear()

    def _resource(self, of: Span | LogLine) -> int:
        if of.service not in self._resources:
            insert = "INSERT INTO resources VALUES (NULL, ?)"
            made = self._connection.execute(insert, (rows.dump(of.resource),))
            self._resources[of.service] = made.lastrowid
        return self._resources[of.service]

    def _note(self, service: str, name: str) -> None:
        for key in ((service, name), (service, "")):
            if key not in self._services:
                self._services.add(key)
                insert = "INSERT INTO operations VALUES (?, ?, ?)"
                self._connection.execute(insert, (*key, time.time_ns()))
