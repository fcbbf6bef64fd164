"""The exact mutation score of our own alert tests is at least the committed one."""

from __future__ import annotations

import json

import pytest

from alerts.layout import write_demo_tests
from alerts.mutation.__main__ import main
from alerts.paths import FOLDERS

# docs/measurements/mutation.md: before the tests were made leaner.
LEAST = 195
DRAWN = 200


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_whole_test_files_notice_what_they_noticed_before(tmp_path, newest):
    none = tmp_path / "no-equivalents.yaml"
    none.write_text("[]")
    outcome = tmp_path / "exact.json"
    folders = [str(folder) for folder in FOLDERS]
    tests = [*folders, str(write_demo_tests(tmp_path / "demo-tests"))]
    options = ["--exact", "--sample", str(DRAWN), "--seed", "1", "--equivalents", str(none)]
    options += ["--least", str(100 * LEAST / DRAWN), "--promtool", str(newest.path)]
    code = main([*options, "--json", str(outcome), "--rules", *folders, "--tests", *tests])
    found = json.loads(outcome.read_text())
    assert found["mutants"] == DRAWN
    assert found["killed"] >= LEAST
    assert code == 0, found["survivors"]
