"""What the tests of the rules share: the suite, read once, and both judges."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.paths import FOLDERS
from alerts.promrules.promtool import Promtool, find_rules, find_tests, identify


@pytest.fixture(scope="session")
def promtools(promtool_bins: list[Path]) -> list[Promtool]:
    """promtool 2.42 and the newest."""
    return [identify(path) for path in promtool_bins]


@pytest.fixture(scope="session")
def newest(promtools: list[Promtool]) -> Promtool:
    """The newest promtool."""
    return promtools[-1]


@pytest.fixture(scope="session")
def rule_paths() -> list[Path]:
    """Every rule file that we ship."""
    return find_rules(FOLDERS)


@pytest.fixture(scope="session")
def test_paths() -> list[Path]:
    """Every promtool test that we ship."""
    return find_tests(FOLDERS)
