"""Write `json/`, or check that it is fresh: `python -m dashboards [--check]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboards.boards import cache_database, home, order, service, slo, telemetry, worker
from dashboards.grafana.dashboard import Board

FOLDER = Path(__file__).parent / "json"
MODULES = (home, service, worker, cache_database, slo, telemetry, order)


def boards() -> list[Board]:
    """Return every dashboard, the home page first."""
    return [module.board() for module in MODULES]


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args(arguments).check
    fresh = {f"{board.uid}.json": board.as_json() for board in boards()}
    present = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    stale = sorted(name for name in {*fresh, *present} if fresh.get(name) != present.get(name))
    for name in stale:
        if check:
            sys.stderr.write(f"{name} is stale: python -m dashboards\n")
        elif name in fresh:
            (FOLDER / name).write_text(fresh[name])
        else:
            (FOLDER / name).unlink()
    return 1 if check and stale else 0
