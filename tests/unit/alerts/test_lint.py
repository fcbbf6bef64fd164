"""Rules and fixtures use only metrics that exist, in ways that cannot fail silently."""

from __future__ import annotations

import re

import yaml

from alerts.layout import all_files, write_demo_tests
from alerts.paths import FOLDERS, RULES
from alerts.promrules.durations import parse
from alerts.promrules.model import Alert, Recording
from alerts.promrules.promtool import find_tests
from alerts.promrules.reading import grouping_labels, selectors
from alerts.symptoms.alert import SEVERITIES
from alerts.vocabulary import DECLARED, Vocabulary

GROUPS = [group for groups in all_files().values() for group in groups]
VOCABULARY = Vocabulary(GROUPS)
RULE_LIST = [rule for group in GROUPS for rule in group.rules]
ALERT_LIST = [rule for rule in RULE_LIST if isinstance(rule, Alert)]
ANOTHER_SLO = re.compile(r'slo="another"')
# Labels whose values in decoys are not ours on purpose.
FREE_VALUES = {"job", "instance", "slo", "service", "cache", "tenant", "rule_group"}


def named(rules):
    """Run a test over many rules as one: thousands of test items cost more than the tests."""

    def decorate(test):
        def over_all():
            for rule in rules:
                try:
                    test(rule)
                except AssertionError as error:
                    raise AssertionError(f"{rule.name}: {rule.expr}") from error

        over_all.__name__ = test.__name__
        return over_all

    return decorate


def fixtures(paths):
    for path in paths:
        for case in yaml.safe_load(path.read_text())["tests"]:
            for entry in case["input_series"]:
                yield path.name, entry["series"]


def test_every_input_series_of_every_test_is_a_metric_that_exists(tmp_path):
    faults = set()
    for file, text in fixtures(find_tests([*FOLDERS, write_demo_tests(tmp_path)])):
        if ANOTHER_SLO.search(text):
            continue
        (series,) = selectors(text)
        for matcher in series.matchers:
            value = "" if matcher.label in FREE_VALUES else matcher.value
            if fault := VOCABULARY.fault(series.name, matcher.label, value):
                faults.add(f"{file}: {fault}")
    assert not faults


def test_a_fixture_with_a_bucket_as_prometheus_never_stores_it_is_found():
    assert VOCABULARY.fault("celery_task_queue_wait_seconds_bucket", "le", "30") is not None
    assert VOCABULARY.fault("celery_task_queue_wait_seconds_bucket", "le", "30.0") is None
    assert VOCABULARY.fault("http_requests_total") is not None


@named(ALERT_LIST)
def test_every_alert_has_the_labels_that_routes_and_inhibition_need(rule):
    assert rule.labels["severity"] in SEVERITIES
    assert rule.labels["service"]
    assert not any("{{" in value for value in rule.labels.values())


@named(ALERT_LIST)
def test_only_alerts_of_an_slo_carry_the_label(rule):
    assert ("slo" in rule.labels) == (
        rule.name.endswith("BudgetBurn") or rule.name.startswith("SLO")
    )


@named([rule for rule in ALERT_LIST if rule.labels["severity"] == "page"])
def test_a_page_waits_at_most_5_minutes_because_a_restart_resets_the_wait(rule):
    assert rule.hold.total_seconds() <= 300


@named([rule for rule in ALERT_LIST if "absent(" in rule.expr])
def test_absence_is_reported_only_after_several_scrapes(rule):
    assert rule.hold.total_seconds() >= 2 * 15


@named(RULE_LIST)
def test_no_rule_needs_a_newer_prometheus(rule):
    assert "keep_metric_names" not in rule.expr
    assert '{"' not in rule.expr
    assert not re.search(r"[<>=]\s*\d+[smhd]\b", rule.expr)
    assert "offset 0s" not in rule.expr


@named(RULE_LIST)
def test_counters_are_read_only_through_a_rate_and_gauges_never(rule):
    kinds = {metric.name: metric.kind for metric in DECLARED}
    for selector in selectors(rule.expr):
        base = re.sub(r"_(count|sum|bucket)$", "", selector.name)
        kind = kinds.get(selector.name) or kinds.get(base)
        inside = re.search(rf"(\w+)\(\s*{re.escape(selector.name)}\b", rule.expr)
        if kind in {"counter", "histogram"} or selector.name.endswith("_total"):
            assert inside
            assert inside[1] in {"rate", "increase"}
        elif kind == "gauge":
            assert inside
            assert inside[1].endswith("_over_time")


@named(RULE_LIST)
def test_no_ratio_is_compared_with_unequal_because_nan_is(rule):
    assert "!=" not in re.sub(r"\{[^}]*\}", "", rule.expr)


@named(RULE_LIST)
def test_no_regular_expression_is_anchored_or_a_mere_word(rule):
    for selector in selectors(rule.expr):
        for matcher in selector.matchers:
            if matcher.op in {"=~", "!~"}:
                assert not matcher.value.startswith("^")
                assert not matcher.value.endswith("$")
                assert re.search(r"[|.\[(*+]", matcher.value)
                assert matcher.label != "__name__"


@named([rule for rule in RULE_LIST if isinstance(rule, Recording)])
def test_recordings_are_named_level_metric_operations(rule):
    assert re.fullmatch(r"[a-z]+:[a-z0-9_]+:[a-z0-9_]+", rule.name)


def test_every_recording_is_read_by_a_rule_or_is_for_people():
    for_people = {"slo:objective:ratio"}
    read = {s.name for rule in RULE_LIST for s in selectors(rule.expr)}
    recorded = {rule.name for rule in RULE_LIST if isinstance(rule, Recording)}
    assert recorded - read <= for_people


def test_every_label_in_a_grouping_is_one_of_its_metrics():
    for rule in RULE_LIST:
        known = set().union(*(VOCABULARY.labels[s.name] for s in selectors(rule.expr)))
        assert grouping_labels(rule.expr) <= known


def test_both_profiles_are_never_mistaken_for_each_other():
    for path in RULES.glob("demo/*.yml"):
        assert "DEMO" in path.read_text().splitlines()[1]
    for path in RULES.glob("production/*.yml"):
        assert "demo" not in path.read_text()


def test_every_window_of_an_slo_rule_holds_four_scrapes():
    for path, groups in all_files().items():
        if path.parent.name == "demo":
            windows = [
                s.window for g in groups for r in g.rules for s in selectors(r.expr) if s.window
            ]
            assert min(windows) >= 4 * parse("5s")
