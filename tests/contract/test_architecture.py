"""Which packages may import which, and which modules need only the standard library."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
KIT = "observability.instrumentation"
SEMCONV = {"service.semconv", f"{KIT}.semconv"}
ROOMS = {
    "service",
    "worker",
    "simulators",
    "observability",
    "alerts",
    "dashboards",
    "local",
    "tools",
}
# What each package may import of ours; every package may import itself.
ARROWS = {
    KIT: set(),
    "service": {KIT},
    "worker": {"service", KIT},
    "alerts": SEMCONV,
    "dashboards": {"alerts", *SEMCONV},
    "simulators": {"service", "worker", KIT},
    "local": {"service", "worker", "simulators", "alerts", "dashboards", KIT},
    "tools": {"service", "worker", "simulators", "alerts", "dashboards", "local", KIT},
}
# Tools that leave the project with one `cp -r` each.
STAND_ALONE = {
    "alerts.promrules": set(),
    "alerts.mutation": {"alerts.promrules"},
}
MOST_MODULES = 14
# Folder to how many modules and packages may stand at its top, private packages apart.
MOST_ENTRIES = {KIT: 20, "alerts": 14, "dashboards": 10, "local": 12}
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


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_private(part: str) -> bool:
    return part.startswith("_") and not part.startswith("__")


def private_imports(name: str, text: str, package: list[str]) -> list[str]:
    """Return the imports that reach into a package `_x` from outside its parent."""
    wrong = []
    for imported in imports(text, package):
        parts = imported.split(".")
        inner = next((i for i, part in enumerate(parts[:-1]) if is_private(part)), None)
        if inner is not None and parts[0] in ROOMS and not within(name, {".".join(parts[:inner])}):
            wrong.append(imported)
    return sorted(wrong)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return every group of modules that import each other in a loop (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1 or node in graph[node]:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def import_graph() -> dict[str, set[str]]:
    """Return each product module and the product modules that it imports."""
    paths = {module_name(path): path for room in ARROWS for path in modules(room)}
    graph = {}
    for name, path in paths.items():
        package = list(path.relative_to(ROOT).parent.parts)
        wanted = imports(path.read_text(), package)
        targets = {other if other in paths else other.rpartition(".")[0] for other in wanted}
        graph[name] = (targets & set(paths)) - {name}
    return graph


def within(name: str, rooms: set[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def wrong_arrows(room: str, text: str, package: list[str]) -> list[str]:
    ours = set(ARROWS) | {"tests"}
    allowed = ARROWS[room] | {room}
    return sorted(n for n in imports(text, package) if within(n, ours) and not within(n, allowed))


@pytest.mark.parametrize("room", ARROWS)
def test_a_package_imports_only_what_its_arrows_allow(room):
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
        ("local", "import tools.servers"),
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
def test_an_allowed_arrow_is_not_reported(room, line):
    assert wrong_arrows(room, line, room.split(".")) == []


@pytest.mark.parametrize("tool", STAND_ALONE)
def test_a_tool_that_is_copied_alone_imports_nothing_else_of_ours(tool):
    wrong = {}
    for path in modules(tool):
        package = list(path.relative_to(ROOT).parent.parts)
        ours = {n for n in imports(path.read_text(), package) if n.split(".")[0] in ROOMS}
        if far := {n for n in ours if not within(n, STAND_ALONE[tool] | {tool})}:
            wrong[module_name(path)] = sorted(far)
    assert wrong == {}


def test_a_private_package_is_imported_only_from_inside_the_package_that_contains_it():
    wrong = {}
    for room in ARROWS:
        for path in modules(room):
            package = list(path.relative_to(ROOT).parent.parts)
            if found := private_imports(module_name(path), path.read_text(), package):
                wrong[module_name(path)] = found
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "line", "wrong"),
    [
        ("service.app", f"from {KIT}._export import otlp", True),
        ("service.app", f"import {KIT}._export.otlp", True),
        (f"{KIT}.telemetry", "from ._export import otlp", False),
        (f"{KIT}.flask.middleware", "from .._tracing.recorded_span import Span", False),
        ("service.app", "from service.web.api import _private_name", False),
    ],
)
def test_a_reach_into_a_private_package_is_noticed(name, line, wrong):
    assert bool(private_imports(name, line, name.split(".")[:-1])) is wrong


def test_no_modules_import_each_other_in_a_circle():
    assert circles(import_graph()) == []


def test_a_circle_is_noticed():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def folders() -> list[Path]:
    rooms = [ROOT / room.replace(".", "/") for room in ARROWS] + [ROOT / "tests"]
    return sorted({path.parent for room in rooms for path in room.rglob("*.py")})


def test_no_folder_holds_too_many_modules():
    counts = {
        str(folder.relative_to(ROOT)): len(found)
        for folder in folders()
        if len(found := [p for p in folder.glob("*.py") if p.name != "__init__.py"]) > MOST_MODULES
    }
    assert counts == {}


@pytest.mark.parametrize("room", MOST_ENTRIES)
def test_the_top_of_a_package_holds_few_modules(room):
    folder = ROOT / room.replace(".", "/")
    entries = [p.stem for p in folder.glob("*.py") if p.name != "__init__.py"]
    packages = [p.parent.name for p in folder.glob("*/__init__.py")]
    entries += [name for name in packages if not is_private(name)]
    assert len(entries) <= MOST_ENTRIES[room], sorted(entries)


@pytest.mark.parametrize("room", ARROWS)
def test_every_package_has_a_description(room):
    packages = [path for path in modules(room) if path.name == "__init__.py"]
    silent = [str(p) for p in packages if not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


@pytest.mark.parametrize("module", STANDARD_LIBRARY_ONLY)
def test_the_domain_and_the_semconv_modules_need_only_the_standard_library(module):
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
