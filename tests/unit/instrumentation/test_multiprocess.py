"""The metrics of many processes, dead ones included, become one exposition."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from observability.instrumentation import semconv
from observability.instrumentation._multiprocess.collector import FamilyCollector
from observability.instrumentation._multiprocess.exemplars import (
    ExemplarFile,
    keep_newest,
    read_exemplars,
)
from observability.instrumentation._multiprocess.liveness import claim, mark_alive
from observability.instrumentation.settings import SettingsError
from tools.servers import ROOT

WRITER = """
import os, sys
from pathlib import Path
from observability.instrumentation import semconv
from observability.instrumentation.metrics import Metrics
from observability.instrumentation._multiprocess.liveness import mark_alive
folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
metrics = Metrics(folder)
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        mark_alive(folder)
        metrics.counter(semconv.CACHE_REQUESTS).labels("orders", "hit").inc(2)
        metrics.gauge(semconv.HTTP_SERVER_ACTIVE_REQUESTS).labels("GET").inc()
        metrics.gauge(semconv.CIRCUIT_BREAKER_STATE).labels("smtp").set(2)
        metrics.histogram(semconv.CACHE_REQUEST_DURATION).labels("orders").observe(0.02, 0xABC)
        os.kill(os.getpid(), 9)
    os.wait()
"""


def write(folder: Path, processes: int) -> None:
    variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", WRITER, str(processes)], check=True, env=variables)


def values(collector: FamilyCollector) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in collector.collect()
        for sample in family.samples
    }


def test_dead_processes_leave_counts_and_exemplars_but_no_gauges(tmp_path: Path) -> None:
    write(tmp_path, 3)
    collector = FamilyCollector(tmp_path)
    found = values(collector)
    assert found["cache_requests_total['hit', 'orders']"] == 6
    assert not [name for name in found if name.startswith(("http_server", "circuit"))]
    assert values(collector) == found
    exemplars = [
        sample.exemplar
        for family in collector.collect()
        for sample in family.samples
        if sample.exemplar
    ]
    assert [exemplar.labels for exemplar in exemplars] == [{"trace_id": f"{0xABC:032x}"}]


def test_a_file_that_is_not_yet_sized_does_not_fail_the_scrape(tmp_path: Path) -> None:
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    (tmp_path / f"histogram_kit_{os.getpid()}.db").touch()
    (tmp_path / f"exemplars_{os.getpid()}.bin").touch()
    assert values(FamilyCollector(tmp_path)) == {}


def test_a_folder_that_cannot_be_written_is_refused_with_its_name(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    for use in (claim, mark_alive):
        with pytest.raises(SettingsError, match="PROMETHEUS_MULTIPROC_DIR"):
            use(blocked / "metrics")


def test_a_folder_that_no_process_has_made_yet_is_made_by_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "metrics"
    mark_alive(folder)
    assert (folder / f"{os.getpid()}.alive").exists()


def test_files_that_are_no_metrics_survive_a_claim_and_a_scrape(tmp_path: Path) -> None:
    pid = 2**22 + 1  # above Linux's limit: no process has it
    own = [f"counter_{pid}.db", f"gauge_livesum_kit_{pid}.db", f"summary_kit_{pid}.db"]
    own += [f"exemplars_{pid}.bin", f"{pid}.alive"]
    shared = ["receiver.hangs", "first-zero-series.once"]
    others = ["shop.db", f"orders_{pid}.db", "counter_last.db", f"cache_{pid}.bin", "job.once"]
    for name in own + shared + others:
        (tmp_path / name).touch()
    assert values(FamilyCollector(tmp_path)) == {}
    assert {path.name for path in tmp_path.iterdir()} == {*others, *shared}
    for name in own:
        (tmp_path / name).touch()
    claim(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*others, "owner.lock"}


def test_a_bucket_has_its_newest_exemplar_and_no_torn_one(tmp_path: Path) -> None:
    file = ExemplarFile(tmp_path)
    first, second = file.slot("a"), file.slot("b")
    file.put(first, 1, 0.1, 100.0)
    file.put(first, 2, 0.2, 200.0)
    file.put(second, 3, 0.3, 300.0)
    path = tmp_path / f"exemplars_{os.getpid()}.bin"
    found = read_exemplars(path)
    assert found["a"].trace_id == f"{2:032x}"
    file._map[second + 3 : second + 4] = b"\x07"
    assert set(read_exemplars(path)) == {"a"}
    keep_newest(found, {"a": found["a"]._replace(timestamp=150.0, trace_id="old")})
    assert found["a"].trace_id == f"{2:032x}"


def test_threads_that_observe_at_once_share_one_file(tmp_path: Path) -> None:
    for attempt in range(50):
        file = ExemplarFile(tmp_path)
        start = threading.Barrier(8)

        def observe(number: int, file: ExemplarFile = file, start: Any = start) -> None:
            start.wait()
            for bucket in range(20):
                file.put(file.slot(f"{number}/{bucket}"), 1, 0.1, 1.0)

        threads = [threading.Thread(target=observe, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(read_exemplars(tmp_path / f"exemplars_{os.getpid()}.bin")) == 160, attempt


def test_the_exemplars_file_is_bounded(tmp_path: Path) -> None:
    file = ExemplarFile(tmp_path)
    places = [file.slot(f"{number:0200d}") for number in range(12_000)]
    file.put(places[-1], 1, 0.1, 1.0)
    assert places[-1] == 0
    assert (tmp_path / f"exemplars_{os.getpid()}.bin").stat().st_size <= 1 << 21
    assert semconv.EXEMPLAR_TRACE_ID == "trace_id"
