"""Checks of an app: it is instrumented, its lines are written once, its libraries make spans."""

from __future__ import annotations

import importlib
import logging
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from .._entry.program import Program, pretend
from ..logs import JsonHandler, writes_to_console
from ..telemetry import running_telemetry
from .finding import fail, note, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .finding import Finding

_KIT = __name__.removesuffix("._doctor.program")
# Distributions, the module of this kit for each, or None, and OpenTelemetry's instrumentor.
_LIBRARIES = {
    "psycopg": ("psycopg", "psycopg"),
    "psycopg2": (None, "psycopg2"),
    "psycopg2-binary": (None, "psycopg2"),
    "SQLAlchemy": ("sqlalchemy", "sqlalchemy"),
    "redis": ("redis", "redis"),
    "requests": ("requests", "requests"),
    "httpx": (None, "httpx"),
    "aiohttp": (None, "aiohttp-client"),
    "PyMySQL": (None, "pymysql"),
    "mysqlclient": (None, "mysqlclient"),
    "pymongo": (None, "pymongo"),
    "elasticsearch": (None, "elasticsearch"),
    "boto3": (None, "botocore"),
    "pika": (None, "pika"),
    "pymemcache": (None, "pymemcache"),
}


class LoadedApp(NamedTuple):
    """An app that was imported, and the name under which it is instrumented."""

    app: Any
    service_name: str | None


def load_app(where: str) -> LoadedApp:
    """Import an app, as "module:name" or "module:factory()", the way commands do.

    Raises:
        Exception: Whatever importing or calling it raises.
    """
    module, _, name = where.partition(":")
    sys.path.insert(0, "")
    with pretend(Program.COMMAND):
        found = getattr(importlib.import_module(module), name.removesuffix("()") or "app")
        app = found() if name.endswith("()") else found
    own: str | None = getattr(app, "telemetry_service_name", None)
    running = running_telemetry()
    return LoadedApp(app, own or (None if running is None else running.service_name))


def check_instrumented(loaded: LoadedApp) -> Finding:
    """Check that the app was instrumented by one call or by the long form."""
    if loaded.service_name is None:
        text = 'is not instrumented: call instrument_flask(app, "name") or instrument_celery'
        return fail("app", text)
    return ok("app", f"is instrumented as {loaded.service_name}")


def check_handlers() -> Iterator[Finding]:
    """Check that no line is written twice: by a logger's own handler, and by the root logger's."""
    loggers = {"root": logging.root, **logging.root.manager.loggerDict}
    ours = [one for one in logging.root.handlers if isinstance(one, JsonHandler)]
    twice = sorted(
        name
        for name, logger in loggers.items()
        if isinstance(logger, logging.Logger) and ours and _prints_too(logger)
    )
    for name in twice:
        text = f"{name!r} has a console handler of its own, which prints each line once more"
        yield fail("logging", f"{text}: remove the handler")
    if not twice:
        yield ok("logging", "each line is written once")


def _prints_too(logger: logging.Logger) -> bool:
    passes_on = logger.propagate or logger is logging.root
    return passes_on and any(writes_to_console(handler) for handler in logger.handlers)


def check_libraries() -> Iterator[Finding]:
    """Report libraries that are installed and make no spans."""
    for name, (ours, contrib) in _LIBRARIES.items():
        if not _installed(name) or _is_used(ours, contrib):
            continue
        by = f"OpenTelemetry's opentelemetry-instrumentation-{contrib}"
        if ours is not None and find_spec(f"{_KIT}.{ours}") is not None:
            by = f"{_KIT}.{ours}, or {by}"
        yield note("library", f"{name} is installed and makes no spans: use {by}")


def _is_used(ours: str | None, contrib: str) -> bool:
    module = contrib.replace("-", "_")
    modules = [f"opentelemetry.instrumentation.{module}", *([f"{_KIT}.{ours}"] if ours else [])]
    return any(name in sys.modules for name in modules)


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
