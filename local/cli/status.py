"""The state of every child: the supervisor's report, and the result of a probe now."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import Any

import click

from local.state import StateFolder
from local.supervisor.plan import Plan
from local.supervisor.probes import is_ready
from local.supervisor.processes import all_processes, family, memory_bytes

WELL = {"ready", "done"}
NOT_RUNNING = 3


@dataclass(frozen=True)
class Row:
    """One line of the status.

    Args:
        name: Its name.
        state: As the supervisor reports it, or `unhealthy` when its probe fails now.
        address: Host and port.
        memory_mb: PSS of it and its descendants.
        restarts: Number of restarts.
        pid: Its main process.
        log: Its log file.
    """

    name: str
    state: str
    address: str
    memory_mb: float
    restarts: int
    pid: int | None = None
    log: str = ""


def read_status(state: StateFolder) -> list[Row]:
    """Return a row per child, the supervisor itself last; empty if nothing runs."""
    if not state.is_running():
        return []
    report = state.read_report()
    answers = asyncio.run(_probe(Plan.load(state.plan)))
    processes = all_processes()
    rows = []
    for child in report.get("children", []):
        name = child["name"]
        word = child["state"]
        if word == "ready" and not answers.get(name, True):
            word = "unhealthy"
        pids = family([child["pid"]] if child["pid"] else [], processes)
        memory = round(memory_bytes(pids) / 1e6, 1)
        rows.append(
            Row(name, word, child["address"], memory, child["restarts"], child["pid"], child["log"])
        )
    return [*rows, _supervisor(state, report)]


def _supervisor(state: StateFolder, report: dict[str, Any]) -> Row:
    pid, log = report.get("pid"), str(state.log("supervisor"))
    memory = round(memory_bytes([pid] if pid else []) / 1e6, 1)
    return Row("supervisor", report.get("phase", "starting"), "", memory, 0, pid, log)


async def _probe(plan: Plan) -> dict[str, bool]:
    answers = await asyncio.gather(*(is_ready(child.probe) for child in plan.children))
    return {child.name: answer for child, answer in zip(plan.children, answers, strict=True)}


def print_status(rows: list[Row], *, as_json: bool) -> int:
    """Print the rows as a table, or as one JSON array.

    Returns:
        Exit code: 0 all are ready or done, 1 one is not, 3 nothing runs.
    """
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        click.echo(_table(rows) if rows else "not running; `make up` starts it")
    if not rows:
        return NOT_RUNNING
    return 0 if all(row.state in WELL for row in rows) else 1


def _table(rows: list[Row]) -> str:
    """Return the rows in columns, with the sum of the memory."""
    head = f"{'NAME':<18}{'STATE':<12}{'ADDRESS':<19}{'MEMORY':>8}{'RESTARTS':>10}"
    lines = [
        f"{row.name:<18}{row.state:<12}{row.address or '-':<19}"
        f"{row.memory_mb:>5.0f} MB{row.restarts:>10}"
        for row in rows
    ]
    total = sum(row.memory_mb for row in rows)
    return "\n".join([head, *lines, f"{'':<49}{total:>5.0f} MB"])
