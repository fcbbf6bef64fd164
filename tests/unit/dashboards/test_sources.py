"""Dashboards of strangers: every form of data source, variable, repeat and library panel."""

from __future__ import annotations

import json

import pytest

from dashboards.verify.reading import DashboardError, read_dashboard
from dashboards.verify.sources import Sources
from dashboards.verify.substitution import Value, built_in, substitute
from dashboards.verify.variables import values_of

BOARD = {
    "__inputs": [{"name": "DS_LOKI", "pluginId": "loki"}],
    "templating": {"list": [{"name": "ds", "type": "datasource", "query": "tempo"}]},
}


class World:
    """A data source that knows two instances of one job, and says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def label_values(self, kind, selector, label):
        self.asked.append((kind, selector, label))
        names = {"job": ["node"], "__name__": ["up", "node_load1"]}
        return names.get(label, ["a:9100", "b:9100"])

    def query_result(self, expr):
        return [f'{expr}{{instance="a:9100"}} 1 1700000000000']


def values(*variables, chosen=None, world=None):
    return values_of(variables, chosen or {}, world or World(), {})


@pytest.mark.parametrize(
    ("datasource", "kind"),
    [
        (None, ""),
        ("", ""),
        ("Prometheus", "prometheus"),
        ("${DS_LOKI}", "loki"),
        ("$ds", "tempo"),
        ("-- Mixed --", ""),
        ("-- Dashboard --", "grafana"),
        ({"uid": "$ds"}, "tempo"),
        ({"uid": "${ds}", "type": "tempo"}, "tempo"),
        ({"type": "loki", "uid": "P8E80F9AEF21F6940"}, "loki"),
        ({"uid": "-- Mixed --"}, ""),
        ({"type": "datasource", "uid": "grafana"}, "grafana"),
        ({"type": "__expr__", "uid": "__expr__"}, "grafana"),
        ({"type": "mysql", "uid": "x"}, "mysql"),
    ],
)
def test_a_data_source_is_known_in_every_form(datasource, kind):
    assert Sources(BOARD).kind(datasource) == kind


def read(tmp_path, **data):
    path = tmp_path / "board.json"
    path.write_text(json.dumps({"title": "T", **data}))
    return read_dashboard(path)


def test_a_query_of_a_mixed_panel_has_its_own_source(tmp_path):
    targets = [{"expr": "up"}, {"expr": "{a='b'}", "datasource": {"type": "loki"}}]
    panel = {"type": "graph", "datasource": "-- Mixed --", "targets": targets}
    (found,) = read(tmp_path, panels=[panel]).panels
    assert [target.kind for target in found.targets] == ["prometheus", "loki"]


def test_a_library_panel_is_read_from_the_export_that_carries_it(tmp_path):
    reference = {"libraryPanel": {"uid": "l1", "name": "Shared"}}
    model = {"type": "stat", "title": "Up", "targets": [{"expr": "up"}]}
    (found,) = read(tmp_path, panels=[reference], __elements={"l1": {"model": model}}).panels
    assert (found.title, found.targets[0].expr, found.library) == ("Up", "up", "")
    (absent,) = read(tmp_path, panels=[reference]).panels
    assert absent.library == "Shared"


def test_a_panel_repeats_with_its_row_too(tmp_path):
    inner = {"type": "stat", "repeat": "disk", "targets": [{"expr": "up"}]}
    row = {"type": "row", "repeat": "host", "panels": [inner]}
    assert read(tmp_path, panels=[row]).panels[0].repeat == ["host", "disk"]


def test_a_dashboard_of_schema_v2_is_refused_with_a_way_out(tmp_path):
    with pytest.raises(DashboardError, match="classic"):
        read(tmp_path, elements={}, layout={})


def test_a_chained_variable_is_asked_with_the_value_of_the_one_before():
    world = World()
    job = {"name": "job", "type": "query", "query": "label_values(up, job)"}
    host = {"name": "host", "type": "query", "query": 'label_values(up{job="$job"}, instance)'}
    assert values(job, host, world=world)["host"].written() == "a:9100"
    assert world.asked[-1] == ("prometheus", 'up{job="node"}', "instance")


def test_query_result_is_cut_by_the_regex_of_the_variable():
    variable = {
        "name": "host",
        "type": "query",
        "query": {"query": "query_result(up)", "refId": "x"},
        "regex": '/instance="([^"]+)"/',
    }
    assert values(variable)["host"].written() == "a:9100"


def test_the_names_of_metrics_are_filtered_by_a_regex():
    variable = {"name": "m", "type": "query", "query": "metrics(node_.*)"}
    assert values(variable)["m"].written() == "node_load1"


def test_loki_is_asked_for_the_values_of_its_own_labels():
    world = World()
    variable = {
        "name": "ns",
        "type": "query",
        "datasource": {"type": "loki", "uid": "x"},
        "query": {"type": 1, "label": "namespace", "stream": '{job="a"}'},
        "includeAll": True,
    }
    values(variable, world=world)
    assert world.asked == [("loki", '{job="a"}', "namespace")]


@pytest.mark.parametrize(
    ("variable", "written"),
    [
        ({"type": "query", "query": "label_values(instance)", "includeAll": True}, ".*"),
        ({"type": "query", "query": "label_values(instance)", "multi": True}, "(a:9100|b:9100)"),
        ({"type": "custom", "query": "1m : 60, 1h : 3600"}, "60"),
        ({"type": "custom", "query": "a,b", "current": {"value": ["b"]}}, "b"),
        ({"type": "custom", "query": "a,b", "current": {"value": "$__all"}}, ".*"),
        ({"type": "custom", "query": "a,b", "includeAll": True, "allValue": "x+"}, "x+"),
        ({"type": "constant", "query": "c"}, "c"),
        ({"type": "textbox", "query": "typed"}, "typed"),
        ({"type": "textbox", "query": ""}, ""),
        ({"type": "interval", "query": "1m,10m", "current": {"value": "10m"}}, "10m"),
    ],
)
def test_a_variable_of_every_kind_has_a_value(variable, written):
    assert values({"name": "v", **variable})["v"].written() == written


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("", r"(a\\.b-c|d)"),
        (":regex", r"(a\\.b-c|d)"),
        (":pipe", "a.b-c|d"),
        (":csv", "a.b-c,d"),
    ],
)
def test_several_values_are_written_as_the_query_asks(form, written):
    many = {"v": Value(["a.b-c", "d"], alone=False)}
    assert substitute(f"x=${{v{form}}}", many) == f"x={written}"


def test_a_repeated_panel_has_the_first_of_the_values():
    assert Value(["a", "b"], everything=".*", alone=False).first().written() == "a"


def test_what_nobody_defined_stays_as_it_is():
    assert substitute("$nobody ${no:csv} [[one]]", {}) == "$nobody ${no:csv} [[one]]"


def test_the_rate_interval_is_four_scrapes_at_least():
    from datetime import timedelta

    known = built_in(timedelta(minutes=15), timedelta(seconds=5), timedelta(seconds=15))
    assert substitute("[$__rate_interval] [${__range_s}]", known) == "[60s] [900]"
