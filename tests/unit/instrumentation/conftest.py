"""Telemetry in memory."""

from tests.recorded import telemetry  # noqa: F401 - a fixture
