"""Every setting is documented in .env.example, with the default that the code has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from local.console.settings import ConsoleSettings
from local.settings import LocalSettings
from observability.instrumentation.settings import TelemetrySettings
from service.settings import MigrateSettings, Settings
from simulators.settings import CustomersSettings, ProviderSettings
from tools.servers import ROOT

EXAMPLE = (ROOT / ".env.example").read_text()
READERS = {
    "service": Settings.from_env,
    "migrate": MigrateSettings.from_env,
    "provider": ProviderSettings.from_env,
    "customers": CustomersSettings.from_env,
    "console": ConsoleSettings.from_env,
    "local": LocalSettings.from_env,
    "kit": TelemetrySettings.from_env,
}
LINE = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)


class Recorder(Mapping[str, str]):
    """An environment that records which variables were read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_, self.asked = dict(values), set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


REQUIRED = {
    "ORDERS_DATABASE_PASSWORD": "x",
    "ORDERS_SERVICE_PASSWORD": "x",
    "ORDERS_WORKER_PASSWORD": "x",
    "ORDERS_EXPORTER_PASSWORD": "x",
}


def documented() -> dict[str, str]:
    return dict(LINE.findall(EXAMPLE))


def asked_for() -> set[str]:
    asked: set[str] = set()
    for read in READERS.values():
        recorder = Recorder(REQUIRED)
        read(recorder)
        asked |= recorder.asked
    # The local mode copies the whole environment first; its names stand in its source.
    return asked | set(re.findall(r'"([A-Z]+_[A-Z_]+)"', (ROOT / "local/settings.py").read_text()))


def compose_variables() -> set[str]:
    files = [ROOT / "compose.yaml", *(ROOT / "observability/stack").rglob("compose.yaml")]
    return {v for f in files for v in re.findall(r"(?<!\$)\$\{([A-Z_]+)", f.read_text())}


def test_every_variable_that_the_code_reads_is_documented():
    assert asked_for() - set(documented()) == set()


def test_every_variable_that_compose_reads_is_documented():
    assert compose_variables() - set(documented()) == set()


def test_nothing_is_documented_that_is_not_read():
    assert set(documented()) - asked_for() - compose_variables() == set()


@pytest.mark.parametrize("name", READERS)
def test_the_documented_default_is_the_default_of_the_code(name):
    read = READERS[name]
    # A variable without a value stands for whatever the way to start sets.
    shown = {name: value for name, value in documented().items() if value}
    assert read({**shown, **REQUIRED}) == read(REQUIRED) or name == "local"


def test_every_variable_has_a_paragraph():
    blocks = re.split(r"\n\s*\n", EXAMPLE)
    for block in blocks:
        if LINE.search(block):
            assert re.match(r"# [A-Z`]", block), f"no explanation above:\n{block}"
