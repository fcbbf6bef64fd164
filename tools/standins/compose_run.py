"""Start the whole compose project, test it with orders, and remove it: `compose_run --help`.

Without a running Docker engine it starts Debian's, as root, and builds stand-in images.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from typing import Any

import click

from local.cli.docker_mode import closed_mounts, mounted_folders
from tools.footprint.__main__ import FIGURES, measure
from tools.servers import wait_until
from tools.standins.composed import project, rule_files
from tools.standins.docker import (
    ComposeRunError,
    Project,
    engine,
    mebibytes,
    prepare_images,
    private_copy,
    report,
    run,
    service_of,
)
from tools.standins.edges import check_links
from tools.standins.other_sites import refuse_other_sites
from tools.standins.outages import survive_outages
from tools.standins.shop import Readers, Shop, settle

ROOT_CONTAINERS = ("secrets", "stack-secrets")
REPLICAS = 3


def reason_to_skip() -> str:
    """Return why this machine cannot run it; empty if it can."""
    if shutil.which("docker"):
        return ""
    if os.geteuid():
        return "no Docker engine, and only root can start one"
    return "" if shutil.which("apt-get") else "no Docker engine, and no apt-get to install one"


def check_configurations(sut: Project, stubs: list[str]) -> None:
    """Check the configuration of each backend with its own checker, in its container."""
    checks = {
        "prometheus": ["promtool", "check", "config", "/etc/prometheus/prometheus.yml"],
        "alertmanager": ["amtool", "check-config", "/tmp/alertmanager/alertmanager.yml"],
        "collector": ["/otelcol-contrib", "validate", "--config=/etc/otelcol/config.yaml"],
        "loki": ["/usr/bin/loki", "-verify-config", "-config.file=/etc/loki/loki.yaml"],
        "tempo": ["/tempo", "-config.verify", "-config.file=/etc/tempo/tempo.yaml"],
        "edge": ["nginx", "-e", "stderr", "-t", "-c", "/etc/nginx/edge/nginx.conf"],
        "stack-edge": ["nginx", "-e", "stderr", "-t", "-c", "/etc/nginx/edge/nginx.conf"],
    }
    for name, command in checks.items():
        if any(f"/{name}:" in stub or f"-{name}" in stub for stub in stubs):
            report(f"NOT CHECKED: {name} is a stub")
        else:
            sut.compose("exec", "-T", name, *command)
            report(f"{name} accepts its own configuration")


VERSION_COMMANDS = {
    "collector": ["/otelcol-contrib", "--version"],
    "tempo": ["/tempo", "-version"],
    "loki": ["/usr/bin/loki", "-version"],
    "prometheus": ["prometheus", "--version"],
    "alertmanager": ["alertmanager", "--version"],
    "grafana": ["grafana", "server", "-v"],
    "mailpit": ["/mailpit", "version", "--no-release-check"],
    "postgres": ["postgres", "--version"],
    "cache": ["redis-server", "--version"],
    "edge": ["nginx", "-v"],
    "orders": ["python", "--version"],
}


def programs(sut: Project, stubs: list[str]) -> dict[str, str]:
    """Return the version that each container says it runs, which a stand-in's tag does not say."""
    found = {}
    for name, command in VERSION_COMMANDS.items():
        if any(f"/{name}:" in stub or f"-{name}:" in stub for stub in stubs):
            found[name] = "stub"
            continue
        try:
            found[name] = version_in(sut.compose("exec", "-T", name, *command))
        except ComposeRunError:  # a build of one's own may lack the option
            found[name] = "unknown"
    report(f"programs: {found}")
    return found


def version_in(text: str) -> str:
    """Return the version in what a program prints, not that of its compiler; or `unknown`."""
    found = re.search(r"(?<![\w.])v?(\d+\.\d+[\w.+-]*)", text)
    return found[1] if found else "unknown"


def open_mounts(sut: Project) -> None:
    """Check that `make up` reports the mounts of a clone with umask 077; do what it says."""
    folders = mounted_folders(sut.compose("config", "--format", "json"))
    (problem,) = closed_mounts(folders)
    run(*shlex.split(problem.partition("run: ")[2]))
    assert closed_mounts(folders) == []
    report(f"{len(folders)} mounts of a clone with umask 077 made readable")


def follow_an_order(sut: Project, shop: Shop, stubs: list[str]) -> str:
    """Post an order through the edge; wait until it is confirmed, mailed, traced and logged."""
    with sut.timed("an order: posted, confirmed, mailed"):
        order, trace = shop.place_order()
        shop.wait_for_status(order)
        if not any("mailpit" in stub for stub in stubs):
            shop.wait_for_mail(order)
    report(f"order {order}, trace {trace}")
    if not any("collector" in stub for stub in stubs):
        for what in ("spans", "log_records"):
            name = f"otelcol_receiver_accepted_{what}"
            counted = shop.wait_for(f'sum({{__name__=~"{name}(_total)?"}}) > 0')
            report(f"the Collector counted {counted['']:.0f} {what}")
    return order


def check_metrics(shop: Shop) -> None:
    """Check that every target is up, and that every rule is evaluated without an error."""

    def missing() -> set[str]:
        """Return the jobs without a successful scrape in the last two minutes."""
        seen = shop.query("max by (job) (max_over_time(up[2m])) == 1")
        return set(shop.targets()) - set(seen)

    for _ in range(90):
        if shop.targets() and not missing():
            break
        settle(1)
    assert not missing(), f"never up: {missing()}"
    loaded = shop.rules()
    assert loaded, f"no rules loaded from {len(rule_files())} files"
    bad = [rule["name"] for rule in loaded if rule["health"] == "err"]
    assert not bad, f"rules with errors: {bad}"
    report(f"{len(shop.targets())} jobs up, {len(loaded)} rules without an error")


def healthy(sut: Project, name: str) -> int:
    """Return the number of healthy containers of a service."""
    states = [c["State"].get("Health", {}) for c in sut.containers() if service_of(c) == name]
    return sum(state.get("Status") == "healthy" for state in states)


def scale_and_kill(sut: Project, shop: Shop, order: str) -> None:
    """Run three replicas under load and kill one, twice; fail if a read fails."""
    with sut.timed(f"--scale orders={REPLICAS}"):
        sut.up("--no-recreate", "--scale", f"orders={REPLICAS}")
    wait_until(lambda: shop.targets()["orders"] == ["up"] * REPLICAS, seconds=60, interval=1)
    with Readers(shop.url("ORDERS_PORT", f"/v1/orders/{order}")) as readers:
        for victim in sut.compose("ps", "--quiet", "orders").split()[:2]:
            readers.wait_for(300)
            run("docker", "kill", victim)
            readers.wait_for(300)
            run("docker", "start", victim)
            wait_until(lambda: healthy(sut, "orders") == REPLICAS, seconds=60, interval=0.5)
    if set(readers.statuses) != {"200"}:
        lines = sut.compose("logs", "--no-log-prefix", "edge").splitlines()
        errors = [line for line in lines if "no live" in line or '"status":5' in line]
        raise AssertionError(f"{readers.statuses}\n" + "\n".join(errors[-20:]))
    report(f"{readers.answered()} reads answered 200 while two of {REPLICAS} replicas were killed")
    sut.up("--scale", "orders=1")


def live_without_telemetry(sut: Project, shop: Shop) -> None:
    """Stop every backend; restart the application and place an order."""
    backends = ["collector", "loki", "tempo", "grafana", "prometheus", "alertmanager"]
    sut.compose("stop", *backends)
    with sut.timed("orders and worker start without any backend"):
        sut.up("--no-deps", "--force-recreate", "orders", "orders-worker", "orders-relay")
        wait_until(lambda: shop.wait_for_status(shop.place_order()[0]) is None, seconds=60)
    sut.up()


def restart(sut: Project, shop: Shop, order: str) -> None:
    """Remove all containers and start again with the old volumes."""
    with sut.timed("down"):
        sut.compose("down")
    with sut.timed("up --wait with old volumes"):
        sut.up()
    shop.wait_for_status(order)


def table(sut: Project) -> list[dict[str, Any]]:
    """Print and return user, capabilities, limit and memory of each container."""
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
        report("".join(f"{row[head]!s:<18}" for head in heads))
    report(f"total {sum(row['memory_mib'] for row in rows):.0f} MiB")
    return rows


def check_table(rows: list[dict[str, Any]]) -> None:
    """Compare the running containers with the compose files."""
    assert {row["container"] for row in rows} == set(project())
    for row in rows:
        root = row["user"].split(":")[0] in {"", "0", "root"}
        assert root == (row["container"] in ROOT_CONTAINERS), row
        assert row["capabilities"] == "none", row
        assert row["read-only"], row
        assert not row["oom"], row
        assert not row["restarts"], row
        assert row["health"] in {"healthy", "one-shot"}, row
        assert row["memory_mib"] < row["limit_mib"] * 0.9, row


def everything(sut: Project, minutes: float) -> None:
    """Run every step; raise at the first failure."""
    with engine() as data, private_copy() as sut.root:
        with sut.timed("images"):
            prepare_images(data)
        open_mounts(sut)
        with sut.timed("build both images"):
            sut.compose("build")
        if stubs := sut.stubs():
            report(f"NOT TESTED, only connected: {', '.join(stubs)}")
        shop = Shop(sut.ports)
        try:
            with sut.timed("up --wait with empty volumes"):
                sut.up()
            check_configurations(sut, stubs)
            order = follow_an_order(sut, shop, stubs)
            check_metrics(shop)
            refuse_other_sites(sut, shop, stubs)
            if any("loki" in stub or "tempo" in stub for stub in stubs):
                report("NOT TESTED: links between signals need a real Loki and Tempo")
            else:
                check_links(sut, shop)
            with sut.timed("six dependencies stopped, four frozen"):
                survive_outages(sut, shop)
            scale_and_kill(sut, shop, order)
            live_without_telemetry(sut, shop)
            restart(sut, shop, order)
            assert sut.nameless_volumes() == []
            cost = measure(sut, shop, minutes)
            rows = table(sut)
            check_table(rows)
            found = {"timings_s": sut.timings, "stubs": stubs, "programs": programs(sut, stubs)}
            write(found | {"cost": cost, "containers": rows})
        except BaseException:
            report(sut.compose("ps", "--all"))
            report(sut.compose("logs", "--tail", "8")[-12000:])
            raise
        finally:
            with sut.timed("down --volumes"):
                sut.compose("down", "--volumes", "--remove-orphans")
        assert sut.left_over() == [], sut.left_over()
        report("nothing is left over")


def write(figures: dict[str, Any]) -> None:
    """Write the figures to build/compose.json."""
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1))


@click.command()
@click.option("--minutes", default=0.5, help="Minutes of load before memory is measured.")
@click.option("--overlay", multiple=True, metavar="FILE", help="A compose file to merge.")
def main(minutes: float, overlay: tuple[str, ...]) -> None:
    """Start the whole compose project, test it with orders, and remove it.

    Without a running Docker engine it starts Debian's, as root, and builds stand-in images. Prints
    its findings and writes them to build/compose.json.
    """
    if reason := reason_to_skip():
        report(f"=== NOT RUN: docker compose with stand-in images ({reason})")
        return
    everything(Project(f"sightline-test-{os.getpid()}", overlay), minutes)


if __name__ == "__main__":
    main(prog_name="python -m tools.standins.compose_run")
