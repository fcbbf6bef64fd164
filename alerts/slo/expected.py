"""The alerts that an SLO's tests expect, from slo.yaml, windows.*.yaml and links.yaml.

Nothing here reads a rule: a test that copies its expectation from the rule proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from alerts.expected import expected_links
from alerts.promrules.durations import number, show
from alerts.slo.spec import Objective
from alerts.slo.windows import Profile, Tier

NO_TEXTS: Mapping[str, str] = MappingProxyType({})


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
            tier.severity,
            f"error budget burning {burn_rate:.1f}× too fast ({long_window})",
            f"The error budget of {self.period} burned {burn_rate:.1f}× too fast over the last"
            f" {long_window} (threshold {factor}×). At {factor}× a full budget is gone in"
            f" {show(timedelta(minutes=minutes))}. SLO: {self.objective.description}",
            labels={
                "burn": tier.name,
                "long_window": long_window,
                "short_window": show(tier.short_window),
            },
            annotations=self.objective.texts[tier.severity].annotations,
        )

    def data_missing(self) -> dict[str, Any]:
        """Return the alert on series that are missing."""
        hold = show(self.profile.missing_hold)
        return self._alert(
            "SLODataMissing",
            self.objective.lowest,
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
            self.objective.lowest,
            f"error budget of {self.period} exhausted",
            f"{left} of the error budget of {self.period} is left (threshold 0%). The SLO is"
            f" missed until old errors leave the period. SLO: {self.objective.description}",
        )

    def _alert(
        self,
        name: str,
        severity: str,
        summary: str,
        description: str,
        *,
        labels: Mapping[str, str] = NO_TEXTS,
        annotations: Mapping[str, str] = NO_TEXTS,
    ) -> dict[str, Any]:
        objective, scale = self.objective, self.profile.scale
        common = {"slo": objective.name, "service": objective.service}
        common |= {"profile": self.profile.name, "slo_period": self.period}
        if scale > 1:
            description += f" Demo: 1 minute here is {scale} in production."
        words = {"summary": f"{objective.name}: {summary}", "description": description}
        links = expected_links(name, f"slo?var-slo={objective.name}")
        own = objective.texts[severity].labels
        first = {"severity": own["severity"]}
        return {
            "exp_labels": {**first, **labels, **own, **common},
            "exp_annotations": {**words, **links, **annotations},
        }
