"""The files that `python -m alerts` writes, and the groups in each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alerts.paths import ROOT, RULES, SCRAPE, STACK, STACK_RULES
from alerts.promrules.model import Group, rule_file
from alerts.promrules.source import read
from alerts.slo.alerting_rules import slo_groups
from alerts.slo.spec import Objective, load_objectives
from alerts.slo.test_files import slo_test_files
from alerts.slo.windows import PROFILES, Profile, load_profile
from alerts.symptoms import (
    backends,
    dependencies,
    exporters,
    monitoring,
    orders,
    outages,
    processes,
    queues,
    telemetry,
)
from alerts.symptoms.target_tests import target_tests

# The jobs that the local mode scrapes; a test compares them with the file that it writes.
LOCAL_JOBS = (
    "orders",
    "orders-worker",
    "orders-relay",
    "payment-provider",
    "prometheus",
    "alertmanager",
    "console",
)

MONITORING = "monitoring.test.yml"
DEMO = "demo"
AUTHOR = "Written by `python -m alerts`"


def jobs(path: Path) -> list[str]:
    """Return the names of a scrape file's jobs."""
    document: dict[str, Any] = read(path).documents[0]
    return [job["job_name"] for job in document["scrape_configs"]]


def docker_jobs() -> list[str]:
    """Return the jobs that our own compose file adds to the stack's."""
    files = sorted(SCRAPE.glob("*.yml"))
    return [job for path in files for job in jobs(path)]


def stack_jobs() -> list[str]:
    """Return the jobs of the stack alone."""
    return jobs(STACK / "prometheus" / "prometheus.yml")


def slo_files(
    objectives: list[Objective], profiles: list[Profile]
) -> Iterator[tuple[Path, list[Group]]]:
    """Return the files of each SLO in each profile."""
    for profile in profiles:
        for objective in objectives:
            path = RULES / profile.name / f"slo-{objective.name}.yml"
            yield path, slo_groups(objective, profile)


def other_files() -> dict[Path, list[Group]]:
    """Return the files that are the same in every profile."""
    files = {
        RULES / "common" / "orders.yml": [orders.group()],
        RULES / "common" / "queues.yml": [queues.group()],
        RULES / "common" / "dependencies.yml": [dependencies.group()],
        RULES / "common" / "telemetry.yml": [telemetry.group()],
        RULES / "common" / "outages.yml": [outages.group()],
        RULES / "common" / "processes.yml": [processes.group()],
        RULES / "docker" / "exporters.yml": [exporters.group()],
        RULES / "docker" / "delivery.yml": [telemetry.delivery_docker()],
        RULES / "local" / "delivery.yml": [telemetry.delivery_local()],
        RULES / "local" / "targets.yml": [monitoring.targets(LOCAL_JOBS)],
        RULES / "local" / "monitoring.yml": [monitoring.group()],
    }
    return files | _optional_files()


def _optional_files() -> dict[Path, list[Group]]:
    """Return the files that depend on other packages, if those are present."""
    files: dict[Path, list[Group]] = {}
    if SCRAPE.is_dir():
        files[RULES / "docker" / "targets.yml"] = [monitoring.targets(docker_jobs())]
    if STACK.is_dir():
        files[STACK_RULES / "monitoring.yml"] = [monitoring.group()]
        files[STACK_RULES / "targets.yml"] = [monitoring.targets(stack_jobs())]
        files[STACK_RULES / "backends.yml"] = [backends.group()]
    return files


def not_writable() -> set[Path]:
    """Return the files that cannot be written because the package they depend on is missing."""
    tests = RULES / "docker" / "tests" / "targets.test.yml"
    docker = set() if SCRAPE.is_dir() else {RULES / "docker" / "targets.yml", tests}
    return docker | (set() if STACK.is_dir() else {RULES / "local" / "tests" / MONITORING})


def all_files() -> dict[Path, list[Group]]:
    """Return every rule file and its groups."""
    profiles = [load_profile(name) for name in PROFILES]
    return dict(slo_files(load_objectives(), profiles)) | other_files()


def every_group() -> list[Group]:
    """Return every group, whichever packages are present."""
    files = all_files().values()
    return [*(group for groups in files for group in groups), backends.group(), monitoring.group()]


def header(path: Path) -> str:
    """Return a file's first comment: the command that writes it, and its profile's caveat."""
    source = "alerts/slo.yaml and alerts/windows.*.yaml" if _is_slo(path) else "alerts/*.py"
    text = f"{AUTHOR} from {source}; an edit here is lost."
    if path.parent.name == DEMO:
        text += (
            "\nDEMO: every window is a twelfth of the one in its name: one minute here is 12 in"
            "\nproduction. For real use, take the files of production/."
        )
    return text


def _is_slo(path: Path) -> bool:
    return path.parent.name in PROFILES


def rendered() -> dict[Path, str]:
    """Return the text of every file that is written."""
    texts = {path: rule_file(groups, header(path)) for path, groups in all_files().items()}
    for name in set(PROFILES) - {DEMO}:
        texts |= slo_tests(RULES / name / "tests", "..", name)
    for folder, names in _target_jobs().items():
        path = folder / "tests" / "targets.test.yml"
        texts[path] = target_tests("..", names, header(path))
    if STACK.is_dir():
        texts[RULES / "local" / "tests" / MONITORING] = _monitoring_tests()
    return texts


def slo_tests(folder: Path, rules: str, profile_name: str) -> dict[Path, str]:
    """Return the tests of every SLO in a profile; see `slo_test_files`."""
    profile = load_profile(profile_name)
    texts: dict[Path, str] = {}
    for objective in load_objectives():
        texts |= slo_test_files(folder, rules, objective, profile)
    return texts


def write_demo_tests(folder: Path) -> Path:
    """Write the tests of the demo profile, which are not committed; return the folder.

    They assert the same as those of the production profile, twelve times faster.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in slo_tests(folder, str((RULES / DEMO).resolve()), DEMO).items():
        path.write_text(text, encoding="utf-8")
    return folder


def _target_jobs() -> dict[Path, list[str]]:
    found = {RULES / "local": list(LOCAL_JOBS)}
    if SCRAPE.is_dir():
        found[RULES / "docker"] = docker_jobs()
    if STACK.is_dir():
        found[STACK_RULES] = stack_jobs()
    return found


def _monitoring_tests() -> str:
    """Return the local mode's copy of the tests of a group that it shares with the stack."""
    text = (STACK_RULES / "tests" / MONITORING).read_text("utf-8")
    return f"# {AUTHOR}: a copy of {STACK_RULES.relative_to(ROOT)}/tests/{MONITORING}.\n{text}"
