"""A TCP proxy in front of each dependency that fails in the ways in which servers fail."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path

GATE_HOST = "127.0.0.2"
SERVER_HOST = "127.0.0.1"


class Way(StrEnum):
    """The ways of failing.

    stopped: connections end and the name is gone, as after `docker compose stop`; refused: the
    port is closed; paused: connections are accepted and nothing answers, as after `docker pause`
    or SIGSTOP; unreachable: packets are dropped.
    """

    STOPPED = "stopped"
    PAUSED = "paused"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


class Gate:
    """The proxy in front of one dependency.

    Args:
        name: The dependency; a file of this name in `folder` makes lookups of its name hang.
        port: Of the dependency on 127.0.0.1, and of the proxy on 127.0.0.2.
        folder: Shared with the processes' `sitecustomize`.
    """

    def __init__(self, name: str, port: int, folder: Path) -> None:
        self.name = name
        self._port = port
        self._gone = folder / name
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._blocked: list[socket.socket] = []
        self._listen()

    def fail(self, way: Way) -> None:
        """Fail in a way until `restore`."""
        if way in {Way.PAUSED, Way.UNREACHABLE}:
            self._flows.clear()
        if way is Way.STOPPED:
            self._gone.touch()
        if way is not Way.PAUSED:
            self._close_listener()
        if way is Way.UNREACHABLE:
            self._drop_packets()
        if way in {Way.STOPPED, Way.REFUSED}:
            self._end_connections()

    def restore(self) -> None:
        """Work again; connections that were held go on."""
        self._gone.unlink(missing_ok=True)
        for blocked in self._blocked:
            blocked.close()
        if self._blocked or self._listener.fileno() < 0:
            self._listen()
        self._flows.set()

    def close(self) -> None:
        """End everything."""
        self._flows.set()
        self._close_listener()
        for blocked in self._blocked:
            blocked.close()
        self._end_connections()

    def _listen(self) -> None:
        self._blocked = []
        self._listener = _bound(self._port)
        self._listener.listen(128)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _close_listener(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _drop_packets(self) -> None:
        """Listen with a full queue: the kernel then drops each further SYN."""
        full = _bound(self._port)
        full.listen(0)
        self._blocked = [full]
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((GATE_HOST, self._port))
            self._blocked.append(filler)

    def _end_connections(self) -> None:
        with self._lock:
            open_now = list(self._sockets)
        for one in open_now:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._flows.wait()
        try:
            server = socket.create_connection((SERVER_HOST, self._port), 10)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        pair = {client, server}
        with self._lock:
            self._sockets |= pair
        back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
        back.start()
        self._pump(client, server)
        back.join()
        with self._lock:
            self._sockets -= pair
        for one in pair:
            one.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
        self._flows.wait()
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((GATE_HOST, port))
    return made


@contextmanager
def open_gates(ports: Mapping[str, int], folder: Path) -> Iterator[dict[str, Gate]]:
    """Open a gate for each dependency until the block ends."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(contextlib.closing(Gate(name, port, folder)))
            for name, port in ports.items()
        }
