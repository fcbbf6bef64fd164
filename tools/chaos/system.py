"""A complete local system on free ports with a temporary state folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import redis

from service.semconv import QUEUES
from tools.chaos.books import Entry
from tools.free_ports import free_port_variables
from tools.servers import release_shared_memory
from worker.broker import UNACKED, queue_lengths
from worker.clients.mail import DOMAIN

ROOT = Path(__file__).parent.parent.parent
LOCAL = [sys.executable, "-m", "local"]


@dataclass
class LocalSystem:
    """A running system, reached through its environment."""

    environ: dict[str, str]
    state: Path

    def port(self, variable: str) -> int:
        return int(self.environ[variable])

    def secret(self, name: str) -> str:
        return (self.state / "secrets" / name).read_text().strip()

    def pids(self) -> dict[str, int | None]:
        """Return the main process of each program that is running."""
        status = json.loads((self.state / "supervisor.json").read_text())
        return {child["name"]: child.get("pid") for child in status["children"]}

    def database(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port("ORDERS_DATABASE_PORT"),
            dbname="orders",
            user="orders_worker",
            password=self.secret("orders_worker"),
            connect_timeout=2,
        )

    def broker(self) -> redis.Redis:
        return redis.Redis(
            port=self.port("ORDERS_BROKER_PORT"), password=self.secret("broker"), socket_timeout=2
        )

    def left_over(self) -> dict[str, int]:
        """Return unfinished work: pending orders, outbox rows, messages; all 0 means drained."""
        with self.database() as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM orders WHERE status = 'pending'),"
                " (SELECT count(*) FROM outbox WHERE poisoned_at IS NULL)"
            ).fetchone()
        broker = self.broker()
        assert row is not None
        messages = sum(queue_lengths(broker, QUEUES).values()) + int(broker.hlen(UNACKED))
        return {"pending": row[0], "outbox": row[1], "messages": messages}

    def orders(self) -> dict[str, str]:
        with self.database() as conn:
            return {str(i): s for i, s in conn.execute("SELECT id, status FROM orders")}

    def outbox(self) -> list[str]:
        """Return the order of each row that is left over."""
        with self.database() as conn:
            return [str(order) for (order,) in conn.execute("SELECT order_id FROM outbox")]

    def sent_mails(self) -> set[tuple[str, str]]:
        with self.database() as conn:
            return {(str(o), k) for o, k in conn.execute("SELECT order_id, kind FROM emails")}

    def dead_letters(self) -> list[str]:
        with self.database() as conn:
            rows = conn.execute("SELECT task, order_id, error FROM dead_letters").fetchall()
        return [f"{task} of order {order}: {error}" for task, order, error in rows]

    def ledger(self) -> list[Entry]:
        """Return all entries of the payment provider's ledger."""
        lines: list[Entry] = []
        after: int | None = 0
        while after is not None:
            page = self._get("ORDERS_PAYMENT_PROVIDER_PORT", f"/v1/ledger?after={after}&limit=1000")
            lines += [Entry(e["order_id"], e["kind"], e["state"]) for e in page["entries"]]
            after = page["next"]
        return lines

    def mailbox(self) -> list[str]:
        """Return the Message-IDs of all emails to customers, duplicates included."""
        found: list[str] = []
        while True:
            page = self._get("MAIL_PORT", f"/api/v1/messages?limit=500&start={len(found)}")
            found += [message["MessageID"] for message in page["messages"]]
            if not page["messages"] or len(found) >= page["total"]:
                # Alertmanager's own emails, about the kills, are left out.
                return [identifier for identifier in found if identifier.endswith(f"@{DOMAIN}")]

    def _get(self, port: str, path: str) -> Any:
        url = f"http://127.0.0.1:{self.port(port)}{path}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)


@contextmanager
def running_system(
    keep: Path | None = None, changes: Mapping[str, str] = MappingProxyType({})
) -> Iterator[LocalSystem]:
    """Start a local system without load; stop it and delete its state at the end.

    Args:
        keep: Folder that the logs of the processes are copied to.
        changes: Variables on top of the environment.
    """
    # A short path: socket paths and process titles are limited in length.
    state = Path(tempfile.mkdtemp(prefix="chaos-"))
    environ = {
        **os.environ,
        **free_port_variables(),
        "ORDERS_STATE_DIR": str(state),
        "ORDERS_LOAD_RATE": "0",
        "ORDERS_RATE_LIMIT": "0",
        **changes,
    }
    try:
        subprocess.run([*LOCAL, "up"], check=True, env=environ, cwd=ROOT, timeout=240)
        yield LocalSystem(environ, state)
    finally:
        subprocess.run([*LOCAL, "down"], check=False, env=environ, cwd=ROOT, timeout=90)
        if keep and (state / "logs").exists():
            shutil.rmtree(keep, ignore_errors=True)
            shutil.copytree(state / "logs", keep)
        release_shared_memory(state / "postgres")
        shutil.rmtree(state, ignore_errors=True)
