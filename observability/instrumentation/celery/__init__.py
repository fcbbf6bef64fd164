"""Instrument Celery: one trace across the queue, and one span and one count per attempt."""

from .instrument import instrument_producer, instrument_worker, mark_retried
from .queues import QueueCollector

__all__ = ["QueueCollector", "instrument_producer", "instrument_worker", "mark_retried"]
