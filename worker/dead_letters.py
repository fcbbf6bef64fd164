"""Inspect tasks that failed for good, and run them again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from service.storage import dead_letters, outbox
from service.storage.postgres import connect
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from psycopg import Connection

    from service.storage.dead_letters import DeadLetter

ALL = "all"


@click.group(help=__doc__)
def main() -> None:
    """Run a subcommand."""


def connection() -> Connection[Any]:
    """Return this run's connection, as the role of the worker; a test passes its own."""
    root = click.get_current_context().find_root()
    if root.obj is None:
        settings = WorkerSettings.from_env_or_exit()
        root.obj = root.with_resource(connect(settings.database, "dead-letters"))
    conn: Connection[Any] = root.obj
    return conn


def to_number(_: click.Context, __: click.Parameter, value: str) -> int | None:
    """Return the id of a dead letter or a row; None means all of them."""
    if value == ALL:
        return None
    if not value.isdecimal():
        raise click.BadParameter(f"{value!r}: expected a number or {ALL!r}")
    return int(value)


@main.command("list")
def list_waiting() -> None:
    """List the dead letters that wait for a person, oldest first."""
    for letter in dead_letters.waiting(connection()):
        click.echo(_line(letter))


@main.command()
@click.argument("number", metavar="ID", type=int)
def show(number: int) -> None:
    """Show all fields of one dead letter."""
    letter = dead_letters.find(connection(), number)
    if letter is None:
        raise not_found()
    click.echo(json.dumps(asdict(letter), default=str, indent=2))


@main.command()
@click.argument("number", metavar="ID|all", callback=to_number)
def replay(number: int | None) -> None:
    """Put one dead letter, or all, into the outbox again, as a first attempt."""
    conn = connection()
    waiting = [letter.id for letter in dead_letters.waiting(conn)] if number is None else [number]
    replayed = dead_letters.replay(conn, waiting)
    if number is not None and not replayed:
        raise not_found()
    click.echo(f"{replayed} replayed")


@main.command()
@click.argument("number", metavar="ID", type=int)
def discard(number: int) -> None:
    """Delete one dead letter for good."""
    if not dead_letters.discard(connection(), number):
        raise not_found()
    click.echo("1 discarded")


@main.group(invoke_without_command=True)
@click.pass_context
def poison(context: click.Context) -> None:
    """List outbox rows that were set aside because they cannot be sent."""
    if context.invoked_subcommand:
        return
    for row in outbox.poison_rows(connection()):
        when = f"{row.poisoned_at:%Y-%m-%d %H:%M:%S}"
        click.echo(f"{row.id:>6}  {when}  {row.task:<17}  order {row.order_id}  {row.error}")


@poison.command("release")
@click.argument("number", metavar="ID|all", callback=to_number)
def release_poison(number: int | None) -> None:
    """Let the relay send one row that was set aside, or all, again; repair the cause first."""
    released = outbox.release_poison_rows(connection(), number)
    if number is not None and not released:
        raise click.ClickException("no such row was set aside; see poison")
    click.echo(f"{released} released")


@poison.command("discard")
def discard_poison() -> None:
    """Delete the outbox rows that were set aside."""
    click.echo(f"{outbox.discard_poison_rows(connection())} discarded")


def not_found() -> click.ClickException:
    """Return the error that ends a command with exit code 1."""
    return click.ClickException("no such dead letter is waiting; see list")


def _line(letter: DeadLetter) -> str:
    return (
        f"{letter.id:>6}  {letter.failed_at:%Y-%m-%d %H:%M:%S}  {letter.task:<17}"
        f"  order {letter.order_id}  attempt {letter.attempt}  {letter.error}"
    )


if __name__ == "__main__":
    main(prog_name="python -m worker.dead_letters")
