"""Telemetry in memory."""

from tests.recorded import engine, telemetry  # noqa: F401 - fixtures
