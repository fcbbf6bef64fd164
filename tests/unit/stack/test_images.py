"""images.yaml pins every image; compose files, Dockerfiles and documents agree with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.standins.composed import COMPOSE, IMAGES, ROOT, STACK, load, project, pulled

ENTRIES = load(IMAGES)["services"]
APPLICATION = [
    "migrate",
    "orders",
    "orders-worker",
    "orders-relay",
    "payment-provider",
    "customers",
]
ENTRY_OF = {
    **dict.fromkeys(APPLICATION, "application"),
    "cache": "redis",
    "broker": "redis",
    "edge": "nginx",
    "secrets": "busybox",
    "stack-secrets": "busybox",
    "cache-exporter": "redis-exporter",
    "broker-exporter": "redis-exporter",
}


def test_an_image_is_pinned_to_one_version():
    for name, tag in pulled().items():
        assert re.match(r"v?\d", tag), f"{name}:{tag}"


@pytest.mark.parametrize(
    "path", [COMPOSE, STACK / "compose.yaml", STACK / "sightline.compose.yaml"]
)
def test_a_compose_file_contains_no_image(path):
    text = re.sub(r"#.*", "", path.read_text())
    assert re.findall(r"^\s+(?:image|build|dockerfile_inline):.*", text, re.MULTILINE) == []


@pytest.mark.parametrize(("name", "service"), project().items())
def test_a_service_has_the_image_of_its_entry(name, service):
    assert service.get("image") == ENTRIES[ENTRY_OF.get(name, name)]["image"]


def test_every_entry_is_used():
    assert {ENTRY_OF.get(name, name) for name in project()} == set(ENTRIES)


def test_the_dockerfile_starts_from_the_same_images():
    defaults = dict(
        re.findall(
            r"^ARG (\w+_IMAGE)=(\S+)$", (ROOT / "service/Dockerfile").read_text(), re.MULTILINE
        )
    )
    assert defaults == ENTRIES["application"]["build"]["args"]


def test_the_stand_in_of_the_collector_is_built_from_modules_of_the_pinned_version():
    modules = (ROOT / "tools/standins/context/collector.yaml").read_text()
    versions = set(re.findall(r"gomod: \S+ v(\S+)", modules))
    assert versions == {pulled()["otel/opentelemetry-collector-contrib"]}


def documents() -> list[Path]:
    pages = [*STACK.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    return [page for page in pages if page.exists()]


@pytest.mark.parametrize("page", documents(), ids=lambda path: path.name)
def test_documents_name_the_pinned_images(page):
    text = page.read_text()
    for name, tag in pulled().items():
        for found in re.findall(rf"(?<![\w/.-]){re.escape(name)}:([\w.-]*\w)", text):
            assert found == tag, f"{name}:{found}"
