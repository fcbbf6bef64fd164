"""Every panel has data after two minutes of load in the local mode."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import suppress

import pytest
from click.testing import CliRunner

from dashboards.generate import FOLDER
from dashboards.verify.command import command as verify
from tools.servers import ROOT, wait_until

PICTURES = ROOT / "build" / "pictures"
REQUESTS_PER_SECOND = 10
# Two minutes: the windows of the panels, and the first point of each recorded series.
PATIENCE_SECONDS = 120
# Enough to have a line on each panel.
LOAD_SECONDS = 45


@pytest.fixture
def load(system):
    """Run the load generator during the test."""
    assert system.run("load", str(REQUESTS_PER_SECOND)).returncode == 0
    yield
    assert system.run("load", "0").returncode == 0


def empty_panels(system, report, **chosen) -> list[str]:
    """Return the panels that `verify` finds without rows, and why."""
    ports = {name: system.url(name, "") for name in ("PROMETHEUS_PORT", "GRAFANA_PORT")}
    words = ["--prometheus", ports["PROMETHEUS_PORT"], "--loki", ports["GRAFANA_PORT"]]
    words += ["--tempo", f"{ports['GRAFANA_PORT']}/tempo", "--json", str(report)]
    words += [f"--var={name}={value}" for name, value in chosen.items()]
    code = CliRunner().invoke(verify, [*words, str(FOLDER)]).exit_code
    found = [one for panels in json.loads(report.read_text()).values() for one in panels]
    bad = [
        f"{one['dashboard']}/{one['panel']}: {one['missing'] or one['reason']}"
        for one in found
        if one["state"] in ("empty", "error") and not one["only_in_docker"]
    ]
    assert (code == 0) == (not bad)
    assert {one["dashboard"] for one in found} == {path.stem for path in FOLDER.rglob("*.json")}
    assert not [one for one in found if "wants" in one["reason"] or "no address" in one["reason"]]
    return bad


@pytest.mark.e2e
def test_every_panel_of_every_dashboard_has_rows_after_two_minutes_of_load(system, load, tmp_path):
    trace_id = uuid.uuid4().hex
    order = system.place_order(trace_id)
    seen: list[list[str]] = []

    def all_have_rows() -> bool:
        found = empty_panels(system, tmp_path / "verify.json", order=order["id"], trace=trace_id)
        seen.append(found)
        return not found

    with suppress(AssertionError):
        wait_until(all_have_rows, PATIENCE_SECONDS, interval=5)
    assert seen[-1] == []


@pytest.mark.browser
@pytest.mark.timeout(400)
def test_every_dashboard_is_drawn_in_both_themes(system, load):
    """The pictures are kept in build/pictures for the review of a change."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    trace_id = uuid.uuid4().hex
    order = system.place_order(trace_id)
    time.sleep(LOAD_SECONDS)
    for uid in sorted(path.stem for path in FOLDER.glob("*.json")):
        for theme in ("dark", "light"):
            picture = PICTURES / f"{uid}-{theme}.png"
            picture.unlink(missing_ok=True)
            words = ["--theme", theme, "--from", "now-2m", "--out", str(picture)]
            words += ["--var", f"order={order['id']}", "--var", f"trace={trace_id}"]
            done = system.run("render", uid, *words)
            assert done.returncode == 0, done.stderr
            assert picture.read_bytes().startswith(b"\x89PNG")
