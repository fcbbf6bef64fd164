"""The worker's benchmark: its messages differ, and its table compares rounds."""

from __future__ import annotations

import json

from tools.bench.worker.report import make_rows
from tools.bench.worker.workers import Worker, copies


def test_copies_of_a_message_are_deliveries_of_their_own():
    template = {"body": "x", "headers": {"task": "t", "id": "a"}, "properties": {"priority": 0}}
    first, second = (json.loads(text) for text in copies(template, 2))
    assert first["body"] == "x"
    assert first["headers"]["task"] == "t"
    assert first["properties"]["priority"] == 0
    assert first["headers"]["id"] == first["properties"]["correlation_id"]
    assert first["headers"]["id"] != second["headers"]["id"]
    assert first["headers"]["traceparent"] != second["headers"]["traceparent"]
    assert first["properties"]["delivery_tag"] != second["properties"]["delivery_tag"]


def test_ratios_are_taken_within_rounds():
    bare = Worker("bare", 1, "q", cpu_us=[100, 400, 200], tasks_per_s=[5, 5, 5])
    ours = Worker("lean", 2, "q", cpu_us=[110, 480, 260], tasks_per_s=[4, 6, 5])
    row = make_rows([bare, ours])[1]
    assert row["ratio"] == 1.2
    assert row["cpu_us"] == 260
    assert row["tasks_per_s"] == 5
