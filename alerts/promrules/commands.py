"""Command lines whose options take several values: `--rules a.yml b.yml`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click


class ManyValues(click.Command):
    """A command whose repeatable options take every value up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat an option's name before each of its further values, as click expects it."""
        repeatable = {
            name
            for option in self.params
            if isinstance(option, click.Option) and option.multiple
            for name in option.opts
        }
        return super().parse_args(ctx, list(_repeated(args, repeatable)))


def _repeated(arguments: Iterable[str], repeatable: set[str]) -> Iterator[str]:
    option, taken = "", False
    for argument in arguments:
        if argument.startswith("-"):
            option, taken = argument, False
        elif option in repeatable and taken:
            yield option
        else:
            taken = True
        yield argument
