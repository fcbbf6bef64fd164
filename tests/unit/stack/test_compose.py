"""Security, limits, start-up and shutdown of the containers in the compose files."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from local.servers.passwords import redis_word
from tools.standins.composed import (
    COMPOSE,
    ROOT,
    STACK,
    Service,
    declared,
    has_compose,
    load,
    project,
    stack,
)

PROJECT = project()
STACK_ALONE = stack()
OURS = [name for name in PROJECT if name not in STACK_ALONE]
ROOT_ONLY = {"secrets", "stack-secrets"}
APPLICATION = [
    "migrate",
    "orders",
    "orders-worker",
    "orders-relay",
    "payment-provider",
    "customers",
]
ONE_SHOTS = ["migrate", "secrets", "stack-secrets"]
# The file of a secret that is not set.
NO_FILE = Path("/dev/null")
each = pytest.mark.parametrize("name", sorted(PROJECT))


@pytest.fixture
def service(name: str) -> Service:
    return PROJECT[name]


def test_the_services_of_project_and_stack_are_complete():
    ours = {*APPLICATION, "edge", "secrets", "postgres", "cache", "broker"}
    exporters = {"postgres-exporter", "cache-exporter", "broker-exporter"}
    backends = {"collector", "prometheus", "alertmanager", "loki", "tempo", "grafana", "mailpit"}
    assert set(OURS) == ours | exporters
    assert set(STACK_ALONE) == backends | {"stack-secrets", "stack-edge"}


@each
def test_a_container_cannot_write_to_its_image_or_gain_privileges(service):
    assert service.get("read_only") is True
    assert service.get("cap_drop") == ["ALL"]
    assert service.get("cap_add") is None
    assert service.get("security_opt") == ["no-new-privileges:true"]
    assert service.get("privileged") is None


@each
def test_only_the_containers_that_generate_secrets_run_as_root(service):
    is_root = str(service.get("user", "0")).split(":")[0] in {"0", "root"}
    assert is_root == (service.name in ROOT_ONLY)


@pytest.mark.parametrize("name", sorted(ROOT_ONLY))
def test_containers_that_run_as_root_exit_and_have_no_network(service):
    assert service.is_one_shot
    assert service.get("network_mode") == "none"


@each
def test_a_container_has_limits_for_memory_processes_and_log_files(service):
    assert re.fullmatch(r"\d+m", service.get("mem_limit"))
    assert 0 < service.get("pids_limit") <= 512
    assert service.get("logging")["options"] == {"max-size": "10m", "max-file": "3"}


def test_all_memory_limits_together_fit_a_laptop():
    total = sum(int(service.get("mem_limit")[:-1]) for service in PROJECT.values())
    assert total <= 6 * 1024


@each
def test_a_long_running_container_has_a_health_check_and_restarts(service):
    if service.is_one_shot:
        assert service.get("healthcheck") is None
    else:
        assert service.get("healthcheck")["test"][0] in {"CMD", "CMD-SHELL"}
        assert service.get("healthcheck")["interval"]
        assert service.get("restart") == "unless-stopped"


def test_no_health_check_always_succeeds():
    trivial = {"true", "exit 0", ":"}
    assert [
        n for n, s in PROJECT.items() if trivial & set(s.get("healthcheck", {}).get("test", []))
    ] == []


def test_another_service_waits_for_each_one_shot_since_up_wait_would_fail_otherwise():
    awaited = {
        need
        for service in PROJECT.values()
        for need, condition in service.needs.items()
        if condition == "service_completed_successfully"
    }
    assert awaited == set(ONE_SHOTS) == {n for n, s in PROJECT.items() if s.is_one_shot}


@pytest.mark.parametrize("name", OURS)
def test_no_service_of_the_application_waits_for_telemetry(name):
    assert set(PROJECT[name].needs) & set(STACK_ALONE) == set()


PORTS = {
    "edge": {"ORDERS_PORT": 8000},
    "stack-edge": {
        "GRAFANA_PORT": 3000,
        "OTLP_PORT": 4318,
        "MAIL_PORT": 8025,
        "PROMETHEUS_PORT": 9090,
        "ALERTMANAGER_PORT": 9093,
    },
}
# Real receivers of alerts, and the backends in observability/stack/larger, are elsewhere.
OUTSIDE = {"alertmanager", "collector", "grafana", "prometheus"}


@each
def test_a_port_is_published_on_localhost_only_and_can_be_changed(service):
    ports = PORTS.get(service.name)
    if ports is None:
        assert service.get("ports") is None
    else:
        assert service.written["ports"] == [
            f"127.0.0.1:${{{variable}:-{default}}}:{default}" for variable, default in ports.items()
        ]
        moved = project(dict.fromkeys(ports, "5"))[service.name]
        assert moved.get("ports") == [f"127.0.0.1:5:{default}" for default in ports.values()]


def test_only_a_proxy_that_refuses_other_sites_publishes_ports():
    assert {PROJECT[name].get("image") for name in PORTS} == {PROJECT["edge"].get("image")}
    config = (STACK / "edge/nginx.conf").read_text()
    servers = re.findall(
        r"server \{ listen (\d+); set \$backend ([\w:]+); include (\S+); \}", config
    )
    ports = PORTS["stack-edge"]
    backends = ("grafana", "collector", "mailpit", "prometheus", "alertmanager")
    assert servers == [
        (str(port), f"{name}:{port}", "/etc/nginx/edge/server.conf")
        for name, port in zip(backends, ports.values(), strict=True)
    ]


@each
def test_only_the_containers_that_need_one_have_an_external_network(service):
    networks = declared("networks")
    external = [n for n in service.networks if not (networks[n] or {}).get("internal")]
    assert len(external) == (1 if service.name in {*PORTS, *OUTSIDE} else 0)


def reachable(name: str) -> set[str]:
    """Return the containers that share a network with this one."""
    mine = PROJECT[name].networks
    return {other for other, service in PROJECT.items() if service.networks & mine} - {name}


def test_the_edge_the_customers_and_the_payment_provider_cannot_reach_the_data():
    data = {"postgres", "cache", "broker"}
    assert reachable("edge") == {"orders", "customers"}
    assert reachable("customers") & data == set()
    assert reachable("payment-provider") & data == set()


@pytest.mark.parametrize("name", OURS)
def test_the_application_reaches_no_backend_except_the_collector_and_prometheus(name):
    allowed = {"collector", "prometheus"} | (
        {"mailpit", "alertmanager"} if name == "orders-worker" else set()
    )
    assert reachable(name) & set(STACK_ALONE) <= allowed


@each
def test_every_network_and_volume_of_a_service_is_declared(service):
    assert service.networks <= set(declared("networks"))
    named = {mount.source for mount in service.mounts if mount.folder is None and mount.source}
    assert named <= set(declared("volumes"))


def test_every_declared_volume_and_network_is_used():
    volumes = {m.source for s in PROJECT.values() for m in s.mounts if not m.folder and m.source}
    networks = set().union(*(service.networks for service in PROJECT.values()))
    assert volumes == set(declared("volumes"))
    assert networks == set(declared("networks"))


@each
def test_mounts_from_the_repository_are_existing_folders_and_read_only(service):
    for mount in service.mounts:
        if mount.folder == NO_FILE:
            assert mount.read_only
        elif mount.folder is not None:
            assert mount.folder.is_dir(), mount
            assert mount.folder.is_relative_to(ROOT)
            assert mount.read_only


@pytest.mark.parametrize("profile", ["demo", "production"])
def test_the_profile_selects_the_folder_of_slo_rules(profile):
    mounts = {m.target: m for m in project({"SLO_PROFILE": profile})["prometheus"].mounts}
    assert mounts["/rules/slo"].folder == ROOT / "alerts" / "rules" / profile


def test_the_default_profile_is_demo():
    mounts = {m.target: m for m in PROJECT["prometheus"].mounts}
    assert mounts["/rules/slo"].folder == ROOT / "alerts" / "rules" / "demo"


@pytest.mark.parametrize(
    ("variable", "name", "target"),
    [
        ("DASHBOARDS_DIR", "grafana", "/dashboards"),
        ("RULES_DIR", "prometheus", "/rules/slo"),
        ("SCRAPE_DIR", "prometheus", "/scrape"),
    ],
)
def test_the_stack_has_three_inputs_with_empty_folders_as_defaults(variable, name, target):
    def folder(services: dict[str, Service]) -> object:
        return {m.target: m.folder for m in services[name].mounts}[target]

    default = folder(STACK_ALONE)
    assert default.is_relative_to(STACK)
    assert [path.name for path in default.iterdir()] == [".gitkeep"]
    assert str(folder(stack({variable: "/elsewhere"}))) == "/elsewhere"
    assert str(folder(project({variable: "/elsewhere"}))) == "/elsewhere"


@pytest.mark.parametrize("services", [PROJECT, STACK_ALONE], ids=["project", "stack"])
def test_a_missing_input_folder_is_an_error_and_is_not_created(services):
    mounts = {m.target: m for name in ("prometheus", "grafana") for m in services[name].mounts}
    inputs = ("/rules/slo", "/scrape", "/dashboards")
    assert [target for target in inputs if mounts[target].may_create] == []


@pytest.mark.parametrize(("name", "policy"), [("broker", "noeviction"), ("cache", "allkeys-lru")])
def test_the_broker_evicts_nothing_and_the_cache_evicts_old_keys(name, policy):
    command = PROJECT[name].get("command")
    assert command[command.index("--maxmemory-policy") + 1] == policy


def test_the_stack_alone_mounts_only_folders_of_its_own():
    mounts = [mount for service in STACK_ALONE.values() for mount in service.mounts]
    folders = [m.folder for m in mounts if m.folder not in {None, NO_FILE}]
    assert folders
    assert [folder for folder in folders if not folder.is_relative_to(STACK)] == []


SECRET_FILES = re.compile(r"/secrets/([\w.-]+)")
GIVE = re.compile(r"^give (\S+) (\S+) ", re.MULTILINE)


def test_each_secret_volume_has_one_reader_without_write_access():
    readers: dict[str, list[str]] = {}
    for service in PROJECT.values():
        for mount in service.mounts:
            if mount.source.startswith("secrets-") and service.name not in ROOT_ONLY:
                assert mount.read_only
                readers.setdefault(mount.source, []).append(service.name)
    assert readers.pop("secrets-grafana") == ["grafana"]
    assert readers == {f"secrets-{names[0]}": names for names in readers.values()}
    assert "secrets-own" not in readers


def test_a_reader_receives_only_the_secrets_that_it_reads():
    given: dict[str, set[str]] = {}
    for reader, file in GIVE.findall(PROJECT["secrets"].get("command")[-1]):
        given.setdefault(reader, set()).add(file)
    read = {
        name: set(SECRET_FILES.findall(json.dumps(dict(PROJECT[name].raw))))
        for name in OURS
        if name != "secrets"
    }
    assert given == {name: files for name, files in read.items() if files}


@each
def test_no_environment_variable_contains_a_password(service):
    for variable, value in service.environment.items():
        if "PASS" in variable:
            assert variable.endswith("_FILE"), variable
            assert value.startswith("/secrets/")


def test_no_container_mounts_the_docker_socket_or_has_a_fixed_name():
    text = COMPOSE.read_text() + (STACK / "compose.yaml").read_text()
    assert "docker.sock" not in text
    assert "container_name" not in text


@pytest.mark.parametrize("name", [n for n in APPLICATION if n != "customers"])
def test_only_the_customers_may_write_the_fault_switches(name):
    mounts = {m.source: m for m in PROJECT[name].mounts}
    assert "switches" not in mounts or mounts["switches"].read_only
    assert not {m.source: m for m in PROJECT["customers"].mounts}["switches"].read_only


@pytest.mark.parametrize("name", APPLICATION)
def test_each_container_of_the_application_has_its_own_metrics_folder(name):
    service = PROJECT[name]
    folder = service.environment["PROMETHEUS_MULTIPROC_DIR"]
    assert any(entry.startswith(f"{folder}:") for entry in service.get("tmpfs"))
    # Docker 20.10 gives a tmpfs the mode of the image's folder and ignores `mode=`.
    assert f"install -d -m 1777 {folder}\n" in (ROOT / "service/Dockerfile").read_text()


@each
def test_a_tmpfs_is_writable_for_its_user_in_docker_and_in_podman(service):
    """Podman knows no uid= or gid= here, and neither engine documents the default mode."""
    for entry in service.get("tmpfs", []):
        options = dict(option.partition("=")[::2] for option in entry.partition(":")[2].split(","))
        assert options["mode"] == "1777", entry
        assert set(options) <= {"mode", "size"}, entry


# What the official images declare as VOLUME: unless something is mounted there, Docker makes a
# nameless volume, which `down` leaves behind.
IMAGE_VOLUMES = {
    "postgres": "/var/lib/postgresql",
    "cache": "/data",
    "broker": "/data",
    "prometheus": "/prometheus",
    "alertmanager": "/alertmanager",
}


@each
def test_a_container_has_no_nameless_volume(service):
    assert [mount for mount in service.mounts if not mount.source] == []
    covered = {mount.target for mount in service.mounts}
    covered |= {entry.partition(":")[0] for entry in service.get("tmpfs", [])}
    assert {IMAGE_VOLUMES.get(service.name)} - {None} <= covered


def test_a_stopped_service_has_time_to_finish_its_work():
    grace = {n: int(s.get("stop_grace_period", "10s")[:-1]) for n, s in PROJECT.items()}
    assert grace["orders-worker"] > 20, "the longest task may take 20 s"
    assert grace["orders"] >= 30, "gunicorn's graceful timeout"


def test_git_for_windows_keeps_the_line_endings_that_linux_reads():
    """In spite of core.autocrlf, which a clone for WSL often has."""
    command = ["git", "-c", "core.autocrlf=true", "ls-files", "--eol"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [re.split(r"\s+(?!eol=)", line, maxsplit=3) for line in listed.splitlines()]
    assert len(files) > 300
    assert [path for index, *_, path in files if index in {"i/crlf", "i/mixed"}] == []
    lacking = [path for index, _, attr, path in files if index == "i/lf" and "eol=lf" not in attr]
    assert lacking == []


def test_the_compose_projects_have_names_so_that_their_volumes_keep_theirs():
    assert load(COMPOSE)["name"] == "sightline"
    assert load(STACK / "compose.yaml")["name"] == "sightline-stack"


@pytest.mark.skipif(not has_compose(), reason="docker compose is not installed")
@pytest.mark.parametrize(
    ("file", "ours"), [("compose.yaml", PROJECT), ("observability/stack/compose.yaml", STACK_ALONE)]
)
def test_docker_compose_reads_the_files_identically_and_without_warnings(file, ours, tmp_path):
    command = [
        "docker",
        "compose",
        "-f",
        str(ROOT / file),
        "--env-file",
        "/dev/null",
        "config",
        "--format",
        "json",
    ]
    environ = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(tmp_path),
    }
    result = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    read = json.loads(result.stdout)["services"]
    assert set(read) == set(ours)
    for name, service in ours.items():
        assert read[name]["image"] == service.get("image")
        assert set(read[name].get("networks") or []) == service.networks
        theirs = {(v.get("source", ""), v["target"]) for v in read[name].get("volumes", [])}
        assert theirs == {(str(m.folder or m.source), m.target) for m in service.mounts}


def test_any_password_works_in_every_file_that_the_secrets_are_written_to(tmp_path):
    """The container's script, with passwords of a user in place of random ones."""
    password = 'it\'s "quoted" \\ \\n $x `y` & # %s'
    document = yaml.safe_load((ROOT / "compose.yaml").read_text())
    *shell, script = document["services"]["secrets"]["command"]
    readers = re.findall(r"give ([a-z-]+) ", script)
    for name in {"own", *readers}:
        (tmp_path / name).mkdir()
    for name in ("cache", "broker"):
        (tmp_path / "own" / name).write_text(password)
    script = script.replace("$$", "$").replace("/secrets", str(tmp_path))
    subprocess.run([*shell, script], check=True)
    for name in ("cache", "broker"):
        assert (tmp_path / name / "password").read_text() == password
        conf = (tmp_path / name / "redis.conf").read_text()
        assert conf == f"requirepass {redis_word(password)}"
        exporter = json.loads((tmp_path / f"{name}-exporter" / "redis.json").read_text())
        assert exporter == {f"redis://{name}:6379": password}
