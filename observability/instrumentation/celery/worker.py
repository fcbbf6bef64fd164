"""Instrument a worker: connect the signals of its main process and of its attempts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from celery import signals

from ..exposition import ANY_HOST
from ..settings import TelemetrySettings
from .attempts import AttemptRecorder
from .main_process import MainProcess
from .outcomes import Outcomes
from .producer import instrument_producer
from .worker_requests import MessageRecorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from celery import Celery

    from ..environment import TrustedHosts
    from ..metrics import Collector
    from ..telemetry import Telemetry


def instrument_worker(
    app: Celery,
    *,
    start: Callable[[], Telemetry],
    task_queues: Mapping[str, str],
    metrics_port: int | None,
    metrics_host: str = ANY_HOST,
    trusted_hosts: TrustedHosts | None = None,
    settings: TelemetrySettings | None = None,
    collectors: Callable[[], Iterable[Collector]] = tuple,
    error_types: Sequence[str] = (),
    on_process_start: Callable[[Telemetry], None] | None = None,
) -> None:
    """Instrument a worker; this only connects signals, so that importing it has no effect.

    Args:
        app: The app that `celery worker` runs.
        start: Called in the main process first, then in each child; calls `start_telemetry`.
        task_queues: The tasks that run here and their queues; their series exist at 0.
        metrics_port: Where the main process serves `/metrics`; None for no server, 0 for any free
            port. If it cannot listen there, the worker exits with code 2.
        metrics_host: Address to listen on.
        trusted_hosts: Public names under which it may be scraped.
        settings: Settings of telemetry; read from the environment unless given.
        collectors: Called in the main process; what it returns is read at each scrape.
        error_types: Class names of the exceptions that tasks raise. Others are counted by name
            too, up to MAX_OTHER_ERRORS of them.
        on_process_start: Called in each process that runs tasks, once telemetry has started; the
            place to open pools.
    """
    connect_worker(
        app,
        start=start,
        task_queues=task_queues,
        metrics_port=metrics_port,
        metrics_host=metrics_host,
        trusted_hosts=trusted_hosts,
        settings=settings,
        collectors=collectors,
        error_types=error_types,
        on_process_start=on_process_start,
        makes_folder=False,
    )


def connect_worker(
    app: Celery,
    *,
    start: Callable[[], Telemetry],
    task_queues: Mapping[str, str],
    metrics_port: int | None,
    metrics_host: str,
    trusted_hosts: TrustedHosts | None,
    settings: TelemetrySettings | None = None,
    collectors: Callable[[], Iterable[Collector]],
    error_types: Sequence[str],
    on_process_start: Callable[[Telemetry], None] | None,
    makes_folder: bool,
    known_queues: Callable[[], Iterable[str]] = tuple,
) -> None:
    """Connect the signals of a worker and of beat; see `instrument_worker`.

    Args:
        app: The app that `celery worker` runs.
        start: Starts telemetry.
        task_queues: The tasks that run here and their queues.
        metrics_port: Where the main process serves `/metrics`.
        metrics_host: Address to listen on.
        trusted_hosts: Public names under which it may be scraped.
        settings: Settings of telemetry; read from the environment unless given.
        collectors: What the main process reads at each scrape.
        error_types: Class names of the exceptions that tasks raise.
        on_process_start: Called in each process that runs tasks.
        makes_folder: Whether a worker makes a metrics folder if it was given none.
        known_queues: Queues that may be label values, with those of `task_queues`.
    """
    outcomes = Outcomes(app, task_queues, error_types, known_queues)
    recorder = AttemptRecorder(start, task_queues, outcomes)
    messages = MessageRecorder(outcomes)
    main_process = MainProcess(
        app,
        makes_folder=makes_folder,
        start=start,
        settings=settings or TelemetrySettings.from_env,
        recorder=recorder,
        messages=messages,
        outcomes=outcomes,
        instrument=functools.partial(instrument_producer, app),
        metrics_port=metrics_port,
        metrics_host=metrics_host,
        trusted_hosts=trusted_hosts,
        collectors=collectors,
        on_process_start=on_process_start,
    )
    _connect(main_process, recorder, messages)


def _connect(
    main_process: MainProcess, recorder: AttemptRecorder, messages: MessageRecorder
) -> None:
    for signal, receiver in (
        (signals.celeryd_init, main_process.on_program_start),
        (signals.worker_init, main_process.on_init),
        (signals.setup_logging, main_process.on_setup_logging),
        (signals.worker_before_create_process, main_process.on_before_child),
        (signals.worker_process_init, main_process.on_child_start),
        (signals.worker_process_shutdown, main_process.on_child_stop),
        (signals.worker_ready, main_process.on_ready),
        (signals.worker_shutdown, main_process.on_stop),
        (signals.beat_init, main_process.on_beat_start),
        (signals.beat_embedded_init, main_process.on_embedded_beat_start),
        (signals.task_prerun, recorder.on_start),
        (signals.task_postrun, recorder.on_end),
        (signals.task_revoked, messages.on_revoked),
        (signals.task_unknown, messages.on_unknown),
        (signals.task_rejected, messages.on_rejected),
    ):
        signal.connect(receiver, weak=False)
