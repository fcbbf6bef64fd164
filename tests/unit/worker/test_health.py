"""The worker's health is progress, not presence."""

from __future__ import annotations

import json
import os
import time

import pytest

from worker.health import DONE_SECONDS, LOOP_SECONDS, find_problem
from worker.progress import Progress

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("loop_age", "done_age", "waiting", "problem"),
    [
        (1, 1, 0, None),
        (1, 10_000, 0, None),
        (1, DONE_SECONDS - 1, 5, None),
        (1, DONE_SECONDS + 1, 5, "5 messages are waiting and no attempt has ended for 61 s"),
        (LOOP_SECONDS + 1, 1, 0, "the main loop has not run for 31 s"),
    ],
)
def test_the_worker_is_healthy_while_work_gets_done_or_none_waits(
    loop_age, done_age, waiting, problem
):
    state = {"loop": NOW - loop_age, "done": NOW - done_age}
    assert find_problem(state, waiting, NOW) == problem


def test_the_main_process_sees_the_progress_of_a_child(tmp_path):
    progress = Progress()
    progress._cells[0] = 1.0
    if (child := os.fork()) == 0:
        progress.note()
        os._exit(0)
    os.waitpid(child, 0)
    progress.write(tmp_path)
    written = json.loads((tmp_path / "progress.json").read_text())
    assert time.time() - written["done"] < 5
    assert time.time() - written["loop"] < 5
