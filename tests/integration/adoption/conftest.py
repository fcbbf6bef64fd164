"""A project that has adopted the kit, with a broker and an OTLP receiver of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.adoption.adopter import Project, make_project
from tests.integration.instrumentation.conftest import broker, sink  # noqa: F401 - fixtures
from tools.bench.sink import Sink


@pytest.fixture
def project(tmp_path: Path, sink: Sink, broker: str) -> Iterator[Project]:  # noqa: F811
    """An empty project with the kit, under the name of the page."""
    with ExitStack() as stack:
        yield make_project(tmp_path, stack, sink.url, broker)
