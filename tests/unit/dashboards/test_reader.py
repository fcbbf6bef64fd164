"""The reader: dashboards of every schema version in the current one, and files that are broken."""

from __future__ import annotations

import json

import pytest

from dashboards.reader.files import MAX_BYTES, DashboardError, find_files, read_model
from dashboards.reader.model import current_model


def read(tmp_path, *panels, **more):
    path = tmp_path / "board.json"
    path.write_text(json.dumps({"panels": list(panels), **more}))
    return read_model(path)


def read_panel(tmp_path, panel, **more):
    return read(tmp_path, panel, **more)["panels"][0]


GRAPH = {
    "type": "graph",
    "title": "Old graph",
    "datasource": "My Prometheus",
    "targets": [{"expr": "up"}, {"expr": "down", "refId": "A"}],
    "yaxes": [{"format": "s", "logBase": 10, "min": "0"}, {"format": "bytes", "max": 5}],
    "stack": True,
    "fill": 2,
    "linewidth": 3,
    "nullPointMode": "null as zero",
    "aliasColors": {"p99": "#ff0000"},
    "seriesOverrides": [{"alias": "/mem/", "yaxis": 2, "dashes": True, "hooks": 1}],
    "thresholds": [{"value": 7, "op": "gt", "line": True, "colorMode": "warning"}],
    "legend": {"show": True, "values": True, "avg": True, "current": True, "alignAsTable": True},
    "timeRegions": [{"op": "time"}],
}


def test_a_graph_becomes_a_time_series_panel_with_its_settings(tmp_path):
    panel = read_panel(tmp_path, GRAPH)
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    assert panel["type"] == "timeseries"
    assert (defaults["unit"], defaults["min"]) == ("s", 0.0)
    assert custom["scaleDistribution"] == {"type": "log", "log": 10.0}
    assert (custom["fillOpacity"], custom["lineWidth"], custom["nullsAsZero"]) == (20, 3, True)
    assert custom["stacking"]["mode"] == "normal"
    assert defaults["thresholds"]["steps"][1] == {"value": 7.0, "color": "orange"}
    assert panel["options"]["legend"]["calcs"] == ["mean", "lastNotNull"]
    assert panel["options"]["legend"]["displayMode"] == "table"
    colour, right = panel["fieldConfig"]["overrides"]
    assert colour["matcher"] == {"id": "byName", "options": "p99"}
    properties = {one["id"]: one["value"] for one in right["properties"]}
    assert right["matcher"]["id"] == "byRegexp"
    assert properties["custom.axisPlacement"] == "right"
    assert (properties["unit"], properties["max"]) == ("bytes", 5.0)
    assert panel["notes"] == ["time regions", "series overrides of hooks"]


def test_the_oldest_graphs_have_their_axes_in_other_keys(tmp_path):
    old = {"type": "graph", "y_formats": ["ms", "short"], "grid": {"leftMin": 1, "threshold1": 9}}
    defaults = read_panel(tmp_path, old)["fieldConfig"]["defaults"]
    assert (defaults["unit"], defaults["min"]) == ("ms", 1.0)
    assert defaults["thresholds"]["steps"][1]["value"] == 9.0


@pytest.mark.parametrize(("mode", "kind"), [("series", "barchart"), ("histogram", "histogram")])
def test_a_graph_over_series_or_values_is_no_time_series(tmp_path, mode, kind):
    assert read_panel(tmp_path, {"type": "graph", "xaxis": {"mode": mode}})["type"] == kind


def test_a_singlestat_becomes_a_stat_and_with_a_gauge_a_gauge(tmp_path):
    old = {
        "type": "singlestat",
        "format": "percent",
        "valueName": "avg",
        "thresholds": "70,90",
        "colors": ["green", "orange", "red"],
        "colorBackground": True,
        "sparkline": {"show": True},
        "nullText": "none yet",
        "postfix": " of all",
        "mappingType": 1,
        "valueMaps": [
            {"op": "=", "value": "0", "text": "idle"},
            {"op": "=", "value": "null", "text": "N/A"},
        ],
        "gauge": {"show": False, "minValue": 0, "maxValue": 50},
    }
    panel = read_panel(tmp_path, old)
    defaults, options = panel["fieldConfig"]["defaults"], panel["options"]
    assert panel["type"] == "stat"
    assert (options["reduceOptions"]["calcs"], options["graphMode"]) == (["mean"], "area")
    assert options["colorMode"] == "background"
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, 70.0, 90.0]
    assert defaults["mappings"] == [{"type": "value", "options": {"0": {"text": "idle"}}}]
    assert (defaults["unit"], defaults["noValue"]) == ("percent", "none yet")
    assert panel["notes"] == ["the postfix “of all”"]
    gauge = read_panel(tmp_path, {**old, "gauge": {"show": True, "maxValue": 50}})
    assert (gauge["type"], gauge["fieldConfig"]["defaults"]["max"]) == ("gauge", 50.0)


def test_an_old_table_becomes_a_table_with_overrides(tmp_path):
    old = {
        "type": "table",
        "transform": "timeseries_aggregations",
        "columns": [{"text": "Avg", "value": "avg"}],
        "styles": [
            {"pattern": "Time", "type": "hidden"},
            {"pattern": "/.*/", "type": "number", "unit": "s", "colorMode": "cell",
             "thresholds": ["1", "2"], "colors": ["a", "b", "c"], "alias": "Took",
             "link": True, "linkUrl": "/d/x?var-a=${__cell_1}&v=$__cell"},
        ],
    }  # fmt: skip
    panel = read_panel(tmp_path, old)
    assert panel["transformations"] == [{"id": "reduce", "options": {"reducers": ["mean"]}}]
    hidden, wide = panel["fieldConfig"]["overrides"]
    assert hidden["properties"] == [{"id": "custom.hidden", "value": True}]
    properties = {one["id"]: one["value"] for one in wide["properties"]}
    assert properties["displayName"] == "Took"
    assert properties["custom.cellOptions"] == {"type": "color-background"}
    assert [step["value"] for step in properties["thresholds"]["steps"]] == [None, 1.0, 2.0]
    assert properties["links"][0]["url"] == "/d/x?var-a=${__data.fields[1]}&v=${__value.raw}"


def test_an_old_text_panel_and_old_gauge_options_are_read(tmp_path):
    text = read_panel(tmp_path, {"type": "text", "content": "# Hi", "mode": "markdown"})
    assert text["options"] == {"content": "# Hi", "mode": "markdown"}
    fields = {"calcs": ["mean"], "defaults": {"max": 5},
              "mappings": [{"type": 2, "from": "1", "to": "3", "text": "low"}]}  # fmt: skip
    gauge = read_panel(tmp_path, {"type": "gauge", "options": {"fieldOptions": fields}})
    assert gauge["options"]["reduceOptions"]["calcs"] == ["mean"]
    assert gauge["fieldConfig"]["defaults"]["max"] == 5.0
    assert gauge["fieldConfig"]["defaults"]["mappings"] == [
        {"type": "range", "options": {"from": 1.0, "to": 3.0, "result": {"text": "low"}}}
    ]


def test_rows_become_headings_with_panels_on_a_grid(tmp_path):
    one = {"type": "graph", "span": 8}
    rows = [
        {"title": "Open", "height": "380px", "showTitle": True, "panels": [one, one]},
        {"title": "Folded", "collapse": True, "panels": [one]},
    ]
    board = read(tmp_path, rows=rows)
    first, left, below, second = board["panels"]
    assert (first["type"], first["title"], first["gridPos"]["h"]) == ("row", "Open", 1)
    assert left["gridPos"] == {"x": 0, "y": 1, "w": 16, "h": 10}
    assert below["gridPos"]["y"] == 11
    assert (second["collapsed"], second["gridPos"]["y"]) == (True, 21)
    assert second["panels"][0]["type"] == "timeseries"


def test_each_query_has_a_letter_of_its_own_and_a_data_source(tmp_path):
    panel = read_panel(tmp_path, GRAPH)
    assert [one["refId"] for one in panel["targets"]] == ["B", "A"]
    assert panel["targets"][0]["datasource"] == {"type": "prometheus", "uid": "My Prometheus"}


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        ("Thanos", {"expr": "up"}, "unknown"),
        ({"uid": "P1234"}, {"expr": "up"}, "unknown"),
        ("$nowhere", {"expr": "up"}, "unknown"),
        ("default", {"expr": "up"}, "prometheus"),
        (None, {"expr": "up"}, "prometheus"),
        (None, {"target": "a.b.c"}, "graphite"),
        (None, {"rawSql": "select 1"}, "sql"),
        ("-- Mixed --", {"expr": "{a='b'}", "datasource": "Loki"}, "loki"),
        ("gdev-testdata", {"scenarioId": "x"}, "testdata"),
    ],
)
def test_a_data_source_is_known_or_named_unknown(tmp_path, source, target, kind):
    panel = {"type": "stat", "datasource": source, "targets": [target]}
    assert read_panel(tmp_path, panel)["targets"][0]["datasource"]["type"] == kind


def test_variables_of_old_forms_are_read(tmp_path):
    listed = [
        {"type": "filter", "name": "host", "query": "label_values(host)", "hideLabel": True},
        {"name": "b", "hideVariable": True, "current": None, "regex": None},
        {"type": "query"},
        None,
    ]
    host, other = read(tmp_path, templating={"list": listed})["templating"]["list"]
    assert (host["type"], host["hide"], other["hide"]) == ("query", 1, 2)
    assert (other["current"], other["regex"], other["type"]) == ({}, "", "query")


ODD = [None, 7, True, "text", [], {}, [None], {"a": None}, [[]], -1.5, "9" * 400]
KEYS = ["type", "title", "gridPos", "targets", "datasource", "options", "fieldConfig", "links",
        "transformations", "panels", "repeat", "libraryPanel", "yaxes", "legend", "thresholds",
        "styles", "seriesOverrides", "maxDataPoints", "gauge", "sparkline",
        "valueMaps"]  # fmt: skip


@pytest.mark.parametrize("kind", ["graph", "singlestat", "table", "table-old", "stat", "heatmap"])
@pytest.mark.parametrize("key", KEYS)
def test_a_key_of_a_wrong_type_never_raises(kind, key):
    for value in ODD:
        panel = {"type": kind, "styles": [], "dataFormat": "x", "targets": [{}], key: value}
        row = {"type": "row", "panels": value}
        board = current_model({"panels": [panel, row, None, 5]}, "board")
        assert all(one["gridPos"]["w"] >= 1 for one in board["panels"])


@pytest.mark.parametrize("key", ["rows", "templating", "annotations", "links", "time", "tags",
                                 "refresh", "graphTooltip", "uid", "title", "__inputs",
                                 "__elements", "description"])  # fmt: skip
def test_a_key_of_a_dashboard_of_a_wrong_type_never_raises(key):
    for value in ODD:
        board = current_model({"panels": [{"type": "stat"}], key: value}, "board")
        assert isinstance(board["title"], str)
        assert isinstance(board["tags"], list)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "expected a Grafana dashboard"),
        ('{"panels": ', "Expecting value"),
        ('{"panels": NaN}', "NaN is not JSON"),
        ('{"panels": [' + "[" * 200_000, "nested too deeply"),
        ('{"elements": {}}', "schema v2"),
        ('{"panels": [], "x": "' + "x" * MAX_BYTES + '"}', "larger than 8 MiB"),
    ],
    ids=["empty", "list", "cut", "nan", "deep", "v2", "large"],
)
def test_a_broken_file_is_named_with_its_reason(tmp_path, text, reason):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(DashboardError, match=rf"broken\.json: .*{reason}"):
        read_model(path)


def test_a_link_to_itself_is_a_broken_file(tmp_path):
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    (tmp_path / "folder").symlink_to(tmp_path)
    (path,) = find_files([tmp_path])
    with pytest.raises(DashboardError, match=r"loop\.json"):
        read_model(path)


def test_what_grafanas_apis_wrap_a_dashboard_in_is_taken_off(tmp_path):
    path = tmp_path / "a.json"
    for wrapped in ({"dashboard": {"title": "T", "panels": []}, "meta": {}},
                    {"kind": "Dashboard", "metadata": {"name": "n"},
                     "spec": {"title": "T", "panels": []}}):  # fmt: skip
        path.write_text(json.dumps(wrapped))
        assert read_model(path)["title"] == "T"
    assert read_model(path)["uid"] == "n"
