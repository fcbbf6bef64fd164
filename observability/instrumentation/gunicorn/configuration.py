"""The gunicorn settings of the short form, from the environment."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from .._entry.folder import is_private, make_private_folder
from .._entry.ports import PORT_VARIABLE, WEB_PORT
from ..settings import EntrySettings

if TYPE_CHECKING:
    from .hooks import GunicornHooks


@cache
def configuration() -> dict[str, Any]:
    """Return the hooks and the logging configuration; a reload gets the same ones.

    In the master, before any worker exists. Bad settings end the process with exit code 2.
    """
    settings = EntrySettings.from_env_or_exit()
    if settings.telemetry.multiproc_dir is None:
        make_private_folder()
        settings = EntrySettings.from_env_or_exit()
    # Only now: these import prometheus_client.
    from ..logs import logging_config  # noqa: PLC0415
    from .hooks import GunicornHooks  # noqa: PLC0415
    from .master_lines import keep_master_lines  # noqa: PLC0415

    hooks = GunicornHooks(
        settings.telemetry,
        metrics_port=WEB_PORT if settings.metrics_port is None else settings.metrics_port,
        metrics_host=settings.metrics_host,
        trusted_hosts=settings.trusted_hosts,
    )
    keep_master_lines(settings.telemetry)
    names = ("child_exit", "on_exit", "post_fork", "when_ready", "worker_exit")
    return {
        **{name: getattr(hooks, name) for name in names},
        "when_ready": _announcing(hooks),
        "logconfig_dict": logging_config(settings.telemetry),
    }


def _announcing(hooks: GunicornHooks) -> Any:
    def when_ready(server: Any) -> None:
        """Serve the metrics from the master, and log which folder was made for them.

        A port that is taken is logged as an error: an app is more important than its metrics.
        """
        try:
            hooks.when_ready(server)
        except OSError as error:
            text = "the metrics are not served, set %s: %s"
            server.log.error(text, PORT_VARIABLE, error.strerror)  # noqa: TRY400 - no trace needed
            return
        folder = hooks.settings.multiproc_dir
        if folder is not None and is_private(folder):
            server.log.info("metrics folder %s, as PROMETHEUS_MULTIPROC_DIR is not set", folder)

    return when_ready
