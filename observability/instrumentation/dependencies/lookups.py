"""Name lookups with a deadline, for every client in the process.

A connect timeout begins after the name lookup, and `getaddrinfo` has no timeout of its own: it asks
each DNS server twice and waits 5 s each time. In an internal network of Docker, the name of a
container that was stopped costs every caller these 10 s. Here one daemon thread per name waits for
the answer; callers give up at their deadline, and while no answer comes, they fail almost at once.

An address is never used beyond KEEP_SECONDS: it may belong to another server by then.

The clients have no timeout for it: https://github.com/urllib3/urllib3/issues/3588. psycopg,
redis-py, urllib3, http.client and smtplib all call `socket.getaddrinfo`; gRPC has its own resolver.
"""

from __future__ import annotations

# A lookup imports this; during a fork in another thread, the child would inherit a locked module.
import encodings.idna  # noqa: F401
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .._multiprocess.forking import call_in_children, unforked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_SECONDS = 1.0
# A lookup that has hung for this long gets a second one beside it, which finds a server that is
# back; the first would notice only when it repeats its question.
RENEW_SECONDS = 2.0
MOST_RUNNING = 4
# A late answer is for the next caller, and so is an error.
KEEP_SECONDS = 1.0
# Longest wait for a name whose previous lookup hung; a DNS server nearby answers within this.
GRACE_SECONDS = 0.02
MOST_NAMES = 256

_own = threading.local()


class _Lookup:
    """One question to the resolver, and its answer once it has come."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.ended: float | None = None
        self.done = threading.Event()
        self.answer: list[Any] = []
        self.error: Exception | None = None

    def run(self, ask: Callable[[], list[Any]]) -> None:
        """Ask, and keep the answer."""
        try:
            # A fork must not copy a lock of the resolver that this thread holds.
            with unforked():
                self.answer = ask()
        except Exception as error:  # noqa: BLE001 - raised in the callers
            self.error = error
        self.ended = time.monotonic()
        self.done.set()

    def hangs(self) -> bool:
        """Return whether it has taken longer than a caller would wait by default."""
        return (self.ended or time.monotonic()) - self.started > DEADLINE_SECONDS

    def serves(self, now: float) -> bool:
        """Return whether its answer is fresh, or may still come."""
        if self.ended is None:
            return now - self.started < RENEW_SECONDS
        return now - self.ended < KEEP_SECONDS


class _Resolver:
    """`socket.getaddrinfo` with a deadline; one lookup per name runs for all callers."""

    def __init__(self, plain: Callable[..., list[Any]], seconds: float) -> None:
        self._plain = plain
        self._seconds = seconds
        self.after_fork()
        call_in_children(self)

    def after_fork(self) -> None:
        """Forget the parent's lookups, whose threads do not run here."""
        self._lock = threading.Lock()
        self._newest: dict[Any, _Lookup] = {}
        self._running: dict[Any, int] = {}
        self._hanging: set[Any] = set()

    def getaddrinfo(  # noqa: PLR0917 - the signature of the standard library
        self,
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """Return what `socket.getaddrinfo` returns, or raise its error for "try again" in time."""
        question = (host, port, family, type, proto, flags)
        if host is None:
            return self._plain(*question)
        with suppress(socket.gaierror):  # an address needs no lookup
            return self._plain(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        try:
            found, patience = self._find(question)
        except RuntimeError:  # Python 3.12 starts no thread while the interpreter shuts down
            return self._plain(*question)
        if not found.done.wait(found.started + patience - time.monotonic()):
            waited = time.monotonic() - found.started
            raise socket.gaierror(
                socket.EAI_AGAIN, f"the lookup of {host!r} has had no answer for {waited:.1f} s"
            )
        if found.error is not None:
            raise found.error
        return found.answer

    def _find(self, question: tuple[Any, ...]) -> tuple[_Lookup, float]:
        """Return the lookup for a question, started if there is none, and how long to wait."""
        patience: float = getattr(_own, "seconds", None) or self._seconds
        with self._lock:
            found = self._newest.get(question)
            if found is not None and found.hangs():
                self._hanging.add(question)
            is_full = self._running.get(question, 0) >= MOST_RUNNING
            if found is None or not (is_full or found.serves(time.monotonic())):
                found = self._start(question)
            return found, GRACE_SECONDS if question in self._hanging else patience

    def _start(self, question: tuple[Any, ...]) -> _Lookup:
        if len(self._newest) >= MOST_NAMES:
            self._newest = {q: kept for q, kept in self._newest.items() if kept.ended is None}
        lookup = _Lookup()
        threading.Thread(
            target=self._run, args=(lookup, question), name="name-lookup", daemon=True
        ).start()
        self._newest[question] = lookup
        self._running[question] = self._running.get(question, 0) + 1
        return lookup

    def _run(self, lookup: _Lookup, question: tuple[Any, ...]) -> None:
        lookup.run(lambda: self._plain(*question))
        with self._lock:
            self._running[question] -= 1
            if not lookup.hangs():
                self._hanging.discard(question)


def bound_lookups(seconds: float = DEADLINE_SECONDS) -> None:
    """Give every later name lookup of this process and its children a deadline.

    Call it once where a program starts, before it connects to anything; a second call only changes
    the deadline.

    Args:
        seconds: Longest wait of a caller. Then `socket.gaierror` (EAI_AGAIN) is raised, which is an
            OSError, as for a DNS server that does not answer.
    """
    current = getattr(socket.getaddrinfo, "__self__", None)
    if isinstance(current, _Resolver):
        current._seconds = seconds
    else:
        socket.getaddrinfo = _Resolver(socket.getaddrinfo, seconds).getaddrinfo


@contextmanager
def lookups_within(seconds: float | None) -> Iterator[None]:
    """Give name lookups of this thread another deadline inside the block; None changes nothing."""
    before = getattr(_own, "seconds", None)
    _own.seconds = seconds or before
    try:
        yield
    finally:
        _own.seconds = before
