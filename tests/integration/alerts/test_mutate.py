"""The mutation tester: the damage it does, the tests it runs, the report it prints."""

from __future__ import annotations

import json

import pytest

from alerts.mutation.__main__ import main
from alerts.mutation.expression_mutants import expression_mutants
from alerts.mutation.mutants import mutants
from alerts.mutation.tokens import tokens

RULES = """
groups:
- name: g
  rules:
  - {record: 'job:errors:rate5m', expr: 'sum by (job) (rate(errors_total[5m]))'}
  - alert: ErrorsHigh
    expr: job:errors:rate5m > 1 and on (job) up == 1
    for: 2m
    labels: {severity: page}
    annotations: {summary: "{{ $labels.job }} fails"}
"""
WEAK = """
rule_files: [r.yml]
evaluation_interval: 1m
tests:
- name: errors fire
  interval: 1m
  input_series:
  - {series: 'errors_total{job="a"}', values: '0+600x10'}
  - {series: 'up{job="a"}', values: '1x10'}
  alert_rule_test:
  - alertname: ErrorsHigh
    eval_time: 9m
    exp_alerts: [{exp_labels: {job: a, severity: page}, exp_annotations: {summary: a fails}}]
"""
STRONGER = """
- name: 66 errors a minute fire after 2 minutes, not before
  interval: 1m
  input_series:
  - {series: 'errors_total{job="a"}', values: '1000x10 1066+66x20'}
  - {series: 'up{job="a"}', values: '1x30'}
  alert_rule_test:
  - {alertname: ErrorsHigh, eval_time: 15m, exp_alerts: []}
  promql_expr_test:
  - expr: count(ALERTS{alertname="ErrorsHigh",alertstate="firing"})
    eval_time: 17m
    exp_samples: [{labels: '{}', value: 1}]
- name: 54 errors a minute do not fire, nor 60, nor errors of a job that is down
  interval: 1m
  input_series:
  - {series: 'errors_total{job="a"}', values: '0+54x30'}
  - {series: 'errors_total{job="b"}', values: '0+60x30'}
  - {series: 'errors_total{job="c",instance="1"}', values: '0+600x30'}
  - {series: 'errors_total{job="c",instance="2"}', values: '0+600x30'}
  - {series: 'up{job="a"}', values: '1x30'}
  - {series: 'up{job="b"}', values: '1x30'}
  - {series: 'up{job="c"}', values: '0x30'}
  alert_rule_test:
  - {alertname: ErrorsHigh, eval_time: 29m, exp_alerts: []}
  promql_expr_test:
  - expr: job:errors:rate5m{job="c"}
    eval_time: 29m
    exp_samples: [{labels: 'job:errors:rate5m{job="c"}', value: 20}]
"""


def changes(expr: str, operator: str) -> set[str]:
    return {changed for kind, changed in expression_mutants(expr) if kind == operator}


@pytest.mark.parametrize(
    ("operator", "expr", "expected"),
    [
        ("threshold", "a > 10", {"a > 8", "a > 12.5"}),
        ("threshold", "a > 0", {"a > 1"}),
        ("number", "clamp_max(a, 4)", {"clamp_max(a, 3.2)", "clamp_max(a, 5)"}),
        ("comparison", "a > 1", {"a < 1"}),
        ("boundary", "a > 1", {"a >= 1"}),
        ("range", "rate(a[5m])", {"rate(a[150s])", "rate(a[10m])"}),
        ("offset", "rate(a[5m] offset 1h)", {"rate(a[5m] )"}),
        ("set", "a and b", {"a or b", "a unless b"}),
        (
            "guard",
            "a and on (x) b > 1 or c",
            {"a  or c", "a and on (x) b > 1", "a and on (x) b  or c"},
        ),
        ("guard", "x / (y > 0)", {"x / (y )"}),
        ("guard", "(a or b * 0) < c", {"(a ) < c"}),
        (
            "matcher",
            'a{x="1",y=~"2|3"}',
            {'a{y=~"2|3"}', 'a{x="1"}', 'a{x!="1",y=~"2|3"}', 'a{x="1",y!~"2|3"}'},
        ),
        ("matcher", 'a{x="1"}', {"a", 'a{x!="1"}'}),
        ("grouping", "sum by (a, b) (c)", {"sum by (b) (c)", "sum by (a) (c)"}),
        ("aggregation", "sum(a)", {"max(a)"}),
        ("function", "rate(a[5m])", {"increase(a[5m])"}),
        ("arithmetic", "a / b * -1", {"a * b * -1", "a / b / -1"}),
    ],
)
def test_each_operator_damages_one_token_at_a_time(operator, expr, expected):
    assert {" ".join(c.split()) for c in changes(expr, operator)} == {
        " ".join(c.split()) for c in expected
    }


def test_a_name_with_colons_and_a_string_with_brackets_are_one_token_each():
    texts = [t.text for t in tokens('a:b:rate5m{x="[5m]"} > 0.5')]
    assert texts == ["a:b:rate5m", "{", "x", "=", '"[5m]"', "}", ">", "0.5"]


def test_no_mutant_is_made_twice_or_cannot_be_parsed():
    made = [
        c
        for _, c in expression_mutants('sum(rate(a{b="c"}[5m])) / sum(rate(d[5m])) > 0.1 and e > 0')
    ]
    assert len(made) == len(set(made))


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "r.yml").write_text(RULES)

    def write(text):
        (tmp_path / "r.test.yml").write_text(text)
        return tmp_path

    return write


def run(folder, promtool, *more) -> tuple[int, dict]:
    arguments = [
        "--rules",
        folder,
        "--tests",
        folder,
        "--promtool",
        promtool.path,
        "--json",
        folder / "m.json",
        *more,
    ]
    code = main([str(a) for a in arguments])
    return code, json.loads((folder / "m.json").read_text())


def test_a_rule_is_damaged_in_its_for_labels_and_annotations_and_as_a_whole(suite):
    kinds = {m.operator for m in mutants(suite(WEAK) / "r.yml")}
    assert {"for", "severity", "annotation", "delete", "grouping", "guard", "threshold"} <= kinds


def test_a_weak_suite_leaves_survivors_with_a_diff_and_the_closest_case(suite, newest, capsys):
    code, found = run(suite(WEAK), newest)
    assert code == 1
    assert found["killed"] < found["mutants"]
    thresholds = [s for s in found["survivors"] if s["operator"] == "threshold"]
    assert any(
        "+expr: job:errors:rate5m > 0.8 and on (job) up == 1" in s["diff"] for s in thresholds
    )
    assert all("errors fire" in s["closest"] for s in thresholds)
    assert "SURVIVED threshold in ErrorsHigh" in capsys.readouterr().out


@pytest.mark.slow
def test_a_stronger_suite_kills_what_the_weak_one_did_not(suite, newest):
    _, weak = run(suite(WEAK), newest)
    code, strong = run(suite(WEAK + STRONGER), newest)
    assert strong["killed"] > weak["killed"]
    assert not [
        s
        for s in strong["survivors"]
        if s["operator"] in ("threshold", "for", "delete", "severity")
    ]
    assert strong["score"] >= 0.9
    assert code in (0, 1)


@pytest.mark.slow
def test_both_promtools_give_nearly_the_same_score(suite, promtools):
    found = [run(suite(WEAK + STRONGER), tool)[1] for tool in promtools]
    assert found[0]["promtool"] != found[1]["promtool"]
    assert abs(found[0]["score"] - found[1]["score"]) < 0.05


def test_a_listed_equivalent_is_left_out_with_its_reason(suite, newest, tmp_path):
    listed = tmp_path / "equivalents.yaml"
    listed.write_text(
        "- {rule: ErrorsHigh, operator: threshold, change: '> 0.8', reason: because}\n"
    )
    _, found = run(suite(WEAK), newest, "--equivalents", listed)
    assert [e["reason"] for e in found["equivalents"]] == ["because"]
    assert not any("> 0.8" in s["diff"] for s in found["survivors"])


def test_an_equivalent_without_a_reason_is_refused(suite, newest, tmp_path, capsys):
    listed = tmp_path / "equivalents.yaml"
    listed.write_text("- {rule: ErrorsHigh, operator: threshold, change: '> 0.8'}\n")
    arguments = [
        "--rules",
        str(suite(WEAK)),
        "--tests",
        str(tmp_path),
        "--promtool",
        str(newest.path),
    ]
    assert main([*arguments, "--equivalents", str(listed)]) == 2
    assert "equivalents.yaml:1" in capsys.readouterr().err


def test_a_sample_is_drawn_by_its_seed(suite, newest):
    _, first = run(suite(WEAK), newest, "--sample", 10, "--seed", 7)
    _, again = run(suite(WEAK), newest, "--sample", 10, "--seed", 7)
    assert first["mutants"] + len(first["equivalents"]) == 10
    assert first["population"] > 10
    assert first["survivors"] == again["survivors"]


def test_a_suite_that_fails_without_damage_is_refused(suite, newest, capsys):
    folder = suite(WEAK.replace("a fails}", "b fails}"))
    assert (
        main(["--rules", str(folder), "--tests", str(folder), "--promtool", str(newest.path)]) == 2
    )
    assert "fails before any damage" in capsys.readouterr().err
