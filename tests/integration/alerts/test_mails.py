"""The mail of every shipped alert, as received: its links open, and it says what is wrong."""

from __future__ import annotations

import email
import email.policy
import html
import re
import urllib.parse

import pytest
import yaml
from aiosmtpd.controller import Controller

from alerts.layout import all_files
from alerts.promrules.model import Alert
from local.servers.command_lines import links_to
from local.servers.configs import write_alertmanager, write_prometheus
from local.settings import LocalSettings
from tests.consoles import Running, ask, running_console
from tools.free_ports import free_port_variables
from tools.servers import free_port, running_alertmanager, running_prometheus, wait_until

pytestmark = pytest.mark.slow

ALERTS = {
    rule.name: rule
    for groups in all_files().values()
    for group in groups
    for rule in group.rules
    if isinstance(rule, Alert) and rule.labels["severity"] != "none"
}
LINK = re.compile(r"https?://[^\s\"<>]+")


class Mails:
    """A mail server that keeps whole messages."""

    def __init__(self) -> None:
        self.messages: list[email.message.EmailMessage] = []

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802
        found = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.messages.append(found)
        return "250 OK"

    def missing(self) -> set[str]:
        """Return the alerts that have not arrived."""
        return set(ALERTS) - {message["Subject"].split(": ")[1] for message in self.messages}

    def links(self) -> set[str]:
        """Return every link in the texts and in the pages of all messages."""
        bodies = [
            message.get_body((kind,)) for message in self.messages for kind in ("plain", "html")
        ]
        return {html.unescape(link) for body in bodies for link in LINK.findall(body.get_content())}


def rules_that_fire() -> str:
    """Return every shipped alert, with the texts that it has and a condition that holds."""
    rules = [
        {
            "alert": rule.name,
            "expr": "vector(1)",
            "labels": rule.labels,
            "annotations": rule.annotations,
        }
        for rule in ALERTS.values()
    ]
    return yaml.safe_dump({"groups": [{"name": "all", "interval": "1s", "rules": rules}]})


def alertmanager_config(settings: LocalSettings, folder, smtp_port: int):
    path = write_alertmanager(settings, folder)
    document = yaml.safe_load(path.read_text())
    document["global"]["smtp_smarthost"] = f"127.0.0.1:{smtp_port}"
    del document["inhibit_rules"]
    for route in (document["route"], *document["route"]["routes"]):
        route |= {"group_wait": "0s", "group_interval": "1s"}
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture(scope="module")
def received(tmp_path_factory):
    """The mails of every alert, and the console that their links lead to."""
    folder, mails = tmp_path_factory.mktemp("mails"), Mails()
    controller = Controller(mails, hostname="127.0.0.1", port=free_port())
    controller.start()
    with running_console(folder / "state", {}) as console:
        variables = free_port_variables() | {"GRAFANA_PORT": str(console.console.pages_port)}
        settings = LocalSettings.from_env(variables, folder / ".env")
        config = alertmanager_config(settings, folder / "alertmanager", controller.port)
        flags = links_to(f"{settings.link_url}/alerts")
        with running_alertmanager(folder, config, *flags) as alertmanager:
            write_prometheus(settings, folder / "written.yml")
            document = yaml.safe_load((folder / "written.yml").read_text())
            (folder / "rules.yml").write_text(rules_that_fire())
            document["rule_files"] = [str(folder / "rules.yml")]
            target = {"targets": [alertmanager.removeprefix("http://")]}
            document["alerting"]["alertmanagers"] = [{"static_configs": [target]}]
            # Prometheus finds Alertmanager after the first alerts, which it sends again.
            flags = [*links_to(settings.link_url), "--rules.alert.resend-delay=1s"]
            with running_prometheus(folder, yaml.safe_dump(document), *flags):
                wait_until(lambda: not mails.missing(), 60)
                yield mails, console
    controller.stop()


def test_every_alert_arrives_with_what_is_wrong_and_two_links(received):
    mails, console = received
    assert len(ALERTS) > 40
    by_name = {message["Subject"].split(": ")[1]: message for message in mails.messages}
    assert set(by_name) == set(ALERTS)
    for name, rule in ALERTS.items():
        uid = re.search(r"/d/([\w-]+)", rule.annotations["dashboard_url"])[1]
        for kind in ("plain", "html"):
            text = html.unescape(by_name[name].get_body((kind,)).get_content())
            assert f"{console.pages}/d/runbook-{name.lower()}" in text
            assert f"{console.pages}/d/{uid}" in text
            assert rule.labels["severity"] in text
            assert "Since " in text
            assert "sightline_url" not in text


def test_every_link_of_every_mail_opens(received):
    mails, console = received
    links = mails.links()
    assert len(links) > len(ALERTS)
    for link in links:
        address = urllib.parse.urlsplit(link)
        assert f"{address.scheme}://{address.netloc}" == console.pages, link
        assert ask(link.replace(" ", "%20")).status == 200, link
        if found := re.match(r"/d/([\w-]+)$", address.path):
            assert dashboard(console, found[1]) == 200, link


def dashboard(console: Running, uid: str) -> int:
    """Return the status of a dashboard's document: its page is a frame that always opens."""
    return console.get(f"/api/dashboards/{uid}").status
