"""What promtool passes although no test looks at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.promrules.errors import RulesError
from alerts.promrules.promtool import find_rules, find_tests
from alerts.promrules.suite_gaps import suite_gaps

RULES = "groups: [{name: g, rules: [{alert: Down, expr: up == 0}, {record: a, expr: up}]}]\n"
TEST = "rule_files: [%s]\ntests: [{alert_rule_test: [{alertname: %s, exp_alerts: []}]}]\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def gaps(folder: Path) -> list[str]:
    return suite_gaps(find_rules([folder]), find_tests([folder]))


def test_a_suite_that_names_its_rules_and_alerts_has_no_gaps(tmp_path):
    write(tmp_path, r_dot_yml=RULES, tests__r_test_dot_yml=TEST % ("../*.yml", "Down"))
    assert gaps(tmp_path) == []


def test_an_alert_that_no_rule_has_is_a_gap(tmp_path):
    write(tmp_path, r_dot_yml=RULES, r_test_dot_yml=TEST % ("r.yml", "Dwon"))
    (gap,) = gaps(tmp_path)
    assert gap == f"{tmp_path}/r_test.yml: 'Dwon' is no alert of its rule files: a misspelling?"


def test_an_alert_of_a_rule_file_that_this_test_does_not_load_is_a_gap(tmp_path):
    other = RULES.replace("Down", "Slow")
    write(tmp_path, r_dot_yml=RULES, s_dot_yml=other, r_test_dot_yml=TEST % ("r.yml", "Slow"))
    found = gaps(tmp_path)
    assert [gap.rpartition(": ")[0] for gap in found][1:] == [f"{tmp_path}/s.yml"]
    assert "'Slow' is no alert" in found[0]


def test_a_rule_file_that_no_test_names_is_a_gap(tmp_path):
    write(tmp_path, r_dot_yaml=RULES, s_dot_yml=RULES, tests_dot_yaml=TEST % ("s.yml", "Down"))
    assert gaps(tmp_path) == [f"{tmp_path}/r.yaml: no test file names it"]


@pytest.mark.parametrize(
    "text", ["", "[]", "tests: x\nrule_files: []", "groups: [1, {rules: [2]}]"]
)
def test_files_of_another_shape_are_left_to_promtool(tmp_path, text):
    write(tmp_path, r_dot_yml=RULES, r_test_dot_yml=TEST % ("r.yml", "Down"), x_test_dot_yml=text)
    assert gaps(tmp_path) == []


def test_a_file_that_is_not_yaml_is_named(tmp_path):
    write(tmp_path, r_dot_yml="groups: [")
    with pytest.raises(RulesError, match=r"r\.yml: "):
        gaps(tmp_path)


@pytest.mark.parametrize(
    ("name", "is_test"),
    [
        *((name, True) for name in ("a.test.yml", "a_test.yaml", "a-tests.yml", "tests.yaml")),
        *((name, False) for name in ("latest.yml", "contest.yaml", "a_test_rules.yml")),
    ],
)
def test_tests_are_known_by_their_names(tmp_path, name, is_test):
    (tmp_path / name).write_text(RULES)
    (tmp_path / "notes.txt").write_text(RULES)
    (tmp_path / "values.yaml").write_text("replicas: 2\n")
    assert (find_tests([tmp_path]) != [], find_rules([tmp_path]) != []) == (is_test, not is_test)
