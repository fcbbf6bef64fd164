"""The configuration that the local mode writes, checked by the programs that read it."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from local.servers.configs import ALERTMANAGER_SOURCE, JOBS, write_alertmanager, write_prometheus
from local.settings import ROOT, LocalSettings
from tools.free_ports import free_port_variables
from tools.servers import running_alertmanager, running_prometheus


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
    file = settings.state / "alertmanager.yml"
    write_alertmanager(settings, file)
    with running_alertmanager(tmp_path, file):
        pass


def test_only_the_mail_server_and_the_template_folder_differ_from_the_stack(settings):
    file = settings.state / "alertmanager.yml"
    write_alertmanager(settings, file)
    ours, stack = yaml.safe_load(file.read_text()), yaml.safe_load(ALERTMANAGER_SOURCE.read_text())
    assert ours["global"].pop("smtp_smarthost") == settings.address("ORDERS_SMTP_PORT")
    stack["global"].pop("smtp_smarthost")
    folder = f"{ROOT}/observability/stack/alertmanager"
    assert ours.pop("templates") == [f"{folder}/{name}" for name in stack.pop("templates")]
    assert ours == stack


def test_the_rules_cover_exactly_the_scraped_jobs():
    rules = (ROOT / "alerts/rules/local/targets.yml").read_text()
    assert set(re.findall(r'job="([^"]+)"', rules)) == set(JOBS)
