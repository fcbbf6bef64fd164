"""Write docs/measurements/outages.md: `python -m tools.outages`."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import click

from tools.outages.cell import measure
from tools.outages.gates import Way
from tools.outages.page import cell_row, write_page
from tools.outages.system import PORTS, gated_system
from tools.outages.walk import take_down

ROOT = Path(__file__).parent.parent.parent
# Rows and events of all runs, so that one run may measure a part.
FIGURES = ROOT / "docs" / "measurements" / "outages.json"
SECONDS = 10.0
ALERT_SECONDS = 150.0
LOAD = 5


@click.command()
@click.option("--dependency", multiple=True, type=click.Choice(list(PORTS)), help="Default: all.")
@click.option("--way", multiple=True, type=click.Choice(list(Way)), help="Default: all.")
@click.option("--walk", type=float, help="Instead: stop part after part, for MINUTES.")
def main(dependency: tuple[str, ...], way: tuple[str, ...], walk: float | None) -> None:
    """Let every dependency fail in every way, wait for its alert, and write the table."""
    figures: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    with gated_system(LOAD) as system:
        if walk:
            figures["walk"] = take_down(system, walk * 60)
            _keep(figures)
            return
        for kind, name in product(way or Way, dependency or PORTS):
            cell = measure(system, name, Way(kind), SECONDS, ALERT_SECONDS)
            figures.setdefault("cells", {})[f"{name} {kind}"] = cell_row(cell)
            click.echo(json.dumps(cell_row(cell)))
            _keep(figures)


def _keep(figures: dict[str, Any]) -> None:
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    write_page(figures, FIGURES.with_suffix(".md"))


if __name__ == "__main__":
    main(prog_name="python -m tools.outages")
