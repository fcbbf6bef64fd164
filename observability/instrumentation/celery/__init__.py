"""Instrumentation of Celery: one trace across the queue, one span and one count per attempt.

Import the names below; the modules beneath may change. `entry` is the one call that does it all,
and `routes` reads the tasks and queues of an app for it; `instrument_worker` is the long form, for
programs with settings of their own. `producer` sends, `worker` connects the signals, and
`main_process` serves the worker's metrics. `attempts` records what the child processes run,
`worker_requests` what never runs or never ends, and `outcomes` counts each once. `queues` and
`declared_queues` read the broker.
"""

from .attempts import mark_retried
from .entry import instrument_celery
from .producer import instrument_producer
from .queues import QueueCollector
from .worker import instrument_worker

__all__ = [
    "QueueCollector",
    "instrument_celery",
    "instrument_producer",
    "instrument_worker",
    "mark_retried",
]
