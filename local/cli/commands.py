"""The command line: options, the choice of the mode, exit codes."""

from __future__ import annotations

import sys
import time

import click

from local.cli.docker_mode import DockerMode, find_engine
from local.cli.doctor import doctor as diagnose_all
from local.cli.errors import RefusedError
from local.cli.local_mode import LocalMode
from local.cli.render import render
from local.settings import LocalSettings
from local.state import StateFolder
from observability.instrumentation.environment import SettingsError

INTERRUPTED = 130
mode_option = click.option(
    "--mode",
    type=click.Choice(["auto", "docker", "local"]),
    default="local",
    show_default=True,
    help="auto is Docker if an engine answers.",
)


def main(arguments: list[str]) -> int:
    """Run one command.

    Returns:
        Exit code: 0 success, 1 something failed, 2 refused before anything was done, 3 not
        running, 130 interrupted.
    """
    try:
        code: int = cli.main(arguments, prog_name="python -m local", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except OSError as error:
        click.echo(f"cannot continue: {error}", err=True)
        return 1
    return code


class _Commands(click.Group):
    """A group that lists its commands in order, and whose output may be cut off by `| head`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> int:
        try:
            code: int = super().invoke(ctx)
        except BrokenPipeError:
            sys.stderr.close()
            return 0
        return code


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Start, watch and stop the whole system, with Docker or without it."""


@cli.command()
@mode_option
@click.option(
    "--started-at",
    type=float,
    metavar="EPOCH",
    default=time.time,
    help="When the wait began, for the time to the first order.",
)
def up(mode: str, started_at: float) -> int:
    """Start everything; return when all of it is ready."""
    return _mode(mode).up(started_at)


@cli.command()
@mode_option
def down(mode: str) -> int:
    """Stop everything, including leftovers of a killed supervisor."""
    return _mode(mode).down()


@cli.command()
@mode_option
def doctor(mode: str) -> int:
    """Check what a start needs; exit 0 only if nothing prevents it."""
    chosen = _mode(mode)
    engine = chosen.engine if isinstance(chosen, DockerMode) else None
    return diagnose_all(chosen.settings, engine)


@cli.command()
@mode_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON; also JSON=1.")
def status(mode: str, as_json: bool) -> int:
    """Show every process; exit 0 only if all are ready."""
    chosen = _mode(mode)
    return chosen.status(as_json=as_json or chosen.settings.environment.get("JSON") == "1")


@cli.command()
@mode_option
@click.argument("name", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option("-n", "--lines", default=50, show_default=True, help="Last lines of each process.")
def logs(mode: str, name: str | None, follow: bool, lines: int) -> int:
    """Show the log files, or only that of the process NAME."""
    return _mode(mode).logs(name, follow=follow, lines=lines)


@cli.command(context_settings={"ignore_unknown_options": True})
@mode_option
@click.argument("rate", type=float)
def load(mode: str, rate: float) -> int:
    """Set the load generator to RATE requests per second; 0 is none."""
    return _mode(mode).load(rate)


cli.add_command(render)


def _mode(name: str) -> DockerMode | LocalMode:
    """Return a mode; `auto` is the one that is running, else Docker if an engine answers."""
    try:
        settings = LocalSettings.from_env()
    except SettingsError as error:
        raise RefusedError(str(error)) from error
    if name == "local" or (name == "auto" and StateFolder(settings.state).is_running()):
        return LocalMode(settings)
    engine = find_engine()
    if engine is not None:
        return DockerMode(settings, engine)
    if name == "auto":
        return LocalMode(settings)
    raise RefusedError("no Docker engine answers; MODE=local runs without one")
