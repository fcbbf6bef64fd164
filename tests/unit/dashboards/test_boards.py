"""The properties of every dashboard and every panel."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from alerts.links import RUNBOOKS as SOURCES
from alerts.slo.spec import load_objectives
from dashboards.generate import FOLDER, all_dashboards, command
from dashboards.objectives import alerts_by_dashboard
from service.web.openapi import document
from tools.servers import ROOT

FILES = sorted(FOLDER.glob("*.json"))
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in FILES}
UIDS = {"home", "incidents", "service", "worker", "cache-database", "slo", "telemetry", "order"}
RUNBOOKS = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("runbooks/*.json")}
ALERTS = sorted(path.stem for path in SOURCES.glob("*.md") if path.stem != "README")
PANELS = [
    pytest.param(panel, id=f"{uid}/{panel['title'] or panel['type']}-{number}")
    for uid, board in DASHBOARDS.items()
    for number, panel in enumerate(board["panels"])
    if panel["type"] != "row"
]
WITH_QUERIES = [p for p in PANELS if p.values[0]["type"] != "text"]


def generate(*arguments):
    return CliRunner().invoke(command, arguments).exit_code


def test_the_committed_files_are_up_to_date():
    assert generate("--check") == 0


def test_missing_and_stale_files_are_reported_and_corrected(monkeypatch, tmp_path):
    monkeypatch.setattr("dashboards.generate.FOLDER", tmp_path)
    assert generate("--check") == 1
    assert generate() == 0
    (tmp_path / "stale.json").write_text("{}")
    assert generate("--check") == 1
    assert generate() == 0
    assert {path.stem for path in tmp_path.glob("*.json")} == UIDS
    assert {path.stem for path in (tmp_path / "runbooks").iterdir()} == {*RUNBOOKS}


def test_every_dashboard_exists_and_its_uid_is_the_stem_of_its_file():
    assert {uid: board["uid"] for uid, board in DASHBOARDS.items()} == {u: u for u in UIDS}


def test_titles_of_dashboards_are_unique():
    assert len({board["title"] for board in DASHBOARDS.values()}) == len(UIDS)


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_a_dashboard_can_be_provisioned_anywhere(uid):
    text = (FOLDER / f"{uid}.json").read_text()
    board = DASHBOARDS[uid]
    assert "__inputs" not in board
    assert "${DS_" not in text
    assert board.get("id") is None
    chosen = {v["name"] for v in board["templating"]["list"] if v["type"] == "datasource"}
    assert set(re.findall(r'"uid": "\$\{(\w+)\}"', text)) <= chosen


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_a_dashboard_conforms_to_grafanas_schema(uid):
    def without_annotations(text):
        # The SDK's schema lacks the keys of an annotation's texts.
        return {k: v for k, v in json.loads(text).items() if k != "annotations"}

    text = (FOLDER / f"{uid}.json").read_text()
    read = Dashboard.from_json(json.loads(text))
    assert without_annotations(json.dumps(read, cls=JSONEncoder)) == without_annotations(text)


def test_the_schema_check_notices_an_unknown_key():
    board = {**DASHBOARDS["home"], "pannels": []}
    read = Dashboard.from_json(board)
    assert "pannels" not in json.loads(json.dumps(read, cls=JSONEncoder))


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_panels_do_not_overlap_and_stay_within_24_columns(uid):
    taken = set()
    for panel in DASHBOARDS[uid]["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("panel", WITH_QUERIES)
def test_a_panel_with_queries_has_a_title_and_a_description(panel):
    assert panel["description"].endswith(".")
    assert panel["title"]


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_panel_titles_are_unique_within_a_dashboard(uid):
    titles = [p["title"] for p in DASHBOARDS[uid]["panels"] if p["type"] not in ("row", "text")]
    assert sorted(titles) == sorted(set(titles))


@pytest.mark.parametrize("panel", WITH_QUERIES)
def test_each_query_of_a_panel_has_its_own_letter(panel):
    letters = [target["refId"] for target in panel["targets"]]
    assert letters == list("ABCDEFGH"[: len(letters)])
    assert letters


@pytest.mark.parametrize("panel", WITH_QUERIES)
def test_there_is_no_pie_chart_and_no_gauge_without_a_maximum(panel):
    assert panel["type"] != "piechart"
    if panel["type"] == "gauge":
        assert panel["fieldConfig"]["defaults"]["max"] is not None


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_links_lead_to_existing_dashboards(uid):
    text = (FOLDER / f"{uid}.json").read_text()
    assert set(re.findall(r"/d/([\w-]+)", text)) <= UIDS


def test_every_runbook_is_a_page_with_its_whole_text():
    assert sorted(RUNBOOKS) == sorted(f"runbook-{alert.lower()}" for alert in ALERTS)
    for uid, board in RUNBOOKS.items():
        (panel,) = board["panels"]
        text = panel["options"]["content"]
        assert board["uid"] == uid
        assert len(uid) <= 40, "the longest uid that Grafana accepts"
        for part in ("Meaning", "Impact", "Diagnosis", "Mitigation"):
            assert f"## {part}\n" in text


def test_links_of_a_runbook_lead_to_dashboards_and_runbooks_here():
    followed = set()
    for board in RUNBOOKS.values():
        text = board["panels"][0]["options"]["content"]
        links = re.findall(r"\]\(([^)]*)\)", text)
        assert links
        for link in links:
            uid = re.fullmatch(r"/d/([\w-]+)(\?.*)?", link)[1]
            assert uid in UIDS | RUNBOOKS.keys()
            followed.add(uid)
    assert "runbook-databasedown" in followed


def test_grafana_shows_the_runbooks_in_a_folder_of_their_own():
    folder = ROOT / "observability" / "stack" / "grafana" / "provisioning" / "dashboards"
    (provider,) = yaml.safe_load((folder / "dashboards.yaml").read_text())["providers"]
    assert provider["options"]["foldersFromFilesStructure"] is True
    # Grafana refuses to combine the two.
    assert not provider.keys() & {"folder", "folderUid"}


def test_runbooks_do_not_appear_in_the_list_of_dashboards():
    listed = {tag for link in DASHBOARDS["home"]["links"] for tag in link["tags"]}
    for board in RUNBOOKS.values():
        assert board["tags"] == ["runbook"]
    assert listed
    assert "runbook" not in listed


def test_thresholds_of_stats_equal_the_objectives_of_the_slo_file():
    objectives = {o.name: o for o in load_objectives()}
    steps = {
        panel["title"]: [
            s["value"] for s in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        ]
        for board in DASHBOARDS.values()
        for panel in board["panels"]
        if panel["type"] == "stat"
    }
    assert steps["Error ratio"][1] == pytest.approx(objectives["orders-availability"].budget)
    assert steps["Cache hit ratio"][2] == pytest.approx(
        objectives["orders-cache-hits"].objective / 100
    )


def test_the_p99_turns_red_at_the_latency_objective():
    (latency,) = (o for o in load_objectives() if o.name == "orders-latency")
    bound = float(re.search(r'le="([\d.]+)"', latency.error_query)[1])
    p99 = next(p for p in DASHBOARDS["service"]["panels"] if p["title"] == "Latency p99")
    assert p99["fieldConfig"]["defaults"]["thresholds"]["steps"][2]["value"] == bound


def test_the_p99_has_exemplars_that_link_to_traces():
    targets = [t for p in DASHBOARDS["service"]["panels"] for t in p.get("targets", [])]
    assert [t["legendFormat"] for t in targets if t.get("exemplar")] >= ["p99"]


def test_a_dashboard_marks_the_start_of_the_alerts_that_link_to_it_and_of_no_others():
    for uid, board in DASHBOARDS.items():
        marks = [
            a for a in board["annotations"].get("list", []) if "ALERTS" in (a.get("expr") or "")
        ]
        named = alerts_by_dashboard().get(uid, [])
        assert bool(marks) == bool(named)
        for mark in marks:
            assert mark["useValueForTime"] is True, "else Grafana draws a region"
            assert "ALERTS_FOR_STATE" in mark["expr"], "its value is the time"
            if uid != "home":
                assert f'alertname=~"{"|".join(named)}"' in mark["expr"]


def test_each_status_of_the_api_has_a_colour_of_its_own():
    (panel,) = (p for p in DASHBOARDS["service"]["panels"] if "by status" in p["title"])
    colours = {}
    for override in panel["fieldConfig"]["overrides"]:
        for one in override["properties"]:
            if one["id"] == "color":
                colours[override["matcher"]["options"]] = one["value"]["fixedColor"]
    answers = {
        code
        for path in document("1")["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        for code in operation.get("responses", {})
        if code[0] in "45"
    }
    assert answers <= colours.keys()
    assert len(set(colours.values())) == len(colours)


def test_a_dashboard_names_the_command_that_generates_it():
    for path in FILES:
        assert isinstance(path, Path)
        assert "python -m dashboards" in json.loads(path.read_text())["description"]
    assert len(all_dashboards()) == len(FILES)
