"""Write the dashboards' JSON, or check that it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dashboards import absence
from dashboards.boards import (
    cache_database,
    home,
    incidents,
    order,
    runbooks,
    service,
    slo,
    telemetry,
    worker,
)
from dashboards.grafana.dashboard import Dashboard

FOLDER = Path(__file__).parent / "json"
MODULES = (home, service, worker, cache_database, slo, incidents, telemetry, order)


def all_dashboards() -> list[Dashboard]:
    """Return every dashboard but the runbooks, the home page first."""
    return [module.dashboard() for module in MODULES]


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is stale.")
def command(*, check: bool) -> None:
    """Write dashboards/json. `python -m dashboards verify` checks dashboards for data."""
    generated = {f"{one.uid}.json": one.as_json() for one in all_dashboards()}
    # A folder of their own, which Grafana shows as a folder.
    generated |= {f"runbooks/{one.uid}.json": one.as_json() for one in runbooks.dashboards()}
    generated[str(absence.README)] = absence.readme(all_dashboards())
    present = {str(p.relative_to(FOLDER)): p.read_text() for p in FOLDER.rglob("*.json")}
    present[str(absence.README)] = absence.README.read_text()
    names = {*generated, *present}
    stale = sorted(name for name in names if generated.get(name) != present.get(name))
    for name in stale:
        if check:
            click.echo(f"{name} is stale: python -m dashboards", err=True)
        elif name in generated:
            (FOLDER / name).parent.mkdir(exist_ok=True)
            (FOLDER / name).write_text(generated[name])
        else:
            (FOLDER / name).unlink()
    sys.exit(1 if check and stale else 0)
