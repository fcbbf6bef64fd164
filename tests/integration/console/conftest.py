"""A console of each test's own."""

from tests.consoles import console, order_trace, service, start_console  # noqa: F401 - fixtures
