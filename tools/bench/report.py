"""Turn measurements into a table, `build/bench.json` and `docs/measurements/benchmarks.md`."""

from __future__ import annotations

import argparse
import json
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PAGE = """# What telemetry costs

Written by `make bench`: the newest run that was committed.

- **When and where**: {date}; {machine}{note}
- **What**: one cached read (Flask, gunicorn with 1 worker and 4 threads, redis-py, a real Redis),
  4 connections that send continuously, {rounds} interleaved rounds of {requests} requests, all
  variants' servers side by side
- **CPU**: user and system time of gunicorn's master and worker per request, exports included;
  the receiver, Redis and the load generator are other processes and not counted
- **Times bare**: the median of the rounds' ratios of this variant to the bare app

{table}

| variant | description |
| --- | --- |
| bare | the app alone, without an access log |
| metrics | the kit's RED and cache metrics, shared through files |
| traces | the kit's server and Redis spans, all sampled and exported over OTLP/HTTP |
| logs | one JSON line per request on standard output, and over OTLP/HTTP |
| all | the three together, exemplars included |
| all-10% | the same with `parentbased_traceidratio` at 0.1 and all log lines; spans of the other \
traces are recorded too, so that failed and slow ones can be exported |
| sdk | `all` with `TELEMETRY_ENGINE=sdk`: OpenTelemetry's own provider, batch processors, \
exporters and Flask instrumentor, with the kit's counters, metrics and log lines |
| sdk-own-middleware | `sdk`, but the kit's middleware makes the server span |
| sdk-own-exporter | `sdk`, but the kit's encoder and thread export spans and log lines |
| contrib | the same signals, set up by hand with opentelemetry-instrumentation-flask and -redis, \
prometheus-flask-exporter, python-json-logger and the SDK's handler for logs |
| auto | `opentelemetry-instrument gunicorn`, its three signals over OTLP |

The kit's remaining cost is, in descending order: the log line (encoded once for standard output and
once for OTLP), the two spans, and the ten metric updates of a request. At 10 % sampling, all of it
remains except the encoding of spans. To reach 1.2 times bare, one of these would have to go: the
log lines of requests that are not sampled, recording the traces that are not sampled (failed and
slow ones would be lost), or one of the two encodings of a log line (`TELEMETRY_LOGS_EXPORT=off`
where an agent reads the output).
"""


def write_reports(
    servers: list[Any], options: argparse.Namespace, machine: str, root: Path
) -> None:
    """Print the table and write both files."""
    rows = make_rows(servers)
    facts = {"requests": options.requests}
    publish(rows, make_table(rows), PAGE, "", options, machine, root, facts)


def publish(
    rows: list[dict[str, Any]],
    table: str,
    page: str,
    suffix: str,
    options: argparse.Namespace,
    machine: str,
    root: Path,
    facts: dict[str, Any],
) -> None:
    """Print a table; write its rows as JSON below `build`, and its page unless that is off.

    Args:
        rows: What was measured.
        table: The same as Markdown.
        page: Template of the page.
        suffix: What the names of both files end with.
        options: With `rounds`, `note` and `no_docs`.
        machine: What it was measured on.
        root: The project's folder.
        facts: Further values for the page.
    """
    print(table)
    (root / "build").mkdir(exist_ok=True)
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    document = {"machine": machine, "date": date, "rounds": options.rounds, "rows": rows}
    text = json.dumps(document, indent=2) + "\n"
    (root / "build" / f"bench{suffix}.json").write_text(text)
    if not options.no_docs:
        note = f"; {options.note}" if options.note else ""
        known = {"date": date, "machine": machine, "note": note, "rounds": options.rounds}
        text = page.format(**known, table=table, **facts)
        (root / "docs" / "measurements" / f"benchmarks{suffix}.md").write_text(text)


def make_rows(servers: list[Any]) -> list[dict[str, Any]]:
    """Return one row per variant; ratios are taken within rounds, then their median."""
    bare = next((server for server in servers if server.variant == "bare"), servers[0])
    return [
        {
            "variant": server.variant,
            "path": "cached",
            "cpu_us": round(statistics.median(server.cpu_us)),
            "cpu_us_min": round(min(server.cpu_us)),
            "ratio": round(paired(server.cpu_us, bare.cpu_us), 2),
            "ratio_min": round(min(server.cpu_us) / min(bare.cpu_us), 2),
            "p50_ms": round(statistics.median(server.p50_ms), 2),
            "p99_ms": round(statistics.median(server.p99_ms), 2),
            "p99_ratio": round(paired(server.p99_ms, bare.p99_ms), 2),
            "p99_ratio_min": round(min(server.p99_ms) / min(bare.p99_ms), 2),
            "memory_mb": round(server.memory_mb, 1),
            "memory_added_mb": round(server.memory_mb - bare.memory_mb, 1),
        }
        for server in servers
    ]


def paired(values: list[float], base: list[float]) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(value / other for value, other in zip(values, base, strict=True))


def make_table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    head = (
        "| variant | CPU µs/request, median | minimum | times bare | of the minima | p50 ms "
        "| p99 ms | p99 times bare | memory per worker, MB |"
    )
    lines = [head, "| --- |" + " ---: |" * 8]
    lines += [
        f"| {row['variant']} | {row['cpu_us']} | {row['cpu_us_min']} | {row['ratio']:.2f} "
        f"| {row['ratio_min']:.2f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} "
        f"| {row['p99_ratio']:.2f} | {row['memory_mb']:.0f} ({row['memory_added_mb']:+.0f}) |"
        for row in rows
    ]
    return "\n".join(lines)
