"""What each panel shows when its source is gone: a real Prometheus with series that end."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

from dashboards import queries
from dashboards.generate import FOLDER
from dashboards.verify.substitution import substitute
from tests.integration.dashboards.test_queries import VALUES
from tests.integration.dashboards.vocabulary import known
from tools.servers import PROGRAMS, running_prometheus

STEP, LIFE = 5, 300
GROWING = ("_total", "_bucket", "_count", "_sum", "_commit", "_hit", "_read")
# More values than one only where a query needs them.
LABELS = {
    "http_response_status_code": ("200", "404", "500"),
    "http_route": ("/v1/orders",),
    "le": ("0.5", "+Inf"),
    "result": ("hit", "miss"),
    "sampled": ("true",),
    "service": ("orders",),
    "datname": ("orders",),
}
ALERTS = (("Watchdog", "none"), ("DatabaseDown", "page"), ("TargetDown", "ticket"))
NEWEST = ("stat", "bargauge", "gauge", "table")
# Its panels say what happened in the time range, not what is now.
HISTORY = "incidents"
# Their lines are averages over five minutes, and end that much later.
AVERAGES_END = 300


def series_of(name: str, labels: set[str]) -> list[str]:
    """Return the series of a metric, written as in the text format."""
    if name.startswith("ALERTS"):
        state = ',alertstate="firing"' if name == "ALERTS" else ""
        one = 'alertname="{}",severity="{}",service="orders"'
        return [f"{name}{{{one.format(*alert)}{state}}}" for alert in ALERTS]
    recorded = {} if ":" in name else {"instance": ("i:1",), "job": ("orders",)}
    if name == "process_memory_usage_bytes":
        recorded["job"] = ("orders", "orders-worker")
    if name == "up":
        recorded["job"] = ("orders", "console", "prometheus")
    choices = {label: LABELS.get(label, ("x",)) for label in sorted(labels)} | recorded
    rows = [zip(choices, row, strict=True) for row in itertools.product(*choices.values())]
    return [name + "{" + ",".join(f'{k}="{v}"' for k, v in row) + "}" for row in rows]


def samples(names: Mapping[str, set[str]], end: int, *, later: int = 0) -> Iterator[str]:
    """Yield lines of the series from LIFE seconds before the end to `later` seconds after it."""
    for name, labels in sorted(names.items()):
        for one in series_of(name, labels):
            grows = name.endswith(GROWING)
            for at in range(end - LIFE, end + later + 1, STEP):
                yield f"{one} {at if grows else 1} {at}"


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, int]]:
    """A Prometheus; the time when all series ended, and the time when only the processes did.

    The first is a restart of Prometheus: nothing tells it that the series ended. After the second,
    rules are still evaluated and `up` is 0.
    """
    folder = tmp_path_factory.mktemp("absent")
    all_end = int(time.time()) // STEP * STEP - 2400
    processes_end = all_end + 1800
    names = known()
    rules = {name: labels for name, labels in names.items() if ":" in name or "ALERTS" in name}
    processes = {name: labels for name, labels in names.items() if name not in rules}
    lines = [
        *samples(names, all_end),
        *samples(processes, processes_end),
        *samples(rules, processes_end, later=LIFE),
        *(
            f'up{{instance="i:1",job="orders"}} 0 {at}'
            for at in range(processes_end + STEP, processes_end + LIFE, STEP)
        ),
    ]
    text = folder / "samples.txt"
    # Samples of one series must be together.
    text.write_text("\n".join(sorted(lines, key=lambda one: one.rsplit(" ", 2)[0])) + "\n# EOF\n")
    command = [PROGRAMS.find("promtool"), "tsdb", "create-blocks-from", "openmetrics", "-q"]
    subprocess.run([*map(str, command), str(text), str(folder / "tsdb")], check=True, timeout=60)
    with running_prometheus(folder, "global: {}\n") as url:
        yield url, all_end, processes_end


def ask(url: str, expr: str, at: float) -> list[float]:
    """Return the values of a query at a time."""
    words = urllib.parse.urlencode({"query": substitute(expr, VALUES), "time": at})
    with urllib.request.urlopen(f"{url}/api/v1/query?{words}", timeout=30) as answer:
        rows = json.load(answer)["data"]["result"]
    return [float(row["value"][1]) for row in rows]


def panels() -> list[object]:
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            exprs = [target["expr"] for target in panel.get("targets", []) if "expr" in target]
            if path.stem == HISTORY and panel["type"] in NEWEST:
                continue
            if exprs and panel["datasource"]["type"] == "prometheus":
                found.append(pytest.param(panel, exprs, id=f"{path.stem}/{panel['title']}"))
    return found


def texts(panel: dict, value: float) -> str:
    """Return the text to which a panel maps a value."""
    maps = [m["options"] for m in panel["fieldConfig"]["defaults"].get("mappings", [])]
    key = "match" if math.isnan(value) else f"{value:g}"
    found = [m["result"]["text"] if key == "match" else m[key]["text"] for m in maps if key in m]
    return found[0] if found else f"{value:g}"


def shown_after(panel: dict, exprs: list[str], url: str, death: int) -> list[str]:
    """Return what a panel shows a minute after a death, without the words for absence."""
    absent = (panel["fieldConfig"]["defaults"].get("noValue"), "down")
    wait = 60 if panel["type"] in NEWEST else AVERAGES_END + STEP
    shown = [texts(panel, v) for expr in exprs for v in ask(url, expr, death + wait)]
    return [text for text in shown if text not in absent]


@pytest.mark.parametrize(("panel", "exprs"), panels())
def test_a_panel_shows_a_value_while_its_source_lives(panel, exprs, deaths):
    url, _, processes_end = deaths
    values = [value for expr in exprs for value in ask(url, expr, processes_end - 1)]
    assert [value for value in values if not math.isnan(value)]


@pytest.mark.parametrize(("panel", "exprs"), panels())
def test_a_panel_shows_no_value_of_a_series_that_ended_without_a_mark(panel, exprs, deaths):
    url, all_end, _ = deaths
    assert shown_after(panel, exprs, url, all_end) == []


# What Prometheus' rules say of themselves, or of a time before, is no value of a process.
FROM_RULES = {
    "Pages": ["1"],
    "Tickets": ["1"],
    "Firing alerts": ["1000", "1000", "1000"],
    "Objectives": ["1"],
    "Period covered by data": ["1"],
}


@pytest.mark.parametrize(
    ("panel", "exprs"), [one for one in panels() if one.values[0]["type"] in NEWEST]
)
def test_a_panel_shows_no_value_of_a_process_that_ended(panel, exprs, deaths):
    url, _, processes_end = deaths
    shown = shown_after(panel, exprs, url, processes_end)
    assert shown == FROM_RULES.get(panel["title"], [])


@pytest.mark.parametrize("title", ["Process status", "Scrape targets"])
def test_a_target_that_was_removed_is_gone_and_one_that_failed_is_down(title, deaths):
    url, all_end, processes_end = deaths
    (panel, exprs) = next(p.values for p in panels() if p.values[0]["title"] == title)
    assert {texts(panel, value) for value in ask(url, exprs[0], all_end + 60)} == {"gone"}
    after = {texts(panel, value) for value in ask(url, exprs[0], processes_end + 60)}
    assert after == ({"down"} if title == "Process status" else {"down", "gone"})


def test_a_value_that_is_gone_keeps_its_place(deaths):
    url, _, processes_end = deaths
    expr = queries.now(queries.dependency_up(), queries.DEPENDENCIES)
    assert len(ask(url, expr, processes_end - 1)) == len(ask(url, expr, processes_end + 60)) == 1


@pytest.mark.parametrize(("panel", "exprs"), panels())
def test_the_newest_value_does_not_depend_on_the_time_range(panel, exprs):
    if panel["type"] in NEWEST:
        assert all(target["instant"] and not target.get("range") for target in panel["targets"])
        assert not [expr for expr in exprs if "$__" in expr]


@pytest.mark.parametrize(("panel", "exprs"), panels())
def test_an_absent_value_has_a_text_and_is_not_green(panel, exprs):
    defaults = panel["fieldConfig"]["defaults"]
    # Grafana writes the text at the ticks of an axis too, so that a panel with axes has none.
    assert bool(defaults.get("noValue")) == (panel["type"] not in ("timeseries", "heatmap"))
    if panel["type"] in ("stat", "bargauge", "gauge"):
        (special,) = [m for m in defaults["mappings"] if m["type"] == "special"]
        assert special["options"]["match"] == "null+nan"
        assert special["options"]["result"]["color"] in ("#E69F00", "#D55E00")
        assert special["options"]["result"]["text"] == defaults["noValue"]
