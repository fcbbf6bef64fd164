"""The detection times hold, and the committed page has the measured ones."""

from __future__ import annotations

import pytest

from alerts.paths import ROOT
from alerts.slo.spec import load_objectives
from alerts.slo.windows import load_profile
from tools.detection.measure import resets, rows
from tools.detection.page import detection_page

OBJECTIVE = load_objectives()[0]
PROFILE = load_profile("production")


@pytest.mark.slow
def test_every_outage_is_seen_within_what_is_promised_and_not_before_the_theory(promtools):
    for tool in promtools:
        for row in rows(OBJECTIVE, PROFILE, tool):
            assert row.measured is not None, row
            assert row.measured <= row.allowed, row
            assert row.measured >= row.theory * 0.98, row


@pytest.mark.slow
def test_the_fast_alert_ends_with_its_short_window(promtools):
    for tool in promtools:
        for end in resets(OBJECTIVE, PROFILE, tool):
            assert end.measured is not None
            assert end.measured <= PROFILE.tiers[0].short_window + PROFILE.interval


@pytest.mark.slow
def test_the_committed_page_is_what_is_measured(newest):
    assert (ROOT / "docs" / "measurements" / "detection.md").read_text() == detection_page(newest)
