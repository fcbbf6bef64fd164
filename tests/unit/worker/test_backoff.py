"""When a task that failed is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from worker.tasks.backoff import LONGEST, delay


@pytest.mark.parametrize(
    ("attempt", "draw", "seconds"),
    [(1, 0.0, 0.5), (1, 1.0, 1.0), (2, 1.0, 2.0), (3, 0.5, 3.0), (5, 1.0, 16.0), (6, 1.0, 30.0)],
)
def test_the_delay_doubles_and_half_of_it_is_drawn(attempt, draw, seconds):
    assert delay(attempt, draw) == timedelta(seconds=seconds)


def test_the_delay_stays_bounded_however_often_it_failed():
    assert delay(10_000, 1.0) == LONGEST


def test_two_orders_that_failed_together_are_not_retried_together():
    assert len({delay(5) for _ in range(20)}) > 15
