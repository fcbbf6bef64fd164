"""A search through an index finds what a search through all rows finds."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.store.model import LogLine, Span
from local.store.queries import scan
from local.store.queries.line_filters import Line, labels_of
from local.store.queries.logql import LogQuery
from local.store.queries.logql import parse as parse_logql
from local.store.queries.span_fields import SpanRow
from local.store.queries.traceql import parse as parse_traceql
from local.store.retention import Limits
from local.store.store import Store

SERVICES = ("orders", "orders-worker", "payment-provider")
IDS = ("a", "ab", "abc", "b", "b1", "5", "true", '["a"]', "x" * 300, "")
SPAN_CONDITIONS = """
    span.order.id = "{}"
    span.order.id =~ "{}.*"
    span.order.id != "{}"
    span.order.id =~ "({}|b)"
    span.order.id !~ "{}.*"
    span.order.id != nil
    span.order.id = nil
    span.order.id = 5
    span.order.id > 1
    .order.id = "{}"
    .host.id = "{}"
    resource.host.id = "{}"
    status = error
    status != error
    kind = server
    kind = consumer
    kind != server
    duration > 50ns
    duration >= 99ns
    duration < 50ns
    span.http.response.status_code >= 400
    span.http.response.status_code > 399
    span.http.response.status_code < 450
    span.http.response.status_code = 503
    resource.service.name = "orders"
    resource.service.name =~ "orders.*"
    resource.service.name != "orders"
    name = "one"
    trace:id = "{:032x}"
""".strip().splitlines()
LINE_STAGES = """
    | order_id="{}"
    | order_id=~"{}.*"
    | order_id!="{}"
    | order_id=~"({}|b)"
    | order_id=""
    | order_id=~"{}.*" or detected_level="error"
    | host_id="{}"
    | host_id=~"{}.+"
    | trace_id=~"0*{}.*"
    | trace_id=~"0*1.*|0*2.*"
    | trace_id="{:032x}"
    | trace_id=""
    | detected_level="error"
    | detected_level=~"warn|fatal"
    | detected_level!="info"
    | service_name="orders"
    | service_name=~"orders-.*"
    | span_id=~".+"
    | took > 5
    |= "order "
    |= "placed 17"
    |= "xx for"
    |= "-ab-"
    |= "7"
    |~ "order .*d"
    != "order"
""".strip().splitlines()
BODIES = (
    "order placed {}",
    "order {} refused",
    "{} xx for {}",
    "done",
    "id a1b2c3d4-ab-0123456789ab {}",
)


def attributes(chance: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in ("order.id", "host.id", "trace_id"):
        if chance.random() < 0.3:
            value = chance.choice(IDS)
            made[name] = chance.choice((value, value, value, [value, "ab"], 5, True, {"a": 1}))
    if chance.random() < 0.3:
        made["http.response.status_code"] = chance.choice((200, 404, 503, "404", 400.5))
    if chance.random() < 0.1:
        made |= {f"other{number}.id": "z" for number in range(chance.randrange(4))}
    return dict(chance.sample(list(made.items()), len(made)))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path: Path = tmp_path_factory.mktemp("routes") / "store.sqlite"
    # The times are those of 1970.
    store, chance = Store(path, Limits(timedelta(days=36500))), random.Random(1)
    spans, lines = [], []
    for number in range(600):
        service = chance.choice(SERVICES)
        resource = {"service.name": service} | ({"host.id": "a"} if number % 50 == 0 else {})
        known, at_ns = attributes(chance), chance.randrange(1, 500)
        ids = (f"{number % 97:032x}", f"{number:016x}")
        spans.append(
            Span(
                *(*ids, "", service, chance.choice(("one", "two")), chance.randrange(6)),
                *(at_ns, chance.randrange(100), chance.randrange(3), "", known, resource),
            )
        )
        body = chance.choice(BODIES).format(chance.randrange(30), chance.choice(IDS))
        traced = ids if chance.random() < 0.7 else ("", "")
        severity = chance.choice((0, 1, 9, 13, 17, 21))
        lines.append(LogLine(at_ns, service, severity, "", body, *traced, known, resource))
    store.put_spans(spans)
    store.put_lines(lines)
    yield store.reader()
    store.close()


def ids_of(
    connection: sqlite3.Connection, table: scan.Table, condition: scan.Condition, keep: Any
) -> list[tuple[int, int]]:
    """Return time and id of each row that matches, in the order in which they were read."""
    rows = scan.newest_first(connection, table, condition, 20, 480)
    return [(row[table.time], row["id"]) for row in rows if keep(row)]


def filled(chance: random.Random, text: str) -> str:
    if "{:032x}" in text:
        return text.format(chance.randrange(110))
    return text.replace("{}", chance.choice(IDS).replace('"', '\\"').replace("[", "\\\\["))


def both_ways(
    connection: sqlite3.Connection, table: scan.Table, condition: scan.Condition, keep: Any
) -> None:
    found = ids_of(connection, table, condition, keep)
    name = f"{condition.sql} {condition.values}"
    assert [at_ns for at_ns, _ in found] == sorted((at for at, _ in found), reverse=True)
    assert sorted(found) == sorted(ids_of(connection, table, scan.ANYTHING, keep)), name
    without_routes = replace(condition, routes=())
    assert sorted(found) == sorted(ids_of(connection, table, without_routes, keep)), name


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("few", [0, 5000])
def test_an_index_finds_the_spans_that_match(
    reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, seed: int, few: int
) -> None:
    monkeypatch.setattr(scan, "FEW_ROWS", few)
    chance, resources = random.Random(seed), scan.Resources(reader)
    for _ in range(20):
        one, two, three = (filled(chance, chance.choice(SPAN_CONDITIONS)) for _ in range(3))
        joined = chance.choice(("&&", "||"))
        text = chance.choice((f"{{ {one} }}", f"{{ {one} {joined} {two} && {three} }}"))
        query = parse_traceql(text)

        def keep(row: sqlite3.Row, test: Any = query.condition.test) -> bool:
            return bool(test(SpanRow(row, resources)))

        both_ways(reader, scan.SPANS, query.condition, keep)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("few", [0, 5000])
def test_an_index_finds_the_lines_that_match(
    reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, seed: int, few: int
) -> None:
    monkeypatch.setattr(scan, "FEW_ROWS", few)
    chance, resources = random.Random(seed), scan.Resources(reader)
    for _ in range(20):
        stages = " ".join(filled(chance, chance.choice(LINE_STAGES)) for _ in range(2))
        selector = chance.choice((".+", "orders", "orders.*"))
        query = parse_logql(f'{{service_name=~"{selector}"}} {stages}')
        assert isinstance(query, LogQuery)

        def keep(row: sqlite3.Row, matches: Any = query.matches) -> bool:
            return bool(matches(Line(row, labels_of(resources.read(row["resource_id"])))))

        both_ways(reader, scan.LOGS, query.condition, keep)


def test_deleted_rows_leave_no_words(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", Limits())
    known = {"order.id": "a", "customer.id": ["b", "c"]}
    for number in range(3):
        resource = {"service.name": "orders"}
        store.put_spans(
            [Span(f"{number:032x}", "0" * 16, "", "orders", "x", 1, 5, 1, 0, "", known, resource)]
        )
        store.put_lines([LogLine(5, "orders", 9, "", "placed", "", "", known, resource)])
    store.close()
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    counts = []
    for last in (1, 3):
        for table in ("spans", "logs"):
            connection.execute(f"DELETE FROM {table} WHERE id <= ?", (last,))
            words = connection.execute(f"SELECT count(*) FROM {table}_words").fetchone()[0]
            counts.append(words)
    connection.close()
    assert counts == [8, 10, 0, 0]
