"""Let opentelemetry-instrumentation-flask make the server spans (TELEMETRY_FLASK=contrib)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..settings import prefer_stable_http_names

prefer_stable_http_names()

from opentelemetry.instrumentation.flask import FlaskInstrumentor  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from ..telemetry import Telemetry


def instrument(app: Flask, telemetry: Telemetry, excluded: frozenset[str]) -> None:
    """Instrument an app with the contrib library, on this process's tracer provider."""
    paths = "|".join(re.escape(path) for path in sorted(excluded))
    instrument_app: Callable[..., None] = FlaskInstrumentor.instrument_app
    instrument_app(
        app,
        tracer_provider=telemetry.provider,
        request_hook=_bound_name,
        excluded_urls=rf"^[^/]+//[^/]+({paths})(\?.*)?$" if paths else None,
        enable_commenter=False,
    )


def _bound_name(span: Any, environ: dict[str, Any]) -> None:
    """Name a request without route by its method: the library would take the whole path."""
    request = environ.get("werkzeug.request")
    if getattr(request, "url_rule", None) is None:
        span.update_name(span.name.partition(" ")[0])
