"""Server spans by opentelemetry-instrumentation-flask (TELEMETRY_ENGINE=sdk)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..settings import prefer_stable_names

prefer_stable_names()

from opentelemetry.instrumentation.flask import FlaskInstrumentor  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from ..telemetry import Telemetry


def instrument(app: Flask, telemetry: Telemetry, excluded: frozenset[str]) -> None:
    """Instrument an app with OpenTelemetry's library and the tracer provider of this process."""
    paths = "|".join(re.escape(path) for path in sorted(excluded))
    instrument_app: Callable[..., None] = FlaskInstrumentor.instrument_app
    instrument_app(
        app,
        tracer_provider=telemetry.provider,
        request_hook=_bound_span_name,
        excluded_urls=rf"^[^/]+//[^/]+({paths})(\?.*)?$" if paths else None,
        enable_commenter=False,
    )
    # Flask calls these in reverse order: the span must end after the app's own functions.
    functions = app.teardown_request_funcs[None]
    functions.insert(0, functions.pop())


def _bound_span_name(span: Any, environ: dict[str, Any]) -> None:
    """Name the span of a request without route by its method, in place of the whole path.

    https://github.com/open-telemetry/opentelemetry-python-contrib/issues/2155
    """
    request = environ.get("werkzeug.request")
    if getattr(request, "url_rule", None) is None:
        span.update_name(span.name.partition(" ")[0])
