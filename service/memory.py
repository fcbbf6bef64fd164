"""Memory that child processes share with the process that forks them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker


def share_memory(**_: object) -> None:
    """Exclude loaded objects from the children's garbage collections; call it before a fork.

    A collection writes to every object that it looks at, and a page that is written to is no
    longer shared with the parent: half of each child's memory otherwise.
    """
    gc.collect()
    gc.freeze()


def share_before_fork(server: Arbiter, worker: Worker) -> None:  # noqa: ARG001 - gunicorn checks the arity
    """Share memory before gunicorn forks a worker; its hook `pre_fork`."""
    share_memory()
