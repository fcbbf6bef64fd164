"""The recorded series of an SLO.

Counts come before ratios: a ratio is recorded only while there is traffic, so that no NaN gets into
a window, and a window is weighted by traffic. The burn rate of a long window is multiplied by the
proportion of the window in which the service was observed, so that the first minute of a new
service does not raise an alert.
"""

from __future__ import annotations

from datetime import timedelta

from alerts.promrules.durations import number, seconds, show
from alerts.promrules.model import Recording
from alerts.slo.sloth import WINDOW
from alerts.slo.spec import Objective
from alerts.slo.windows import Profile

ERROR_BUDGET = "slo:error_budget:ratio"
OBJECTIVE = "slo:objective:ratio"
TOTAL = "slo:sli_total:rate"
BAD = "slo:sli_bad:rate"
OBSERVED = "slo:observed:seconds"
ERROR_RATIO = "slo:sli_error:ratio_rate"
COVERAGE = "slo:window_coverage:ratio"
BURN_RATE = "slo:burn_rate:ratio"
REMAINING = "slo:error_budget_remaining:ratio"
SPARSE_TOTAL = "slo:sli_total_sparse:rate"
SPARSE_BAD = "slo:sli_bad_sparse:rate"
SPARSE_OBSERVED = "slo:observed_sparse:seconds"


class SLORecordings:
    """The recorded series of one SLO in one profile."""

    def __init__(self, objective: Objective, profile: Profile) -> None:
        self.objective = objective
        self.profile = profile
        tiers = objective.tiers(profile)
        self.long_windows = {tier.long_window for tier in tiers}
        short_windows = {tier.short_window for tier in tiers}
        # The period and the longest windows average the base window, whichever tiers there are.
        self.windows = sorted(self.long_windows | short_windows | {profile.base_window})
        self._own = f'{{slo="{objective.name}"}}'
        self._base = profile.suffix(profile.base_window)

    def own(self, series: str) -> str:
        """Return a selector of this SLO's series; one side of a binary needs it, not both."""
        return series + self._own

    def suffix(self, window: timedelta) -> str:
        """Return a window's part of a name."""
        return self.profile.suffix(window)

    def main(self) -> list[Recording]:
        """Return the series that the burn alerts read, in the order of evaluation."""
        budget = self._record(ERROR_BUDGET, f"vector({number(self.objective.budget)})")
        counts = [rule for window in self.windows for rule in self._counts(window)]
        observed = self._observed(OBSERVED, self.profile.gap)
        ratios = [rule for window in self.windows for rule in self._ratios(window)]
        return [budget, self._objective(), *counts, observed, *ratios]

    def budget(self) -> list[Recording]:
        """Return the series of the whole period's budget, made from sparser copies."""
        period = self.profile.period
        total, bad = SPARSE_TOTAL + self._base, SPARSE_BAD + self._base
        return [
            self._record(total, self.own(TOTAL + self._base)),
            self._record(bad, self.own(BAD + self._base)),
            self._observed(SPARSE_OBSERVED, self.profile.period_gap),
            self._record(TOTAL + self.suffix(period), self._average(total, period)),
            self._record(BAD + self.suffix(period), self._average(bad, period)),
            self._error_ratio(period),
            self._coverage(period, SPARSE_OBSERVED),
            self._burn_rate(period, covered=True),
            self._record(REMAINING, f"1 - {self.own(BURN_RATE + self.suffix(period))}"),
        ]

    def _record(self, name: str, expr: str) -> Recording:
        return Recording(name, expr, self.objective.labels, self.objective.place())

    def _objective(self) -> Recording:
        about = {"profile": self.profile.name, "slo_period": show(self.profile.period)}
        value = number(self.objective.objective / 100)
        labels = self.objective.labels | about
        return Recording(OBJECTIVE, f"vector({value})", labels, self.objective.place())

    def _average(self, series: str, window: timedelta) -> str:
        return f"avg_over_time({self.own(series)}[{show(window)}])"

    def _counts(self, window: timedelta) -> list[Recording]:
        total, bad = TOTAL + self.suffix(window), BAD + self.suffix(window)
        if window > self.profile.raw_up_to:
            return [
                self._record(total, self._average(TOTAL + self._base, window)),
                self._record(bad, self._average(BAD + self._base, window)),
            ]
        errors = self.objective.error_query.replace(WINDOW, show(window))
        if self.objective.zero_without_errors:
            errors += f"\nor on() {self.own(total)} * 0"
        all_events = self.objective.total_query.replace(WINDOW, show(window))
        return [self._record(total, all_events), self._record(bad, errors)]

    def _observed(self, name: str, gap: timedelta) -> Recording:
        since = f"time() - timestamp({self.own(name)}) <= {seconds(gap)}"
        alive = self.own(TOTAL + self._base)
        return self._record(name, f"(({since}) or on() vector(0))\nand on() {alive}")

    def _ratios(self, window: timedelta) -> list[Recording]:
        rules = [self._error_ratio(window)]
        covered = window in self.long_windows
        if covered:
            rules.append(self._coverage(window, OBSERVED))
        return [*rules, self._burn_rate(window, covered=covered)]

    def _error_ratio(self, window: timedelta) -> Recording:
        suffix = self.suffix(window)
        return self._record(
            ERROR_RATIO + suffix, f"{self.own(BAD + suffix)} / ({TOTAL + suffix} > 0)"
        )

    def _coverage(self, window: timedelta, observed: str) -> Recording:
        seen = f"sum_over_time({self.own(observed)}[{show(window)}])"
        return self._record(
            COVERAGE + self.suffix(window), f"clamp_max({seen} / {seconds(window)}, 1)"
        )

    def _burn_rate(self, window: timedelta, *, covered: bool) -> Recording:
        suffix = self.suffix(window)
        expr = f"{self.own(ERROR_RATIO + suffix)} / {ERROR_BUDGET}"
        if covered:
            expr += f" * {COVERAGE}{suffix}"
        return self._record(BURN_RATE + suffix, expr)
