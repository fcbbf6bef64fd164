"""The rooms of the local mode: which of its packages may import which."""

from __future__ import annotations

import pytest

from tests.contract.test_architecture import ROOT, imports, modules, within

ARROWS = {
    "local.supervisor": set(),
    "local.store": set(),
    "local.console": {"local.store"},
    "local.servers": {"local.settings", "local.state", "local.supervisor"},
    "local.cli": {"local.settings", "local.state", "local.servers", "local.supervisor"},
}


@pytest.mark.parametrize("room", ARROWS)
def test_a_package_of_the_local_mode_imports_only_what_its_arrows_allow(room):
    wrong = {}
    for path in modules(room):
        names = imports(path.read_text(), list(path.relative_to(ROOT).parent.parts))
        ours = {name for name in names if within(name, {"local"})}
        if arrows := sorted(name for name in ours if not within(name, {room, *ARROWS[room]})):
            wrong[path.name] = arrows
    assert wrong == {}


def test_the_supervisor_refers_to_itself_by_relative_import_only():
    for path in modules("local.supervisor"):
        assert "from local" not in path.read_text(), path.name
