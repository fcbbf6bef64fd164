"""The arithmetic of burn rates, against the numbers of the SRE workbook."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.promrules.durations import number, parse, show
from alerts.slo.burn_rate import burn_rate_factor, detection, error_budget, reachable, reset

MONTH = timedelta(days=30)


@pytest.mark.parametrize(
    ("percent", "hours", "factor"), [(2, 1, 14.4), (5, 6, 6), (10, 24, 3), (10, 72, 1)]
)
def test_factors_are_those_of_the_workbook(percent, hours, factor):
    assert burn_rate_factor(percent, MONTH, timedelta(hours=hours)) == factor


def test_budget_has_no_float_noise():
    assert [error_budget(x) for x in (99.9, 99, 80)] == [0.001, 0.01, 0.2]


def test_the_fast_tier_sees_a_total_outage_of_three_nines_in_52_seconds():
    found = detection(14.4, 0.001, timedelta(hours=1), timedelta(minutes=1), 1.0)
    assert found == timedelta(seconds=51.84, minutes=1)


def test_too_few_errors_never_raise_a_tier():
    assert detection(14.4, 0.001, timedelta(hours=1), timedelta(0), 0.0144) is None


def test_a_total_outage_resets_when_the_short_window_is_clean():
    assert reset(14.4, 0.001, timedelta(minutes=5), 1.0) == timedelta(seconds=295.68)


def test_the_fast_tier_is_out_of_reach_below_93_percent():
    assert reachable(14.4, error_budget(93.1))
    assert not reachable(14.4, error_budget(93.0))


@pytest.mark.parametrize("text", ["5m", "1h", "30d", "60h", "150s", "2500ms"])
def test_durations_are_written_as_they_are_read(text):
    assert show(parse(text)) == text


def test_a_text_that_is_not_a_duration_is_refused():
    with pytest.raises(ValueError, match="'5 minutes' is not a duration"):
        parse("5 minutes")


def test_numbers_have_no_exponent_and_no_negative_zero():
    assert [number(x) for x in (0.00001, 14.4, 2592000, -1e-13)] == [
        "0.00001",
        "14.4",
        "2592000",
        "0",
    ]
