"""The exporters of opentelemetry-exporter-otlp, made late and counted.

grpc must not be loaded in a process that forks, https://github.com/grpc/grpc/issues/15334, so the
thread of a batch processor makes its exporter with the first batch.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace.export import SpanExportResult

from .._multiprocess.forking import gated, unforked
from ..settings import GRPC, LOGS_PATH, TRACES_PATH
from .receiver import SLOW_SECONDS
from .transport import open_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..settings import TelemetrySettings
    from .failure_log import FailureLog

_own = threading.local()
_LOGGERS = ("http.trace_exporter", "http._log_exporter", "grpc.exporter")


class FailureFilter(logging.Filter):
    """A filter that turns what an exporter logs about its failures into one line a minute.

    Args:
        failures: Takes them.
    """

    def __init__(self, failures: FailureLog) -> None:
        super().__init__()
        self._failures = failures

    def install(self) -> None:
        """Filter the lines of OpenTelemetry's exporters."""
        for name in _LOGGERS:
            logger = logging.getLogger(f"opentelemetry.exporter.otlp.proto.{name}")
            for old in [one for one in logger.filters if isinstance(one, FailureFilter)]:
                logger.removeFilter(old)
            logger.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Take a line of an exporting thread."""
        if not is_exporting_thread():
            return True
        self._failures.note(_own.signal, record.getMessage())
        return False


class CountedExporter:
    """An exporter for a batch processor: OpenTelemetry's own, with counts of what it does.

    Args:
        signal: `traces` or `logs`.
        make: Makes the exporter.
        exported: Called with how many items the receiver accepted.
        dropped: Called with a reason and how many items are lost.
        is_dropping: While it returns true, batches are dropped and counted.
        note_silence: Called when an export takes more than SLOW_SECONDS.
        capacity: Of the processor's queue.
    """

    def __init__(
        self,
        signal: str,
        make: Callable[[], Any],
        *,
        exported: Callable[[float], None],
        dropped: Callable[[str, float], None],
        is_dropping: Callable[[], bool],
        note_silence: Callable[[], None],
        capacity: int,
    ) -> None:
        self._signal = signal
        self._make = make
        self._exported, self._dropped, self._is_dropping = exported, dropped, is_dropping
        self._note_silence = note_silence
        self._capacity = capacity
        self._lock = threading.Lock()
        self._queued = 0
        self._sending = 0
        self._exporter: Any = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """Return how many items are neither delivered nor lost yet."""
        return self._queued + self._sending

    def expect(self) -> bool:
        """Count an item that the processor is about to queue; return whether it will.

        The processor itself drops the oldest item in favour of the new one and counts neither:
        https://github.com/open-telemetry/opentelemetry-python/issues/3152
        """
        with self._lock:
            if self._closed or self._queued >= self._capacity:
                reason = "shutdown" if self._closed else "queue_full"
            else:
                self._queued += 1
                return True
        self._dropped(reason, 1)
        return False

    def export(self, batch: Any) -> Any:
        """Export a batch; the exporter retries on its own before it gives up."""
        count = len(batch)
        with self._lock:
            self._queued -= count
            self._sending = count
        _own.signal = self._signal
        accepted = False
        try:
            if self._drops():
                self._settle(lambda lost: self._dropped("fault", lost))
                return SpanExportResult.SUCCESS
            exporter = self._started()
            with self._watched():
                result = exporter.export(batch)
            # Each signal has an enumeration of its own.
            accepted = result.name == "SUCCESS"
            return result
        finally:
            _own.signal = ""
            self._settle(
                self._exported if accepted else lambda lost: self._dropped("export_failed", lost)
            )

    def shutdown(self) -> None:
        """Stop the exporter: it waits for no further attempt."""
        self._closed = True
        if self._exporter is not None:
            exporter, self._exporter = self._exporter, None
            exporter.shutdown()

    def give_up(self) -> None:
        """Stop, and count what is waiting as lost."""
        self.shutdown()
        with self._lock:
            left, self._queued, self._sending = self.waiting, 0, 0
        if left:
            self._dropped("shutdown", left)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """Return True: nothing waits here."""
        return True

    @contextmanager
    def _watched(self) -> Iterator[None]:
        timer = threading.Timer(SLOW_SECONDS, self._note_silence)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _started(self) -> Any:
        if self._exporter is None:
            with unforked():
                self._exporter = self._make()
        return self._exporter

    def _settle(self, count: Callable[[float], None]) -> None:
        with self._lock:
            sent, self._sending = self._sending, 0
        if sent:
            gated(count, sent)

    def _drops(self) -> bool:
        try:
            return self._is_dropping()
        except Exception:  # noqa: BLE001 - if the check fails, nothing is dropped
            return False


def is_exporting_thread() -> bool:
    """Return whether this thread is exporting: what it logs must not be exported in turn."""
    return bool(getattr(_own, "signal", ""))


def wait_until_sent(
    exporters: list[CountedExporter],
    timeout_seconds: float,
    gives_up: Callable[[], bool] = lambda: False,
) -> bool:
    """Wait until nothing is waiting; return whether that was in time."""
    deadline = time.monotonic() + timeout_seconds
    while any(exporter.waiting for exporter in exporters):
        if time.monotonic() >= deadline or gives_up():
            return False
        time.sleep(0.01)
    return True


def load_http_exporters() -> None:
    """Import what exports need: where a pool replaces its children, once instead of in each."""
    _session().close()


def span_exporter(settings: TelemetrySettings) -> Any:
    """Return OpenTelemetry's exporter of spans."""
    if settings.protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter as GrpcExporter,
        )

        return GrpcExporter(**_grpc_options(settings))
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    return OTLPSpanExporter(**_http_options(settings, TRACES_PATH))


def log_exporter(settings: TelemetrySettings) -> Any:
    """Return OpenTelemetry's exporter of log records."""
    if settings.protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import (  # noqa: PLC0415
            OTLPLogExporter as GrpcExporter,
        )

        return GrpcExporter(**_grpc_options(settings))
    from opentelemetry.exporter.otlp.proto.http._log_exporter import (  # noqa: PLC0415
        OTLPLogExporter,
    )

    return OTLPLogExporter(**_http_options(settings, LOGS_PATH))


def _http_options(settings: TelemetrySettings, path: str) -> dict[str, Any]:
    from opentelemetry.exporter.otlp.proto.http import Compression  # noqa: PLC0415

    return {
        "endpoint": settings.endpoint + path,
        "headers": dict(settings.headers),
        "timeout": settings.timeout_seconds,
        "certificate_file": settings.certificate or None,
        "compression": Compression(settings.compression),
        "session": _session(),
    }


def _session() -> Any:
    """Return a session whose connects no fork interrupts: a child would inherit locked modules.

    What requests imports with its first request is imported here for the same reason.
    """
    import netrc  # noqa: F401, PLC0415

    import requests  # noqa: PLC0415
    from requests.adapters import HTTPAdapter  # noqa: PLC0415
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool  # noqa: PLC0415

    def unforked_class(base: Any) -> Any:
        def connect(self: Any) -> None:
            self._opened = open_socket(self.host, self.port, self.timeout)
            with unforked():
                base.connect(self)

        # Private: urllib3 has no method that takes a socket.
        methods = {"connect": connect, "_new_conn": lambda self: self._opened}
        return type(base.__name__, (base,), methods)

    class Plain(HTTPConnectionPool):
        ConnectionCls = unforked_class(HTTPConnection)

    class Secure(HTTPSConnectionPool):
        ConnectionCls = unforked_class(HTTPSConnection)

    session = requests.Session()
    adapter = HTTPAdapter()
    adapter.poolmanager.pool_classes_by_scheme = {"http": Plain, "https": Secure}
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _grpc_options(settings: TelemetrySettings) -> dict[str, Any]:
    from grpc import Compression  # noqa: PLC0415

    return {
        "endpoint": settings.endpoint,
        # Metadata of gRPC has lower-case names only.
        "headers": tuple((name.lower(), text) for name, text in settings.headers.items()),
        "timeout": settings.timeout_seconds,
        "compression": {"gzip": Compression.Gzip}.get(
            settings.compression, Compression.NoCompression
        ),
    }
