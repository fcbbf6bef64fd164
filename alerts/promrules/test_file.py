"""A promtool test file as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from alerts.promrules.durations import show

RULE_TESTS = "alert_rule_test"
EXPR_TESTS = "promql_expr_test"


@dataclass
class Case:
    """One test: traffic, and what must be true at which time.

    Args:
        name: A sentence.
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
        samples = [{"labels": labels, "value": value}]
        self.exprs.append({"expr": expr, "eval_time": show(at), "exp_samples": samples})

    def expect_nothing(self, at: timedelta, expr: str) -> None:
        """Expect an expression to give no sample."""
        self.exprs.append({"expr": expr, "eval_time": show(at), "exp_samples": []})

    def expect_alerts(self, at: timedelta, name: str, alerts: list[dict[str, Any]]) -> None:
        """Expect exactly these alerts of a name to fire."""
        self.alerts.append({"alertname": name, "eval_time": show(at), "exp_alerts": alerts})

    def as_yaml(self) -> dict[str, Any]:
        """Return the case as promtool reads it."""
        document: dict[str, Any] = {
            "name": self.name,
            "interval": show(self.interval),
            "input_series": [{"series": name, "values": values} for name, values in self.series],
        }
        if self.alerts:
            document[RULE_TESTS] = self.alerts
        if self.exprs:
            document[EXPR_TESTS] = self.exprs
        return document


def as_yaml(
    rule_file: str, groups: list[str], evaluation: timedelta, cases: list[Case]
) -> dict[str, Any]:
    """Return a test file as promtool reads it."""
    return {
        "rule_files": [f"../{rule_file}"],
        "evaluation_interval": show(evaluation),
        "group_eval_order": groups,
        "tests": [case.as_yaml() for case in cases],
    }
