"""Instrument Flask: one span, one observation and one log line per request."""

from .middleware import PROBES, instrument_app

__all__ = ["PROBES", "instrument_app"]
