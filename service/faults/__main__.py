"""Switch faults on and off: `python -m service.faults list | set NAME VALUE | clear [NAME]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from service.faults.flag_provider import read_flags, write_flags
from service.faults.switchboard import FAULTS, OFF, default_flags, set_fault
from service.settings import FaultsCommandSettings

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
@click.pass_context
def faults(context: click.Context) -> None:
    """List the faults, set one, or clear them."""
    context.obj = FaultsCommandSettings.from_env().path()


@faults.command("list")
@click.pass_obj
def list_faults(path: Path) -> None:
    """Print every fault with its value and its description."""
    flags = {**default_flags(), **read_flags(path)}
    for fault in FAULTS:
        flag = flags[fault.name]
        value = flag["variants"].get(flag["defaultVariant"])
        state = OFF if not value else f"{flag['defaultVariant']} ({value})"
        click.echo(f"{fault.name:18} {state:14} {fault.description}")


@faults.command("set")
@click.argument("name")
@click.argument("value")
@click.pass_obj
def set_one(path: Path, name: str, value: str) -> None:
    """Set the fault NAME to on, off or a number."""
    set_fault(path, name, value)


@faults.command("clear")
@click.argument("name", required=False)
@click.pass_obj
def clear(path: Path, name: str | None) -> None:
    """Switch off the fault NAME, or all of them."""
    if name:
        set_fault(path, name, OFF)
    else:
        write_flags(path, default_flags())


if __name__ == "__main__":
    try:
        faults(prog_name="python -m service.faults")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
