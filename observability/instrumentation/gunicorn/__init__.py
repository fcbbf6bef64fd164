"""gunicorn: its master serves the metrics of all workers, and every process logs and exports.

Without a configuration of your own, `gunicorn -c python:telemetry.gunicorn_conf`, where `telemetry`
is the name of this kit. In a configuration of your own:

    from telemetry.gunicorn import *

That defines the hooks `when_ready`, `post_fork`, `child_exit`, `worker_exit` and `on_exit`, and
`logconfig_dict`; everything else comes from the environment. A hook of your own calls the one that
it replaces. `GunicornHooks` is the long form, for a program with settings of its own.

Importing this loads nothing else: the metrics folder must be known before prometheus_client is
imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .hooks import FamilyPrometheusMetrics as FamilyPrometheusMetrics
    from .hooks import GunicornHooks as GunicornHooks

    child_exit: Any
    logconfig_dict: dict[str, Any]
    on_exit: Any
    post_fork: Any
    when_ready: Any
    worker_exit: Any

# What a configuration needs; the classes of the long form are imported by name.
__all__ = [
    "child_exit",
    "logconfig_dict",
    "on_exit",
    "post_fork",
    "when_ready",
    "worker_exit",
]
_LONG_FORM = ("FamilyPrometheusMetrics", "GunicornHooks")


def __getattr__(name: str) -> Any:
    """Return a class of the long form, or a setting of the short one, made when first asked for."""
    if name in _LONG_FORM:
        from . import hooks  # noqa: PLC0415 - loads prometheus_client

        return getattr(hooks, name)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .configuration import configuration  # noqa: PLC0415 - reads the environment

    return configuration()[name]
