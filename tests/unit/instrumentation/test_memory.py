"""`process_memory_usage_bytes`: this process and its children, as the kernel shows them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from observability.instrumentation._multiprocess.memory import MemoryCollector

MIB = 1024 * 1024
CHILD = "import sys; held = bytearray(b'x' * {size}); print('ready', flush=True); sys.stdin.read()"


def usage(**options) -> float:
    (family,) = MemoryCollector(**options).collect()
    (sample,) = family.samples
    assert (sample.name, sample.labels) == ("process_memory_usage_bytes", {})
    return sample.value


def child(size: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(size=size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_childs_memory_counts_while_it_lives():
    before = usage()
    process = child(60 * MIB)
    during = usage()
    process.communicate("")
    assert 60 * MIB < during - before < 90 * MIB
    assert abs(usage() - before) < 20 * MIB


def test_pages_that_processes_share_count_once():
    held = bytearray(b"x" * 60 * MIB)
    before = usage()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(reader, 1)
        os._exit(len(held) and 0)
    shared = usage()
    os.write(writer, b"x")
    os.waitpid(pid, 0)
    assert shared - before < 30 * MIB


def test_the_resident_set_is_taken_when_the_exact_one_takes_too_long():
    started = time.monotonic()
    assert usage(budget_seconds=0) > 10 * MIB
    assert time.monotonic() - started < 1


def test_a_process_whose_exact_size_must_not_be_read_counts_by_its_resident_set(tmp_path):
    own = tmp_path / str(os.getpid())
    (own / "task" / "1").mkdir(parents=True)
    (own / "statm").write_text("900 300 50 1 0 200 0\n")
    (own / "task" / "1" / "children").write_text("70 71 ")
    (tmp_path / "70").mkdir()
    (tmp_path / "70" / "smaps_rollup").write_text("00-ff rollup\nRss: 900 kB\nPss: 400 kB\n")
    assert usage(proc=tmp_path) == 300 * os.sysconf("SC_PAGE_SIZE") + 400 * 1024


def test_without_proc_the_metric_is_absent(tmp_path):
    assert list(MemoryCollector(tmp_path / "none").collect()) == []
