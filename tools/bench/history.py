"""Time the dashboards' log and trace queries on a full store: `python -m tools.bench.history`.

It writes a store with two days of the sample's telemetry, as the writer would have stored it, and
runs each query of `dashboards/json` over the whole of it, for orders of different ages.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.store.errors import BadQueryError
from local.store.queries import log_streams, logql, traceql
from local.store.schema import open_reader
from tools.bench.machine import describe_machine

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "measurements" / "queries.md"
SECOND = 10**9
ROUNDS = 5
LIMIT_MS = 300


def queries() -> dict[str, tuple[str, int]]:
    """Return each query to Loki and Tempo of the dashboards, with its limit, by dashboard."""
    found: dict[str, tuple[str, int]] = {}
    for path in sorted((ROOT / "dashboards" / "json").glob("*.json")):
        for target in targets(json.loads(path.read_text())):
            text = target.get("expr") or target.get("query")
            if isinstance(text, str) and "{" in text:
                limit = int(target.get("maxLines") or target.get("limit") or 20)
                found.setdefault(text, (path.stem, limit))
    return found


def targets(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of a dashboard that asks Loki or Tempo."""
    if isinstance(node, dict):
        source = node.get("datasource")
        if isinstance(source, dict) and source.get("type") in ("loki", "tempo"):
            yield node
        for child in node.values():
            yield from targets(child)
    elif isinstance(node, list):
        for child in node:
            yield from targets(child)


def cases(orders: dict[str, tuple[str, str]]) -> Iterator[tuple[str, str, str, int]]:
    """Yield what is asked, the query with and without variables, and its limit."""
    values = {"service": "(orders|payment-provider)", "namespace": ".+", "queue": "(orders|emails)"}
    for text, (board, limit) in queries().items():
        filled = text
        for name, value in values.items():
            filled = filled.replace(f"${name}", value)
        if "$order" in text or "$trace" in text:
            for age, (order, trace) in orders.items():
                yield f"{board}: {age}", text, put(filled, order=order, trace=""), limit
                if "$trace" in text and trace:
                    yield (
                        f"{board}: trace of {age}",
                        text,
                        put(filled, order="", trace=trace),
                        limit,
                    )
        elif "$slower" in text:
            for slower in ("10ms", "500ms", "10s"):
                yield f"{board}: {slower}", text, put(filled, slower=slower), limit
        else:
            yield board, text, filled, limit


def put(text: str, **values: str) -> str:
    """Put values in place of variables."""
    for name, value in values.items():
        text = text.replace(f"${name}", value)
    return text


def ask(connection: sqlite3.Connection, text: str, span: tuple[int, int], limit: int) -> int:
    """Run one query; return how much it found, -1 if it was stopped."""
    try:
        if " = " in text or "kind" in text or "with (most_recent" in text:
            return len(traceql.search(connection, traceql.parse(text), *span, limit))
        query = logql.parse(text)
        assert isinstance(query, logql.LogQuery)
        return len(log_streams.find_lines(connection, query, *span, limit))
    except BadQueryError:
        return -1


def measure(path: Path, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Run every query over the whole store."""
    connection = open_reader(path)
    first, last = connection.execute("SELECT min(start_ns), max(start_ns) FROM spans").fetchone()
    orders = {
        f"order, {hours} h old": order_at(connection, last - int(hours * 3600 * SECOND))
        for hours in (0.1, 12, 24, 47)
        if last - hours * 3600 * SECOND >= first
    }
    orders |= {
        "an unknown order": ("00000000-dead-4bee-8000-000000000000", ""),
        "no order": ("", ""),
    }
    figures = []
    for name, template, text, limit in cases(orders):
        taken = []
        for _ in range(rounds):
            began = time.perf_counter()
            count = ask(connection, text, (first, last + 1), limit)
            taken.append(1000 * (time.perf_counter() - began))
            if taken[-1] > 3000:
                break
        figures.append(
            {
                "name": name,
                "template": template,
                "query": text,
                "found": count,
                "ms": statistics.median(taken),
                "first": taken[0],
            }
        )
        sys.stderr.write(f"{taken[0]:8.1f} {figures[-1]['ms']:8.1f} ms {count:5} {name} {text}\n")
    return figures


def order_at(connection: sqlite3.Connection, at_ns: int) -> tuple[str, str]:
    """Return the id and the trace of the first order that was placed then."""
    attributes, trace = connection.execute(
        "SELECT attributes, trace_id FROM spans INDEXED BY spans_start"
        " WHERE start_ns >= ? AND name = 'POST /v1/orders' ORDER BY start_ns LIMIT 1",
        (at_ns,),
    ).fetchone()
    return json.loads(attributes)["order.id"], trace


def size(path: Path) -> dict[str, float]:
    """Return the rows and the megabytes of a store."""
    connection = open_reader(path)
    count = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("spans", "logs")
    }
    first, last = connection.execute("SELECT min(start_ns), max(start_ns) FROM spans").fetchone()
    pages, page = (connection.execute(f"PRAGMA page_{x}").fetchone()[0] for x in ("count", "size"))
    return {**count, "megabytes": pages * page / 2**20, "hours": (last - first) / 3600 / SECOND}


HEAD = """# How long the dashboards' queries take on a full store

Written by `python -m tools.bench.history`: the local mode's store, filled with the sample's
telemetry, and every query to logs and traces of `dashboards/json` over all of it.

- **When and where**: {now:%Y-%m-%d %H:%M} UTC; {machine}
- **Store**: {hours:.0f} h at 10 requests/s, {spans:,} spans and {logs:,} log lines:
  {megabytes:,.0f} MB, or {per_hour:,.0f} MB an hour. The default limit,
  `ORDERS_STORE_MAX_MB=512`, keeps the newest {kept:.1f} h of that
- **Times**: in ms, the median of {rounds} runs, and the first of them; *stopped* is a query that
  its deadline of 5 s ended. *Before* is commit {before}, which looked at the newest 20,000 spans
  or 200,000 lines of the services that a query names

| dashboard: what is asked | query | before | found | now | first | found |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
"""
BEFORE = "63487e2"


def document(facts: dict[str, float], figures: list[dict[str, Any]], before: list[Any]) -> str:
    """Return the page."""
    old = {one["query"]: one for one in before}
    per_hour = facts["megabytes"] / facts["hours"]
    head = HEAD.format(
        **facts,
        now=datetime.now(UTC),
        machine=describe_machine(),
        rounds=ROUNDS,
        per_hour=per_hour,
        kept=512 / per_hour,
        before=BEFORE,
    )
    return head + "".join(row(one, old.get(one["query"])) for one in figures)


def row(one: dict[str, Any], was: dict[str, Any] | None) -> str:
    """Return a row of the table."""
    text = one["template"].replace("|", "\\|")
    then = f"{was['ms']:,.0f} | {found(was)}" if was else " | "
    now = f"{one['ms']:,.1f} | {one['first']:,.1f} | {found(one)}"
    return f"| {one['name']} | `{text}` | {then} | {now} |\n"


def found(one: dict[str, Any]) -> str:
    """Return how much was found."""
    return "stopped" if one["found"] < 0 else str(one["found"])


def main() -> int:
    """Run the measurement; 1 if a query took longer than the limit."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.history", description=__doc__)
    parser.add_argument("--hours", type=float, default=48)
    parser.add_argument("--rate", type=float, default=10, metavar="REQUESTS", help="per second")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="use, or write, the store here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--before", type=Path, metavar="FILE", help="figures of an earlier run")
    parser.add_argument("--limit", type=float, default=LIMIT_MS, metavar="MS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="history-") as made:
        path = options.keep or Path(made) / "store.sqlite"
        if not path.exists():
            from tools.bench.shop_telemetry import write

            write(path, hours=options.hours, rate=options.rate)
        figures = measure(path)
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1))
        before = json.loads(options.before.read_text()) if options.before else []
        DOCUMENT.write_text(document(size(path), figures, before))
    slow = [one for one in figures if one["ms"] > options.limit]
    sys.stdout.write(f"{len(slow)} queries took longer than {options.limit:.0f} ms\n")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
