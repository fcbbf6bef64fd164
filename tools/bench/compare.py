"""Compare the kit of this checkout with that of another commit: `python -m tools.bench --base REV`.

Both run the same app, their servers side by side; each round loads all of them, in alternating
order, so that other work on the machine affects both.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.bench.measure import measure
from tools.bench.servers import Server, running_bench
from tools.servers import ROOT

HEAD = (
    "| variant | this, CPU µs/request | base | this / base | middle half of the rounds |\n"
    "| --- | ---: | ---: | ---: | ---: |"
)


def compare(rev: str, variants: Sequence[str], rounds: int, requests: int) -> None:
    """Measure both checkouts and print a table of the ratios."""
    with checked_out(rev) as base, running_bench() as bench:
        # Pairs, so that the two servers of a variant are loaded one after the other.
        pairs = [(bench.start(name), bench.start(name, base)) for name in variants]
        measure([server for pair in pairs for server in pair], rounds, requests)
    print(f"this checkout and {rev}, {rounds} rounds of {requests} requests\n\n{HEAD}")
    for this, other in pairs:
        print(row(this, other))


@contextmanager
def checked_out(rev: str) -> Iterator[Path]:
    """Check a commit out into a temporary folder, and remove it in the end."""
    git = ["git", "-C", str(ROOT)]
    with tempfile.TemporaryDirectory(prefix="bench-base-") as folder:
        checkout = Path(folder) / "checkout"
        subprocess.run([*git, "worktree", "add", "-q", "--detach", checkout, rev], check=True)
        try:
            yield checkout
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", checkout], check=True)


def row(this: Server, base: Server) -> str:
    """Return one variant's line: medians, their ratio, and quartiles of the rounds' ratios."""
    ours, theirs = statistics.median(this.cpu_us), statistics.median(base.cpu_us)
    ratios = [one / other for one, other in zip(this.cpu_us, base.cpu_us, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return (
        f"| {this.variant} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.3f} "
        f"| {low:.3f} to {high:.3f} |"
    )
