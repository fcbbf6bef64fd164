"""Start the whole compose project for real, post an order through it, and remove it again.

    python -m tools.standins.compose_run  as root on Debian, or where an engine answers
    python -m tools.standins.compose_run --overlay FILE  with another compose file: other images

Where no engine answers, Debian's is started and images are stand-ins (tools/standins). What it
finds is printed, and written to build/compose.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from typing import Any

from tools.footprint.__main__ import FIGURES, measure
from tools.servers import wait_until
from tools.standins.composed import project, rule_files
from tools.standins.docker import Project, engine, have_images, mebibytes, run, say, service_of
from tools.standins.edges import walk
from tools.standins.shop import Readers, Shop, settle

NEVER_ROOT = ("secrets", "stack-secrets")
REPLICAS = 3


def why_not() -> str:
    """Return why this machine cannot run it, or nothing."""
    if shutil.which("docker"):
        return ""
    if os.geteuid():
        return "no Docker engine, and only root can start one"
    return "" if shutil.which("apt-get") else "no Docker engine, and this is no Debian"


def check_configurations(sut: Project, stubs: list[str]) -> None:
    """Let each back end's own checker judge its file inside its own container."""
    checks = {
        "prometheus": ["promtool", "check", "config", "/etc/prometheus/prometheus.yml"],
        "alertmanager": ["amtool", "check-config", "/etc/alertmanager/alertmanager.yml"],
        "collector": ["/otelcol-contrib", "validate", "--config=/etc/otelcol/config.yaml"],
        "loki": ["/usr/bin/loki", "-verify-config", "-config.file=/etc/loki/loki.yaml"],
        "tempo": ["/tempo", "-config.verify", "-config.file=/etc/tempo/tempo.yaml"],
        "edge": ["nginx", "-e", "stderr", "-t", "-c", "/etc/nginx/edge/nginx.conf"],
    }
    for name, command in checks.items():
        if any(f"/{name}:" in stub or f"-{name}" in stub for stub in stubs):
            say(f"NOT CHECKED: {name} is a stub")
        else:
            sut.compose("exec", "-T", name, *command)
            say(f"{name} accepts its own configuration")


def follow_an_order(sut: Project, shop: Shop, stubs: list[str]) -> str:
    """Post an order through the edge and find it confirmed, mailed, traced and logged."""
    with sut.timed("an order: posted, confirmed, mailed"):
        order, trace = shop.place_order()
        shop.wait_for_status(order)
        if not any("mailpit" in stub for stub in stubs):
            shop.wait_for_mail(order)
    say(f"order {order}, trace {trace}")
    if not any("collector" in stub for stub in stubs):
        for what in ("spans", "log_records"):
            name = f"otelcol_receiver_accepted_{what}"
            counted = shop.wait_for(f'sum({{__name__=~"{name}(_total)?"}}) > 0')
            say(f"the Collector counted {counted['']:.0f} {what}")
    return order


def check_metrics(shop: Shop) -> None:
    """Find every target up, and every rule loaded and evaluated without an error."""

    def missing() -> set[str]:
        """Return jobs without a scrape that worked; one that came late does not count."""
        seen = shop.query("max by (job) (max_over_time(up[2m])) == 1")
        return set(shop.targets()) - set(seen)

    for _ in range(90):
        if shop.targets() and not missing():
            break
        settle(1)
    assert not missing(), f"never up: {missing()}"
    loaded = shop.rules()
    assert loaded, f"no rules, though there are {len(rule_files())} files of them"
    bad = [rule["name"] for rule in loaded if rule["health"] == "err"]
    assert not bad, f"rules with errors: {bad}"
    say(f"{len(shop.targets())} jobs up, {len(loaded)} rules without an error")


def healthy(sut: Project, name: str) -> int:
    """Return how many containers of a service say that they are well."""
    states = [c["State"].get("Health", {}) for c in sut.containers() if service_of(c) == name]
    return sum(state.get("Status") == "healthy" for state in states)


def scale_and_kill(sut: Project, shop: Shop, order: str) -> None:
    """Run three replicas under load and kill one, twice: no read may fail."""
    with sut.timed(f"--scale orders={REPLICAS}"):
        sut.up("--no-recreate", "--scale", f"orders={REPLICAS}")
    wait_until(lambda: shop.targets()["orders"] == ["up"] * REPLICAS, seconds=60, interval=1)
    with Readers(shop.url("ORDERS_PORT", f"/v1/orders/{order}")) as readers:
        for victim in sut.compose("ps", "--quiet", "orders").split()[:2]:
            readers.more(300)
            run("docker", "kill", victim)
            readers.more(300)
            run("docker", "start", victim)
            wait_until(lambda: healthy(sut, "orders") == REPLICAS, seconds=60, interval=0.5)
    if set(readers.statuses) != {"200"}:
        told = sut.compose("logs", "--no-log-prefix", "edge").splitlines()
        told = [line for line in told if "no live" in line or '"status":5' in line]
        raise AssertionError(f"{readers.statuses}\n" + "\n".join(told[-20:]))
    say(
        f"{readers.answered()} reads, all answered 200, two of {REPLICAS} replicas killed meanwhile"
    )
    sut.up("--scale", "orders=1")


def live_without_telemetry(sut: Project, shop: Shop) -> None:
    """Stop every back end: orders are taken, and the application starts anew."""
    back_ends = ["collector", "loki", "tempo", "grafana", "prometheus", "alertmanager"]
    sut.compose("stop", *back_ends)
    with sut.timed("orders and worker start without any back end"):
        sut.up("--no-deps", "--force-recreate", "orders", "orders-worker", "orders-relay")
        wait_until(lambda: shop.wait_for_status(shop.place_order()[0]) is None, seconds=60)
    sut.up()


def come_back(sut: Project, shop: Shop, order: str) -> None:
    """Take all containers away and come up from yesterday's volumes."""
    with sut.timed("down"):
        sut.compose("down")
    with sut.timed("up --wait from yesterday's volumes"):
        sut.up()
    shop.wait_for_status(order)


def table(sut: Project) -> list[dict[str, Any]]:
    """Return and print user, rights, limit and memory of each container."""
    memory = mebibytes()
    rows = []
    for container in sorted(sut.containers(), key=service_of):
        host, name = container["HostConfig"], service_of(container)
        rows.append(
            {
                "container": name,
                "user": container["Config"]["User"],
                "capabilities": "none" if host["CapDrop"] == ["ALL"] else "default",
                "read-only": host["ReadonlyRootfs"],
                "limit_mib": host["Memory"] // 2**20,
                "memory_mib": round(memory.get(container["Id"][:12], 0), 1),
                "restarts": container["RestartCount"],
                "oom": container["State"]["OOMKilled"],
                "health": container["State"].get("Health", {}).get("Status", "one-shot"),
            }
        )
    heads = list(rows[0])
    for row in [dict(zip(heads, heads, strict=True)), *rows]:
        say("".join(f"{row[head]!s:<18}" for head in heads))
    say(f"all together {sum(row['memory_mib'] for row in rows):.0f} MiB")
    return rows


def check_table(rows: list[dict[str, Any]]) -> None:
    """Hold what the engine says to what the files say."""
    assert {row["container"] for row in rows} == set(project())
    for row in rows:
        root = row["user"].split(":")[0] in {"", "0", "root"}
        assert root == (row["container"] in NEVER_ROOT), row
        assert row["capabilities"] == "none", row
        assert row["read-only"], row
        assert not row["oom"], row
        assert not row["restarts"], row
        assert row["health"] in {"healthy", "one-shot"}, row
        assert row["memory_mib"] < row["limit_mib"] * 0.9, row


def everything(sut: Project, minutes: float) -> None:
    """Run every step; raise at the first that fails."""
    with engine() as data:
        with sut.timed("images"):
            have_images(data)
        with sut.timed("build both images"):
            sut.compose("build")
        if stubs := sut.stubs():
            say(f"NOT TESTED, wired only: {', '.join(stubs)}")
        shop = Shop(sut.ports)
        try:
            with sut.timed("up --wait from empty volumes"):
                sut.up()
            check_configurations(sut, stubs)
            order = follow_an_order(sut, shop, stubs)
            check_metrics(shop)
            if any("loki" in stub or "tempo" in stub for stub in stubs):
                say("NOT WALKED: the edges of correlation need a real Loki and Tempo")
            else:
                walk(sut, shop)
            scale_and_kill(sut, shop, order)
            live_without_telemetry(sut, shop)
            come_back(sut, shop, order)
            cost = measure(sut, shop, minutes)
            rows = table(sut)
            check_table(rows)
            write({"timings_s": sut.timings, "stubs": stubs, "cost": cost, "containers": rows})
        except BaseException:
            say(sut.compose("ps", "--all"))
            say(sut.compose("logs", "--tail", "8")[-12000:])
            raise
        finally:
            with sut.timed("down --volumes"):
                sut.compose("down", "--volumes", "--remove-orphans")
        assert sut.left_over() == [], sut.left_over()
        say("nothing is left over")


def write(figures: dict[str, Any]) -> None:
    """Leave the figures in build/compose.json."""
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1))


def main() -> int:
    """Run it, unless this machine cannot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.5, help="of load before memory is read")
    parser.add_argument("--overlay", action="append", default=[], help="a further compose file")
    chosen = parser.parse_args()
    if reason := why_not():
        say(f"=== NOT RUN: docker compose with stand-in images ({reason})")
        return 0
    sut = Project(f"sightline-test-{os.getpid()}", tuple(chosen.overlay))
    everything(sut, chosen.minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
