"""Routing and inhibition of alerts, tested with the real amtool and Alertmanager."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from tools.servers import PROGRAMS, free_port, running, wait_until
from tools.standins.composed import STACK, load, shipped_alerts

CONFIG = STACK / "alertmanager/alertmanager.yml"
Labels = dict[str, str]
SLO = {"service": "orders", "slo": "orders-availability"}


def receivers(amtool: object, labels: Labels) -> list[str]:
    command = [str(amtool), "config", "routes", "test", f"--config.file={CONFIG}"]
    result = subprocess.run(
        [*command, *(f"{k}={v}" for k, v in labels.items())],
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip().split(",")


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "OrdersDown", "severity": "page"}, "page"),
        ({"alertname": "DeadLettersPresent", "severity": "ticket"}, "ticket"),
        ({"alertname": "Watchdog", "severity": "none"}, "heartbeat"),
        ({"alertname": "OrdersDown", "severity": "pgae"}, "unrouted"),
        ({"alertname": "OrdersDown"}, "unrouted"),
    ],
)
def test_a_severity_leads_to_its_receiver_and_a_misspelt_one_to_unrouted(
    amtool_bin, labels, receiver
):
    assert receivers(amtool_bin, labels) == [receiver]


def shipped_labels() -> dict[str, Labels]:
    return {
        f"{rule['alert']} {rule['labels']['severity']}": {
            "alertname": rule["alert"],
            "severity": rule["labels"]["severity"],
        }
        for _, rule in shipped_alerts()
    }


@pytest.mark.parametrize("labels", shipped_labels().values(), ids=shipped_labels())
def test_every_shipped_alert_has_a_receiver(amtool_bin, labels):
    severity = labels["severity"]
    expected = {"page": "page", "ticket": "ticket", "none": "heartbeat"}[severity]
    assert receivers(amtool_bin, labels) == [expected]


@pytest.fixture(scope="module")
def muted(tmp_path_factory) -> Iterator[Callable[[Labels, Labels], bool]]:
    """Post alerts to a real Alertmanager and return whether one is inhibited."""
    folder = tmp_path_factory.mktemp("alertmanager")
    port = free_port()
    # No mail server listens on that port; the tests end before a mail is sent.
    text = CONFIG.read_text().replace("mailpit:1025", f"127.0.0.1:{free_port()}")
    (folder / "alertmanager.yml").write_text(text)
    (folder / "templates").symlink_to(STACK / "alertmanager/templates")
    command = [
        str(PROGRAMS.find("alertmanager")),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    api = f"http://127.0.0.1:{port}/api/v2/alerts"

    def call(data: bytes | None = None) -> list[dict]:
        request = urllib.request.Request(api, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read() or b"[]")

    def post(alerts: list[Labels], *, ended: bool) -> None:
        now = datetime.now(UTC).isoformat()
        stamp = {"endsAt": now} if ended else {"startsAt": now}
        call(json.dumps([{"labels": labels, **stamp} for labels in alerts]).encode())

    def muted_by(target: Labels) -> list[str]:
        return next(a for a in call() if a["labels"] == target)["status"]["inhibitedBy"]

    def mutes(source: Labels, target: Labels) -> bool:
        # Alertmanager processes alerts later, but in order: when the last pair is inhibited, the
        # first alerts have been processed too.
        everything = [source, target, *CONTROL]
        post(everything, ended=False)
        wait_until(lambda: muted_by(CONTROL[1]))
        by = muted_by(target)
        post(everything, ended=True)
        wait_until(lambda: not call())
        return bool(by)

    with running(command, log=folder / "log", ready=lambda: call() == []):
        yield mutes


def alert(name: str, **labels: str) -> Labels:
    return {"alertname": name, "severity": "ticket", **labels}


PAGE = {"severity": "page"}
CONTROL = [
    alert("ControlBudgetBurn", service="control", slo="control", **PAGE),
    alert("ControlBudgetBurn", service="control", slo="control"),
]
DOWN = alert("OrdersDown", service="orders", job="orders", **PAGE)
BURN_PAGE = alert("OrdersAvailabilityBudgetBurn", burn="fast", **SLO, **PAGE)
MUTES = [
    (BURN_PAGE, alert("OrdersAvailabilityBudgetBurn", burn="slow", **SLO)),
    (DOWN, BURN_PAGE),
    (DOWN, alert("SLODataMissing", **SLO)),
    (DOWN, alert("TargetDown", service="monitoring", job="orders", instance="a")),
    (DOWN, alert("TargetMissing", service="monitoring", job="orders")),
    (
        alert("WorkersMissing", service="orders-worker", job="orders-worker", **PAGE),
        alert("TargetDown", service="monitoring", job="orders-worker"),
    ),
    (
        alert("BrokerDown", service="broker", **PAGE),
        alert("QueueStalled", service="orders-worker", **PAGE),
    ),
    (
        alert("BrokerDown", service="broker", **PAGE),
        alert("OutboxStuck", service="orders-relay", **PAGE),
    ),
    (alert("TargetDown", job="loki"), alert("LogDeliveryRatioLow", service="telemetry")),
    (alert("TargetDown", job="tempo"), alert("TraceDeliveryRatioLow", service="telemetry")),
    (alert("TargetDown", job="collector"), alert("TraceDeliveryRatioLow", service="telemetry")),
]
DOES_NOT_MUTE = [
    # Both lack the label `slo`, which counts as equal unless the matchers require it.
    (
        alert("QueueStalled", service="orders-worker", **PAGE),
        alert("DBPoolSaturated", service="orders"),
    ),
    (BURN_PAGE, alert("DBPoolSaturated", service="orders")),
    (BURN_PAGE, alert("OrdersLatencyBudgetBurn", service="orders", slo="orders-latency")),
    (alert("OrdersAvailabilityBudgetBurn", burn="slow", **SLO), BURN_PAGE),
    (
        DOWN,
        alert(
            "OrdersQueueWaitBudgetBurn", service="orders-worker", slo="orders-queue-wait", **PAGE
        ),
    ),
    (DOWN, alert("TargetDown", service="monitoring", job="orders-worker")),
    (DOWN, alert("DBPoolSaturated", service="orders")),
    (alert("TargetDown", job="loki"), alert("TraceDeliveryRatioLow", service="telemetry")),
    (alert("TargetDown", job="grafana"), alert("LogDeliveryRatioLow", service="telemetry")),
]


def named(pairs: list[tuple[Labels, Labels]]) -> list[str]:
    return [
        f"{a['alertname']}-{b['alertname']}-{b.get('slo') or b.get('job') or ''}" for a, b in pairs
    ]


@pytest.mark.parametrize(("source", "target"), MUTES, ids=named(MUTES))
def test_an_alert_mutes_its_consequences(muted, source, target):
    assert muted(source, target)


@pytest.mark.parametrize(("source", "target"), DOES_NOT_MUTE, ids=named(DOES_NOT_MUTE))
def test_an_alert_does_not_mute_unrelated_alerts(muted, source, target):
    assert not muted(source, target)


def test_inhibition_rules_name_only_shipped_alerts():
    names = {rule["alert"] for _, rule in shipped_alerts()}
    for rule in load(CONFIG)["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            if found := re.fullmatch(r'alertname=(~?)"(.+)"', matcher):
                for part in found[2].split("|"):
                    assert [n for n in names if re.fullmatch(part, n)], part
