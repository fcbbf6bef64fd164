"""What the documents say is what the code does."""

from __future__ import annotations

import re
import subprocess

import pytest

from service.version import VERSION
from tools.servers import ROOT
from tools.telemetry_document import PATH, document

DOCUMENTS = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def tracked() -> list[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")


def test_the_page_of_metrics_is_fresh():
    assert PATH.read_text() == document(), "make generate"


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_of_a_document_leads_somewhere(page):
    broken = [to for to in LINK.findall(page.read_text()) if not (page.parent / to).exists()]
    assert broken == []


def test_every_make_target_that_the_readme_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named - targets == set()


def test_changelog_and_image_carry_the_version_of_the_code():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    dockerfile = (ROOT / "service" / "Dockerfile").read_text()
    assert re.findall(r"^## (\d\S+)", changelog, re.MULTILINE)[0] == VERSION
    assert re.findall(r"^ARG VERSION=(\S+)", dockerfile, re.MULTILINE) == [VERSION]


def test_the_readme_is_short_enough_to_be_read():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_no_tracked_file_names_a_package_registry_or_a_folder_of_one_machine():
    hosts = ["deb.debian" + ".org", "pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org"]
    folders = ["/ro" + "ot/", "/wo" + "rk/"]
    wrong = []
    for name in filter(None, tracked()):
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png", ".jpg", ".woff2", ".ico"}:
            text = path.read_text(errors="replace")
            wrong += [(name, word) for word in [*hosts, *folders] if word in text]
    assert wrong == []
