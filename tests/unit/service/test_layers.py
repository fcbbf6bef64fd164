"""The layers of the service: web imports storage, storage imports the domain, none the reverse."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PRODUCTION = ("service", "worker", "simulators")
# They build a program, or describe it, so they choose the wrappers.
MAY_NAME_FAULTS = {
    "service/app.py",
    "service/settings.py",
    "simulators/faults.py",
    "simulators/payment_provider.py",
    "worker/faults.py",
    "worker/process.py",
    "worker/relay/__main__.py",
    "worker/relay/__init__.py",
    "worker/relay/app.py",
}
FAULT = re.compile(r"(?<![a-z])(fault|switchboard)|(?<![a-z_])mark\(", re.IGNORECASE)
# Layer: what of the service it may not import.
FORBIDDEN = {
    "service/storage": ("service.web", "service.app", "service.faults"),
    "service/web": ("service.app", "service.faults"),
    "service/orders.py": ("service.web", "service.storage", "service.app", "service.faults"),
    "service/errors.py": ("service.web", "service.storage", "service.app", "service.faults"),
}

# Table: the only module with SQL about it.
TABLES = {
    "orders": "service/storage/orders.py",
    "outbox": "service/storage/outbox.py",
    "payments": "service/storage/payments.py",
    "idempotency_keys": "service/storage/idempotency.py",
    "emails": "service/storage/emails.py",
    "dead_letters": "service/storage/dead_letters.py",
}


def modules(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the absolute names that a module imports, also for type checkers only."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: expected absolute imports"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("layer", FORBIDDEN)
def test_a_layer_imports_only_the_layers_below_it(layer: str) -> None:
    assert modules(layer)
    wrong = {
        str(path.relative_to(ROOT)): name
        for path in modules(layer)
        for name in imported(path)
        if any(name.startswith(f"{upper}.") for upper in FORBIDDEN[layer])
    }
    assert wrong == {}


@pytest.mark.parametrize("table", TABLES)
def test_all_sql_about_a_table_is_in_one_module(table: str) -> None:
    statement = re.compile(rf"\b(FROM|INTO|UPDATE|JOIN) {table}\b")
    found = {
        str(path.relative_to(ROOT))
        for place in PRODUCTION
        for path in modules(place)
        if statement.search(path.read_text())
    }
    assert found == {TABLES[table]}


def test_only_what_builds_a_program_names_faults() -> None:
    found = {
        str(path.relative_to(ROOT)): word[0]
        for place in PRODUCTION
        for path in modules(place)
        if not path.is_relative_to(ROOT / "service/faults")
        if (word := FAULT.search(path.read_text()))
    }
    assert set(found) - MAY_NAME_FAULTS == set(), found


@pytest.mark.parametrize(
    "line",
    [
        "from service.faults.switchboard import mark",
        "faults.relay_dead",
        "FaultyDatabase",
        "mark()",
    ],
)
def test_a_named_fault_is_noticed(line: str) -> None:
    assert FAULT.search(line)


@pytest.mark.parametrize("line", ["default", "defaults.x", "mark_published", "bookmark"])
def test_other_words_are_not_taken_for_faults(line: str) -> None:
    assert not FAULT.search(line)


@pytest.mark.parametrize(
    ("program", "unused"),
    [
        ("simulators.payment_provider", {"redis", "psycopg", "celery"}),
        ("simulators.customers", {"flask", "jinja2"}),
    ],
)
def test_a_simulator_loads_nothing_large_that_it_does_not_use(
    program: str, unused: set[str]
) -> None:
    code = f"import sys, {program}; print(sorted({unused} & set(sys.modules)))"
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
