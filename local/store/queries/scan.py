"""Read rows newest first, through the index that the conditions of a query allow.

A condition is a test of a row, and SQL that lets every row pass that the test may accept. Its
routes are ways to find all such rows without reading the others; the best that is open is taken.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from local.store.queries.deadline import check
from local.store.words import MORE, MOST_WORDS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from local.store.queries.tokens import Tokens

# A route whose rows must be sorted is only open if they are at most this many.
FEW_ROWS = 5_000
MOST_SERVICES = 100


@dataclass(frozen=True)
class Table:
    """The spans or the log lines."""

    name: str
    time: str


SPANS = Table("spans", "start_ns")
LOGS = Table("logs", "time_ns")


@dataclass(frozen=True)
class Source:
    """One index scan.

    Args:
        clause: What it selects, without `WHERE`.
        index: The index; empty for the table of words.
    """

    clause: str
    values: tuple[Any, ...] = ()
    index: str = ""


@dataclass(frozen=True)
class Route:
    """A way to the rows of a condition.

    Args:
        rank: Expected number of rows, relative to other routes.
        resolve: The scans that together find every row; None if there would be too many rows.
    """

    rank: int
    resolve: Callable[[sqlite3.Connection], list[Source] | None]


@dataclass(frozen=True)
class Condition:
    """One condition, or several joined.

    Args:
        test: Whether a row matches.
        sql: Passes every row that matches, and maybe others; empty passes all.
        values: Bound in `sql`.
    """

    test: Callable[[Any], bool]
    sql: str = ""
    values: tuple[Any, ...] = ()
    routes: tuple[Route, ...] = ()


ANYTHING = Condition(lambda _row: True)


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Join by AND."""
    if len(conditions) == 1:
        return conditions[0]
    tests = [one.test for one in conditions]
    return Condition(
        lambda row: all(test(row) for test in tests),
        " AND ".join(one.sql for one in conditions if one.sql),
        tuple(value for one in conditions for value in one.values),
        tuple(route for one in conditions for route in one.routes),
    )


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Join by OR."""
    if len(conditions) == 1:
        return conditions[0]
    tests = [one.test for one in conditions]
    routes: tuple[Route, ...] = ()
    if all(one.routes for one in conditions):
        rank = max(min(route.rank for route in one.routes) for one in conditions)
        routes = (Route(rank, lambda connection: _together(connection, conditions)),)
    sql = all(one.sql for one in conditions)
    return Condition(
        lambda row: any(test(row) for test in tests),
        "(" + " OR ".join(f"({one.sql})" for one in conditions) + ")" if sql else "",
        tuple(value for one in conditions for value in one.values) if sql else (),
        routes,
    )


def read_joined(
    tokens: Tokens,
    read_one: Callable[[Tokens], Condition],
    *,
    either: Sequence[str],
    both: Sequence[str],
) -> Condition:
    """Read conditions with brackets around some of them; `both` binds tighter than `either`.

    Args:
        tokens: Of the query.
        read_one: Reads a condition without brackets.
        either: The language's words for OR.
        both: The language's words for AND.
    """

    def read_either() -> Condition:
        choices = [read_both()]
        while tokens.accept(*either):
            choices.append(read_both())
        return any_of(choices)

    def read_both() -> Condition:
        conditions = [read_term()]
        while tokens.accept(*both):
            conditions.append(read_term())
        return all_of(conditions)

    def read_term() -> Condition:
        with tokens.term():
            if not tokens.accept("("):
                return read_one(tokens)
            inside = read_either()
            tokens.expect(")")
            return inside

    return read_either()


def _together(
    connection: sqlite3.Connection, conditions: Sequence[Condition]
) -> list[Source] | None:
    sources: list[Source] = []
    for condition in conditions:
        found = _best(connection, condition.routes)
        if found is None:
            return None
        sources += found
    return sources


def _best(connection: sqlite3.Connection, routes: Sequence[Route]) -> list[Source] | None:
    for route in sorted(routes, key=lambda one: one.rank):
        sources = route.resolve(connection)
        if sources is not None:
            return sources
    return None


class Resources:
    """The resources that a query meets, each parsed once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._read: dict[int, dict[str, Any]] = {}

    def read(self, number: int) -> dict[str, Any]:
        """Return the attributes of a resource."""
        if number not in self._read:
            query = "SELECT document FROM resources WHERE id = ?"
            found = self._connection.execute(query, (number,)).fetchone()
            self._read[number] = orjson.loads(found[0]) if found else {}
        return self._read[number]


def newest_first(
    connection: sqlite3.Connection, table: Table, condition: Condition, start_ns: int, end_ns: int
) -> Iterator[sqlite3.Row]:
    """Yield the rows in the time range that pass the condition's SQL; the caller tests each."""
    sources = _best(connection, condition.routes)
    if sources is None:
        sources = [Source("1", (), f"{table.name}_{table.time.removesuffix('_ns')}")]
    scans = [
        connection.execute(*_statement(table, source, condition, start_ns, end_ns))
        for source in sources
    ]
    if len(scans) == 1 and sources[0].index:
        for row in scans[0]:
            check()
            yield row
        return
    seen = set()
    for row in heapq.merge(*scans, key=lambda row: -row[table.time]):
        check()
        if row["id"] not in seen:
            seen.add(row["id"])
            yield row


def _statement(
    table: Table, source: Source, condition: Condition, start_ns: int, end_ns: int
) -> tuple[str, list[Any]]:
    name, time = table.name, f"{table.name}.{table.time}"
    origin = f"{name} INDEXED BY {source.index}"
    if not source.index:
        # The order of words, so that the newest are read first.
        words, time = f"{name}_words", "words.time_ns"
        origin = f"{words} AS words CROSS JOIN {name} ON {name}.id = words.id / {MOST_WORDS}"
    rest = f" AND {condition.sql}" if condition.sql else ""
    clause = f"{source.clause} AND {time} >= ? AND {time} < ?{rest}"
    query = f"SELECT {name}.* FROM {origin} WHERE {clause} ORDER BY {time} DESC"  # noqa: S608 - values are bound
    return query, [*source.values, start_ns, end_ns, *condition.values]


def by_words(words: Sequence[str]) -> Route:
    """Return the route to rows with one of these words."""
    sources = [Source("words.word = ?", (word,)) for word in (*words, MORE)]
    return Route(0, lambda _connection: sources)


def by_prefix(table: Table, word: str) -> Route:
    """Return the route to rows with a word that begins so, open if they are few."""
    clause, values = "words.word >= ? AND words.word < ?", (word, word + "\U0010ffff")
    origin = f"{table.name}_words AS words"

    def resolve(connection: sqlite3.Connection) -> list[Source] | None:
        few = _if_few(connection, origin, Source(clause, values))
        return few and [*few, Source("words.word = ?", (MORE,))]

    return Route(1, resolve)


def by_index(rank: int, index: str, clause: str, *values: Any) -> Route:
    """Return the route along an index that ends with the time."""
    return Route(rank, lambda _connection: [Source(clause, values, index)])


def by_rare(table: Table, index: str, clause: str, *values: Any) -> Route:
    """Return the route along an index in another order, open if the rows are few."""
    origin = f"{table.name} INDEXED BY {index}"
    return Route(2, lambda connection: _if_few(connection, origin, Source(clause, values, index)))


def _if_few(connection: sqlite3.Connection, origin: str, source: Source) -> list[Source] | None:
    query = f"SELECT count(*) FROM (SELECT 1 FROM {origin} WHERE {source.clause} LIMIT ?)"  # noqa: S608 - values are bound
    count = connection.execute(query, (*source.values, FEW_ROWS + 1)).fetchone()[0]
    return [source] if count <= FEW_ROWS else None


def by_service(table: Table, test: Callable[[str], bool]) -> tuple[Route, ...]:
    """Return the routes to the rows of the services that pass a test; closed if all do.

    The first is open if the rows are few, the second leads to many.
    """
    index = f"{table.name}_service"

    def many(connection: sqlite3.Connection) -> list[Source] | None:
        known = _services(connection, table)
        wanted = [service for service in known if test(service)]
        if len(known) > MOST_SERVICES or (len(wanted) == len(known) and len(known) > 1):
            return None
        return [Source("service = ?", (service,), index) for service in wanted]

    def few(connection: sqlite3.Connection) -> list[Source] | None:
        sources = many(connection)
        origin = f"{table.name} INDEXED BY {index}"
        found = [_if_few(connection, origin, source) for source in sources or ()]
        return sources if None not in found else None

    return Route(2, few), Route(5, many)


def _services(connection: sqlite3.Connection, table: Table) -> list[str]:
    """Return the services that a table has, by one look into its index for each."""
    query = f"SELECT min(service) FROM {table.name} WHERE service > ?"  # noqa: S608 - own names
    found = [""]
    while len(found) <= MOST_SERVICES + 1:
        service = connection.execute(query, (found[-1],)).fetchone()[0]
        if service is None:
            break
        found.append(service)
    return found[1:]
