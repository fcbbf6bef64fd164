"""A promtool test file as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from .durations import show
from .yaml_text import OneLine

RULE_TESTS = "alert_rule_test"
EXPR_TESTS = "promql_expr_test"


@dataclass
class Case:
    """One test case: traffic, and what must be true at which time.

    Args:
        name: What is tested, as a sentence.
        interval: Between samples.
        series: Input, name and values.
    """

    name: str
    interval: timedelta
    series: list[tuple[str, str]]
    alerts: list[dict[str, Any]] = field(default_factory=list)
    exprs: list[dict[str, Any]] = field(default_factory=list)

    def expect(self, at: timedelta, expr: str, labels: str, value: float) -> None:
        """Expect an expression to give one sample."""
        self._expect_samples(at, expr, [{"labels": labels, "value": value}])

    def expect_nothing(self, at: timedelta, expr: str) -> None:
        """Expect an expression to give no sample."""
        self._expect_samples(at, expr, [])

    def _expect_samples(self, at: timedelta, expr: str, samples: list[dict[str, Any]]) -> None:
        self.exprs.append(OneLine(expr=expr, eval_time=show(at), exp_samples=samples))

    def expect_alerts(self, at: timedelta, name: str, alerts: list[dict[str, Any]]) -> None:
        """Expect exactly these alerts of a name to fire."""
        mapping = dict if alerts else OneLine
        self.alerts.append(mapping(alertname=name, eval_time=show(at), exp_alerts=alerts))

    def as_yaml(self) -> dict[str, Any]:
        """Return the case as promtool reads it."""
        document: dict[str, Any] = {
            "name": self.name,
            "interval": show(self.interval),
            "input_series": [OneLine(series=name, values=text) for name, text in self.series],
        }
        if self.alerts:
            document[RULE_TESTS] = self.alerts
        if self.exprs:
            document[EXPR_TESTS] = self.exprs
        return document


def as_yaml(
    rule_file: str,
    groups: list[str],
    evaluation: timedelta,
    cases: list[Case],
    external_labels: Mapping[str, str],
) -> dict[str, Any]:
    """Return a test file as promtool reads it.

    Args:
        rule_file: Its path, absolute or from the folder of the test file.
        groups: Names of the rule file's groups, in the order of evaluation.
        evaluation: Interval of evaluation.
        cases: The tests.
        external_labels: Those of the Prometheus that evaluates the rules.
    """
    common = {"external_labels": OneLine(external_labels)} if external_labels else {}
    return {
        "rule_files": [rule_file],
        "evaluation_interval": show(evaluation),
        "group_eval_order": groups,
        "tests": [case.as_yaml() | common for case in cases],
    }
