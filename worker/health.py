"""Check that the worker makes progress; a running process is not enough.

Exits with code 0 while the worker's main loop runs, and either no message waits in the broker or an
attempt ended within the last minute.
"""

from __future__ import annotations

import json
import sys
import time

import click
import redis

from observability.instrumentation.dependencies import bound_lookups
from service.semconv import QUEUES
from worker.broker import PROBE_SECONDS, connect_broker, queue_lengths
from worker.settings import WorkerSettings

FILE = "progress.json"
LOOP_SECONDS = 30.0
DONE_SECONDS = 60.0


def find_problem(state: dict[str, float], waiting: int, now: float) -> str | None:
    """Return what is wrong, or None.

    Args:
        state: What `Progress.write` wrote.
        waiting: Messages that are ready in the broker.
        now: Seconds since the epoch.
    """
    if now - state["loop"] > LOOP_SECONDS:
        return f"the main loop has not run for {now - state['loop']:.0f} s"
    if waiting and now - state["done"] > DONE_SECONDS:
        idle = now - state["done"]
        return f"{waiting} messages are waiting and no attempt has ended for {idle:.0f} s"
    return None


def check(settings: WorkerSettings) -> str | None:
    """Return what is wrong with the worker that has these settings, or None."""
    folder = settings.telemetry.multiproc_dir
    try:
        state = json.loads((folder / FILE).read_text()) if folder else None
    except (OSError, ValueError):
        state = None
    if state is None:
        return "the worker has not started"
    try:
        waiting = sum(queue_lengths(connect_broker(settings, PROBE_SECONDS), QUEUES).values())
    except redis.RedisError as error:
        return f"the broker cannot be read: {error}"
    return find_problem(state, waiting, time.time())


@click.command(help=__doc__)
def main() -> None:
    """Check this worker."""
    bound_lookups()
    problem = check(WorkerSettings.from_env_or_exit())
    click.echo(problem or "the worker makes progress", err=True)
    sys.exit(1 if problem else 0)


if __name__ == "__main__":
    main(prog_name="python -m worker.health")
