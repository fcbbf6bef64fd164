"""The alerts that an SLO's tests expect, from slo.yaml, windows.*.yaml and links.yaml.

Nothing here reads a rule: a test that copies its expectation from the rule proves nothing.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alerts.expected import expected_links
from alerts.promrules.durations import number, show
from alerts.slo.spec import Objective
from alerts.slo.windows import Profile, Tier


class ExpectedAlerts:
    """The labels and annotations of one SLO's alerts in one profile.

    Args:
        objective: The SLO.
        profile: Its windows.
    """

    def __init__(self, objective: Objective, profile: Profile) -> None:
        self.objective = objective
        self.profile = profile
        self.period = show(profile.period)

    def burn(self, tier: Tier, burn_rate: float) -> dict[str, Any]:
        """Return the burn alert of a tier."""
        long_window, factor = show(tier.long_window), number(tier.factor)
        minutes = round(self.profile.period.total_seconds() / 60 / tier.factor)
        return self._alert(
            self.objective.alert,
            {
                "severity": tier.severity,
                "burn": tier.name,
                "long_window": long_window,
                "short_window": show(tier.short_window),
            },
            f"error budget burning {burn_rate:.1f}× too fast ({long_window})",
            f"The error budget of {self.period} burned {burn_rate:.1f}× too fast over the last"
            f" {long_window} (threshold {factor}×). At {factor}× a full budget is gone in"
            f" {show(timedelta(minutes=minutes))}. SLO: {self.objective.description}",
        )

    def data_missing(self) -> dict[str, Any]:
        """Return the alert on series that are missing."""
        hold = show(self.profile.missing_hold)
        return self._alert(
            "SLODataMissing",
            {"severity": "ticket"},
            "no data, its burn alerts cannot fire",
            f"The series of {self.objective.name} have been missing for {hold}. Its burn alerts"
            " cannot fire until the series return.",
        )

    def exhausted(self, left: str) -> dict[str, Any]:
        """Return the alert on a spent budget.

        Args:
            left: The part of the budget that is left, as a text such as -4%.
        """
        return self._alert(
            "SLOErrorBudgetExhausted",
            {"severity": "ticket"},
            f"error budget of {self.period} exhausted",
            f"{left} of the error budget of {self.period} is left (threshold 0%). The SLO is"
            f" missed until old errors leave the period. SLO: {self.objective.description}",
        )

    def _alert(
        self, name: str, labels: dict[str, str], summary: str, description: str
    ) -> dict[str, Any]:
        objective, scale = self.objective, self.profile.scale
        common = {"team": objective.team, "slo": objective.name, "service": objective.service}
        common |= {"profile": self.profile.name, "slo_period": self.period}
        if scale > 1:
            description += f" Demo: 1 minute here is {scale} in production."
        words = {"summary": f"{objective.name}: {summary}", "description": description}
        links = expected_links(name, f"slo?var-slo={objective.name}")
        return {"exp_labels": labels | common, "exp_annotations": words | links}
