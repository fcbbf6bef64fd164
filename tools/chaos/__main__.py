"""Kill processes at random under load, and see whether the books still agree.

    python -m tools.chaos --minutes 10 --seed 1

Ends with the account, also written to `build/chaos.json`; exits 1 on any difference.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path

from tools.chaos.books import Account, Books, compare
from tools.chaos.customers import Customers
from tools.chaos.killer import Killer
from tools.chaos.system import ROOT, LocalSystem, running_system

# Source: what the order service promises: a kill every 5 to 15 s, queues empty within 90 s.
KILL_EVERY_SECONDS = (5.0, 15.0)
DRAIN_SECONDS = 90.0
CALM_SECONDS = 3.0
CONCURRENCY = 4


def main() -> int:
    """Run the chaos; return the exit code."""
    options = parse(sys.argv[1:])
    say(f"seed {options.seed}, {options.minutes:g} minutes, {options.rate:g} orders/s")
    with running_system(keep=ROOT / "build" / "chaos-logs") as system:
        say("the system runs")
        customers = Customers(system.port("ORDERS_PORT"), options.rate, options.seed)
        customers.start()
        killer = Killer(system.pids, random.Random(options.seed))
        last_kill = kill_for(options.minutes * 60, killer, customers)
        drained = wait_for_drain(system, customers, last_kill)
        account = settle(system, customers, killer)
        if drained is None:
            account.differences.append(f"not drained {DRAIN_SECONDS:g} s after the last kill")
    document = {**account.document(), "kills": dict(killer.kills), "drained_s": drained}
    write(document | {"seed": options.seed, "minutes": options.minutes})
    return 1 if account.differences else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m tools.chaos")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--rate", type=float, default=4, help="new orders per second")
    return parser.parse_args(arguments)


def kill_for(seconds: float, killer: Killer, customers: Customers) -> float:
    """Kill again and again; return when the last victim died, in monotonic seconds."""
    dice = random.Random(killer._dice.random())
    began = last = time.monotonic()
    while (wait := dice.uniform(*KILL_EVERY_SECONDS)) + time.monotonic() - began < seconds:
        time.sleep(wait)
        kind = killer.kill()
        last = time.monotonic()
        accepted = len(customers.memory.accepted)
        say(f"{last - began:6.1f} s  kill {kind or 'nobody'};  {accepted} orders accepted")
    return last


def wait_for_drain(system: LocalSystem, customers: Customers, last_kill: float) -> float | None:
    """Return how long after the last kill everything was done, or None when it took too long."""
    customers.stop(seconds=DRAIN_SECONDS / 2)
    done_at: float | None = None
    while True:
        now = time.monotonic()
        left = look(system)
        if left is None or any(left.values()):
            done_at = None
        elif done_at is None:
            done_at = now
        if done_at is not None and now - done_at >= CALM_SECONDS:
            say(f"drained {done_at - last_kill:.1f} s after the last kill")
            return round(done_at - last_kill, 1)
        if done_at is None and now - last_kill > DRAIN_SECONDS:
            say(f"not drained: {left}")
            return None
        time.sleep(0.5)


def look(system: LocalSystem) -> dict[str, int] | None:
    """Return what is not done, or None while nobody can tell."""
    try:
        return system.left_over()
    except Exception:  # noqa: BLE001 - whatever does not answer was killed a moment ago
        return None


def settle(system: LocalSystem, customers: Customers, killer: Killer) -> Account:
    """Read all books and return the account."""
    dead = system.dead_letters()
    books = Books(
        accepted=customers.memory.accepted,
        orders=system.orders(),
        ledger=system.ledger(),
        sent=system.sent_mails(),
        received=system.mailbox(),
        dead_letters=len(dead),
        outbox=system.left_over()["outbox"],
    )
    account = compare(books, most_copies=CONCURRENCY * killer.kills.total())
    memory = customers.memory
    wrong = {order for order in memory.cancelled if books.orders.get(order) != "cancelled"}
    account.differences += [f"order {order} was cancelled, but is not" for order in wrong]
    account.differences += [f"no answer about key {key}" for key in memory.unanswered]
    account.differences += [*dead, *memory.strange]
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


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
