"""Dependencies that stop or hang: probed at each scrape, and looked up within a deadline.

Main and child processes import it, where they are set up.
"""

from __future__ import annotations

from .lookups import bound_lookups, lookups_within
from .probes import DependencyProbes

__all__ = ["DependencyProbes", "bound_lookups", "lookups_within"]
