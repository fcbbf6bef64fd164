"""The rate of the simulated customers: a small file that they read every second.

`python -m simulators.load 25` sets 25 requests per second, for the customers whose
`ORDERS_LOAD_FILE` names the same file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from simulators.settings import CustomersSettings

MAX_RATE = 10_000.0


def write_rate(path: Path, rate: float) -> None:
    """Write the rate so that a reader never sees half a file.

    Args:
        path: The load file.
        rate: Requests per second, 0 to 10,000.

    Raises:
        ValueError: The rate is not within its bounds.
    """
    if not 0 <= rate <= MAX_RATE:
        raise ValueError(f"rate {rate:g}: expected 0 to {MAX_RATE:g} requests per second")
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.write_text(json.dumps({"rate": rate}) + "\n")
    half.replace(path)


def read_rate(path: Path | None, default: float) -> float:
    """Return the rate in the file, or the default while the file has no valid one."""
    if path is None:
        return default
    try:
        rate = float(json.loads(path.read_text())["rate"])
    except (OSError, ValueError, KeyError, TypeError):
        return default
    return rate if 0 <= rate <= MAX_RATE else default


@click.command()
@click.argument("requests_per_second", type=float)
def main(requests_per_second: float) -> None:
    """Set the load to REQUESTS_PER_SECOND."""
    path = CustomersSettings.from_env_or_exit().load_file
    if path is None:
        raise click.UsageError("ORDERS_LOAD_FILE: expected the file that the customers read")
    try:
        write_rate(path, requests_per_second)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{requests_per_second:g} requests per second")


if __name__ == "__main__":
    main(prog_name="python -m simulators.load")
