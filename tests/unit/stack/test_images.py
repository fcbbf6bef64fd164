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
    "stack-edge": "nginx",
    "secrets": "busybox",
    "stack-secrets": "busybox",
    "cache-exporter": "redis-exporter",
    "broker-exporter": "redis-exporter",
}


def test_an_image_is_pinned_to_one_version():
    for name, tag in pulled().items():
        assert re.match(r"v?\d+\.\d+\.\d+(-|$)", tag) or name == "postgres", f"{name}:{tag}"
    assert re.fullmatch(r"\d+\.\d+", pulled()["postgres"]), "since 10 it has two numbers"


def test_grafana_has_the_security_fixes_of_13_2_3():
    assert tuple(map(int, pulled()["grafana/grafana"].split("."))) >= (13, 2, 3)


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


def test_the_stand_in_of_the_collector_is_one_version_and_no_newer_than_the_pinned_one():
    modules = (ROOT / "tools/standins/context/collector.yaml").read_text()
    (version,) = set(re.findall(r"gomod: \S+ v(\S+)", modules))
    pinned = pulled()["otel/opentelemetry-collector-contrib"]
    assert [int(n) for n in version.split(".")] <= [int(n) for n in pinned.split(".")]


def documents() -> list[Path]:
    pages = [*STACK.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    return [page for page in pages if page.exists()]


@pytest.mark.parametrize("page", documents(), ids=lambda path: path.name)
def test_documents_name_the_pinned_images(page):
    text = page.read_text()
    for name, tag in pulled().items():
        for found in re.findall(rf"(?<![\w/.-])(?<!-c ){re.escape(name)}:([\w.-]*\w)", text):
            assert found == tag, f"{name}:{found}"
