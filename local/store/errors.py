"""What can go wrong in the store, as data."""

from __future__ import annotations


class StoreError(Exception):
    """Base of the store's errors; the message is fit for a person."""


class BadPayloadError(StoreError):
    """The bytes are no OTLP request."""


class BadQueryError(StoreError):
    """A parameter has a value that cannot be used; the message names it."""


class StoreBusyError(StoreError):
    """More is waiting to be written than the store takes; try again later."""


class StoreFailedError(StoreError):
    """SQLite could not write: disk full, file gone."""
