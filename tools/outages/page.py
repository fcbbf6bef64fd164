"""docs/measurements/outages.md: the table of outages, and the course of a walk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.outages.cell import Cell, p99
from tools.outages.gates import Way
from tools.outages.system import PORTS

INTRO = """# What an outage costs, and when it pages

Written by `python -m tools.outages`: a local system on two cores, with real servers, Prometheus and
the demo profile's rules, and a TCP proxy in front of each dependency. **stopped**: connections end
and the lookup of the name hangs for 10 s, as after `docker compose stop` in an internal network;
**paused**: connections are accepted and nothing answers; **unreachable**: packets are dropped;
**refused**: the port is closed. Meanwhile an order in the cache is read and orders are placed;
each process is scraped and asked for `/livez`.

Times are in seconds: the 99th percentile of the API's responses with their status codes, the
slowest scrape of any process, the slowest `/livez`, and the time from the outage to its alert,
which is awaited for 150 s.

| dependency | fails | reads | orders | scrape | livez | alert | after |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
MISSING = "not measured"


def cell_row(cell: Cell) -> dict[str, Any]:
    """Return a cell's row, times in seconds."""
    scrape, process = cell.slowest_scrape()
    return {
        "dependency": cell.dependency,
        "way": cell.way.value,
        "reads": round(p99(cell.reads), 2),
        "read_codes": sorted({answer.status for answer in cell.reads}),
        "orders": round(p99(cell.orders), 2),
        "order_codes": sorted({answer.status for answer in cell.orders}),
        "scrape": round(scrape, 2),
        "scraped": process,
        "livez": round(max(answer.seconds for answer in cell.lives), 2),
        "alert": cell.alert,
        "after": None if cell.alert_seconds is None else round(cell.alert_seconds),
        "others": sorted(cell.others),
    }


def write_page(figures: dict[str, Any], path: Path) -> None:
    """Write the page as Markdown."""
    cells = figures.get("cells", {})
    rows = [_row(name, way, cells.get(f"{name} {way}")) for name in PORTS for way in Way]
    note = f"\n{figures['note']}\n" if "note" in figures else ""
    text = INTRO + "\n".join(rows) + "\n" + note + _walk(figures.get("walk"))
    path.write_text(text, encoding="utf-8")


def _row(name: str, way: Way, cell: dict[str, Any] | None) -> str:
    if cell is None:
        return f"| {name} | {way} |" + f" {MISSING} |" * 6
    after = _after(cell["after"])
    columns = [
        name,
        way,
        f"{cell['reads']:.2f} ({_codes(cell['read_codes'])})",
        f"{cell['orders']:.2f} ({_codes(cell['order_codes'])})",
        f"{cell['scrape']:.2f} {cell['scraped']}",
        f"{cell['livez']:.2f}",
        cell["alert"],
        after,
    ]
    return "| " + " | ".join(map(str, columns)) + " |"


def _after(seconds: int | None) -> str:
    return "not within the time" if seconds is None else str(seconds)


def _codes(codes: list[int]) -> str:
    return ", ".join(map(str, codes))


def _walk(walk: dict[str, Any] | None) -> str:
    if walk is None:
        return ""
    head = (
        f"\n## Part after part, {walk['minutes']:.0f} minutes\n\n"
        "Each part was stopped, its page awaited, and the part restored, under a load of"
        f" {walk['load']} requests per second. An alert is *right* if it follows from the part that"
        " was away, or from one before, since rules look back; else it is *false*.\n\n"
        "| minute | part | page | after (s) | other alerts that are right | false |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
    )
    rows = [
        f"| {step['minute']:.1f} | {step['part']} | {step['page'] or '-'} |"
        f" {_after(step['after']) if step['page'] else '-'} |"
        f" {', '.join(step['right']) or '-'} | {', '.join(step['false']) or '-'} |"
        for step in walk["steps"]
    ]
    return head + "\n".join(rows) + "\n"
