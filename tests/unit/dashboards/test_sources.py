"""Third-party dashboards: every form of data source, variable, repeat and library panel."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from dashboards.reader.sources import Sources
from dashboards.verify.reading import DashboardError, read_dashboard
from dashboards.verify.substitution import Value, built_in, substitute
from dashboards.verify.variables import values_of

BOARD = {
    "__inputs": [{"name": "DS_LOKI", "pluginId": "loki"}],
    "templating": {"list": [{"name": "ds", "type": "datasource", "query": "tempo"}]},
}


class FakeSource:
    """A data source with two instances of one job; it records the queries."""

    def __init__(self) -> None:
        self.queries: list[tuple[str, str, str]] = []

    def label_values(self, kind, selector, label):
        self.queries.append((kind, selector, label))
        names = {"job": ["node"], "__name__": ["up", "node_load1"]}
        return names.get(label, ["a:9100", "b:9100"])

    def query_result(self, expr):
        return [f'{expr}{{instance="a:9100"}} 1 1700000000000']


def values(*variables, chosen=None, source=None):
    return values_of(variables, chosen or {}, source or FakeSource(), {})


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
def test_the_type_of_a_data_source_is_found_in_every_form(datasource, kind):
    assert Sources(BOARD).kind(datasource) == kind


def read(tmp_path, **data):
    path = tmp_path / "board.json"
    path.write_text(json.dumps({"title": "T", **data}))
    return read_dashboard(path)


def test_each_query_of_a_mixed_panel_has_its_own_source(tmp_path):
    targets = [{"expr": "up"}, {"expr": "{a='b'}", "datasource": {"type": "loki"}}]
    panel = {"type": "graph", "datasource": "-- Mixed --", "targets": targets}
    (found,) = read(tmp_path, panels=[panel]).panels
    assert [target.kind for target in found.targets] == ["prometheus", "loki"]


def test_a_library_panel_is_read_from_an_export_that_contains_it(tmp_path):
    reference = {"libraryPanel": {"uid": "l1", "name": "Shared"}}
    model = {"type": "stat", "title": "Up", "targets": [{"expr": "up"}]}
    (found,) = read(tmp_path, panels=[reference], __elements={"l1": {"model": model}}).panels
    assert (found.title, found.targets[0].expr, found.library) == ("Up", "up", "")
    (absent,) = read(tmp_path, panels=[reference]).panels
    assert absent.library == "Shared"


def test_a_panel_is_repeated_with_its_row(tmp_path):
    inner = {"type": "stat", "repeat": "disk", "targets": [{"expr": "up"}]}
    row = {"type": "row", "repeat": "host", "panels": [inner]}
    assert read(tmp_path, panels=[row]).panels[0].repeat == ["host", "disk"]


def test_a_dashboard_of_schema_v2_is_refused_with_advice(tmp_path):
    with pytest.raises(DashboardError, match="classic"):
        read(tmp_path, elements={}, layout={})


def test_the_query_of_a_chained_variable_contains_the_value_of_the_first():
    source = FakeSource()
    job = {"name": "job", "type": "query", "query": "label_values(up, job)"}
    host = {"name": "host", "type": "query", "query": 'label_values(up{job="$job"}, instance)'}
    assert values(job, host, source=source)["host"].written() == "a:9100"
    assert source.queries[-1] == ("prometheus", 'up{job="node"}', "instance")


def test_the_regex_of_a_variable_extracts_a_part_of_query_result():
    variable = {
        "name": "host",
        "type": "query",
        "query": {"query": "query_result(up)", "refId": "x"},
        "regex": '/instance="([^"]+)"/',
    }
    assert values(variable)["host"].written() == "a:9100"


def test_metric_names_are_filtered_by_a_regex():
    variable = {"name": "m", "type": "query", "query": "metrics(node_.*)"}
    assert values(variable)["m"].written() == "node_load1"


def test_the_values_of_log_labels_come_from_loki():
    source = FakeSource()
    variable = {
        "name": "ns",
        "type": "query",
        "datasource": {"type": "loki", "uid": "x"},
        "query": {"type": 1, "label": "namespace", "stream": '{job="a"}'},
        "includeAll": True,
    }
    values(variable, source=source)
    assert source.queries == [("loki", '{job="a"}', "namespace")]


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
def test_several_values_are_written_in_the_requested_format(form, written):
    many = {"v": Value(["a.b-c", "d"], alone=False)}
    assert substitute(f"x=${{v{form}}}", many) == f"x={written}"


def test_a_repeated_panel_is_queried_with_the_first_value():
    assert Value(["a", "b"], everything=".*", alone=False).first().written() == "a"


def test_an_undefined_variable_is_left_as_it_is():
    assert substitute("$none ${no:csv} [[one]]", {}) == "$none ${no:csv} [[one]]"


def test_the_rate_interval_is_at_least_four_scrape_intervals():
    known = built_in(timedelta(minutes=15), timedelta(seconds=5), timedelta(seconds=15))
    assert substitute("[$__rate_interval] [${__range_s}]", known) == "[60s] [900]"
