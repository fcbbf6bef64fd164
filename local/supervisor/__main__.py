"""Run a plan in the background: `python -m local.supervisor STATE_FOLDER PROJECT_FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from .folder import Folder, take_lock
from .plan import Plan
from .settings import inherited_environment
from .supervisor import Supervisor

ALREADY_RUNNING = 3


@click.command()
@click.argument("state_folder", type=click.Path(path_type=Path))
@click.argument("project_folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(state_folder: Path, project_folder: Path) -> None:
    """Run the plan in STATE_FOLDER, its children in PROJECT_FOLDER, until SIGTERM.

    Exit code: 0 after a signal, 1 if a child never became ready, 3 if the plan runs already.
    """
    state = Folder(state_folder)
    if take_lock(state.lock) is None:
        click.echo(f"{state_folder}: its plan is run by another supervisor", err=True)
        sys.exit(ALREADY_RUNNING)
    supervisor = Supervisor(Plan.load(state.plan), state, project_folder, inherited_environment())
    sys.exit(asyncio.run(supervisor.run()))


if __name__ == "__main__":
    main(prog_name="python -m local.supervisor")
