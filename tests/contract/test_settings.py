"""Every setting is documented in .env.example, with the default that the code has."""

from __future__ import annotations

import re

import pytest
import yaml

from local.console.settings import ConsoleSettings
from local.settings import LocalSettings
from observability.instrumentation.settings import EntrySettings, TelemetrySettings
from service.settings import FaultsCommandSettings, MigrateSettings, Settings
from simulators.settings import CustomersSettings, ProviderSettings
from tools.servers import ROOT
from worker.settings import WorkerSettings

EXAMPLE = (ROOT / ".env.example").read_text()
KINDS = (
    Settings,
    FaultsCommandSettings,
    MigrateSettings,
    WorkerSettings,
    ProviderSettings,
    CustomersSettings,
    ConsoleSettings,
    LocalSettings,
    TelemetrySettings,
    EntrySettings,
)
LINE = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)


def documented() -> dict[str, str]:
    return dict(LINE.findall(EXAMPLE))


def declared() -> set[str]:
    settings = [one for kind in KINDS for one in kind.variables().values()]
    return {one.name for one in settings} | {f"{one.name}_FILE" for one in settings if one.file}


def former() -> set[str]:
    """Return old names, which a container gets so that it can refuse them."""
    return {old for kind in KINDS for one in kind.variables().values() for old in one.formerly}


def compose_variables() -> set[str]:
    files = [ROOT / "compose.yaml", *(ROOT / "observability/stack").rglob("compose.yaml")]
    return {v for f in files for v in re.findall(r"(?<!\$)\$\{([A-Z_]+)", f.read_text())}


def test_every_variable_that_the_code_reads_is_documented():
    assert declared() - set(documented()) == set()


def test_every_variable_that_compose_reads_is_documented():
    assert compose_variables() - set(documented()) == set()


def test_every_documented_variable_is_read():
    assert set(documented()) - declared() - compose_variables() == set()


@pytest.mark.parametrize("kind", KINDS)
def test_the_documented_default_is_the_default_of_the_code(kind):
    # A variable without a value stands for whatever the way to start sets.
    shown = {name: value for name, value in documented().items() if value}
    if kind is LocalSettings:
        shown["ORDERS_WORKER_CONCURRENCY"] = "2"
    variables = kind.variables()
    assert {name: variables[name].parse(shown[name]) for name in variables if name in shown} == {
        name: variables[name].default for name in variables if name in shown
    }


# What each container reads; a container's own address and name are not the user's.
CONTAINERS = {
    "migrate": MigrateSettings,
    "orders": Settings,
    "orders-worker": WorkerSettings,
    "orders-relay": WorkerSettings,
    "payment-provider": ProviderSettings,
    "customers": CustomersSettings,
}
FIXED = {"OTEL_SERVICE_NAME"}


def section(title: str) -> set[str]:
    """Return the variables below a heading of .env.example."""
    after = EXAMPLE.partition(f"- {title}")[2].partition("# -----")[0]
    return {name for name, _ in LINE.findall(after)}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_documented_variable_of_a_container_reaches_it(name):
    documents = yaml.safe_load((ROOT / "compose.yaml").read_text())
    passed = set(documents["services"][name]["environment"])
    sections = ("How the sample behaves", "Telemetry: standard", "Telemetry: settings")
    offered = set().union(*map(section, sections))
    assert len(offered) > 20
    read = set(CONTAINERS[name].variables())
    unused = {"ORDERS_WORKER_CONCURRENCY", "SIGHTLINE_URL"} if name == "orders-relay" else set()
    unused |= {"ORDERS_QUEUE_LIMIT"} if name == "orders-worker" else set()
    assert (offered & read) - passed - FIXED - unused == set()


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_variable_of_a_container_is_one_that_the_code_reads(name):
    documents = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert set(documents["services"][name]["environment"]) - declared() - former() == set()


def test_every_variable_has_a_paragraph():
    blocks = re.split(r"\n\s*\n", EXAMPLE)
    for block in blocks:
        if LINE.search(block):
            assert re.match(r"# [A-Z`]", block), f"no explanation above:\n{block}"
