"""A process has one name and one set of metric files, whatever is started in it and when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.servers import ROOT

START = """
import json, os, sys
from pathlib import Path
from prometheus_client import Counter, Gauge, Histogram, Summary
from observability.instrumentation import semconv, telemetry
from observability.instrumentation.exposition import claim_directory, make_registry
from observability.instrumentation.settings import TelemetrySettings

LAMPS = Counter("lamps", "Lamps.", ["colour"])
SIZES = Histogram("sizes", "Sizes.", buckets=(1, 10))
OPEN = Gauge("open_lamps", "Open lamps.", multiprocess_mode="livesum")
LAMPS.labels("red").inc()
SIZES.observe(5)
OPEN.set(3)

def start(name, **changes):
    settings = TelemetrySettings(sdk_disabled=True, **changes)
    return telemetry.start_telemetry(settings, service_name=name)

def series(settings, own):
    families = make_registry(settings, own=own).collect()
    found = [sample for family in families for sample in family.samples]
    return {f"{one.name}{sorted(one.labels.values())}": one.value for one in found}
"""
OWN = {"lamps_total['red']": 1, "sizes_bucket['+Inf']": 1, "sizes_count[]": 1, "open_lamps[]": 3}


def run(code: str, **environment: str) -> Any:
    """Run a process that prints a JSON value."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OTEL_TRACES_EXPORTER": "none"}
    variables.pop("PROMETHEUS_MULTIPROC_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", START + code],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_second_name_is_an_error_that_names_both() -> None:
    code = """
start("shop")
start("shop")
try:
    start("admin")
except ValueError as error:
    print(json.dumps(str(error)))
"""
    assert "'shop', and now as 'admin'" in run(code)


def test_a_second_name_is_no_error_where_the_environment_gives_the_name() -> None:
    code = """
settings = TelemetrySettings.from_env()
for name in ("shop", "admin"):
    found = telemetry.start_telemetry(settings, service_name=name).service_name
print(json.dumps(found))
"""
    assert run(code, OTEL_SERVICE_NAME="lamps") == "lamps"


def test_the_name_of_a_role_replaces_earlier_names_and_outlasts_later_ones() -> None:
    code = """
start("shop")
telemetry.start_role(lambda: start("shop-worker"))
later = start("shop")
print(json.dumps([later.service_name, later.provider.resource.attributes["service.name"]]))
"""
    assert run(code) == ["shop-worker", "shop-worker"]


def test_the_name_of_an_app_replaces_the_one_under_which_a_task_was_sent_before() -> None:
    code = """
from celery import Celery
from observability.instrumentation.celery import instrument_celery
app = Celery("shop", broker="memory://localhost")
instrument_celery(app, "shop-worker")
app.send_task("pack")
names = [telemetry.running_telemetry().service_name]
later = start("shop")
names += [later.service_name, later.provider.resource.attributes["service.name"]]
try:
    start("admin")
except ValueError:
    names.append("an error")
print(json.dumps(names))
"""
    assert run(code) == ["shop-worker", "shop", "shop", "an error"]


@pytest.mark.parametrize("first", ["telemetry", "claim"])
def test_files_that_a_process_has_mapped_survive_its_claim(tmp_path: Path, first: str) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_1.db").write_bytes(b"stale")
    code = """
settings = TelemetrySettings(multiproc_dir=Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
if FIRST == "telemetry":
    start("shop", multiproc_dir=settings.multiproc_dir)
claim_directory(settings)
found = start("shop", multiproc_dir=settings.multiproc_dir)
found.metrics.histogram(semconv.CACHE_REQUEST_DURATION).labels("orders").observe(0.1)
LAMPS.labels("blue").inc()
print(json.dumps(series(settings, None)))
"""
    code = code.replace("FIRST", repr(first))
    found = run(code, PROMETHEUS_MULTIPROC_DIR=str(folder))
    assert {name: found.get(name) for name in OWN} == OWN
    assert found["lamps_total['blue']"] == 1
    assert found["cache_request_duration_seconds_bucket['+Inf', 'orders']"] == 1
    assert not (folder / "counter_1.db").exists()


def test_files_of_live_processes_that_share_the_folder_survive_a_claim(tmp_path: Path) -> None:
    code = """
import subprocess
folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
start("beat", multiproc_dir=folder)
claim = (
    "import sys; from pathlib import Path\\n"
    "from observability.instrumentation._multiprocess.liveness import claim\\n"
    "claim(Path(sys.argv[1]))"
)
subprocess.run([sys.executable, "-c", claim, str(folder)], check=True)
LAMPS.labels("red").inc()
print(json.dumps(series(TelemetrySettings(multiproc_dir=folder), None)))
"""
    found = run(code, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert {name: found.get(name) for name in OWN} == {**OWN, "lamps_total['red']": 2}


def test_without_a_folder_the_apps_own_metrics_are_served_and_the_librarys_are_not() -> None:
    code = """
found = start("shop")
print(json.dumps(series(found.settings, found.metrics.registry)))
"""
    found = run(code)
    assert {name: found.get(name) for name in OWN} == OWN
    assert "telemetry_log_lines_total[]" in found
    assert not [name for name in found if name.startswith(("python_", "process_cpu"))]


def test_metrics_that_exist_move_into_a_folder_with_their_values(tmp_path: Path) -> None:
    code = """
found = start("shop")
seen = found.metrics.histogram(semconv.CACHE_REQUEST_DURATION).labels("orders")
seen.observe(0.1)
found.share_metrics(Path(FOLDER))
found.share_metrics(Path(FOLDER))
seen.observe(0.1, 0xabc)
LAMPS.labels("red").inc()
if os.fork() == 0:
    LAMPS.labels("red").inc()
    seen.observe(0.1)
    os._exit(0)
os.wait()
print(json.dumps(series(found.settings, None)))
"""
    found = run(code.replace("FOLDER", repr(str(tmp_path))))
    assert {name: found.get(name) for name in OWN} == {**OWN, "lamps_total['red']": 3}
    assert found["cache_request_duration_seconds_count['orders']"] == 3
    assert found["cache_request_duration_seconds_bucket['+Inf', 'orders']"] == 3


def test_a_line_that_the_start_of_telemetry_logs_in_gunicorns_master_starts_no_second_one() -> None:
    code = """
import logging, signal
from observability.instrumentation.gunicorn.master_lines import keep_master_lines
from observability.instrumentation.logs import JsonHandler, configure_logging
signal.alarm(60)
settings = TelemetrySettings(
    sdk_disabled=True, log_stream="stderr", resource={"service.name": "shop"}
)
configure_logging(settings)
keep_master_lines(settings)
kept = JsonHandler.sink
engine_class = telemetry._engine_class
def with_warning(settings):
    logging.getLogger("py.warnings").warning("an old option")
    return engine_class(settings)
telemetry._engine_class = with_warning
logging.getLogger("gunicorn.error").error("worker hung")
print(json.dumps([telemetry.running_telemetry().service_name, len(kept.take())]))
"""
    assert run(code) == ["shop", 0]
