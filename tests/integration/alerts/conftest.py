"""Fixtures of the rules' tests: the rule files, their tests, and both versions of promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.layout import write_demo_tests
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
def test_paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every promtool test: those that are committed, and those of the demo profile."""
    return find_tests([*FOLDERS, write_demo_tests(tmp_path_factory.mktemp("demo") / "tests")])
