"""Run promtool, which judges rules and their tests; every version that is found has to agree."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from alerts.promrules.errors import AlertsError

JOBS = 2
TIME_LIMIT = 300


@dataclass(frozen=True)
class Promtool:
    """One promtool.

    Args:
        path: The program.
        version: As it says itself.
    """

    path: Path
    version: str

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run it; output and errors come together."""
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
        AlertsError: The program does not run.
    """
    try:
        said = Promtool(path, "").run("--version").stdout
    except OSError as error:
        raise AlertsError(f"{path}: {error.strerror}") from error
    found = re.search(r"version (\d+\.\d+\.\d+)", said)
    if not found:
        raise AlertsError(f"{path} is no promtool; it says {said[:80]!r}")
    return Promtool(path, found[1])


def find_all(given: Sequence[Path] = (), folder: Path | None = None) -> list[Promtool]:
    """Return each version of promtool here, oldest first.

    Args:
        given: Programs that a person named; without any, the PATH and the folder count.
        folder: Where more of them may be, each named promtool….

    Raises:
        AlertsError: There is none.
    """
    on_path = shutil.which("promtool")
    fetched = folder.glob("promtool*") if folder else ()
    paths = list(given) or [*fetched, *([Path(on_path)] if on_path else [])]
    versions = {tool.version: tool for tool in map(identify, paths)}
    if not versions:
        raise AlertsError("no promtool here: install Prometheus, or name one by --promtool")
    return sorted(versions.values(), key=lambda tool: [int(n) for n in tool.version.split(".")])


def find_rules(folders: Iterable[Path]) -> list[Path]:
    """Return the rule files below folders; test files are no rule files."""
    found = (p for folder in folders for p in folder.rglob("*.yml"))
    return sorted(p for p in found if not is_test(p))


def find_tests(folders: Iterable[Path]) -> list[Path]:
    """Return the promtool tests below folders."""
    return sorted(p for folder in folders for p in folder.rglob("*.yml") if is_test(p))


def is_test(path: Path) -> bool:
    """Tell whether a file is a promtool test, by its name."""
    return path.stem.endswith((".test", "_test"))


def run_tests(
    tools: Sequence[Promtool], folders: Sequence[Path], say: Callable[[str], object]
) -> int:
    """Check every rule file and run every test below folders on every version.

    Returns:
        The exit code.
    """
    failures, rules, files = 0, find_rules(folders), find_tests(folders)
    for tool in tools:
        started = time.monotonic()
        done = tool.run("check", "rules", "--lint=all", "--lint-fatal", *rules)
        if done.returncode:
            say(done.stdout)
            failures += 1
        with ThreadPoolExecutor(JOBS) as pool:
            results = list(pool.map(lambda path, tool=tool: tool.run("test", "rules", path), files))
        for path, result in zip(files, results, strict=True):
            if result.returncode:
                say(f"{path} on promtool {tool.version}:\n{result.stdout}")
        failed = sum(bool(result.returncode) for result in results)
        failures += failed
        say(
            f"promtool {tool.version}: {len(rules)} rule files, {len(files)} test files,"
            f" {failed} failed, {time.monotonic() - started:.1f} s"
        )
    return 1 if failures else 0
