"""Run `python -m dashboards [--check]` or `python -m dashboards verify`."""

from __future__ import annotations

import sys

PACKAGES = {
    "click": "click",
    "grafana_foundation_sdk": "grafana-foundation-sdk",
    "promql_parser": "promql-parser",
    "yaml": "pyyaml",
}


def main(arguments: list[str]) -> None:
    """Run the command and exit; with 2 if a package is missing."""
    try:
        _run(arguments)
    except ImportError as missing:
        package = PACKAGES.get((missing.name or "").partition(".")[0])
        if package is None:
            raise
        print(
            f"python -m dashboards needs {package}: pip install {package}"
            " (in this repository `make generate` installs the pinned version)",
            file=sys.stderr,
        )
        sys.exit(2)


def _run(arguments: list[str]) -> None:
    # Imported here, because `verify` works without the packages of the generator.
    if arguments[:1] == ["verify"]:
        from dashboards.verify.command import command  # noqa: PLC0415

        command.main(arguments[1:], "python -m dashboards verify")
    from dashboards.generate import command  # noqa: PLC0415

    command.main(arguments, "python -m dashboards")


if __name__ == "__main__":
    main(sys.argv[1:])
