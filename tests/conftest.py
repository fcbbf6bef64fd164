"""Fixtures that all tests share: real servers, started once per session or per test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tools.servers import PROGRAMS, Postgres, Redis, running_postgres, running_redis

LOG_TAIL_CHARACTERS = 6_000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
    """Show, where a test fails, the end of every log that its processes wrote."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        for log in sorted(folder.rglob("*.log")):
            tail = log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
            report.sections.append((f"end of {log.relative_to(folder)}", tail))
    return report


@pytest.fixture(autouse=True, scope="module")
def own_telemetry() -> Iterator[None]:
    """Forget the telemetry of programs that a module created in this process: they have names."""
    yield
    kit = sys.modules.get("observability.instrumentation.telemetry")
    if kit is not None and kit._started:
        kit._started.pop().shutdown(timeout_seconds=0.1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A real PostgreSQL for the whole session; give each test its own `create_database()`."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., Redis]]:
    """Start a real Redis of the test's own: `start_redis(durable=True)` is a broker."""
    with ExitStack() as stack:
        numbers = iter(range(100))

        def start(**options: object) -> Redis:
            folder = tmp_path / f"redis{next(numbers)}"
            return stack.enter_context(running_redis(folder, **options))

        yield start


@pytest.fixture(scope="session")
def prometheus_bin() -> Path:
    """The Prometheus that this machine runs."""
    return PROGRAMS.find("prometheus")


@pytest.fixture(scope="session")
def promtool_bins() -> list[Path]:
    """Both promtools: 2.42 and the newest that Debian has."""
    return [PROGRAMS.find("promtool-2.42"), PROGRAMS.find("promtool")]


@pytest.fixture(scope="session")
def alertmanager_bin() -> Path:
    """The Alertmanager that this machine runs."""
    return PROGRAMS.find("alertmanager")


@pytest.fixture(scope="session")
def amtool_bin() -> Path:
    """The checker of Alertmanager's configuration."""
    return PROGRAMS.find("amtool")
