"""Every rule is asserted, and every assertion can fail."""

from __future__ import annotations

import pytest
import yaml

from alerts.promrules.errors import RulesError
from tests.integration.alerts.coverage import uncovered, vacuous

RULES = """
groups:
- name: g
  rules:
  - {record: job:x:rate5m, expr: 'sum by (job) (rate(x_total[5m]))'}
  - {alert: TooMany, expr: 'job:x:rate5m > 1', for: 1m, labels: {severity: page}}
"""
FIRES = {
    "alertname": "TooMany",
    "eval_time": "5m",
    "exp_alerts": [{"exp_labels": {"severity": "page"}}],
}
SILENT = {"alertname": "TooMany", "eval_time": "1m", "exp_alerts": []}
RESOLVED = {"alertname": "TooMany", "eval_time": "9m", "exp_alerts": []}
VALUE = {"expr": "job:x:rate5m", "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": 1}]}
SERIES = [{"series": 'x_total{job="a"}', "values": "0+120x20"}]


def test_every_rule_fires_nearly_fires_and_resolves_in_a_test_and_every_recording_has_a_value(
    test_paths,
):
    assert uncovered(test_paths) == []


@pytest.mark.slow
def test_no_assertion_is_vacuous(test_paths):
    assert [text for path in test_paths for text in vacuous(path)] == []


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "r.yml").write_text(RULES)

    def write(alerts=(), exprs=(), series=SERIES, name="case", **whole):
        case = {
            "name": name,
            "input_series": series,
            "alert_rule_test": list(alerts),
            "promql_expr_test": list(exprs),
        }
        document = {"rule_files": ["r.yml"], "tests": [case]} | whole
        path = tmp_path / "r.test.yml"
        path.write_text(yaml.safe_dump(document))
        return path

    return write


def test_a_whole_suite_is_covered(suite):
    assert uncovered([suite([SILENT, FIRES, RESOLVED], [VALUE])]) == []


@pytest.mark.parametrize(
    ("alerts", "exprs", "lack"),
    [
        ([SILENT, FIRES], [VALUE], "no case in which it resolves"),
        ([SILENT], [VALUE], "no assertion that it fires"),
        ([FIRES], [VALUE], "no near miss"),
        ([SILENT, FIRES, RESOLVED], [], "no value is asserted"),
    ],
)
def test_a_missing_assertion_is_reported(suite, alerts, exprs, lack):
    assert any(lack in text for text in uncovered([suite(alerts, exprs)]))


def test_an_alert_that_no_rule_has_is_found(suite):
    path = suite([SILENT | {"alertname": "ToManny"}])
    assert "no rule is called ToManny" in vacuous(path)[0]


def test_silence_without_input_is_found(suite):
    path = suite([SILENT], series=[{"series": "y_total", "values": "0x5"}])
    assert "TooMany has nothing to fire on" in vacuous(path)[0]


def test_silence_without_input_is_right_where_the_case_is_about_absence(suite):
    path = suite([SILENT], series=[{"series": "y_total", "values": "0x5"}], name="x is gone")
    assert vacuous(path) == []


def test_a_file_without_tests_is_found(suite):
    assert vacuous(suite(tests=[])) == ["r.test.yml: no tests"]


def test_a_rule_file_that_is_not_there_is_refused(suite):
    with pytest.raises(RulesError, match=r"nothing matches missing\.yml"):
        vacuous(suite(rule_files=["missing.yml"]))
