"""Write the JSON (`python -m dashboards [--check]`) or look for data (`… dashboards verify`)."""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    # Apart, because an adopter verifies without the generator's packages.
    if arguments[:1] == ["verify"]:
        from dashboards import verify  # noqa: PLC0415

        return verify.main(arguments[1:])
    from dashboards import generate  # noqa: PLC0415

    return generate.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
