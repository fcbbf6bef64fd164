"""Who may import whom, and which rooms keep their hands off the simulators world."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
KIT = "observability.instrumentation"
SEMCONV = {"service.semconv", f"{KIT}.semconv"}
# Room to what of ours it may import; every room may import itself.
ARROWS = {
    KIT: set(),
    "service": {KIT},
    "worker": {"service", KIT},
    "alerts": SEMCONV,
    "dashboards": {"alerts", *SEMCONV},
    "simulators": {"service", "worker", KIT},
    "local": {"service", "worker", "simulators", "alerts", "dashboards", KIT},
}
STANDARD_LIBRARY_ONLY = ["service/orders.py", "service/errors.py", "service/semconv.py"]


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room.replace(".", "/")).rglob("*.py"))


def imports(text: str, package: list[str]) -> set[str]:
    """Return the absolute names that a module imports, at its top or inside a function.

    `from a import b` yields `a.b`: what is meant may be a module or a name in one.
    """
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{name}.{alias.name}" for alias in node.names}
    return found


def within(name: str, rooms: set[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def wrong_arrows(room: str, text: str, package: list[str]) -> list[str]:
    ours = set(ARROWS) | {"tests"}
    allowed = ARROWS[room] | {room}
    return sorted(n for n in imports(text, package) if within(n, ours) and not within(n, allowed))


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_what_its_arrows_allow(room):
    assert modules(room), f"{room} has no modules"
    wrong = {}
    for path in modules(room):
        package = list(path.relative_to(ROOT).parent.parts)
        if arrows := wrong_arrows(room, path.read_text(), package):
            wrong[str(path.relative_to(ROOT))] = arrows
    assert wrong == {}


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("service", "from worker import tasks"),
        ("service", "def f():\n    import worker.tasks.registry"),
        (KIT, "from service.semconv import ORDERS"),
        (KIT, "from ...service import semconv"),
        ("alerts", "from service import metrics"),
        ("dashboards", "from local import render"),
        ("worker", "import simulators.customers"),
        ("local", "from tests import servers"),
    ],
)
def test_a_wrong_arrow_is_noticed(room, line):
    assert wrong_arrows(room, line, room.split("."))


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("alerts", "from service import semconv"),
        ("dashboards", "from alerts import slo"),
        (KIT, "from .semconv import METRICS"),
        ("worker", "from observability.instrumentation import celery"),
    ],
)
def test_a_right_arrow_is_allowed(room, line):
    assert wrong_arrows(room, line, room.split(".")) == []


@pytest.mark.parametrize("module", STANDARD_LIBRARY_ONLY)
def test_the_domain_and_the_words_need_the_standard_library_only(module):
    path = ROOT / module
    names = imports(path.read_text(), [path.parent.name])
    foreign = {n for n in names if n.split(".")[0] not in sys.stdlib_module_names}
    assert {n for n in foreign if not within(n, {"service", f"{KIT}.semconv"})} == set()


def test_the_kit_refers_to_itself_by_relative_import_only():
    absolute = {}
    for path in modules(KIT):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.ImportFrom)
                and not node.level
                and "observability" in str(node.module)
            ):
                absolute[path.name] = node.module
    assert absolute == {}


def test_importing_the_kit_imports_nothing_else():
    body = ast.parse((ROOT / "observability/instrumentation/__init__.py").read_text()).body
    assert [type(node) for node in body] == [ast.Expr]
