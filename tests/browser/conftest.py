"""A private console for each test, and the browser."""

import shutil

import pytest

from tests.consoles import console, guarded, order_trace, service, start_console  # noqa: F401 - fixtures

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser's path."""
    if not shutil.which(CHROMIUM):
        pytest.skip(f"{CHROMIUM} is not installed")
    return CHROMIUM
