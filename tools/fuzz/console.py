"""Send generated requests to the console: its API, its OTLP receiver and its SMTP sink.

Each kind has examples that are right; a case is an example in which some parts are replaced by odd
values, or some bytes are damaged. It fails if the console answers 500, answers the API with HTML,
does not answer, or says at `/livez` that a part of it has ended.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import random
import smtplib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tools.fuzz.inputs import ROUTES, TEXTS, TRACE_ID, VALUES, Inputs
from tools.servers import running

TIMEOUT_SECONDS = 60
KINDS = ("otlp", "smtp", "pages")


@dataclass
class Ports:
    """A running console."""

    pages: int
    otlp: int
    mail: int
    smtp: int
    log: Path


@contextmanager
def running_console(folder: Path) -> Iterator[Ports]:
    """Run a console of its own on free ports."""
    names = ("GRAFANA", "OTLP", "MAIL", "ORDERS_SMTP", "PROMETHEUS", "ALERTMANAGER")
    environ = {"PATH": os.environ["PATH"], "ORDERS_STATE_DIR": str(folder)}
    # What the console forwards to is not there.
    environ |= {"PROMETHEUS_SERVER_PORT": "1", "ALERTMANAGER_SERVER_PORT": "1"}
    log = folder / "console.log"

    def listening() -> dict[str, int]:
        lines = [line for line in log.read_text().splitlines() if '"listening"' in line]
        return json.loads(lines[0]) if lines else {}

    with running(
        [sys.executable, "-m", "local.console"],
        log=log,
        ready=lambda: bool(listening()),
        env=environ | {f"{name}_PORT": "0" for name in names},
    ):
        found = listening()
        yield Ports(found["pages"], found["otlp"], found["mail"], found["smtp"], log)


class Fuzzer:
    """Cases from one seed, and what was wrong with the answers."""

    def __init__(self, ports: Ports, seed: int) -> None:
        self._ports = ports
        self._random = random.Random(seed)
        self._inputs = Inputs(self._random)
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []

    def run(self, name: str, cases: int) -> bool:
        """Run this many cases of a kind; return whether nothing was wrong."""
        began, self.answers = time.monotonic(), Counter()
        known = len(self.failures)
        for _ in range(cases):
            getattr(self, name)()
        self._check_live()
        seconds = time.monotonic() - began
        print(f"{name}: {cases} cases in {seconds:.0f} s, {dict(sorted(self.answers.items()))}")
        for failure in self.failures[known:][:20]:
            print(f"  {failure}")
        return len(self.failures) == known

    def pages(self) -> None:
        """One request to the pages or their API."""
        route = self._random.choice(list(ROUTES))
        path = route.replace("*", self._inputs.quoted((TRACE_ID, "1", "orders")))
        names = ROUTES[route].split()
        chosen = self._random.sample(names, self._random.randint(0, len(names)))
        if self._random.random() < 0.1:
            chosen.append("unknown")
        pairs = [f"{name}={self._inputs.quoted(VALUES.get(name, TEXTS))}" for name in chosen]
        target = path + ("?" + "&".join(pairs) if pairs else "")
        method = self._random.choice(["GET"] * 12 + ["POST", "DELETE", "HEAD", "X"])
        port = self._random.choice((self._ports.pages, self._ports.mail))
        status, kind = self._ask(port, method, target)
        if status >= 400 and "html" in kind and route.startswith(("/api", "/loki", "/tempo")):
            self.failures.append(f"{method} {target[:300]}: HTML with status {status}")

    def otlp(self) -> None:
        """One request to the OTLP receiver."""
        path = self._random.choice(("/v1/traces", "/v1/logs", "/v1/metrics"))
        is_logs = path == "/v1/logs"
        if self._random.random() < 0.5:
            body = json.dumps(self._inputs.document(is_logs=is_logs)).encode()
            kind = "application/json"
        else:
            body = self._inputs.message(is_logs=is_logs)
            kind = "application/x-protobuf"
        body = self._inputs.damaged(body)
        headers = {"Content-Type": kind}
        if self._random.random() < 0.3:
            headers["Content-Encoding"] = self._random.choice(("gzip", "deflate", "br", ""))
            body = self._inputs.damaged(gzip.compress(body), 0.3)
        self._ask(self._ports.otlp, "POST", path, body, headers)

    def smtp(self) -> None:
        """One session with the SMTP sink."""
        sender, recipient = self._inputs.address(), self._inputs.address()
        commands = [
            b"EHLO " + self._inputs.value((b"example.org",)),
            b"MAIL FROM:<%s>" % sender
            + self._random.choice((b"", b" SIZE=1", b" SMTPUTF8", b" X")),
            *[b"RCPT TO:<%s>" % recipient] * self._random.choice((*[1] * 20, 2, 120)),
            b"DATA",
            self._inputs.mail() + b"\r\n.",
        ]
        if self._random.random() < 0.2:
            others = (
                b"RSET",
                b"NOOP",
                b"VRFY a",
                b"HELP DATA",
                b"AUTH PLAIN AA==",
                b"EXPN",
                b"\xff",
            )
            # Not after DATA, whose content the server would wait for.
            at = self._random.randrange(len(commands) - 1)
            commands.insert(at, self._random.choice(others))
        # With a name of its own it looks none up.
        client = smtplib.SMTP("127.0.0.1", self._ports.smtp, "fuzz", timeout=TIMEOUT_SECONDS)
        try:
            self._talk(client, commands)
        except (smtplib.SMTPServerDisconnected, ConnectionError):
            self.answers["closed"] += 1
        except OSError as error:
            self.failures.append(f"SMTP {commands!r:.300}: {error!r}")
        finally:
            client.close()

    def _talk(self, client: smtplib.SMTP, commands: list[bytes]) -> None:
        for command in commands:
            client.sock.sendall(command + b"\r\n")
            code, text = client.getreply()
            if not 200 <= code < 600 or text.startswith(b"Error: ("):
                self.failures.append(f"SMTP {command!r:.300}: {code} {text!r:.200}")
            if command == b"DATA" and code != 354:
                return
        self.answers[str(code)] += 1

    def _ask(
        self,
        port: int,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, target, body, dict(headers))
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{method} {target[:300]} {body!r:.300}: {error!r}")
            return 0, ""
        finally:
            connection.close()
        self.answers[str(answer.status)] += 1
        if answer.status == 500:
            self.failures.append(f"{method} {target[:300]} {body!r:.300}: 500")
        return answer.status, answer.headers.get("Content-Type", "")

    def _check_live(self) -> None:
        for port in (self._ports.pages, self._ports.otlp, self._ports.mail):
            status, _ = self._ask(port, "GET", "/livez")
            if status != 200:
                self.failures.append(f"/livez of port {port}: {status}")
