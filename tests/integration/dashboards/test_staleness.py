"""What `verify --dead` says of a panel is what a real Prometheus returns for it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from dashboards.verify.backends import Backend
from dashboards.verify.reading import read_dashboard
from dashboards.verify.staleness import Question, stale_panels
from tools.servers import PROGRAMS, running_prometheus

# Ended ten minutes ago, without a mark; Prometheus returns a sample for five minutes.
ASK = Question(timedelta(minutes=10), lookback=timedelta(minutes=5))
RANGE = timedelta(hours=1)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory) -> Iterator[Backend]:
    """A Prometheus with an hour of a process that ended, of a living one, and of `up`."""
    folder = tmp_path_factory.mktemp("stale")
    now = int(time.time())
    ended = range(now - 3000, now - 600, 15)
    living = range(now - 3000, now, 15)
    lines = ["# TYPE x gauge", *(f'x{{job="a"}} 42 {at}' for at in ended)]
    lines += ["# TYPE y gauge", *(f'y{{job="b"}} 1 {at}' for at in living)]
    lines += ["# TYPE c counter", *(f'c_total{{job="a"}} {at - now + 9999} {at}' for at in ended)]
    lines += ["# TYPE up gauge", *(f'up{{job="a"}} {int(at in ended)} {at}' for at in living)]
    (folder / "samples.txt").write_text("\n".join([*lines, "# EOF\n"]))
    command = [PROGRAMS.find("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*command, folder / "samples.txt", folder / "tsdb"], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    with running_prometheus(folder, "global: {}\n") as url:
        yield Backend(url, RANGE)


def shows_a_value(end: Backend, expr: str, *, instant: bool) -> bool:
    """Return whether a panel of the last value would show one that is not 0."""
    start, stop = end.bounds()
    if instant:
        rows = end.get("/api/v1/query", query=expr, time=stop)["data"]["result"]
        last = [row["value"][1] for row in rows]
    else:
        query = {"query": expr, "start": start, "end": stop, "step": 15}
        rows = end.get("/api/v1/query_range", **query)["data"]["result"]
        # The reduction `lastNotNull` passes over NaN.
        known = [[value for _, value in row["values"] if value != "NaN"] for row in rows]
        last = [values[-1] for values in known if values]
    return any(value not in ("0", "NaN") for value in last)


@pytest.mark.parametrize("instant", [True, False], ids=["instant", "range"])
@pytest.mark.parametrize(
    ("expr", "as_instant", "as_range"),
    [
        ("x", False, True),
        ("sum(x) > 1", False, True),
        ("x offset 15m", True, True),
        ("last_over_time(x[30m])", True, True),
        ("max_over_time(x[9m])", False, True),
        ("rate(c_total[30m])", True, True),
        ("rate(c_total[5m])", False, True),
        ("max_over_time(rate(c_total[1m])[20m:15s])", True, True),
        ("last_over_time(x[30m]) and on (job) up == 1", False, True),
        ("last_over_time(x[30m]) * on () group_left y", True, True),
        ("last_over_time(x[30m]) and timestamp(x) > time() - 60", False, True),
        ("x and x @ end()", False, False),
        ("x or vector(0)", False, True),
        ("sum(x) or group(max_over_time(x[30m])) * 0 + NaN", False, True),
    ],
)
def test_the_verdict_is_what_prometheus_returns(
    prometheus: Backend, tmp_path: Path, expr: str, instant: bool, as_instant: bool, as_range: bool
) -> None:
    shown = as_instant if instant else as_range
    assert shows_a_value(prometheus, expr, instant=instant) == shown
    targets = [{"refId": "A", "expr": expr, "instant": instant}]
    panel = {"type": "stat", "title": "P", "targets": targets}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"time": {"from": "now-1h"}, "panels": [panel]}))
    assert bool(stale_panels(read_dashboard(path), {}, ASK)) == shown
