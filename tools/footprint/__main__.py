"""Write docs/measurements/footprint.md from the figures in build/compose.json.

`python -m tools.standins.compose_run --minutes 60` measures those figures with `measure`.
"""

from __future__ import annotations

import json
from typing import Any

import click

from tools.bench.machine import describe_machine
from tools.standins.composed import ROOT
from tools.standins.docker import Project, report
from tools.standins.edges import Links, streams
from tools.standins.shop import Shop, request, settle

FIGURES = ROOT / "build" / "compose.json"
DOCUMENT = ROOT / "docs" / "measurements" / "footprint.md"
COUNTED = {
    "requests": 'http_server_request_duration_seconds_count{job="orders"}',
    "spans": "tempo_distributor_spans_received_total",
    "span_bytes": "tempo_distributor_bytes_received_total",
    "log_lines": "loki_distributor_lines_received_total",
    "log_bytes": "loki_distributor_bytes_received_total",
    "samples": "prometheus_tsdb_head_samples_appended_total",
}
SIGNALS = (
    ("traces (Tempo)", "spans", "span_bytes", "tempo"),
    ("logs (Loki)", "log_lines", "log_bytes", "loki"),
    ("metrics (Prometheus)", "samples", "", "prometheus"),
)


def measure(sut: Project, shop: Shop, minutes: float) -> dict[str, Any]:
    """Let the load run; return the counted items, the stored bytes and the fired alerts."""
    before = sut.stored_kib()
    settle(minutes * 60)
    window = f"{max(60, int(minutes * 60))}s"
    found: dict[str, Any] = {"minutes": minutes, "machine": describe_machine()}
    for name, metric in COUNTED.items():
        found[name] = round(shop.query(f"sum(increase({metric}[{window}]))").get("", 0))
    found |= {f"{name}_kib": kib - before[name] for name, kib in sut.stored_kib().items()}
    found["series"] = {
        job: round(count)
        for job, count in shop.query("max by (job) (scrape_samples_scraped)").items()
    }
    found["streams"] = _streams(sut, shop)
    found["fired"] = _fired(shop, window)
    slowest = "sum(max_over_time(prometheus_rule_group_last_duration_seconds[5m]))"
    found["rules_ms"] = round(1000 * shop.query(slowest).get("", 0), 1)
    report(f"in {minutes} minutes of the default load: {found}")
    return found


def _streams(sut: Project, shop: Shop) -> dict[str, int]:
    """Return the number of Loki's streams by service; none if Loki is a stub."""
    if any("loki" in stub for stub in sut.stubs()):
        return {}
    names = streams(Links(sut, shop))
    return {name: names.count(name) for name in sorted(set(names))}


def _fired(shop: Shop, window: str) -> list[str]:
    """Return the alerts that fired within the window."""
    query = f'count by (alertname) (last_over_time(ALERTS{{alertstate="firing"}}[{window}]))'
    body = request(shop.url("PROMETHEUS_PORT", "/api/v1/query", query=query))[2]
    return sorted(result["metric"]["alertname"] for result in body["data"]["result"])


PAGE = """\
# Footprint of the stack

Measured by `python -m tools.standins.compose_run --minutes 60`, and written by
`python -m tools.footprint`.

- **Machine**: {machine}
- **Programs**, as the containers report them, whatever the tags of their images: {programs}
- **Load**: {minutes:g} minutes at the default rate, {requests:,} requests to the API
- **From `up` to healthy**, without pulling images: {first:.0f} s with empty volumes,
  {again:.0f} s with old ones
- **Memory**: {memory:,.0f} MiB in {running} containers
- **Restarts**: {restarts}; out-of-memory kills: {killed}
- **Alerts that fired**: {fired}
- **One evaluation of all rules**, the slowest of each group in the last five minutes:
  {rules_ms:g} ms

## Bytes per signal

| signal | items | bytes received | on disk, KiB | MiB per hour | bytes per request |
| --- | ---: | ---: | ---: | ---: | ---: |
{signals}

*On disk* is the growth of the store's volume. It includes the write-ahead log, which is compacted
later, so it is an upper bound. The limits of each store are in `observability/stack/README.md`.

## Series and streams

| job | samples per scrape of one instance |
| --- | ---: |
{series}

| service | streams in Loki |
| --- | ---: |
{streams}

## Containers

| container | user | capabilities | read-only | limit, MiB | memory, MiB |
| --- | --- | --- | --- | ---: | ---: |
{containers}
"""


def as_markdown(figures: dict[str, Any]) -> str:
    """Return the document.

    Args:
        figures: The content of build/compose.json: timings_s, programs, cost, containers.
    """
    cost, rows, timings = figures["cost"], figures["containers"], figures["timings_s"]
    running = [row for row in rows if row["health"] != "one-shot"]
    return PAGE.format(
        machine=cost["machine"],
        programs=", ".join(f"{name} {version}" for name, version in figures["programs"].items()),
        minutes=cost["minutes"],
        requests=cost["requests"],
        first=timings["up --wait with empty volumes"],
        again=timings["up --wait with old volumes"],
        memory=sum(row["memory_mib"] for row in running),
        running=len(running),
        restarts=sum(row["restarts"] for row in rows),
        killed=sum(row["oom"] for row in rows),
        fired=", ".join(cost["fired"]) or "none",
        rules_ms=cost["rules_ms"],
        signals="\n".join(_signal_row(cost, *signal) for signal in SIGNALS),
        series="\n".join(f"| {job} | {n:,} |" for job, n in sorted(cost["series"].items())),
        streams="\n".join(f"| {name} | {n} |" for name, n in cost["streams"].items()),
        containers="\n".join(_container_row(row) for row in rows),
    )


def _signal_row(cost: dict[str, Any], name: str, items: str, received: str, store: str) -> str:
    kib = cost[f"{store}_kib"]
    hourly = kib / 1024 * 60 / cost["minutes"]
    each = kib * 1024 / cost["requests"] if cost["requests"] else 0
    sent = f"{cost[received]:,}" if received else "-"
    return f"| {name} | {cost[items]:,} | {sent} | {kib:,} | {hourly:.1f} | {each:.0f} |"


def _container_row(row: dict[str, Any]) -> str:
    memory = "one-shot" if row["health"] == "one-shot" else f"{row['memory_mib']:.0f}"
    read_only = "yes" if row["read-only"] else "no"
    return (
        f"| {row['container']} | {row['user'] or 'root'} | {row['capabilities']} | {read_only}"
        f" | {row['limit_mib']} | {memory} |"
    )


@click.command()
def main() -> None:
    """Write docs/measurements/footprint.md from the figures in build/compose.json."""
    try:
        figures = json.loads(FIGURES.read_text())
    except OSError as error:
        click.echo(f"{error}; run python -m tools.standins.compose_run --minutes 60", err=True)
        raise SystemExit(2) from error
    DOCUMENT.write_text(as_markdown(figures))
    click.echo(f"{DOCUMENT.relative_to(ROOT)} written")


if __name__ == "__main__":
    main(prog_name="python -m tools.footprint")
