"""A thousand processes that were killed, and one scrape."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from observability.instrumentation._multiprocess.collector import FamilyCollector
from tests.unit.instrumentation.test_multiprocess import values, write


@pytest.mark.slow
def test_a_scrape_after_a_thousand_recycled_workers_is_quick_exact_and_leaves_no_files(
    tmp_path: Path,
) -> None:
    collector = FamilyCollector(tmp_path)
    for _ in range(4):
        write(tmp_path, 250)
        collector.fold_dead()
    started = time.perf_counter()
    found = values(collector)
    assert time.perf_counter() - started < 0.1
    assert found["cache_requests_total['hit', 'orders']"] == 2000
    assert found["cache_request_duration_seconds_count['orders']"] == 1000
    assert found["cache_request_duration_seconds_bucket['0.025', 'orders']"] == 1000
    assert found["cache_request_duration_seconds_bucket['0.01', 'orders']"] == 0
    assert list(tmp_path.iterdir()) == []
