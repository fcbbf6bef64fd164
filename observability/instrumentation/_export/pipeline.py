"""Queue ended spans and written log lines, and export them from one thread per process.

No request waits for the receiver: when a queue is full, items are dropped and counted. The thread
starts with the first item, so a main process that emits nothing has no thread, and each child
process starts its own.
"""

from __future__ import annotations

import logging
import threading
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from .._multiprocess.forking import call_in_children, gated
from .failure_log import FailureLog
from .transport import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..settings import TelemetrySettings
    from .signal_queue import Sender, Signal

_logger = logging.getLogger(__name__)

# A batch is retried after 1, 2 and 4 s, then dropped: memory is bounded, and newer spans matter
# more.
_BACKOFF_SECONDS = (1.0, 2.0, 4.0)
# How often a process that ends looks whether the receiver hangs.
_GLANCE_SECONDS = 0.05
# Longest wait of pending counts and log lines.
TICK_SECONDS = 0.2


class Pipeline:
    """The exporting thread of this process, and the queues that it empties."""

    def __init__(
        self,
        settings: TelemetrySettings,
        make_sender: Callable[[], Sender],
        *,
        signals: Iterable[Signal],
        is_dropping: Callable[[], bool],
        on_tick: Callable[[], None],
        gives_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self._gives_up = gives_up
        self._settings = settings
        self._on_tick = on_tick
        self._make_sender = make_sender
        self._is_dropping = is_dropping
        self.signals = tuple(signals)
        self._sender: Sender | None = None
        self._failures = FailureLog(settings.endpoint)
        self._tick_failed = False
        self.thread_ident: int | None = None
        self._begin()
        call_in_children(self)

    def _begin(self) -> None:
        self._wake = threading.Event()
        self._idle = threading.Condition()
        self._start_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._deadline: float | None = None
        self._closed = False
        self._failures.is_quiet = False

    def after_fork(self) -> None:
        """Start with empty queues; the parent still has, and exports, what was waiting."""
        if self._sender is not None:
            self._sender.forget()
            self._sender = None
        for signal in self.signals:
            signal.reset()
        self.thread_ident = None
        self._begin()

    @property
    def has_thread(self) -> bool:
        """Return whether this process has its exporting thread."""
        return self._thread is not None

    def put(self, signal: Signal, item: Any) -> None:
        """Queue an item, or drop and count it when the queue is full."""
        queue = signal.queue
        if len(queue) >= signal.capacity or self._closed:
            signal.dropped("shutdown" if self._closed else "queue_full", 1)
            return
        queue.append(item)
        if self._thread is None:
            self.start()
        elif len(queue) == self._settings.batch_size:
            self._wake.set()

    def flush(self, timeout_seconds: float) -> bool:
        """Export what is waiting; return whether all of it was exported in time."""
        deadline = time.monotonic() + timeout_seconds
        with self._idle:
            while any(signal.waiting for signal in self.signals) and self._thread:
                self._wake.set()
                left = deadline - time.monotonic()
                if left <= 0 or not self._thread.is_alive():
                    return False
                self._idle.wait(min(left, 0.05))
        return True

    def shutdown(self, timeout_seconds: float) -> bool:
        """Export what is waiting, count the rest as dropped, and stop; once.

        Args:
            timeout_seconds: Limit for the whole shutdown; it ends sooner once the receiver is known
                to hang.

        Returns:
            Whether everything was exported.
        """
        if self._closed:
            return True
        self._deadline = time.monotonic() + timeout_seconds
        self._failures.is_quiet = True
        self._tick()
        thread = self._thread
        if thread is not None:
            self._wake.set()
            # Half of the time for a request that hangs, the rest for one last attempt.
            self._join(thread, timeout_seconds / 2)
            if thread.is_alive() and self._sender is not None:
                self._sender.close()
                self._join(thread, timeout_seconds / 2)
        self._closed = True
        self._tick()
        all_left = 0
        for signal in self.signals:
            left = len(signal.queue) + signal.settle()
            signal.queue.clear()
            if left:
                signal.dropped("shutdown", left)
            all_left += left
        return not all_left

    def _join(self, thread: threading.Thread, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while thread.is_alive() and not self._gives_up():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            thread.join(min(left, _GLANCE_SECONDS))

    def start(self) -> None:
        """Start the thread, if this process has none."""
        with self._start_lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="telemetry-export", daemon=True)
                self._thread = thread
                thread.start()

    def _run(self) -> None:
        self.thread_ident = threading.get_ident()
        due = time.monotonic() + self._settings.delay_seconds
        while True:
            woken = self._wake.wait(min(TICK_SECONDS, self._settings.delay_seconds))
            self._wake.clear()
            stopping = self._deadline is not None
            self._tick()
            if not (woken or stopping or time.monotonic() >= due):
                continue
            due = time.monotonic() + self._settings.delay_seconds
            for signal in self.signals:
                self._drain(signal)
            with self._idle:
                self._idle.notify_all()
            if stopping:
                return

    def _tick(self) -> None:
        try:
            self._on_tick()
        except Exception:
            if not self._tick_failed:
                self._tick_failed = True
                _logger.exception("writing counts and lines failed; later failures are not logged")

    def _drain(self, signal: Signal) -> None:
        while signal.take(self._settings.batch_size):
            if time.monotonic() < signal.retry_at and self._deadline is None:
                return
            if not self._deliver(signal):
                return

    def _deliver(self, signal: Signal) -> bool:
        """Send the current batch once; return whether the next one may follow."""
        if self._drops():
            gated(lambda count: signal.dropped("fault", count), signal.settle())
            return True
        timeout = None if self._deadline is None else self._deadline - time.monotonic()
        if timeout is not None and timeout <= 0:
            return False
        outcome, refused = self._attempt(signal, timeout)
        if outcome is Outcome.RETRY and signal.failures < len(_BACKOFF_SECONDS):
            signal.retry_at = time.monotonic() + _BACKOFF_SECONDS[signal.failures]
            signal.failures += 1
            return False
        count = signal.settle()
        if outcome is not Outcome.ACCEPTED:
            refused = count
        gated(signal.exported, count - refused)
        if refused:
            gated(lambda lost: signal.dropped("export_failed", lost), refused)
        return outcome is Outcome.ACCEPTED

    def _drops(self) -> bool:
        try:
            return self._is_dropping()
        except Exception:  # noqa: BLE001 - if the check fails, nothing is dropped
            return False

    def _attempt(self, signal: Signal, timeout: float | None) -> tuple[Outcome, int]:
        try:
            if self._sender is None:
                self._sender = self._make_sender()
            outcome = self._sender.send(signal.name, signal.pending, timeout)
        except (OSError, HTTPException) as error:
            self._failures.note(signal.name, f"{type(error).__name__}: {error}")
            return Outcome.RETRY, 0
        except Exception as error:  # noqa: BLE001 - a bad batch must not end the thread
            self._failures.note(signal.name, f"{type(error).__name__}: {error}")
            return Outcome.REFUSED, 0
        if outcome[0] is not Outcome.ACCEPTED:
            self._failures.note(signal.name, f"the receiver answered: {outcome[0].value}")
        return outcome
