"""Kill processes at random under load, then reconcile the books.

    python -m tools.chaos --minutes 10 --seed 1

Prints the account and writes it to `build/chaos.json`; exits with 1 on any difference.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import click

from tools.chaos.books import Account, Books, compare
from tools.chaos.customers import Customers
from tools.chaos.killer import Killer
from tools.chaos.system import ROOT, LocalSystem, running_system

# What the order service promises: a kill every 5 to 15 s, and queues empty within 90 s.
KILL_EVERY_SECONDS = (5.0, 15.0)
DRAIN_SECONDS = 90.0
# On a busy machine queues empty later; a queue that still moves is waited for. Longer than the
# longest pause between two attempts.
STALL_SECONDS = 60.0
CALM_SECONDS = 3.0
CONCURRENCY = 4


@click.command()
@click.option("--minutes", type=float, default=10, show_default=True)
@click.option("--seed", type=int, default=lambda: int(time.time()), help="Default: the time.")
@click.option("--rate", type=float, default=4, show_default=True, help="New orders per second.")
def main(minutes: float, seed: int, rate: float) -> None:
    """Kill processes at random under load, then reconcile the books."""
    report(f"seed {seed}, {minutes:g} minutes, {rate:g} orders/s")
    with running_system(keep=ROOT / "build" / "chaos-logs") as system:
        report("the system is running")
        customers = Customers(system.port("ORDERS_PORT"), rate, seed)
        customers.start()
        killer = Killer(system.pids, random.Random(seed))
        last_kill = kill_for(minutes * 60, killer, customers)
        drained = wait_for_drain(system, customers, last_kill)
        account = settle(system, customers, killer)
        if drained is None:
            account.differences.append(f"not drained: nothing moved for {STALL_SECONDS:g} s")
        elif drained > DRAIN_SECONDS:
            slow = f"drained {drained:g} s after the last kill, expected {DRAIN_SECONDS:g} s"
            account.differences.append(slow)
    document = {**account.document(), "kills": dict(killer.kills), "drained_s": drained}
    write(document | {"seed": seed, "minutes": minutes})
    sys.exit(1 if account.differences else 0)


def kill_for(seconds: float, killer: Killer, customers: Customers) -> float:
    """Keep killing; return the time of the last kill, in monotonic seconds."""
    dice = random.Random(killer._dice.random())
    began = last = time.monotonic()
    while (wait := dice.uniform(*KILL_EVERY_SECONDS)) + time.monotonic() - began < seconds:
        time.sleep(wait)
        kind = killer.kill()
        last = time.monotonic()
        accepted = len(customers.memory.accepted)
        report(f"{last - began:6.1f} s  kill {kind or 'none'};  {accepted} orders accepted")
    return last


def wait_for_drain(system: LocalSystem, customers: Customers, last_kill: float) -> float | None:
    """Return the seconds from the last kill until all work was done.

    None: some work was left, and none of it was finished for `STALL_SECONDS`.
    """
    customers.stop(seconds=DRAIN_SECONDS / 2)
    done_at: float | None = None
    least, moved_at = sys.maxsize, time.monotonic()
    while True:
        now = time.monotonic()
        left = look(system)
        if left is None or any(left.values()):
            done_at = None
        elif done_at is None:
            done_at = now
        if left is not None and sum(left.values()) < least:
            least, moved_at = sum(left.values()), now
        if done_at is not None and now - done_at >= CALM_SECONDS:
            report(f"drained {done_at - last_kill:.1f} s after the last kill")
            return round(done_at - last_kill, 1)
        if done_at is None and now - moved_at > STALL_SECONDS:
            report(f"not drained: {left}")
            return None
        time.sleep(0.5)


def look(system: LocalSystem) -> dict[str, int] | None:
    """Return the unfinished work by kind, or None while it cannot be read."""
    try:
        return system.left_over()
    except Exception:  # noqa: BLE001 - a server that does not answer was just killed
        return None


def settle(system: LocalSystem, customers: Customers, killer: Killer) -> Account:
    """Read all books and reconcile them."""
    dead = system.dead_letters()
    books = Books(
        accepted=customers.memory.accepted,
        orders=system.orders(),
        ledger=system.ledger(),
        sent=system.sent_mails(),
        received=system.mailbox(),
        dead_letters=len(dead),
        outbox=system.outbox(),
    )
    account = compare(books, most_copies=CONCURRENCY * killer.kills.total())
    memory = customers.memory
    wrong = {order for order in memory.cancelled if books.orders.get(order) != "cancelled"}
    account.differences += [f"order {order} was cancelled, but is not" for order in wrong]
    account.differences += [f"no answer about key {key}" for key in memory.unanswered]
    account.differences += [*dead, *memory.unexpected]
    return account


def write(document: dict[str, object]) -> None:
    """Print the account and write it to the build folder."""
    path = ROOT / "build" / "chaos.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
    for key, value in document.items():
        if key != "differences":
            print(f"{key:>16}  {value}")
    differences = list(document["differences"])
    for difference in differences[:50]:
        print(f"DIFFERENCE  {difference}")
    print(f"{len(differences)} differences; {Path('build/chaos.json')}")


def report(text: str) -> None:
    """Print a line without buffering."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
