"""Write the configuration of Prometheus and Alertmanager, which read no environment variables."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from local.servers.passwords import SERVERS
from local.settings import ROOT, SERVER_USER, STACK, LocalSettings
from local.state import StateFolder
from local.supervisor.folder import write_atomically
from observability.instrumentation.environment import SettingsError

SCRAPE_OURS = "5s"
SCRAPE_BACKENDS = "15s"
EVALUATE = "15s"
# A quarter of an hour of the default load, with which the dashboards open.
MOST_EXEMPLARS = 23_000
# The exit code of render.sh.
BAD_SETTINGS = 2
URL_LABEL = "sightline_url"
HEADER = "# Overwritten by every `make up` of the local mode; edits are lost.\n"

# Job: port variable, scrape interval.
JOBS = {
    "orders": ("ORDERS_METRICS_PORT", SCRAPE_OURS),
    "orders-worker": ("ORDERS_WORKER_METRICS_PORT", SCRAPE_OURS),
    "orders-relay": ("ORDERS_RELAY_METRICS_PORT", SCRAPE_OURS),
    "payment-provider": ("ORDERS_PAYMENT_PROVIDER_METRICS_PORT", SCRAPE_OURS),
    "console": ("GRAFANA_PORT", SCRAPE_OURS),
    "prometheus": ("PROMETHEUS_SERVER_PORT", SCRAPE_BACKENDS),
    "alertmanager": ("ALERTMANAGER_SERVER_PORT", SCRAPE_BACKENDS),
}
# They ask for their password.
GUARDED = ("prometheus", "alertmanager")
ALERTMANAGER_SOURCE = ROOT / "observability/stack/alertmanager"


def write_prometheus(settings: LocalSettings, path: Path) -> None:
    """Write Prometheus' configuration: targets, rule files, Alertmanager.

    Args:
        settings: Ports and the SLO profile.
        path: The file; any Prometheus from 2.42 on reads it.
    """
    _write(
        path,
        {
            "global": {
                "scrape_interval": SCRAPE_BACKENDS,
                "evaluation_interval": EVALUATE,
                # The address in links of alerts; Prometheus reads $$ as $.
                "external_labels": {URL_LABEL: settings.link_url.replace("$", "$$")},
            },
            "storage": {"exemplars": {"max_exemplars": MOST_EXEMPLARS}},
            "rule_files": rule_files(settings),
            "alerting": {
                "alert_relabel_configs": [{"action": "labeldrop", "regex": URL_LABEL}],
                "alertmanagers": [
                    _static(settings.address("ALERTMANAGER_SERVER_PORT")) | _login(settings)
                ],
            },
            **_scrape(settings),
        },
    )


def rule_files(settings: LocalSettings) -> list[str]:
    """Return the rule files, as patterns: RULES_DIR replaces the rules of the SLO profile."""
    rules = ROOT / "alerts" / "rules"
    if settings.sample:
        profile = settings.rules or rules / settings.profile
        folders = [profile, rules / "common", rules / "local"]
        return [f"{_escape_glob(folder)}/*.yml" for folder in folders]
    stack = [f"{_escape_glob(rules / 'local' / name)}.yml" for name in ("monitoring", "delivery")]
    return [*([f"{_escape_glob(settings.rules)}/*.yml"] if settings.rules else []), *stack]


def _scrape(settings: LocalSettings) -> dict[str, Any]:
    """Return the scrape jobs: SCRAPE_DIR replaces those of the sample."""
    is_ours = settings.sample and settings.scrape is None
    jobs = {job: target for job, target in JOBS.items() if is_ours or job in STACK}
    configs = [
        {"job_name": job, "scrape_interval": every, **_static(settings.address(variable))}
        | (_login(settings) if job in GUARDED else {})
        for job, (variable, every) in jobs.items()
    ]
    if settings.scrape is None:
        return {"scrape_configs": configs}
    files = [f"{_escape_glob(settings.scrape)}/*.yml"]
    return {"scrape_config_files": files, "scrape_configs": configs}


def write_alertmanager(settings: LocalSettings, folder: Path) -> Path:
    """Write Alertmanager's configuration as the stack does, with mail sent to the console.

    Args:
        settings: Ports, and the environment with the settings of receivers.
        folder: Gets the configuration, its templates and secrets.

    Returns:
        The configuration file.

    Raises:
        SettingsError: A receiver's setting is bad.
    """
    command = ["sh", str(ALERTMANAGER_SOURCE / "render.sh"), str(folder)]
    done = subprocess.run(
        [*command, settings.address("ORDERS_SMTP_PORT")],
        env=dict(settings.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == BAD_SETTINGS:
        raise SettingsError([line.strip() for line in done.stderr.splitlines()[1:]])
    done.check_returncode()
    return folder / "alertmanager.yml"


def receiver_problems(settings: LocalSettings) -> list[str]:
    """Return a line for each bad setting of a receiver of alerts."""
    with tempfile.TemporaryDirectory(prefix="alertmanager-") as folder:
        try:
            write_alertmanager(settings, Path(folder))
        except SettingsError as error:
            return list(error.problems)
    return []


def _login(settings: LocalSettings) -> dict[str, Any]:
    file = StateFolder(settings.state).secret(SERVERS)
    return {"basic_auth": {"username": SERVER_USER, "password_file": str(file)}}


def _static(address: str) -> dict[str, Any]:
    return {"static_configs": [{"targets": [address]}]}


def _escape_glob(path: Path) -> str:
    return re.sub(r"([*?\[\\])", r"\\\1", str(path))


def _write(path: Path, document: dict[str, Any]) -> None:
    write_atomically(path, HEADER + yaml.safe_dump(document, sort_keys=False))
