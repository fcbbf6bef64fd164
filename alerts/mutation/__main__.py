"""Damage alert rules and see whether their tests notice: `python -m alerts.mutation --help`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if "." not in str(__package__):
    print("start it from the folder above: python -m FOLDER.mutation", file=sys.stderr)
    sys.exit(2)
try:
    import click

    from ..promrules import commands, errors, promtool
    from .equivalents import load_equivalents
    from .run import run
except ImportError as missing:
    module = (missing.name or "").removeprefix(f"{str(__package__).rpartition('.')[0]}.")
    needed = {
        "click": "click: pip install click promql-parser pyyaml",
        "yaml": "pyyaml: pip install click promql-parser pyyaml",
        "promql_parser": "promql-parser: pip install click promql-parser pyyaml",
        "promrules": "the folder promrules beside it",
    }.get(module.partition(".")[0])
    if needed is None:
        raise
    print(f"python -m {__package__} needs {needed}", file=sys.stderr)
    sys.exit(2)

HERE = Path(__file__).parent
PATH = click.Path(path_type=Path)

EPILOG = """
Rules are files or folders of Prometheus rules. Tests are promtool test files, or folders with files
named like a.test.yml, a_tests.yaml or tests.yaml. Exit code 1: the score is below --least, or a
mutant survived that changes a threshold, a comparison, a `for`, a severity or a guard, or deletes a
rule. Exit code 2: the run was not possible.
"""


@click.command(cls=commands.ManyValues, help=__doc__, epilog=EPILOG)
@click.option("--rules", type=PATH, multiple=True, required=True, help="Rule files or folders.")
@click.option("--tests", type=PATH, multiple=True, required=True, help="Test files or folders.")
@click.option("--jobs", default=2, show_default=True, help="Promtools that run at a time.")
@click.option("--only", default="", help="Only rules whose name matches this regular expression.")
@click.option("--sample", default=0, help="Only this many mutants, drawn at random.")
@click.option("--seed", default=1, show_default=True, help="Seed of the draw.")
@click.option("--exact", is_flag=True, help="Run whole test files; slow.")
@click.option("--least", default=95.0, show_default=True, help="Lowest score in percent.")
@click.option(
    "--equivalents", type=PATH, default=HERE / "equivalents.yaml", help="YAML with reasons."
)
@click.option("--promtool", "program", type=PATH, help="The promtool (default: the newest found).")
@click.option("--json", "outcome", type=PATH, help="Write the outcome there.")
def command(
    *, program: Path | None, outcome: Path | None, least: float, equivalents: Path, **chosen: Any
) -> int:
    """Run the mutants, print the report and return the exit code."""
    tool = promtool.identify(program) if program else promtool.find_all()[-1]
    report = run(tool, known=load_equivalents(equivalents), **chosen)
    click.echo("\n".join(report.lines()))
    if outcome:
        outcome.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report.as_json(), indent=2, ensure_ascii=False)
        outcome.write_text(text + "\n", encoding="utf-8")
    return 1 if report.score * 100 < least or report.critical else 0


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    try:
        return int(command.main(arguments, f"python -m {__package__}", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except errors.RulesError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
