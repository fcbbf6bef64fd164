"""Read what the console is told by its environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from local.store.retention import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = Path(__file__).resolve().parents[2]
PROFILES = ("demo", "production")


class ConsoleSettingsError(Exception):
    """Some variables cannot be used; the message lists all of them."""


@dataclass(frozen=True)
class ConsoleSettings:
    """Where the console listens, whom it asks, and what it keeps.

    Args:
        pages_port: Pages and JSON API; 0 picks a free one, as for the other ports.
        limits: How much of traces, logs and mails is kept.
    """

    pages_port: int
    otlp_port: int
    mail_port: int
    smtp_port: int
    prometheus_port: int
    alertmanager_port: int
    orders_port: int
    state_dir: Path
    profile: str
    limits: Limits
    dashboards_dir: Path
    runbooks_dir: Path

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> ConsoleSettings:
        """Return the settings.

        Raises:
            ConsoleSettingsError: A variable has a value that cannot be used.
        """
        read = _Reader(environ)
        settings = cls(
            pages_port=read.number("GRAFANA_PORT", 3000, 0, 65535),
            otlp_port=read.number("OTLP_PORT", 4318, 0, 65535),
            mail_port=read.number("MAIL_PORT", 8025, 0, 65535),
            smtp_port=read.number("ORDERS_SMTP_PORT", 1025, 0, 65535),
            prometheus_port=read.number("PROMETHEUS_PORT", 9090, 1, 65535),
            alertmanager_port=read.number("ALERTMANAGER_PORT", 9093, 1, 65535),
            orders_port=read.number("ORDERS_PORT", 8000, 1, 65535),
            state_dir=read.path("ORDERS_STATE_DIR", PROJECT / ".state"),
            profile=read.word("SLO_PROFILE", PROFILES),
            limits=Limits(
                max_age=timedelta(hours=read.number("ORDERS_STORE_MAX_HOURS", 48, 1, 8760)),
                max_bytes=read.number("ORDERS_STORE_MAX_MB", 512, 8, 1_000_000) * 2**20,
            ),
            dashboards_dir=read.path("DASHBOARDS_DIR", PROJECT / "dashboards" / "json"),
            runbooks_dir=read.path("RUNBOOKS_DIR", PROJECT / "alerts" / "runbooks"),
        )
        if read.problems:
            raise ConsoleSettingsError("\n".join(["bad settings:", *read.problems]))
        return settings


class _Reader:
    """Reads one variable after the other and collects what is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def number(self, name: str, default: int, least: int, most: int) -> int:
        text = self._environ.get(name) or str(default)
        if text.isdecimal() and least <= int(text) <= most:
            return int(text)
        return int(self._bad(name, text, f"a whole number from {least} to {most}") or default)

    def word(self, name: str, known: tuple[str, ...]) -> str:
        text = self._environ.get(name) or known[0]
        return text if text in known else self._bad(name, text, f"one of {', '.join(known)}")

    def path(self, name: str, default: Path) -> Path:
        text = self._environ.get(name)
        return Path(text).absolute() if text else default

    def _bad(self, name: str, text: str, expected: str) -> str:
        self.problems.append(f"  {name}={text!r}: expected {expected}")
        return ""
