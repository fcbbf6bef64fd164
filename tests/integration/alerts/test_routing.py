"""Alertmanager sends each alert to its receiver, and mutes only symptoms of another alert."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from alerts.layout import STACK, all_files
from alerts.promrules.model import Alert
from tools.servers import free_port, running, wait_until

CONFIG = STACK / "alertmanager" / "alertmanager.yml"
RECEIVERS = {"page": "page", "ticket": "ticket", "none": "heartbeat"}
RULES = [r for gs in all_files().values() for g in gs for r in g.rules if isinstance(r, Alert)]


def route(amtool, labels: dict[str, str], receiver: str) -> subprocess.CompletedProcess:
    words = [f"{name}={value}" for name, value in labels.items()]
    command = [amtool, "config", "routes", "test", f"--config.file={CONFIG}"]
    return subprocess.run(
        [*command, f"--verify.receivers={receiver}", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_configuration_is_accepted(amtool_bin):
    done = subprocess.run(
        [amtool_bin, "check-config", CONFIG], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_shipped_alert_reaches_the_receiver_of_its_severity_and_none_is_unrouted(amtool_bin):
    label_sets = {
        tuple(sorted(({"alertname": r.name} | r.labels).items())): RECEIVERS[r.labels["severity"]]
        for r in RULES
    }
    # A route reads alert names and severities; one of each kind of label set is enough.
    kinds = {
        (dict(s)["alertname"], dict(s)["severity"]): (dict(s), to) for s, to in label_sets.items()
    }
    for labels, receiver in kinds.values():
        done = route(amtool_bin, labels, receiver)
        assert done.returncode == 0, f"{labels} -> {done.stdout}"


def test_a_misspelt_severity_ends_at_unrouted(amtool_bin):
    labels = {"alertname": "OrdersDown", "severity": "pgae"}
    assert route(amtool_bin, labels, "unrouted").returncode == 0
    assert route(amtool_bin, labels, "page").returncode != 0


def test_every_receiver_delivers_somewhere_but_the_heartbeat_without_a_switch():
    config = yaml.safe_load(CONFIG.read_text())
    assert config["route"]["receiver"] == "unrouted"
    assert [one["name"] for one in config["receivers"] if len(one) == 1] == ["heartbeat"]


class Alertmanager:
    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def get(self, path: str):
        with urllib.request.urlopen(self.address + path, timeout=5) as answer:
            return json.load(answer)

    def post(self, alerts: list[dict[str, str]], *, resolved: bool = False) -> None:
        now = datetime.now(UTC)
        end = now - timedelta(seconds=1) if resolved else now + timedelta(minutes=5)
        begin = now - timedelta(minutes=5)
        body = [
            {"labels": labels, "startsAt": begin.isoformat(), "endsAt": end.isoformat()}
            for labels in alerts
        ]
        request = urllib.request.Request(
            self.address + "/api/v2/alerts",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        urllib.request.urlopen(request, timeout=5).close()

    def muted(self) -> dict[str, bool]:
        return {
            key(a["labels"]): bool(a["status"]["inhibitedBy"]) for a in self.get("/api/v2/alerts")
        }


def key(labels: dict[str, str]) -> str:
    keep = ("alertname", "slo", "service", "job", "burn", "queue", "severity")
    return ",".join(f"{name}={labels[name]}" for name in keep if name in labels)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The stack's own file, with mail going nowhere."""
    folder = tmp_path_factory.mktemp("alertmanager")
    document = yaml.safe_load(CONFIG.read_text())
    document["templates"] = [str(CONFIG.parent / name) for name in document["templates"]]
    document["global"]["smtp_smarthost"] = "127.0.0.1:1"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(document))
    return folder / "alertmanager.yml"


@pytest.fixture
def alertmanager(alertmanager_bin, config, tmp_path):
    port = free_port()
    found = Alertmanager(port)
    command = [
        alertmanager_bin,
        f"--config.file={config}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(command, log=tmp_path / "log", ready=lambda: found.get("/api/v2/status")):
        yield found


def shipped(alertname: str, **more: str) -> dict[str, str]:
    """The labels that a shipped rule gives, and those that its series would add."""
    fitting = [
        r
        for r in RULES
        if r.name == alertname
        and r.labels.get("profile", "production") == "production"
        and all(r.labels.get(name, value) == value for name, value in more.items())
    ]
    return {"alertname": alertname} | fitting[0].labels | more


AVAILABILITY = {"slo": "orders-availability"}
MUTED = [
    (
        shipped("OrdersAvailabilityBudgetBurn", burn="fast"),
        shipped("OrdersAvailabilityBudgetBurn", burn="slow"),
    ),
    (
        shipped("OrdersAvailabilityBudgetBurn", burn="high"),
        shipped("SLOErrorBudgetExhausted", **AVAILABILITY),
    ),
    (shipped("OrdersDown"), shipped("OrdersAvailabilityBudgetBurn", burn="fast")),
    (shipped("OrdersDown"), shipped("OrdersCacheHitBudgetBurn", burn="fast")),
    (shipped("OrdersDown"), shipped("SLODataMissing", slo="orders-latency")),
    (shipped("OrdersDown"), shipped("TargetDown", job="orders", instance="a:9464")),
    (shipped("OrdersDown"), shipped("TargetMissing", job="orders")),
    (shipped("WorkersMissing"), shipped("TargetDown", job="orders-worker", instance="a:9465")),
    (shipped("BrokerDown"), shipped("QueueOldestMessageTooOld", queue="orders")),
    (shipped("BrokerDown"), shipped("QueueStalled", queue="emails")),
    (shipped("BrokerDown"), shipped("OutboxStuck")),
    (shipped("TargetDown", job="loki", instance="l"), shipped("LogDeliveryRatioLow")),
    (shipped("TargetDown", job="tempo", instance="t"), shipped("TraceDeliveryRatioLow")),
    (shipped("TargetDown", job="collector", instance="c"), shipped("TraceDeliveryRatioLow")),
]
HEARD = [
    (
        shipped("OrdersAvailabilityBudgetBurn", burn="fast"),
        shipped("OrdersLatencyBudgetBurn", burn="slow"),
    ),
    (
        shipped("OrdersAvailabilityBudgetBurn", burn="fast"),
        shipped("QueueDrainTimeHigh", queue="orders"),
    ),
    (
        shipped("OrdersAvailabilityBudgetBurn", burn="fast"),
        shipped("DeadLettersPresent", task="fulfil_order"),
    ),
    (
        shipped("OrdersAvailabilityBudgetBurn", burn="fast"),
        shipped("OrdersLatencyP99High", job="orders"),
    ),
    (
        shipped("QueueOldestMessageTooOld", queue="orders"),
        shipped("DBPoolSaturated", pool="orders"),
    ),
    (shipped("OrdersDown"), shipped("OrdersQueueWaitBudgetBurn", burn="fast")),
    (shipped("OrdersDown"), shipped("TargetDown", job="orders-worker", instance="a:9465")),
    (shipped("OrdersDown"), shipped("DatabaseDown", dependency="postgres")),
    (shipped("WorkersMissing"), shipped("QueueStalled", queue="orders")),
    (shipped("BrokerDown"), shipped("OrdersAvailabilityBudgetBurn", burn="fast")),
    (shipped("TargetDown", job="loki", instance="l"), shipped("TraceDeliveryRatioLow")),
    (shipped("TargetDown", job="orders", instance="a"), shipped("LogDeliveryRatioLow")),
    (
        shipped("OrdersAvailabilityBudgetBurn", burn="slow"),
        shipped("OrdersAvailabilityBudgetBurn", burn="high"),
    ),
]


def test_a_cause_mutes_its_symptoms_and_nothing_else(alertmanager):
    for expected, pairs in ((True, MUTED), (False, HEARD)):
        for source, target in pairs:
            alertmanager.post([source, target])
            wait_until(lambda s=source, t=target: {key(s), key(t)} <= set(alertmanager.muted()), 10)
            if expected:
                wait_until(lambda t=target: alertmanager.muted()[key(t)], 10)
            assert alertmanager.muted()[key(target)] is expected, f"{key(source)} -> {key(target)}"
            if expected:
                assert alertmanager.muted()[key(source)] is False, key(source)
            alertmanager.post([source, target], resolved=True)
            wait_until(lambda: not alertmanager.muted(), 10)


def test_an_alert_without_an_slo_never_counts_as_the_same_slo(alertmanager):
    page = shipped("DBPoolTimeouts", pool="orders")
    ticket = shipped("DBPoolSaturated", pool="orders")
    alertmanager.post([page, ticket])
    wait_until(lambda: len(alertmanager.muted()) == 2, 10)
    assert not any(alertmanager.muted().values())
