"""Raw requests that a page of another site can cause, and others that must be served."""

from __future__ import annotations

import socket
from dataclasses import dataclass

SECONDS = 20
# What a server may answer to a request of another site.
REFUSALS = {400, 403, 421}
NO_PROXY = REFUSALS | {404, 405, 501}
# What a page would send to Alertmanager: a silence for every alert, and a false alert.
SILENCE = {
    "matchers": [{"name": "alertname", "value": ".+", "isRegex": True, "isEqual": True}],
    "startsAt": "2026-01-01T00:00:00Z",
    "endsAt": "2099-01-01T00:00:00Z",
    "createdBy": "a page",
    "comment": "",
}
INVENTED = [{"labels": {"alertname": "Invented"}}]


@dataclass(frozen=True)
class Case:
    """A request, without its path.

    Args:
        name: What it is.
        host: Lines of the head with the host; `{port}` is the port that it is sent to.
        origin: Value of the header Origin; None sends none.
        method: Of the request.
        target: Before the path in the first line.
        version: Of HTTP.
        refused: The statuses that refuse it; empty if it must be served.
    """

    name: str
    host: str = "Host: localhost:{port}"
    origin: str | None = None
    method: str = "GET"
    target: str = ""
    version: str = "1.1"
    refused: frozenset[int] = frozenset()

    def send(self, port: int, path: str, address: str = "127.0.0.1") -> tuple[int, str]:
        """Send it; return the status and the body.

        Raises:
            OSError: No answer, or an incomplete one.
        """
        lines = [f"{self.method} {self.target}{path} HTTP/{self.version}"]
        lines += [self.host] if self.host else []
        lines += [f"Origin: {self.origin}"] if self.origin else []
        if self.method in ("POST", "DELETE"):
            lines += ["Content-Type: application/json", "Content-Length: 2"]
        head = "\r\n".join([*lines, "Connection: close", "", ""]).replace("{port}", str(port))
        body = b"{}" if self.method in ("POST", "DELETE") else b""
        with socket.create_connection((address, port), SECONDS) as connection:
            connection.sendall(head.encode() + body)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        status, _, rest = answer.decode("utf-8", "replace").partition("\r\n")
        return int(status.split(" ")[1]), rest.partition("\r\n\r\n")[2]


def _refused(name: str, statuses: set[int] = REFUSALS, **fields: str) -> Case:
    return Case(name, refused=frozenset(statuses), **fields)


SERVED = [
    Case("localhost with a port"),
    Case("without a port", "Host: localhost"),
    Case("capital letters", "Host: LOCALHOST:{port}"),
    Case("a dot at the end", "Host: localhost.:{port}"),
    Case("IPv4", "Host: 127.0.0.1:{port}"),
    Case("IPv6", "Host: [::1]:{port}"),
    Case("an address in a cluster", "Host: 10.42.0.7:{port}"),
    Case("a name in Compose", "Host: orders:{port}"),
    Case("a name in Kubernetes", "Host: orders.shop.svc.cluster.local:{port}"),
    Case("no host in HTTP/1.0", "", version="1.0"),
    Case("its own page", origin="http://localhost:{port}"),
    Case("its own page behind TLS", "Host: localhost", origin="https://localhost"),
    Case("a page of this machine", origin="http://127.0.0.1:5173"),
]
REFUSED = [
    _refused("a rebound name", {421}, host="Host: evil.example"),
    _refused("a rebound name with a port", {421}, host="Host: evil.example:{port}"),
    _refused("a name that begins like ours", {421}, host="Host: localhost.evil.example"),
    _refused("a name that begins like an address", {421}, host="Host: 127.0.0.1.evil.example"),
    _refused("a name that ends like ours", {421}, host="Host: evil-localhost.example"),
    _refused("no host in HTTP/1.1", {400}, host=""),
    _refused("two hosts", {400}, host="Host: localhost\r\nHost: evil.example"),
    _refused("a host that is not one", {400}, host="Host: local host"),
    _refused("a user in the host", {400, 421}, host="Host: localhost@evil.example"),
    _refused("a page of another site", {403}, origin="https://evil.example"),
    _refused("a page of another site by its address", {403}, origin="http://203.0.113.5"),
    _refused("a page without an origin", {403}, origin="null"),
    _refused("a page that begins like ours", {403}, origin="http://localhost.evil.example"),
    _refused("a page that writes", {403}, origin="https://evil.example", method="POST"),
    _refused("a page that deletes", {403}, origin="https://evil.example", method="DELETE"),
    _refused("a page that asks whether it may", {403}, origin="null", method="OPTIONS"),
    _refused("an address as the target", NO_PROXY, target="http://localhost:1"),
    _refused("another address as the target", NO_PROXY, target="http://evil.example"),
    _refused("a tunnel", NO_PROXY, method="CONNECT", target="evil.example:443"),
]


def wrong_answers(port: int, path: str, served: int = 200) -> list[str]:
    """Send every request to a loopback port; return a line for each wrong answer.

    Args:
        port: Of the server.
        path: A path on which it answers GET.
        served: The status of that answer.
    """
    found = []
    for case in (*SERVED, *REFUSED):
        where = "" if case.method == "CONNECT" else path
        status, body = case.send(port, where)
        is_refused = status in case.refused and body != ""
        if not (is_refused if case.refused else status == served):
            found.append(f"{case.name}: {status} {body[:200]!r}")
    return found
