"""The store's errors."""

from __future__ import annotations


class StoreError(Exception):
    """Base class of the store's errors; the message is written for people."""


class BadPayloadError(StoreError):
    """Bytes that are not an OTLP request, or a value that cannot be stored: never send it again."""


class TooLargeError(BadPayloadError):
    """A request that exceeds a limit."""


class BadQueryError(StoreError):
    """A parameter or a query that is invalid; the message names it."""


class QueryTooLongError(BadQueryError):
    """A query that was stopped at its deadline."""


class StoreBusyError(StoreError):
    """A queue of writes that is full; the client should retry."""


class StoreFailedError(StoreError):
    """A write that SQLite could not make: disk full, file missing."""
