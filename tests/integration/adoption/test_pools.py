"""A factory that runs in the worker, with metrics of its own, is right in every pool."""

from __future__ import annotations

import re

import pytest

from tests.integration.adoption.adopter import (
    Project,
    RunningWorker,
    exported_lines,
    shapes,
    spans_by_service,
)
from tests.integration.instrumentation.conftest import OPENMETRICS, samples, scrape
from tools.bench.sink import Sink
from tools.servers import wait_until

# The factory counts in the main process, before the worker is known to be one, and each task again.
OWN_METRICS = """
from prometheus_client import Counter, Gauge, Histogram, Summary

LAMPS = Counter("lamps", "Lamps.", ["colour"])
SIZES = Histogram("sizes", "Sizes of lamps.", buckets=(1, 10))
TIMES = Summary("times", "Times.")
OPEN = Gauge("open_lamps", "Open lamps.", multiprocess_mode="livesum")


def count():
    LAMPS.labels("red").inc()
    SIZES.observe(5)
    TIMES.observe(2)
    OPEN.inc()
"""
VALUES = {
    'lamps_total{colour="red"}': 2,
    'sizes_bucket{le="1.0"}': 0,
    'sizes_bucket{le="10.0"}': 2,
    'sizes_bucket{le="+Inf"}': 2,
    "sizes_count": 2,
    "sizes_sum": 10,
    "times_count": 2,
    "times_sum": 4,
    "open_lamps": 2,
}


def write_project(project: Project) -> None:
    """Write Flask's documented pattern, with metrics that a task and the factory count."""
    shape = list(shapes())[1]
    project.write(shape)
    path = project.folder / "shop/__init__.py"
    text = path.read_text()
    text = text.replace('print("packing", number)', 'print("packing", number)\n    count()')
    text = text.replace("app = Flask(__name__)", "app = Flask(__name__)\n    count()")
    path.write_text(text.replace("\n\n\n@shared_task", OWN_METRICS + "\n\n@shared_task", 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pool", "folder"),
    [
        ("prefork", "private folder"),
        ("prefork", "folder of its own"),
        ("threads", "private folder"),
        pytest.param("threads", "folder of its own", marks=pytest.mark.nightly),
        pytest.param("gevent", "private folder", marks=pytest.mark.nightly),
        ("gevent", "folder of its own"),
        ("solo", "private folder"),
        pytest.param("solo", "folder of its own", marks=pytest.mark.nightly),
    ],
)
def test_the_apps_metrics_and_the_kits_are_whole_under_the_workers_name(
    project: Project, sink: Sink, pool: str, folder: str
) -> None:
    write_project(project)
    own = {"PROMETHEUS_MULTIPROC_DIR": str(project.folder / "metrics")} if "own" in folder else {}
    (project.folder / "metrics").mkdir()
    words = ["celery", "-A", "make_celery", "worker", "-P", pool]
    worker = RunningWorker(project, words, **own)
    done = project.run("-c", "import make_celery, shop; shop.pack.delay(1)")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: worker.total("celery_tasks_total", state="succeeded") == 1)
    series = samples(worker.metrics())
    assert {name: series.get(name) for name in VALUES} == VALUES
    assert worker.total("celery_tasks_total", queue="celery", state="succeeded") == 1
    for name in [one for one in series if one.endswith("_count") or "_count{" in one]:
        whole = _infinite(name)
        assert series[whole] == series[name], whole
    assert not [name for name in series if name.startswith("http_")]
    assert 'trace_id="' in scrape(worker.metrics_port, OPENMETRICS)
    wait_until(lambda: "process celery" in spans_by_service(sink).get("shop-worker", ()))
    wait_until(lambda: "packing 1" in exported_lines(sink, "shop-worker"))
    assert spans_by_service(sink) == {"shop": {"send celery"}, "shop-worker": {"process celery"}}


@pytest.mark.slow
def test_an_app_that_is_created_twice_is_counted_once(project: Project, sink: Sink) -> None:
    project.write(list(shapes())[1])
    path = project.folder / "make_celery.py"
    path.write_text(path.read_text().replace("flask_app =", "other = create_app()\nflask_app ="))
    worker = RunningWorker(project, ["celery", "-A", "make_celery:celery_app", "worker"])
    done = project.run("-c", "import make_celery, shop; shop.pack.delay(1); shop.pack.delay(2)")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: "packing 2" in exported_lines(sink, "shop-worker"))
    wait_until(lambda: worker.total("celery_tasks_total", state="succeeded") >= 2)
    wait_until(lambda: len(sink.spans) >= 4)
    # The worker has ended once it has exported all that it counted.
    worker.process.terminate()
    assert worker.process.wait(60) == 0
    assert sorted(span.name for span in sink.spans) == ["process celery"] * 2 + ["send celery"] * 2


def _infinite(count: str) -> str:
    """Return the series of a histogram's last bucket; of a summary, the count itself."""
    if count.startswith("times"):
        return count
    name, _, labels = count.partition("{")
    pairs = re.findall(r'\w+="[^"]*"', labels)
    inside = ",".join(sorted([*pairs, 'le="+Inf"']))
    return f"{name.removesuffix('_count')}_bucket{{{inside}}}"
