"""Instrumentation of Flask: one span, one observation and one log line per request.

Import the names below; the modules beneath may change. `entry` is the one call that does it all;
`instrument_app` is the long form, for programs with settings of their own. `middleware` wraps the
app, `request` keeps the state of a request, `attributes` describes it, `routes` reads the app's
routes, and `contrib` is OpenTelemetry's own instrumentor.
"""

from .entry import instrument_flask
from .middleware import PROBES, instrument_app

__all__ = ["PROBES", "instrument_app", "instrument_flask"]
