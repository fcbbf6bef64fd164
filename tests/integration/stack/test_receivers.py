"""Receivers that settings turn on: what is written for them, and what they get."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
import yaml
from aiosmtpd.controller import Controller

from tests.integration.stack.receivers import running_receivers
from tests.integration.worker.processes import Mailbox
from tools.servers import free_port, running_alertmanager, wait_until
from tools.standins.composed import STACK

RENDER = STACK / "alertmanager" / "render.sh"
KEY = "0123456789abcdefABCDEF0123456789"
# Setting: a good value, and the file that gets it.
SECRETS = {
    "ALERT_WEBHOOK_URL": ("https://bot.example/hook?a=b&c='\"#%20$x", "webhook"),
    "ALERT_SLACK_WEBHOOK_URL": ("https://hooks.example/services/T0/B0/x", "slack"),
    "ALERT_PAGERDUTY_ROUTING_KEY": (KEY, "pagerduty"),
    "ALERT_DEADMANSSWITCH_URL": ("https://ping.example/uuid", "deadmansswitch"),
}
VALUES = {name: value for name, (value, _) in SECRETS.items()}


def render(folder: Path, settings: dict[str, str], smtp: str = "mailpit:1025"):
    return subprocess.run(
        ["sh", RENDER, folder, smtp], env=settings, capture_output=True, text=True, check=False
    )


def test_every_combination_of_receivers_is_a_configuration_that_amtool_accepts(
    amtool_bin, tmp_path
):
    files = []
    for number in range(len(SECRETS) + 1):
        for names in itertools.combinations(SECRETS, number):
            folder = tmp_path / f"{len(files)} it's [a] & b|c"
            settings = {name: VALUES[name] for name in names}
            if "ALERT_SLACK_WEBHOOK_URL" in names:
                settings["ALERT_SLACK_CHANNEL"] = "#on-call"
            done = render(folder, settings)
            assert done.returncode == 0, done.stderr
            files.append(folder / "alertmanager.yml")
            expected = {SECRETS[name][1] for name in names}
            assert {path.name for path in folder.iterdir() if path.is_file()} == {
                "alertmanager.yml",
                *expected,
            }
            text = files[-1].read_text()
            assert set(re.findall(r"_file: '.*/(\w+)'", text)) == expected
    checked = subprocess.run(
        [amtool_bin, "check-config", *files], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("Checking") == len(files) == 16


@pytest.mark.parametrize("way", ["value", "file"])
def test_a_secret_is_kept_as_it_is_in_a_file_of_the_owner_and_never_in_yaml(tmp_path, way):
    settings = dict(VALUES)
    if way == "file":
        for name, value in VALUES.items():
            (tmp_path / name).write_text(f" {value}\r\n")
        settings = {f"{name}_FILE": str(tmp_path / name) for name in VALUES}
    folder = tmp_path / "rendered"
    assert render(folder, settings).returncode == 0
    text = (folder / "alertmanager.yml").read_text()
    for value, name in SECRETS.values():
        assert (folder / name).read_text() == value
        assert (folder / name).stat().st_mode & 0o077 == 0
        assert value not in text


def test_an_empty_setting_and_a_device_count_as_unset_and_a_receiver_can_be_removed(tmp_path):
    render(tmp_path, VALUES)
    nothing = dict.fromkeys(VALUES, "") | {f"{name}_FILE": "/dev/null" for name in VALUES}
    assert render(tmp_path, nothing).returncode == 0
    assert not [tmp_path / name for _, name in SECRETS.values() if (tmp_path / name).exists()]
    receivers = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())["receivers"]
    assert {key for one in receivers for key in one} == {"name", "email_configs"}
    assert [one["name"] for one in receivers if len(one) == 1] == ["heartbeat"]


BAD = [
    ("ALERT_WEBHOOK_URL", "bot.example/secret", "an http or https URL"),
    ("ALERT_WEBHOOK_URL", "https:///secret", "an http or https URL"),
    ("ALERT_WEBHOOK_URL", "https://a secret", "an http or https URL"),
    ("ALERT_WEBHOOK_URL", "https://a\nsecret: x", "an http or https URL"),
    ("ALERT_SLACK_WEBHOOK_URL", "#secret", "the https URL of an incoming webhook"),
    ("ALERT_SLACK_CHANNEL", "it's {{ secret }}", "a channel such as #alerts, or the ID of one"),
    ("ALERT_SLACK_CHANNEL", "a\nb", "a channel such as #alerts, or the ID of one"),
    ("ALERT_PAGERDUTY_ROUTING_KEY", "secret", "an integration key of 32 letters and digits"),
    ("ALERT_PAGERDUTY_ROUTING_KEY", f"{KEY}a", "an integration key of 32 letters and digits"),
    ("ALERT_PAGERDUTY_ROUTING_KEY", f"{KEY[1:]}/", "an integration key of 32 letters and digits"),
    ("ALERT_DEADMANSSWITCH_URL", "ftp://secret", "an http or https URL"),
    ("ALERT_DEADMANSSWITCH_URL_FILE", "/missing/secret", "a file that this user can read"),
    ("SIGHTLINE_URL", "https://a.example/", "an http or https URL without a slash at its end"),
    ("SIGHTLINE_URL", "secret", "an http or https URL without a slash at its end"),
]


@pytest.mark.parametrize(("name", "value", "expected"), BAD)
def test_a_bad_setting_is_refused_in_one_line_that_names_it_and_does_not_show_it(
    tmp_path, name, value, expected
):
    more = {"ALERT_SLACK_WEBHOOK_URL": VALUES["ALERT_SLACK_WEBHOOK_URL"], name: value}
    done = render(tmp_path, more)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["bad settings:", f"  {name}: expected {expected}"]
    assert not (tmp_path / "alertmanager.yml").exists()


def test_every_bad_setting_is_in_the_message_and_a_channel_needs_a_webhook(tmp_path):
    (tmp_path / "empty").touch()
    done = render(
        tmp_path / "rendered",
        {"ALERT_SLACK_CHANNEL": "#a", "ALERT_WEBHOOK_URL_FILE": str(tmp_path / "empty")},
    )
    assert done.stderr.splitlines()[1:] == [
        "  ALERT_WEBHOOK_URL_FILE: expected a file with a value in it",
        "  ALERT_SLACK_WEBHOOK_URL: expected a URL, since ALERT_SLACK_CHANNEL is set",
    ]


def kinds(folder: Path) -> dict[str, set[str]]:
    document = yaml.safe_load((folder / "alertmanager.yml").read_text())
    return {one["name"]: set(one) - {"name"} for one in document["receivers"]}


def test_a_page_goes_everywhere_a_ticket_not_to_pagerduty_and_watchdog_only_to_its_switch(tmp_path):
    render(tmp_path, VALUES)
    tickets = {"email_configs", "webhook_configs", "slack_configs"}
    assert kinds(tmp_path) == {
        "page": tickets | {"pagerduty_configs"},
        "ticket": tickets,
        "unrouted": tickets,
        "heartbeat": {"webhook_configs"},
    }


# --- delivery, to receivers that answer, refuse and hang

PATHS = ("/webhook", "/slack", "/pagerduty")
STATUSES = (200, 429, 500, 0)
INTEGRATIONS = {"/webhook": "webhook", "/slack": "slack", "/pagerduty": "pagerduty"}
# Alertmanager gives up a notification after 10 s at the earliest, and starts again with the next.
ONE_TRY_SECONDS = 15


@pytest.fixture
def mailbox():
    found = Mailbox()
    controller = Controller(found, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield found, controller.port
    controller.stop()


def configured(folder: Path, receivers: str, smtp_port: int) -> Path:
    """Write the configuration with receivers on this machine and short intervals."""
    settings = {
        "ALERT_WEBHOOK_URL": f"{receivers}/webhook",
        "ALERT_SLACK_WEBHOOK_URL": f"{receivers}/slack",
        "ALERT_PAGERDUTY_ROUTING_KEY": KEY,
        "ALERT_DEADMANSSWITCH_URL": f"{receivers}/deadmansswitch",
    }
    done = render(folder, settings, f"127.0.0.1:{smtp_port}")
    assert done.returncode == 0, done.stderr
    path = folder / "alertmanager.yml"
    document = yaml.safe_load(path.read_text())
    document["global"]["pagerduty_url"] = f"{receivers}/pagerduty"
    for route in (document["route"], *document["route"]["routes"]):
        route |= {"group_wait": "0s", "group_interval": "1s"}
        if route["receiver"] == "heartbeat":
            route["repeat_interval"] = "500ms"
    for receiver in document["receivers"]:
        for configs in receiver.values():
            for one in configs if isinstance(configs, list) else ():
                if "timeout" in one:
                    one["timeout"] = "2s"
    path.write_text(yaml.safe_dump(document))
    return path


def post(address: str, *alerts: dict[str, str]) -> None:
    body = [
        {"labels": one, "annotations": {"summary": f"{one['alertname']} fires"}} for one in alerts
    ]
    request = urllib.request.Request(
        f"{address}/api/v2/alerts",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=5).close()


def counted(address: str, metric: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for labels, value in re.findall(rf"^{metric}{{(.*)}} (\S+)$", text, re.MULTILINE):
        integration = re.search(r'integration="(\w+)"', labels)[1]
        found[integration] = found.get(integration, 0) + float(value)
    return found


@pytest.mark.slow  # Alertmanager gives up after 10 s
def test_a_receiver_that_refuses_or_hangs_is_retried_and_counted_and_blocks_no_other(
    mailbox, tmp_path
):
    with running_receivers() as receivers:
        names = [f"Alert{number}" for number in range(len(STATUSES))]
        cases = {
            (path, name): STATUSES[(place + number) % len(STATUSES)]
            for place, path in enumerate(PATHS)
            for number, name in enumerate(names)
        }
        receivers.faults = dict(cases)
        mails, port = mailbox
        config = configured(tmp_path / "rendered", receivers.address, port)
        with running_alertmanager(tmp_path, config) as address:
            post(address, *({"alertname": name, "severity": "page"} for name in names))
            answered = {case for case, status in cases.items() if status == 200}
            wait_until(lambda: answered <= set(receivers.delivered), 5)
            wait_until(lambda: len(mails.messages) >= len(names), 5)
            subjects = " ".join(message["Subject"] for message in mails.messages)
            assert all(name in subjects for name in names)

            def gave_up() -> bool:
                failed = counted(address, "alertmanager_notifications_failed_total")
                return all(failed[one] >= len(STATUSES) - 1 for one in INTEGRATIONS.values())

            wait_until(gave_up, ONE_TRY_SECONDS + 5, 0.5)

            # A refusal that Alertmanager takes as final is sent again only with its group, whose
            # next turn comes when the slowest receiver's tries have ended.
            def all_retried() -> bool:
                return all(receivers.requests[case] > 1 for case in set(cases) - answered)

            wait_until(all_retried, ONE_TRY_SECONDS + 5, 0.5)
            assert set(receivers.delivered) == answered
            # What AlertDeliveryFailing divides.
            failed = counted(address, "alertmanager_notifications_failed_total")
            sent = counted(address, "alertmanager_notifications_total")
            assert all(failed[one] / sent[one] > 0.01 for one in INTEGRATIONS.values())
            assert failed["email"] == 0

            receivers.faults = dict.fromkeys(cases, 200)
            wait_until(lambda: set(receivers.delivered) == set(cases), 2 * ONE_TRY_SECONDS, 0.5)


def test_what_arrives_names_the_alert_and_watchdog_reaches_only_its_switch(mailbox, tmp_path):
    with running_receivers() as receivers:
        receivers.faults = {(path, "OrdersDown"): 200 for path in PATHS}
        mails, port = mailbox
        config = configured(tmp_path / "rendered", receivers.address, port)
        with running_alertmanager(tmp_path, config) as address:
            watchdog = {"alertname": "Watchdog", "severity": "none"}
            post(address, watchdog, {"alertname": "OrdersDown", "severity": "page"})
            wait_until(lambda: len(receivers.delivered) == len(PATHS), 10)
            wait_until(lambda: receivers.requests["/deadmansswitch", ""] >= 2, 10)
        arrived = {path: json.loads(receivers.delivered[path, "OrdersDown"]) for path in PATHS}
        title = "[FIRING:1] page: OrdersDown: OrdersDown fires"
        assert arrived["/webhook"]["commonLabels"]["alertname"] == "OrdersDown"
        (attachment,) = arrived["/slack"]["attachments"]
        assert (attachment["title"], attachment["color"]) == (title, "danger")
        assert arrived["/pagerduty"]["routing_key"] == KEY
        assert arrived["/pagerduty"]["payload"]["summary"] == title
        assert arrived["/pagerduty"]["payload"]["severity"] == "critical"
        assert {place for place, _ in receivers.requests} == {*PATHS, "/deadmansswitch"}
        assert "Watchdog" not in " ".join(message["Subject"] for message in mails.messages)
