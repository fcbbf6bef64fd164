"""Check and test rules with promtool, on every version that is found."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .errors import RulesError
from .suite_gaps import suite_gaps

JOBS = 2
TIME_LIMIT = 300
SUFFIXES = (".yml", ".yaml")
GROUPS = re.compile(rb"""\bgroups["']?\s*:""")
TEST_NAME = re.compile(r"(\A|[._-])tests?\Z")


@dataclass(frozen=True)
class Promtool:
    """One promtool.

    Args:
        path: The program.
        version: As `promtool --version` prints it.
    """

    path: Path
    version: str

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it and return its output, errors included."""
        return subprocess.run(
            [str(self.path), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )


def identify(path: Path) -> Promtool:
    """Return a promtool with its version.

    Raises:
        RulesError: The program does not run.
    """
    try:
        output = Promtool(path, "").run("--version").stdout
    except OSError as error:
        raise RulesError(f"{path}: {error.strerror}") from error
    found = re.search(r"version (\d+\.\d+\.\d+)", output)
    if not found:
        raise RulesError(f"{path} is not promtool; `--version` printed {output[:80]!r}")
    return Promtool(path, found[1])


def find_all(given: Sequence[Path] = (), folder: Path | None = None) -> list[Promtool]:
    """Return each version of promtool on this machine, oldest first.

    Args:
        given: The programs to use; if empty, the PATH and the folder are searched.
        folder: Holds more of them, each named promtool….

    Raises:
        RulesError: There is none.
    """
    on_path = shutil.which("promtool")
    fetched = folder.glob("promtool*") if folder else ()
    paths = list(given) or [*fetched, *([Path(on_path)] if on_path else [])]
    versions = {tool.version: tool for tool in map(identify, paths)}
    if not versions:
        raise RulesError("no promtool found: install Prometheus, or name one with --promtool")
    return sorted(versions.values(), key=lambda tool: [int(n) for n in tool.version.split(".")])


def find_rules(paths: Iterable[Path]) -> list[Path]:
    """Return rule files: those that are named, and those in folders that are not tests."""
    return _files(paths, tests=False)


def find_tests(paths: Iterable[Path]) -> list[Path]:
    """Return promtool tests: those that are named, and those in folders, known by their names."""
    return _files(paths, tests=True)


def _files(paths: Iterable[Path], *, tests: bool) -> list[Path]:
    found: set[Path] = set()
    for path in paths:
        inside = (p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        wanted = is_test if tests else _has_rules
        found |= set(filter(wanted, inside)) if path.is_dir() else {path}
    return sorted(found)


def _has_rules(path: Path) -> bool:
    """Return whether a file seems to have rules; folders hold other YAML too."""
    return not is_test(path) and GROUPS.search(path.read_bytes()) is not None


def is_test(path: Path) -> bool:
    """Return whether a file is a promtool test, by its name: `queue_tests.yml`, `tests.yaml`."""
    return TEST_NAME.search(path.stem) is not None


def run_tests(
    tools: Sequence[Promtool], folders: Sequence[Path], report: Callable[[str], object]
) -> int:
    """Check every rule file and run every test below folders on every version.

    What promtool passes though it is not tested is a failure too: see `suite_gaps`.

    Returns:
        The exit code.
    """
    rules, files = find_rules(folders), find_tests(folders)
    gaps = suite_gaps(rules, files)
    for gap in gaps:
        report(gap)
    failures = len(gaps)
    for tool in tools:
        started = time.monotonic()
        done = tool.run("check", "rules", "--lint=all", "--lint-fatal", *rules)
        if done.returncode:
            report(done.stdout)
            failures += 1
        with ThreadPoolExecutor(JOBS) as pool:
            results = list(pool.map(lambda path, tool=tool: tool.run("test", "rules", path), files))
        for path, result in zip(files, results, strict=True):
            if result.returncode:
                report(f"{path} on promtool {tool.version}:\n{result.stdout}")
        failed = sum(bool(result.returncode) for result in results)
        failures += failed
        report(
            f"promtool {tool.version}: {len(rules)} rule files, {len(files)} test files,"
            f" {failed} failed, {time.monotonic() - started:.1f} s"
        )
    return 1 if failures else 0
