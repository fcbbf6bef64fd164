"""The configuration that the local mode writes, checked by the programs that read it."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
import yaml

from local.servers.child_environment import inherited
from local.servers.configs import JOBS, receiver_problems, write_alertmanager, write_prometheus
from local.settings import ROOT, LocalSettings
from observability.instrumentation.environment import SettingsError
from tools.free_ports import free_port_variables
from tools.servers import running_alertmanager, running_prometheus
from tools.standins.composed import project


@pytest.fixture(params=["demo", "production"])
def settings(request, tmp_path):
    state = {"ORDERS_STATE_DIR": str(tmp_path / "a [b] c*"), "SLO_PROFILE": request.param}
    return LocalSettings.from_env({**free_port_variables(), **state}, tmp_path / ".env")


def test_both_promtools_accept_the_configuration_and_find_its_rules(settings, promtool_bins):
    file = settings.state / "prometheus.yml"
    write_prometheus(settings, file)
    for promtool in promtool_bins:
        checked = subprocess.run(
            [promtool, "check", "config", file], check=False, capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
    for room in (settings.profile, "common", "local"):
        assert f"alerts/rules/{room}/" in checked.stdout + checked.stderr


def test_prometheus_starts_with_its_configuration(settings, tmp_path):
    file = settings.state / "prometheus.yml"
    write_prometheus(settings, file)
    with running_prometheus(tmp_path, file.read_text()):
        pass


def test_every_process_with_metrics_is_a_job_under_its_own_name(settings):
    file = settings.state / "prometheus.yml"
    write_prometheus(settings, file)
    config = yaml.safe_load(file.read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == {
        "orders",
        "orders-worker",
        "orders-relay",
        "payment-provider",
        "console",
        "prometheus",
        "alertmanager",
    }
    assert jobs["orders"]["static_configs"] == [
        {"targets": [f"127.0.0.1:{settings.ports['ORDERS_METRICS_PORT']}"]}
    ]
    assert {jobs[name]["scrape_interval"] for name in JOBS if name.startswith("orders")} == {"5s"}
    assert config["global"]["evaluation_interval"] == "15s"


def test_alertmanager_starts_with_its_configuration(settings, tmp_path):
    with running_alertmanager(tmp_path, write_alertmanager(settings, settings.state)):
        pass


RECEIVERS = {
    "ALERT_WEBHOOK_URL": "https://bot.example/hook?a=b&c='$x",
    "ALERT_SLACK_WEBHOOK_URL": "https://hooks.example/x",
    "ALERT_SLACK_CHANNEL": "#on-call",
    "ALERT_PAGERDUTY_ROUTING_KEY": "0123456789abcdef0123456789abcdef",
    "ALERT_DEADMANSSWITCH_URL": "https://ping.example/x",
}


@pytest.mark.parametrize("receivers", [{}, RECEIVERS], ids=["no receivers", "every receiver"])
def test_only_the_mail_server_and_the_folder_differ_from_docker(tmp_path, receivers):
    settings = LocalSettings.from_env(free_port_variables() | receivers, tmp_path / ".env")
    ours = write_alertmanager(settings, tmp_path / "local")
    service = project(receivers)["alertmanager"]
    shell, script, folder, smtp, program = service.get("entrypoint")
    assert (shell, program) == ("/bin/sh", "/bin/alertmanager")
    source = {mount.target: mount.folder for mount in service.mounts}["/etc/alertmanager"]
    stack = tmp_path / "docker"
    environment = {k: v for k, v in service.environment.items() if not k.endswith("_FILE")}
    command = ["sh", source / script.removeprefix("/etc/alertmanager/"), stack, smtp]
    subprocess.run(command, env=environment, check=True)
    assert f"--config.file={folder}/alertmanager.yml" in service.get("command")
    for path in sorted(path for path in stack.rglob("*") if path.is_file()):
        text = path.read_text().replace(str(stack), str(ours.parent))
        text = text.replace(smtp, settings.address("ORDERS_SMTP_PORT"))
        assert (ours.parent / path.relative_to(stack)).read_text() == text
    assert (
        len(list(stack.rglob("*"))) == len(list(ours.parent.rglob("*"))) >= 3 + len(receivers) - 1
    )


def test_a_bad_receiver_is_refused_before_anything_starts(tmp_path):
    bad = {"ALERT_WEBHOOK_URL": "bot.example", "ALERT_PAGERDUTY_ROUTING_KEY": "1"}
    settings = LocalSettings.from_env(free_port_variables() | bad, tmp_path / ".env")
    expected = [
        "ALERT_WEBHOOK_URL: expected an http or https URL",
        "ALERT_PAGERDUTY_ROUTING_KEY: expected an integration key of 32 letters and digits",
    ]
    assert receiver_problems(settings) == expected
    with pytest.raises(SettingsError) as caught:
        write_alertmanager(settings, tmp_path)
    assert list(caught.value.problems) == expected


def test_only_alertmanager_learns_its_receivers(tmp_path):
    settings = LocalSettings.from_env(free_port_variables() | RECEIVERS, tmp_path / ".env")
    assert not [name for name in inherited(settings) if name.startswith("ALERT_")]


@pytest.mark.parametrize("address", ["", "https://sightline.example/a$b"])
def test_links_in_alerts_lead_to_the_console_or_to_its_public_address(tmp_path, address):
    settings = LocalSettings.from_env(
        {**free_port_variables(), "SIGHTLINE_URL": address}, tmp_path / ".env"
    )
    write_prometheus(settings, tmp_path / "prometheus.yml")
    config = (tmp_path / "prometheus.yml").read_text()
    with running_prometheus(tmp_path, config) as prometheus:
        answer = urllib.request.urlopen(f"{prometheus}/api/v1/status/config", timeout=5).read()
        read = yaml.safe_load(json.loads(answer)["data"]["yaml"])
    expected = address or f"http://127.0.0.1:{settings.ports['GRAFANA_PORT']}"
    assert read["global"]["external_labels"] == {"sightline_url": expected}
    (relabel,) = read["alerting"]["alert_relabel_configs"]
    assert (relabel["action"], relabel["regex"]) == ("labeldrop", "sightline_url")


def test_the_rules_cover_exactly_the_scraped_jobs():
    rules = (ROOT / "alerts/rules/local/targets.yml").read_text()
    assert set(re.findall(r'job="([^"]+)"', rules)) == set(JOBS)


@pytest.fixture
def inputs(tmp_path):
    """Variables that name an adopter's folders, whose names have special characters."""
    texts = {
        "SCRAPE_DIR": "scrape_configs: [{job_name: shop}]\n",
        "RULES_DIR": "groups: [{name: shop, rules: [{record: 'shop:up', expr: up}]}]\n",
        "DASHBOARDS_DIR": "",
        "RUNBOOKS_DIR": "",
    }
    for name, text in texts.items():
        folder = tmp_path / f"{name} [1] $x"
        folder.mkdir()
        (folder / "shop.yml").write_text(text)
    return {name: str(tmp_path / f"{name} [1] $x") for name in texts}


def written(tmp_path, variables):
    settings = LocalSettings.from_env({**free_port_variables(), **variables}, tmp_path / ".env")
    write_prometheus(settings, tmp_path / "prometheus.yml")
    return yaml.safe_load((tmp_path / "prometheus.yml").read_text())


@pytest.mark.parametrize("sample", ["on", "off"])
def test_prometheus_reads_the_scrape_jobs_and_rules_of_an_adopter(
    inputs, tmp_path, promtool_bins, sample
):
    config = written(tmp_path, {**inputs, "SAMPLE": sample})
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert jobs == {"console", "prometheus", "alertmanager"}
    checked = subprocess.run(
        [promtool_bins[1], "check", "config", tmp_path / "prometheus.yml"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "RULES_DIR [1] $x/shop.yml" in checked.stdout + checked.stderr
    assert ("rules/common/orders.yml" in checked.stdout) == (sample == "on")
    assert "rules/demo/" not in checked.stdout
    bad = Path(inputs["SCRAPE_DIR"]) / "shop.yml"
    bad.write_text("scrape_configs: [{job_name: prometheus}]\n")
    checked = subprocess.run(checked.args, check=False, capture_output=True, text=True)
    assert checked.returncode != 0, "the scrape file is not read"


def test_without_the_sample_no_rule_names_a_job_that_is_not_there(tmp_path):
    config = written(tmp_path, {"SAMPLE": "off"})
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert jobs == {"console", "prometheus", "alertmanager"}
    text = "".join(Path(file).read_text() for file in config["rule_files"])
    assert "Watchdog" in text
    assert set(re.findall(r'job="([^"]+)"', text)) <= jobs


def test_a_folder_of_an_adopter_that_does_not_exist_is_reported(inputs, tmp_path):
    for name in inputs:
        with pytest.raises(SettingsError, match=f"{name}='/nowhere': expected a folder that exi"):
            LocalSettings.from_env({name: "/nowhere"}, tmp_path / ".env")
