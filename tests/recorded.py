"""Telemetry in memory, for the tests of the kit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from observability.instrumentation.testing import RecordedTelemetry, recorded_telemetry


@pytest.fixture
def telemetry() -> Iterator[RecordedTelemetry]:
    with recorded_telemetry() as recorded:
        yield recorded
