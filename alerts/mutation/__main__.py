"""Damage alert rules and see whether their tests notice: `python -m alerts.mutation --help`."""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from alerts.mutation.equivalents import Equivalent, load_equivalents
from alerts.mutation.evaluate import Judge, Verdict
from alerts.mutation.mutants import Mutant, mutants
from alerts.mutation.report import Report
from alerts.promrules.errors import AlertsError
from alerts.promrules.progress import progress
from alerts.promrules.promtool import Promtool, find_all, find_rules, find_tests, identify
from alerts.promrules.suite import load

HERE = Path(__file__).parent

EPILOG = """
Rules are files or folders of Prometheus rules. Tests are promtool test files, or folders with files
named *.test.yml or *_test.yml. Exit code 1: the score is below --least, or a mutant survived that
changes a threshold, a comparison, a `for`, a severity or a guard, or deletes a rule.
"""


def main(arguments: list[str]) -> int:
    """Do what the command line asks; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        report = _report(options)
    except AlertsError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(report.lines()))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report.as_json(), indent=2, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 1 if report.score * 100 < options.least or report.critical else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m alerts.mutation",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rules", type=Path, nargs="+", required=True, help="rule files or folders")
    add("--tests", type=Path, nargs="+", required=True, help="promtool test files or folders")
    add("--jobs", type=int, default=2, help="promtools at a time (default 2)")
    add("--only", default="", help="only rules whose name matches this regular expression")
    add("--sample", type=int, default=0, help="only so many mutants, drawn at random")
    add("--seed", type=int, default=1, help="of the draw (default 1)")
    add("--least", type=float, default=95, help="score in percent below which it fails (95)")
    add("--equivalents", type=Path, default=HERE / "equivalents.yaml", help="YAML with reasons")
    add("--promtool", type=Path, help="the judge (default: the newest here)")
    add("--json", type=Path, help="write the outcome there")
    return parser


def _report(options: argparse.Namespace) -> Report:
    tool = identify(options.promtool) if options.promtool else find_all()[-1]
    started = time.monotonic()
    rules = [
        p for path in options.rules for p in ([path] if path.is_file() else find_rules([path]))
    ]
    tests = [
        p for path in options.tests for p in ([path] if path.is_file() else find_tests([path]))
    ]
    if not rules or not tests:
        raise AlertsError("no rule files found" if not rules else "no promtool tests found")
    _must_pass(tool, tests, options.jobs)
    made = [m for p in rules for m in mutants(p.resolve()) if re.search(options.only, m.site.name)]
    chosen = made
    if options.sample and options.sample < len(made):
        chosen = random.Random(options.seed).sample(made, options.sample)  # noqa: S311 - a draw
    run, left_out = _screen(chosen, load_equivalents(options.equivalents))
    judge = Judge(tool, [load(path) for path in tests])
    verdicts = _judge_all(judge, run, options.jobs)
    return Report(verdicts, left_out, tool.version, time.monotonic() - started, len(made))


def _files(paths: Sequence[Path], find: Callable[[Sequence[Path]], list[Path]]) -> list[Path]:
    """Return files as they are, and what is found in folders."""
    return [p for path in paths for p in ([path] if path.is_file() else find([path]))]


def _must_pass(tool: Promtool, tests: Sequence[Path], jobs: int) -> None:
    """Refuse a suite that fails before anything is damaged: it would kill every mutant."""
    with ThreadPoolExecutor(jobs) as pool:
        for path, done in zip(
            tests, pool.map(lambda test: tool.run("test", "rules", test), tests), strict=True
        ):
            if done.returncode:
                raise AlertsError(f"{path} fails already without damage:\n{done.stdout}")


def _screen(
    chosen: Sequence[Mutant], known: Sequence[Equivalent]
) -> tuple[list[Mutant], list[tuple[Mutant, Equivalent]]]:
    run, left_out = [], []
    for mutant in chosen:
        reason = next((entry for entry in known if entry.covers(mutant)), None)
        if reason:
            left_out.append((mutant, reason))
        else:
            run.append(mutant)
    return run, left_out


def _judge_all(judge: Judge, chosen: Sequence[Mutant], jobs: int) -> list[Verdict]:
    verdicts: dict[int, Verdict] = {}
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(judge.judge, mutant): i for i, mutant in enumerate(chosen)}
        for done in progress(as_completed(futures), len(futures)):
            verdicts[futures[done]] = done.result()
    return [verdicts[i] for i in sorted(verdicts)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
