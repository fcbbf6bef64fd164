"""Telemetry in memory, for the tests of the kit, with either engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from observability.instrumentation.settings import ENGINES
from observability.instrumentation.testing import RecordedTelemetry, recorded_telemetry

# For what the engines do differently: `test_engines` lists it, and asserts both sides.
only_lean = pytest.mark.parametrize("engine", ["lean"], indirect=True)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The value of TELEMETRY_ENGINE: each test that takes it, or telemetry, runs once with each."""
    return request.param


@pytest.fixture
def telemetry(engine: str) -> Iterator[RecordedTelemetry]:
    with recorded_telemetry(engine=engine) as recorded:
        yield recorded
