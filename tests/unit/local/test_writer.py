"""The one thread that writes: nothing that is given to it may end it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.store import writer as module
from local.store.errors import BadPayloadError, StoreError, StoreFailedError
from local.store.model import LogLine, Mail, Span
from local.store.retention import Limits
from local.store.schema import open_reader
from local.store.writer import Batch, Writer
from tools.servers import wait_until

SPAN = Span("a" * 32, "b" * 16, "", "shop", "GET", 2, 1, 1, 0, "", {}, {})
LINE = LogLine(1, "shop", 9, "INFO", "good", "", "", {}, {})
MAIL = Mail(1, "id", "a@x", ["b@x"], "Hello", "", "", {}, "text", 4)
# None of these passes the edge; the writer must not depend on that.
BAD = {
    "a surrogate in a body": Batch(lines=[replace(LINE, body="\udcff")]),
    "a surrogate in an attribute": Batch(lines=[replace(LINE, attributes={"a": "\ud800"})]),
    "a surrogate in a resource": Batch(spans=[replace(SPAN, resource={"\ud800": 1})]),
    "a surrogate in a recipient": Batch(mails=[replace(MAIL, recipients=["\udcff@x"])]),
    "too large a number": Batch(spans=[replace(SPAN, start_ns=2**63)]),
    "no number": Batch(spans=[replace(SPAN, start_ns={})]),
    "nothing": Batch(mails=[replace(MAIL, subject=None)]),
    "no span": Batch(spans=[7]),
    "a circle": Batch(lines=[replace(LINE, attributes=(circle := {}))]),
}
circle["again"] = circle


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Writer]]:
    made = []

    def make(on_stored: Callable[..., Any]) -> Writer:
        made.append(Writer(tmp_path / "store.sqlite", Limits(), on_stored))
        return made[-1]

    yield make
    for one in made:
        one.close()


def bodies(folder: Path) -> list[str]:
    connection = open_reader(folder / "store.sqlite")
    try:
        return [row[0] for row in connection.execute("SELECT body FROM logs ORDER BY body")]
    finally:
        connection.close()


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_batch_that_cannot_be_stored_is_refused_alone(
    make: Callable[..., Writer], tmp_path: Path, bad: Batch
) -> None:
    """The three batches wait together, so that they are first tried in one transaction."""
    release = threading.Event()
    writer = make(lambda *_: release.wait(20))
    good = [Batch(lines=[replace(LINE, body=body)]) for body in ("first", "second", "third")]
    bad = Batch(bad.spans, bad.lines, bad.mails)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(writer.store, good[0])
        wait_until(lambda: writer._waiting.empty() and writer._began is not None)
        results: list[Future[None]] = []
        for batch in (good[1], bad, good[2]):
            results.append(pool.submit(writer.store, batch))
            wait_until(lambda: writer._waiting.qsize() == len(results))
        release.set()
        first.result()
        results[0].result()
        with pytest.raises(BadPayloadError):
            results[1].result()
        results[2].result()
    assert bodies(tmp_path) == ["first", "second", "third"]
    assert writer.problem() == ""


def test_a_batch_is_stored_even_if_it_cannot_be_counted(
    make: Callable[..., Writer], tmp_path: Path
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    writer = make(fail)
    for body in ("a", "b"):
        writer.store(Batch(lines=[replace(LINE, body=body)]))
    assert bodies(tmp_path) == ["a", "b"]


def test_what_the_disk_refuses_may_be_sent_again(make: Callable[..., Writer]) -> None:
    writer = make(lambda *_: None)
    writer._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreFailedError):
        writer.store(Batch(lines=[replace(LINE, body="x" * 100_000)]))
    writer._connection.execute("PRAGMA max_page_count = 1000000")
    writer.store(Batch(lines=[LINE]))


def test_a_writer_that_has_ended_or_hangs_says_so(
    make: Callable[..., Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    writer = make(lambda *_: release.wait(20))
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.0)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(writer.store, Batch(lines=[LINE]))
        wait_until(lambda: "busy" in writer.problem())
        release.set()
    writer.close()
    assert "ended" in writer.problem()
    with pytest.raises(StoreError):
        writer.store(Batch(lines=[LINE]))
