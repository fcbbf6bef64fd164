"""The errors that end a command."""

from __future__ import annotations

from typing import IO, Any

import click


class CommandError(click.ClickException):
    """A command that failed; the message gives the reason and a remedy."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message without click's prefix."""
        click.echo(self.message, file=file, err=file is None)


class RefusedError(CommandError):
    """A command that was refused before it did anything."""

    exit_code = 2
