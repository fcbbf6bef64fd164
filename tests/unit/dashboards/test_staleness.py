"""Which panels keep a value of a process that ended: decided from the dashboard's file."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from dashboards.generate import FOLDER
from dashboards.verify.memory import memory_of
from dashboards.verify.reading import read_all, read_dashboard
from dashboards.verify.staleness import Question, stale_panels

HOUR, MINUTE, NO_TIME = timedelta(hours=1), timedelta(minutes=1), timedelta(0)


def old(tmp_path, kind, expr, *, dead=10, board=None, lookback=0, **more):
    """Return the reason why a panel of one query keeps an old value; empty if it does not."""
    target = {"refId": "A", "expr": expr, **more.pop("target", {})}
    document = {
        "time": {"from": "now-1h", "to": "now"},
        "panels": [{"type": kind, "title": "P", "targets": [target], **more}],
        **(board or {}),
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    ask = Question(timedelta(minutes=dead), timedelta(minutes=lookback))
    return " ".join(one.reason for one in stale_panels(read_dashboard(path), {}, ask))


INSTANT = {"instant": True}


@pytest.mark.parametrize(
    ("expr", "instant", "ranged"),
    [
        ("x", 0, 3600),
        ("sum(rate(x[5m])) / sum(rate(y[5m]))", 300, 3900),
        ("max_over_time(x[30m])", 1800, 5400),
        ("x offset 2h", 7200, 10800),
        ("max_over_time(rate(x[1m])[10m:])", 660, 4260),
        ("last_over_time(x[1h]) and on (job) (up == 1)", 0, 3600),
        ("last_over_time(x[1h]) * on (job) group_left y", 3600, 7200),
        ("x and x @ end()", 0, 0),
        ("x unless on (job) last_over_time(y[1h])", 0, 3600),
        ("x or vector(0)", 0, 3600),
        ("last_over_time(x[1h]) and timestamp(x) > time() - 60", 0, 3600),
        ("y offset 5m and time() - timestamp(y offset 5m) < 20", 20, 3620),
        ("group by (a) (max_over_time(x[1h])) * 0 + NaN or x", 0, 3600),
        ("rate(x[5m]) and sum(rate(x[1m])) > 0", 60, 3660),
        ("rate(x[5m]) and sum(rate(y[1m])) > 0", 300, 3900),
        ("x and on (job) group by (job) (max_over_time(y[1h]))", 0, 3600),
        ("(time() - x) > 5", 0, 3600),
        ("histogram_quantile(0.9, sum by (le) (rate(b[1m])))", 60, 3660),
        ('max by (a) (label_replace(max_over_time(x[1h]) * NaN, "b", "c", "", "") or y)', 0, 3600),
    ],
)
def test_how_long_a_query_remembers(expr, instant, ranged):
    found = memory_of(expr, HOUR, NO_TIME)
    assert found is not None
    assert (found.instant, found.ranged) == (instant, ranged)


def test_a_query_that_compares_the_age_of_samples_is_bounded_whatever_the_lookback():
    found = memory_of("sum(x and timestamp(x) > time() - 60)", HOUR, timedelta(minutes=5))
    assert found is not None
    assert found.instant == 60
    found = memory_of("x and timestamp(x) > 60", HOUR, timedelta(minutes=5))
    assert found is not None
    assert found.instant == 300


def test_no_panel_of_ours_keeps_a_value_for_longer_than_a_minute(tmp_path):
    found = [
        f"{one.dashboard} / {one.panel}: {one.reason}"
        for board in read_all([FOLDER])[0]
        for lookback in (0, 5)
        for one in stale_panels(board, {}, Question(MINUTE, lookback=lookback * MINUTE))
        if one.dashboard != "incidents"  # the past of the chosen range, as its titles say
    ]
    assert found == []


def test_a_query_without_series_remembers_nothing():
    found = memory_of("vector(0)", HOUR, NO_TIME)
    assert found is not None
    assert not found.own
    assert memory_of("sum(", HOUR, NO_TIME) is None


@pytest.mark.parametrize("kind", ["stat", "gauge", "bargauge", "singlestat", "table", "piechart"])
def test_a_range_query_of_a_panel_of_values_is_reported_and_an_instant_query_is_not(tmp_path, kind):
    assert "make it an instant query" in old(tmp_path, kind, "x")
    assert old(tmp_path, kind, "x", target=INSTANT) == ""


def test_a_graph_shows_that_its_line_has_ended_but_a_legend_does_not(tmp_path):
    assert old(tmp_path, "timeseries", "x") == ""
    assert old(tmp_path, "timeseries", "rate(x[30m])") == ""
    legend = {"legend": {"calcs": ["mean", "lastNotNull"], "showLegend": True}}
    old_legend = {"show": True, "values": True, "current": True}
    assert "the legend shows lastNotNull" in old(tmp_path, "graph", "x", legend=old_legend)
    assert "the legend shows lastNotNull" in old(tmp_path, "timeseries", "x", options=legend)
    assert "max_over_time(…[30m])" in old(tmp_path, "timeseries", "max_over_time(x[30m])")


def test_a_window_longer_than_the_process_is_dead_is_reported(tmp_path):
    reason = old(tmp_path, "stat", "last_over_time(x[30m])", target=INSTANT)
    assert "reads last_over_time(…[30m]), so its value stays for 30 min" in reason
    assert old(tmp_path, "stat", "last_over_time(x[9m])", target=INSTANT) == ""
    assert old(tmp_path, "stat", "max_over_time(x[1h]) and on(job) up == 1", target=INSTANT) == ""


def test_a_process_that_ended_before_the_time_range_is_not_shown(tmp_path):
    assert old(tmp_path, "stat", "x", dead=61) == ""
    assert old(tmp_path, "stat", "x", dead=59) != ""
    assert old(tmp_path, "stat", "x", timeFrom="5m") == ""
    assert old(tmp_path, "stat", "x", dead=61, board={"time": {"from": "now-6h"}}) != ""


def test_the_lookback_counts_for_series_that_were_pushed(tmp_path):
    assert old(tmp_path, "stat", "x", dead=3, target=INSTANT) == ""
    assert "the lookback" in old(tmp_path, "stat", "x", dead=3, lookback=5, target=INSTANT)


def test_windows_of_variables_count(tmp_path):
    listed = [{"type": "interval", "name": "w", "query": "1m,2h", "current": {"value": "2h"}}]
    board = {"templating": {"list": listed}}
    assert "[2h]" in old(tmp_path, "stat", "rate(x[$w])", board=board, target=INSTANT)
    assert "[600s]" not in old(tmp_path, "stat", "rate(x[$__rate_interval])", target=INSTANT)


def test_other_data_sources_and_hidden_queries_are_not_asked(tmp_path):
    assert old(tmp_path, "stat", "{a='b'}", datasource="Loki") == ""
    assert old(tmp_path, "stat", "x", target={"hide": True}) == ""
