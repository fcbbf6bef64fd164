"""The store's errors."""

from __future__ import annotations


class StoreError(Exception):
    """Base class of the store's errors; the message is written for people."""


class BadPayloadError(StoreError):
    """The bytes are not an OTLP request."""


class BadQueryError(StoreError):
    """A parameter or a query is invalid; the message names it."""


class StoreBusyError(StoreError):
    """The queue of writes is full; the client should retry."""


class StoreFailedError(StoreError):
    """SQLite could not write: disk full, file missing."""
