"""`mutation` and `promrules` work with other people's rules, copied into any folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from alerts.paths import HERE
from tests.integration.alerts.test_mutate import RULES, STRONGER, WEAK

# Half a minute of mutation runs in processes of their own.
pytestmark = pytest.mark.slow
FOLDERS = ("mutation", "promrules")


@pytest.fixture(params=["tools", "vendored.package"], ids=["in a folder", "in a package"])
def copied(request, tmp_path):
    """The two folders, the name to start them by, and a suite."""
    home = tmp_path / "elsewhere"
    parent = home / request.param.replace(".", "/")
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(HERE / folder, parent / folder, ignore=ignored)
    if parent.name == "package":
        (parent / "__init__.py").touch()
    (home / "rules").mkdir()
    (home / "rules" / "r.yml").write_text(RULES)
    return home, f"{request.param}.mutation"


def run(home, *arguments, block="") -> subprocess.CompletedProcess:
    code = "import runpy, sys; sys.path.insert(0, ''); "
    if block:
        code += f"sys.modules[{block!r}] = None; "
    code += f"sys.argv[1:] = {[str(a) for a in arguments[1:]]!r}; "
    code += f"runpy.run_module({arguments[0]!r}, run_name='__main__', alter_sys=True)"
    environment = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("exact", [False, True])
def test_a_stronger_suite_of_other_peoples_rules_notices_more(copied, newest, exact):
    home, program = copied
    noticed = {}
    for name, suite in (("weak", WEAK), ("strong", WEAK + STRONGER)):
        (home / "rules" / "r.test.yml").write_text(suite)
        options = ["--rules", "rules", "--tests", "rules", "--promtool", newest.path]
        done = run(home, program, *options, *(["--exact"] if exact else []))
        assert done.returncode in (0, 1), done.stderr
        noticed[name] = int(re.findall(r"^all +\d+ +(\d+)", done.stdout, re.MULTILINE)[0])
    assert noticed["weak"] < noticed["strong"]


@pytest.mark.parametrize(
    ("module", "package"),
    [("click", "click"), ("yaml", "pyyaml"), ("promql_parser", "promql-parser")],
)
def test_a_package_that_is_missing_is_named_in_one_line(copied, module, package):
    home, program = copied
    done = run(home, program, "--help", block=module)
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"python -m {program} needs {package}: pip install")


def test_without_promrules_the_folder_to_copy_is_named(copied):
    home, program = copied
    for folder in home.rglob("promrules"):
        shutil.rmtree(folder)
    done = run(home, program, "--help")
    assert done.returncode == 2
    assert "needs the folder promrules beside it" in done.stderr


def test_a_start_from_inside_the_parent_folder_names_the_right_one(copied):
    home, program = copied
    parent = home / program.removesuffix(".mutation").replace(".", "/")
    done = run(parent, "mutation", "--help")
    assert done.returncode == 2
    assert "python -m FOLDER.mutation" in done.stderr


def test_the_two_folders_import_nothing_else_of_ours():
    texts = [path.read_text() for folder in FOLDERS for path in (HERE / folder).glob("*.py")]
    imports = {
        name
        for text in texts
        for name in re.findall(r"^\s*(?:from|import) (\S+)", text, re.MULTILINE)
    }
    ours = {
        name for name in imports if re.match(r"(alerts|service|observability|dashboards)\b", name)
    }
    assert ours == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_has_a_readme_with_its_exit_codes_and_limits(folder):
    text = (HERE / folder / "README.md").read_text()
    assert "Exit code" in text
    assert "## Limits" in text
