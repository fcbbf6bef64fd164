"""The configuration of each backend: its promised settings, and its own checker."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.standins.composed import ROOT, STACK, load, project, stack

PROMETHEUS = load(STACK / "prometheus/prometheus.yml")
LOKI = load(STACK / "loki/loki.yaml")
TEMPO = load(STACK / "tempo/tempo.yaml")
COLLECTOR = load(STACK / "collector/config.yaml")
SCRAPE = load(ROOT / "observability/scrape/sightline.yml")
WRITTEN = [
    *(path for path in STACK.rglob("*.y*ml") if path.parent.name != "rules"),
    *(ROOT / "observability/scrape").glob("*.yml"),
    ROOT / "compose.yaml",
]


def run(*command: str | Path) -> None:
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_configuration_parses_and_has_comments(path):
    assert load(path)
    lines = path.read_text().splitlines()
    assert any("#" in line for line in lines) or len(lines) < 10


@pytest.mark.parametrize(
    "name", ["prometheus", "alertmanager", "collector", "loki", "tempo", "grafana", "mailpit"]
)
def test_options_and_environment_variables_have_a_comment(name):
    """Paths of files, and lines that share the comment of a line above, need none."""
    block = service_text(name)
    obvious = (
        "--config.file",
        "--storage.tsdb.path",
        "--storage.path",
        "GF_ANALYTICS",
        "GF_SECURITY",
    )
    commented_above = (
        "GF_PLUGINS_DISABLE",
        "GF_PLUGINS_PREINSTALL_AUTO",
        "GF_NEWS",
        "GF_UNIFIED_ALERTING",
        "GF_SERVER_ROOT_URL",
        "MP_DISABLE_VERSION",
    )
    for line in block:
        option = line.strip().removeprefix("- ")
        if option.startswith(("--", "GF_", "MP_")) and not option.startswith(
            obvious + commented_above
        ):
            assert "#" in option, option


def service_text(name: str) -> list[str]:
    lines = (STACK / "compose.yaml").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"  {name}:"))
    end = next(
        i
        for i in range(start + 1, len(lines))
        if lines[i][:3].strip() and not lines[i].startswith("   ")
    )
    return lines[start:end]


def prometheus_tree(folder: Path, *, old: bool = False) -> Path:
    """Write Prometheus' configuration with the paths of the host; return its path.

    Args:
        old: Avoid `scrape_config_files`, which Prometheus 2.42 lacks.
    """
    config = yaml.safe_load((STACK / "prometheus/prometheus.yml").read_text())
    mounts = {m.target: m.folder for m in project()["prometheus"].mounts if m.folder}
    config["rule_files"] = [
        str(mounts[str(Path(pattern).parent)] / "*.yml") for pattern in config["rule_files"]
    ]
    if old:
        del config["scrape_config_files"]
        config["scrape_configs"] += SCRAPE["scrape_configs"]
    else:
        config["scrape_config_files"] = [str(mounts["/scrape"] / "*.yml")]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def test_promtool_accepts_the_configuration(promtool_bins, tmp_path):
    run(promtool_bins[-1], "check", "config", prometheus_tree(tmp_path))


def test_an_older_promtool_accepts_it_without_newer_settings(promtool_bins, tmp_path):
    run(promtool_bins[0], "check", "config", prometheus_tree(tmp_path, old=True))


def test_amtool_accepts_the_configuration_and_its_template(amtool_bin):
    run(amtool_bin, "check-config", STACK / "alertmanager/alertmanager.yml")


CHECKERS = {
    "otelcol-contrib": ["validate", "--config", STACK / "collector/config.yaml"],
    "loki": ["-verify-config", f"-config.file={STACK / 'loki/loki.yaml'}"],
    "tempo": ["-config.verify", f"-config.file={STACK / 'tempo/tempo.yaml'}"],
}
BUILT = ":".join(map(str, Path("/var/tmp/standins/go").glob("collector-*/otelcol")))


@pytest.mark.parametrize("program", CHECKERS)
def test_a_backends_own_checker_accepts_the_configuration(program):
    found = shutil.which(program) or shutil.which(program, path=BUILT)
    if not found:
        pytest.skip(f"{program} is not installed; the compose run checks it in its image")
    run(found, *CHECKERS[program])


def test_the_collector_limits_its_memory_and_batches_in_the_retry_queue():
    limiter = COLLECTOR["processors"]["memory_limiter"]
    limit = int(project()["collector"].get("mem_limit")[:-1])
    assert limiter["limit_mib"] < 160 < limit
    assert project()["collector"].environment["GOMEMLIMIT"] == "160MiB"
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        assert pipeline["processors"][0] == "memory_limiter"
        assert pipeline["processors"][-1] == "redaction"
        assert "batch" not in pipeline["processors"]
    for exporter in COLLECTOR["exporters"].values():
        assert exporter["sending_queue"]["batch"]["flush_timeout"] == "1s"
        assert exporter["retry_on_failure"]["max_elapsed_time"] == "10m"


@pytest.mark.parametrize("name", ["collector", "loki", "tempo", "prometheus", "alertmanager"])
def test_a_go_program_collects_garbage_before_the_kernel_kills_it(name):
    service = project()[name]
    heap = int(service.environment["GOMEMLIMIT"].removesuffix("MiB"))
    limit = int(service.get("mem_limit")[:-1])
    assert 0.75 * limit <= heap <= 0.85 * limit


def test_every_receiver_listens_beyond_localhost():
    receivers = [COLLECTOR["receivers"], TEMPO["distributor"]["receivers"]]
    for protocols in (receiver["otlp"]["protocols"] for receiver in receivers):
        for protocol in protocols.values():
            assert protocol["endpoint"].startswith("0.0.0.0:")


def test_prometheus_keeps_forty_days_or_eight_gigabytes():
    command = project()["prometheus"].get("command")
    assert "--storage.tsdb.retention.time=40d" in command
    assert "--storage.tsdb.retention.size=8GB" in command
    assert not [flag for flag in command if "enable-lifecycle" in flag or "admin-api" in flag]


def test_prometheus_has_the_address_for_links_only_with_the_dashboards_and_drops_its_label():
    assert PROMETHEUS["global"]["external_labels"] == {"sightline_url": "${SIGHTLINE_URL}"}
    (relabel,) = PROMETHEUS["alerting"]["alert_relabel_configs"]
    assert relabel == {"action": "labeldrop", "regex": "sightline_url"}
    assert "SIGHTLINE_URL" not in stack({"SIGHTLINE_URL": "https://a"})["prometheus"].environment
    addresses = {
        variables.get("SIGHTLINE_URL", variables.get("GRAFANA_PORT", "")): (
            project(variables)["prometheus"].environment["SIGHTLINE_URL"],
            project(variables)["grafana"].environment["GF_SERVER_ROOT_URL"],
        )
        for variables in ({}, {"GRAFANA_PORT": "13000"}, {"SIGHTLINE_URL": "https://a.example"})
    }
    assert addresses == {
        "": ("http://localhost:3000",) * 2,
        "13000": ("http://localhost:13000",) * 2,
        "https://a.example": ("https://a.example",) * 2,
    }


def test_prometheus_accepts_late_samples():
    assert PROMETHEUS["storage"]["tsdb"]["out_of_order_time_window"] == "10m"


def test_backends_are_scraped_every_15_s():
    assert PROMETHEUS["global"]["scrape_interval"] == "15s"
    assert PROMETHEUS["global"]["evaluation_interval"] == "15s"
    assert not [job for job in PROMETHEUS["scrape_configs"] if "scrape_interval" in job]


def test_a_job_is_named_after_its_compose_service_and_scalable_services_are_found_by_dns():
    ports = {"orders": 9464, "orders-worker": 9465, "orders-relay": 9466, "payment-provider": 9467}
    names = [job["job_name"] for job in PROMETHEUS["scrape_configs"] + SCRAPE["scrape_configs"]]
    assert len(names) == len(set(names))
    assert set(names) <= set(project())
    found = {}
    for job in SCRAPE["scrape_configs"]:
        for dns in job.get("dns_sd_configs", []):
            assert dns["names"] == [job["job_name"]]
            found[job["job_name"]] = dns["port"]
    assert found == ports


def test_prometheus_shares_a_network_with_every_target():
    for job in PROMETHEUS["scrape_configs"] + SCRAPE["scrape_configs"]:
        assert project()[job["job_name"]].networks & project()["prometheus"].networks, job


def test_loki_deletes_logs_after_seven_days():
    assert LOKI["limits_config"]["retention_period"] == "168h"
    assert LOKI["compactor"]["retention_enabled"] is True
    assert LOKI["compactor"]["delete_request_store"] == "filesystem"
    assert LOKI["compactor"]["working_directory"].startswith("/loki/")


def test_tempo_deletes_traces_after_seven_days_in_both_settings():
    planned = TEMPO["backend_scheduler"]["provider"]["compaction"]["compaction"]["block_retention"]
    assert planned == TEMPO["backend_worker"]["compaction"]["block_retention"] == "168h"


@pytest.mark.parametrize(
    "gone", ["ingester", "compactor", "ingester_client", "metrics_generator_client"]
)
def test_tempo_has_no_setting_that_version_3_removed(gone):
    assert gone not in TEMPO


def test_backends_send_no_usage_reports_and_download_nothing_at_the_start():
    assert LOKI["analytics"]["reporting_enabled"] is False
    assert TEMPO["usage_report"]["reporting_enabled"] is False
    grafana = project()["grafana"].environment
    assert grafana["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert grafana["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
    # Any of these lists plug-ins to download.
    assert not [name for name in grafana if re.search(r"INSTALL_PLUGINS|PREINSTALL(_SYNC)?$", name)]


# The data sources that the image of Grafana 13.2.3 carries as plug-ins, a process each; a later
# one adds cloudwatch. Source: defaultPreinstallPlugins in its pkg/setting/setting_plugins.go,
# without the apps, which are not in the image.
BUNDLED_DATA_SOURCES = {
    *("prometheus", "loki", "tempo", "jaeger", "zipkin", "grafana-pyroscope-datasource"),
    *("elasticsearch", "influxdb", "opentsdb", "stackdriver", "cloudwatch"),
    *("mssql", "mysql", "grafana-postgresql-datasource"),
}


def test_grafana_starts_a_process_only_for_the_data_sources_that_it_reads():
    disabled = set(project()["grafana"].environment["GF_PLUGINS_DISABLE_PLUGINS"].split(","))
    provisioned = load(STACK / "grafana/provisioning/datasources/datasources.yaml")["datasources"]
    used = {source["type"] for source in provisioned}
    assert used & disabled == set()
    assert BUNDLED_DATA_SOURCES - used == disabled


def test_anonymous_visitors_of_grafana_are_viewers_and_the_admin_has_a_password_file():
    grafana = project()["grafana"].environment
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert grafana["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/secrets/password"


def test_the_edge_asks_the_name_server_of_its_container(tmp_path):
    """Docker's has a fixed address, Podman's has not."""
    (script,) = project()["edge"].get("command")
    servers = tmp_path / "resolv.conf"
    servers.write_text("search example\nnameserver 10.89.0.1\nnameserver 10.0.0.2\n")
    written = tmp_path / "resolver.conf"
    script = script.replace("/etc/resolv.conf", str(servers)).replace("exec nginx", "exec echo")
    run("sh", "-euc", script.replace("/tmp/resolver.conf", str(written)))
    assert written.read_text() == "resolver 10.89.0.1 valid=2s ipv6=off;\n"
    assert "include /tmp/resolver.conf;" in (ROOT / "service/edge/nginx.conf").read_text()


def test_the_edge_retries_only_reads():
    text = (ROOT / "service/edge/nginx.conf").read_text()
    directives = [line.split("#")[0] for line in text.splitlines()]
    retried = [line.strip() for line in directives if "proxy_next_upstream " in line]
    assert retried == ["proxy_next_upstream error timeout;"]
    assert not [line for line in directives if "non_idempotent" in line]
    assert "server orders:8000 resolve max_fails=0;" in text
    again = text.split("location @again {")[1]
    assert again.split(";")[0].strip() == "if ($request_method !~ ^(GET|HEAD)$) { return 502"
