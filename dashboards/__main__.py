"""Write the JSON (`python -m dashboards [--check]`) or look for data (`… dashboards verify`)."""

from __future__ import annotations

import sys

PACKAGES = {
    "grafana_foundation_sdk": "grafana-foundation-sdk",
    "promql_parser": "promql-parser",
    "yaml": "pyyaml",
}


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code; 2 if a package is missing."""
    try:
        return _run(arguments)
    except ImportError as missing:
        package = PACKAGES.get((missing.name or "").partition(".")[0])
        if package is None:
            raise
        print(
            f"python -m dashboards needs {package}: pip install {package}"
            " (in this repository `make generate` installs the pinned version)",
            file=sys.stderr,
        )
        return 2


def _run(arguments: list[str]) -> int:
    # Apart, because an adopter verifies without the generator's packages.
    if arguments[:1] == ["verify"]:
        from dashboards.verify import verifier  # noqa: PLC0415

        return verifier.main(arguments[1:])
    from dashboards import generate  # noqa: PLC0415

    return generate.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
