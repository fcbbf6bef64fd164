"""The program that this process runs, as far as that is known while an app is created in it."""

from __future__ import annotations

import enum
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click


class Program(enum.Enum):
    """Programs that differ in where metrics are served and lines are written."""

    GUNICORN = "gunicorn"
    FLASK_RUN = "flask run"
    FLASK_RELOADER = "the parent of flask run's reloader, which serves nothing"
    CELERY = "celery worker or celery beat"
    COMMAND = "another command of flask or celery, whose standard output belongs to its user"
    OTHER = "another server, a script or a test"


_pretended: ContextVar[Program | None] = ContextVar("pretended", default=None)


@contextmanager
def pretend(program: Program) -> Iterator[None]:
    """Let apps that are created in the block take this process for another program's."""
    token = _pretended.set(program)
    try:
        yield
    finally:
        _pretended.reset(token)


def current_program() -> Program:
    """Return the program of this process."""
    if (pretended := _pretended.get()) is not None:
        return pretended
    context = _click_context()
    root = None if context is None else context.find_root()
    if context is not None and root is not None:
        if root.command is _attribute("celery.bin.celery", "celery"):
            is_long = root.invoked_subcommand in {"worker", "beat"}
            return Program.CELERY if is_long else Program.COMMAND
        group = _attribute("flask.cli", "FlaskGroup")
        if group is not None and isinstance(root.command, group):
            return _flask_program(context)
    return Program.GUNICORN if "gunicorn.arbiter" in sys.modules else Program.OTHER


def _flask_program(context: click.Context) -> Program:
    if context.info_name != "run":
        return Program.COMMAND
    # Loaded already.
    from flask.helpers import get_debug_flag  # noqa: PLC0415
    from werkzeug.serving import is_running_from_reloader  # noqa: PLC0415

    reload = context.params.get("reload")
    reloads = get_debug_flag() if reload is None else reload
    is_parent = reloads and not is_running_from_reloader()
    return Program.FLASK_RELOADER if is_parent else Program.FLASK_RUN


def _click_context() -> click.Context | None:
    # Not imported for this purpose: both command lines load it.
    get: Any = _attribute("click", "get_current_context")
    return None if get is None else get(silent=True)


def _attribute(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)
