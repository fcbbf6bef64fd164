"""How hard the customers press: a small file that they read again every second.

`python -m simulators.load 25` sets 25 requests per second, for the customers whose
`ORDERS_LOAD_FILE` names the same file.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

MAX_RATE = 10_000.0


def write_rate(path: Path, rate: float) -> None:
    """Write the rate so that a reader never sees half a file.

    Args:
        path: The load file.
        rate: Requests per second, 0 to 10,000.
    """
    if not 0 <= rate <= MAX_RATE:
        raise ValueError(f"rate {rate:g}: expected 0 to {MAX_RATE:g} requests per second")
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.write_text(json.dumps({"rate": rate}) + "\n")
    half.replace(path)


def read_rate(path: Path | None, default: float) -> float:
    """Return the rate in the file, or the default while there is none that makes sense."""
    if path is None:
        return default
    try:
        rate = float(json.loads(path.read_text())["rate"])
    except (OSError, ValueError, KeyError, TypeError):
        return default
    return rate if 0 <= rate <= MAX_RATE else default


def main(arguments: list[str], path: Path | None) -> int:
    """Set the rate that the first argument names.

    Returns:
        Exit code; 2 when there is no file to write or the rate makes no sense.
    """
    if path is None:
        sys.stderr.write("ORDERS_LOAD_FILE: expected the file that the customers read\n")
        return 2
    try:
        rate = float(arguments[0])
        write_rate(path, rate)
    except (IndexError, ValueError) as error:
        sys.stderr.write(f"{error}\nusage: python -m simulators.load REQUESTS_PER_SECOND\n")
        return 2
    sys.stdout.write(f"{rate:g} requests per second\n")
    return 0


if __name__ == "__main__":
    from simulators.settings import CustomersSettings

    sys.exit(main(sys.argv[1:], CustomersSettings.from_env_or_exit().load_file))
