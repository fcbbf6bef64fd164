"""The command behind the Makefile: `python -m local up|down|status|logs|load|render`."""

from __future__ import annotations

import argparse
import sys
import time

from local.cli import commands
from local.settings import LocalSettings
from observability.instrumentation.environment import SettingsError

ABOUT = {
    "up": "start everything; returns when all of it is ready",
    "down": "stop everything, also what a killed supervisor left",
    "status": "show every process; exit 0 only if all is well",
    "logs": "show the log files",
    "load": "change how much the made-up customers do",
    "render": "draw a dashboard into a file; see render --help",
}
MODE_HELP = "auto is Docker if an engine answers (default: local)"


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    if arguments[:1] == ["render"]:
        from local.cli import render  # noqa: PLC0415 - draws with what only pictures need

        return render.main(arguments[1:])
    options = _parser().parse_args(arguments)
    try:
        settings = LocalSettings.from_env()
    except SettingsError as error:
        print("These settings are wrong:", *error.problems, sep="\n  ", file=sys.stderr)
        return 2
    try:
        return commands.run(options, settings)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="Start, watch and stop the whole system: on Docker, or without it.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    parsers = {name: subparsers.add_parser(name, help=text) for name, text in ABOUT.items()}
    for name, one in parsers.items():
        if name != "render":
            one.add_argument("--mode", choices=commands.MODES, default="local", help=MODE_HELP)
    parsers["up"].add_argument(
        "--started-at",
        type=float,
        metavar="EPOCH",
        default=time.time(),
        help="when the wait began, for the figure at the end",
    )
    parsers["status"].add_argument("--json", action="store_true", help="also by JSON=1")
    parsers["logs"].add_argument("name", nargs="?", help="of this process only")
    parsers["logs"].add_argument("-f", "--follow", action="store_true", help="until Ctrl-C")
    parsers["logs"].add_argument("-n", "--lines", type=int, default=50, help="of each (50)")
    parsers["load"].add_argument("rate", type=float, help="requests per second; 0 is none")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
