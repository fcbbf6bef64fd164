"""The cut suite of a mutation run has the same score as the whole files."""

from __future__ import annotations

import json

import pytest

from alerts.mutation.__main__ import main
from alerts.mutation.suite import cases, load, rule_document

pytestmark = pytest.mark.slow

GROUP = """
groups:
- name: g
  {group}
  rules:
"""
TEST = """
rule_files: [r.yml]
evaluation_interval: 1m
tests:
- name: one
  interval: 1m
  input_series:
"""
# By name: what decides in the suite, the rules, the tests, and how many of its mutants it notices.
SUITES = {
    "labels of the group": (
        GROUP.replace("{group}", "labels: {team: desk}")
        + "  - {alert: Slow, expr: desk_seconds > 5, labels: {severity: page}}",
        TEST
        + """
  - {series: 'desk_seconds{room="a"}', values: 100x10}
  alert_rule_test:
  - eval_time: 5m
    alertname: Slow
    exp_alerts: [{exp_labels: {severity: page, team: desk, room: a}}]
""",
        (3, 7),
    ),
    "query offset of the group": (
        GROUP.replace("{group}", "query_offset: 2m")
        + "  - {alert: Shut, expr: valve_open < 1, labels: {severity: page}}",
        TEST
        + """
  - {series: 'valve_open{room="a"}', values: 5x4 0x10}
  alert_rule_test:
  - {eval_time: 6m, alertname: Shut, exp_alerts: []}
  - {eval_time: 10m, alertname: Shut, exp_alerts: [{exp_labels: {severity: page, room: a}}]}
""",
        (4, 7),
    ),
    "series chosen by a pattern": (
        GROUP.replace("  {group}\n", "")
        + """  - alert: Hot
    expr: '{__name__=~"lamp_(left|right)_celsius"} > 60'
    labels: {severity: page}""",
        TEST
        + """
  - {series: 'up{room="a"}', values: 1x10}
  - {series: 'lamp_left_celsius{room="a"}', values: 500x10}
  alert_rule_test:
  - {eval_time: 5m, alertname: Hot, exp_alerts: [{exp_labels: {severity: page, room: a}}]}
""",
        (3, 7),
    ),
    "an alert that reads another": (
        GROUP.replace("  {group}\n", "")
        + """  - {alert: Open, expr: door_open == 1, labels: {severity: info}}
  - alert: OpenAndEmpty
    expr: ALERTS{alertname="Open",alertstate="firing"} == 1 and on (room) people < 3
    labels: {severity: page}""",
        TEST
        + """
  - {series: 'door_open{room="a"}', values: 1x10}
  - {series: 'people{room="a"}', values: 0x10}
  alert_rule_test:
  - {eval_time: 5m, alertname: Open, exp_alerts: [{exp_labels: {severity: info, room: a}}]}
  - eval_time: 5m
    alertname: OpenAndEmpty
    exp_alerts: [{exp_labels: {severity: page, room: a, alertstate: firing}}]
""",
        (15, 25),
    ),
    "an alert that reads some others": (
        GROUP.replace("  {group}\n", "")
        + """  - {alert: Open, expr: door_open == 1}
  - {alert: Many, expr: 'count(ALERTS{alertname!="Many"}) > 0'}""",
        TEST
        + """
  - {series: door_open, values: 1x10}
  alert_rule_test:
  - {eval_time: 5m, alertname: Many, exp_alerts: [{}]}
""",
        None,
    ),
    "a limit of the group": (
        GROUP.replace("{group}", "limit: 1")
        + "  - {alert: Slow, expr: desk_seconds > 5, labels: {severity: page}}",
        TEST
        + """
  - {series: 'desk_seconds{room="a"}', values: 100x10}
  - {series: 'desk_seconds{room="b"}', values: 4x10}
  alert_rule_test:
  - {eval_time: 5m, alertname: Slow, exp_alerts: [{exp_labels: {severity: page, room: a}}]}
""",
        None,
    ),
    "an annotation that queries": (
        GROUP.replace("  {group}\n", "")
        + """  - alert: Slow
    expr: desk_seconds > 5
    annotations: {summary: '{{ with query "budget" }}{{ . | first | value }}{{ end }}'}""",
        TEST
        + """
  - {series: desk_seconds, values: 100x10}
  - {series: budget, values: 7x10}
  alert_rule_test:
  - {eval_time: 5m, alertname: Slow, exp_alerts: [{exp_annotations: {summary: "7"}}]}
""",
        None,
    ),
    "values that YAML takes for a number": (
        GROUP.replace("  {group}\n", "")
        + "  - {alert: Dark, expr: lamp_lux < 1, for: 30m, labels: {severity: page}}",
        TEST
        + """
  - {series: lamp_lux, values: 0x60}
  alert_rule_test:
  - {eval_time: 40m, alertname: Dark, exp_alerts: [{exp_labels: {severity: page}}]}
  - {eval_time: 29m, alertname: Dark, exp_alerts: []}
""",
        None,
    ),
}


def test_a_cut_suite_keeps_what_is_set_for_a_group(tmp_path):
    rules, tests, _ = SUITES["query offset of the group"]
    (tmp_path / "r.yml").write_text(rules)
    (tmp_path / "r.test.yml").write_text(tests)
    (case,) = cases(load(tmp_path / "r.test.yml"), "Shut")
    (group,) = rule_document(case, None, None)["groups"]
    assert group["query_offset"] == "2m"


@pytest.mark.parametrize(("rules", "tests", "expected"), SUITES.values(), ids=SUITES)
def test_a_cut_suite_notices_what_the_whole_files_notice(tmp_path, newest, rules, tests, expected):
    (tmp_path / "r.yml").write_text(rules)
    (tmp_path / "r.test.yml").write_text(tests)
    files = ["--rules", str(tmp_path / "r.yml"), "--tests", str(tmp_path / "r.test.yml")]
    found = []
    for mode in ([], ["--exact"]):
        outcome = tmp_path / "outcome.json"
        main([*mode, *files, "--promtool", str(newest.path), "--json", str(outcome)])
        report = json.loads(outcome.read_text())
        survivors = {(one["rule"], one["diff"]) for one in report["survivors"]}
        found.append((report["killed"], report["mutants"], survivors))
    assert found[0] == found[1]
    if expected:
        assert found[0][:2] == expected
