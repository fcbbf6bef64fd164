"""The arithmetic of burn rates; pure, no files, no PromQL.

Source: The Site Reliability Workbook, chapter 5, "Alerting on SLOs", section 6.
"""

from __future__ import annotations

from datetime import timedelta


def error_budget(objective: float) -> float:
    """Return the proportion of events that may fail.

    Args:
        objective: The promise, in percent.

    Returns:
        Ratio, rounded to ten places: float noise would end up in the rules.
    """
    return round((100 - objective) / 100, 10)


def burn_rate_factor(budget_percent: float, period: timedelta, window: timedelta) -> float:
    """Return how fast the error budget must burn to raise an alert.

    Args:
        budget_percent: Budget spent when the alert fires; percent.
        period: The period of the SLO.
        window: The long window.

    Returns:
        Multiple of the sustainable rate; 14.4 for 2 % in 1 h of 30 d.
    """
    return round(budget_percent / 100 * (period / window), 10)


def reachable(factor: float, budget: float) -> bool:
    """Return whether an error ratio of at most 1 can burn this fast."""
    return factor * budget < 1


def detection(
    factor: float, budget: float, window: timedelta, hold: timedelta, error_ratio: float
) -> timedelta | None:
    """Return the time from the first error to the alert, or None if it never fires.

    Args:
        factor: The burn rate of the tier.
        budget: Error budget; ratio.
        window: The long window.
        hold: The alert's `for`.
        error_ratio: Steady proportion of events that fail; 0-1.
    """
    if error_ratio <= factor * budget:
        return None
    return window * (factor * budget / error_ratio) + hold


def reset(factor: float, budget: float, window: timedelta, error_ratio: float) -> timedelta:
    """Return the time from the last error to the end of the alert.

    Args:
        factor: The burn rate of the tier.
        budget: Error budget; ratio.
        window: The short window.
        error_ratio: Proportion of events that failed; 0-1.
    """
    return window * max(0.0, 1 - factor * budget / error_ratio)
