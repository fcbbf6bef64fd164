"""A private console for each test."""

from tests.consoles import console, guarded, order_trace, service, start_console  # noqa: F401 - fixtures
