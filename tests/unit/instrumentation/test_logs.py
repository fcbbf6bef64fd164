"""A log line is one JSON object, whatever is logged, with the ids of its trace if there is one."""

from __future__ import annotations

import json
import logging
import logging.config
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from observability.instrumentation._export.pipeline import Pipeline
from observability.instrumentation._export.signal_queue import Signal
from observability.instrumentation._export.transport import Outcome
from observability.instrumentation.logs import JsonHandler, log_extra, logging_config
from observability.instrumentation.logs.line_writer import MAX_WAITING, LineWriter
from observability.instrumentation.logs.log_line import JsonFormatter
from observability.instrumentation.settings import TelemetrySettings
from observability.instrumentation.testing import RecordedTelemetry
from tools.servers import ROOT


class Lines:
    """A handler at the end of a pipe."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.now = 0.0
        self.handler = JsonHandler(self._write, clock=lambda: self.now)
        self.logger = logging.Logger("test", logging.DEBUG)  # noqa: LOG001 - apart from all others
        self.logger.addHandler(self.handler)

    def take(self) -> list[dict[str, Any]]:
        os.set_blocking(self._read, False)
        try:
            data = os.read(self._read, 1 << 20)
        except BlockingIOError:
            return []
        return [json.loads(line) for line in data.decode().splitlines()]

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines()
    yield made
    made.close()


def test_a_line_has_the_fields_of_the_log_data_model(lines: Lines) -> None:
    lines.logger.warning("placed %s", "order", extra={"order.id": "7"})
    (line,) = lines.take()
    assert list(line) == ["timestamp", "severity_text", "body", "logger", "order.id"]
    assert (line["severity_text"], line["body"], line["logger"]) == (
        "WARNING",
        "placed order",
        "test",
    )
    assert datetime.fromisoformat(line["timestamp"]).utcoffset().total_seconds() == 0


def test_trace_ids_are_present_inside_a_span_and_absent_outside(
    lines: Lines, telemetry: RecordedTelemetry
) -> None:
    lines.logger.info("before")
    with telemetry.tracer.start_as_current_span("work") as span:
        lines.logger.info("inside")
    outside, inside = lines.take()
    assert "trace_id" not in outside
    assert inside["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert inside["span_id"] == f"{span.get_span_context().span_id:016x}"
    assert inside["trace_flags"] == 1


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_any_value_can_be_logged(lines: Lines) -> None:
    circle: list[Any] = []
    circle.append(circle)
    odd = {
        "bytes": b"\xff",
        "surrogate": "\ud800",
        "big": 2**80,
        "set": {1},
        "circle": circle,
        "class": int,
        "error": ValueError("x"),
        "object": Unprintable(),
        "nan": float("nan"),
        "line feed": "a\nb",
    }
    for key, value in odd.items():
        lines.logger.info("value", extra={key: value})
    found = lines.take()
    assert len(found) == len(odd)
    assert all(len(line) == 5 for line in found)


def test_reserved_names_are_renamed_and_never_lost(lines: Lines) -> None:
    lines.logger.info("a", extra=log_extra(message="m", name="n", args="a", order="o"))
    lines.logger.info("b", extra={"body": "mine", "trace_id": "mine", "timestamp": "mine"})
    first, second = lines.take()
    assert (first["message_"], first["name_"], first["args_"], first["order"]) == (
        "m",
        "n",
        "a",
        "o",
    )
    assert second["body"] == "b"
    assert (second["body_"], second["trace_id_"], second["timestamp_"]) == ("mine",) * 3


def test_an_exception_is_three_fields_of_bounded_length(lines: Lines) -> None:
    try:
        int("x" * 50_000)
    except ValueError:
        lines.logger.exception("failed")
    (line,) = lines.take()
    assert line["exception.type"] == "ValueError"
    assert len(json.dumps(line)) < 10_000


def test_a_message_that_cannot_be_formatted_does_not_break_the_caller(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    lines.logger.info("%d", "no number")
    assert lines.take() == []


def test_a_librarys_message_about_exports_is_written_once_a_minute(lines: Lines) -> None:
    def complain() -> int:
        record = logging.LogRecord("opentelemetry.x", logging.ERROR, "", 0, "failed", None, None)
        lines.handler.handle(record)
        return len(lines.take())

    assert [complain() for _ in range(3)] == [1, 0, 0]
    lines.now = 61.0
    assert complain() == 1


def test_the_formatter_works_in_any_handler() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "hello", None, None)
    assert json.loads(JsonFormatter().format(record))["body"] == "hello"


def test_gunicorns_loggers_have_no_handlers_of_their_own() -> None:
    config = logging_config(TelemetrySettings(log_level="WARNING"))
    assert config["loggers"]["gunicorn.error"]["handlers"] == []
    assert config["root"] == {"level": "WARNING", "handlers": ["console"]}


def test_warnings_and_uncaught_exceptions_are_logged_as_json() -> None:
    code = (
        "import warnings\n"
        "from observability.instrumentation.logs import configure_logging\n"
        "from observability.instrumentation.settings import TelemetrySettings\n"
        "configure_logging(TelemetrySettings())\n"
        "warnings.warn('old')\n"
        "raise ValueError('not caught')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.returncode == 1
    assert result.stderr == ""
    warning, failure = (json.loads(line) for line in result.stdout.splitlines())
    assert "old" in warning["body"]
    assert failure["exception.message"] == "not caught"


def test_a_hook_for_uncaught_exceptions_that_was_set_before_is_called_too() -> None:
    code = (
        "import sys\n"
        "from observability.instrumentation.logs import configure_logging\n"
        "from observability.instrumentation.settings import TelemetrySettings\n"
        "sys.excepthook = lambda kind, error, trace: print('tracked', error)\n"
        "configure_logging(TelemetrySettings())\n"
        "configure_logging(TelemetrySettings())\n"
        "raise ValueError('not caught')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    failure, tracked = result.stdout.splitlines()
    assert json.loads(failure)["exception.message"] == "not caught"
    assert tracked == "tracked not caught"


def test_handlers_for_files_stay_in_a_worker(tmp_path: Path) -> None:
    code = (
        "import logging\n"
        "from celery import Celery\n"
        "from observability.instrumentation.celery import instrument_celery\n"
        f"logging.basicConfig(handlers=[logging.FileHandler({str(tmp_path / 'own.log')!r})])\n"
        "logging.root.addHandler(logging.StreamHandler())\n"
        "app = Celery('shop', broker='memory://localhost')\n"
        "instrument_celery(app, 'shop-worker')\n"
        "app.log.setup()\n"
        "logging.warning('twice')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert result.stderr == ""
    assert json.loads(result.stdout)["body"] == "twice"
    assert (tmp_path / "own.log").read_text() == "WARNING:root:twice\n"


def test_importing_the_kit_raises_no_warnings() -> None:
    names = (
        "settings telemetry metrics logs spans exposition flask flask.contrib gunicorn celery "
        "psycopg redis requests dependencies testing _export.sdk_engine"
    )
    imports = ", ".join(f"observability.instrumentation.{name}" for name in names.split())
    subprocess.run([sys.executable, "-W", "error", "-c", f"import {imports}"], check=True, cwd=ROOT)


def test_a_line_that_cannot_be_written_fails_neither_its_caller_nor_later_lines() -> None:
    read, write = os.pipe()
    os.close(read)
    writer = LineWriter(write)
    writer.now(b"to a closed pipe\n")
    for _ in range(MAX_WAITING):
        writer.soon(b"the last one flushes\n")
    again, write_again = os.pipe()
    os.dup2(write_again, write)
    writer.now(b"written\n")
    assert os.read(again, 1000) == b"written\n"
    for descriptor in (again, write, write_again):
        os.close(descriptor)


class Accepting:
    """A sender whose receiver accepts everything."""

    def send(self, *_: Any) -> tuple[Outcome, int]:
        return Outcome.ACCEPTED, 0

    def close(self) -> None: ...

    def forget(self) -> None: ...


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_exporting_thread_survives_a_failed_tick_and_logs_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ticks: list[int] = []
    exported: list[float] = []

    def fail() -> None:
        ticks.append(1)
        raise OSError(28, "No space left on device")

    signal = Signal("spans", 10, exported=exported.append, dropped=lambda *_: None)
    pipeline = Pipeline(
        TelemetrySettings(), Accepting, signals=[signal], is_dropping=lambda: False, on_tick=fail
    )
    for _ in range(2):
        pipeline.put(signal, "item")
        assert pipeline.flush(30.0)
    assert pipeline.shutdown(30.0)
    assert sum(exported) == 2
    assert len(ticks) > 1
    assert len([one for one in caplog.records if "later failures" in one.getMessage()]) == 1
