"""What other people's collectors and servers may do to a program that one call instrumented."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Gauge
from prometheus_client.metrics_core import Metric

from observability.instrumentation import exposition
from observability.instrumentation._export.sdk_exporters import _grpc_options
from observability.instrumentation.flask.entry import _FirstRequest
from observability.instrumentation.settings import TelemetrySettings


class Hanging:
    """A collector of the app's own whose server does not answer."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.answered = False

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        self.ended.wait(20)
        self.answered = True
        return []


def test_a_collector_of_the_app_that_hangs_holds_up_no_scrape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exposition, "SCRAPE_SECONDS", 0.2)
    own, hanging = CollectorRegistry(), Hanging()
    Gauge("lamps", "Lamps.", registry=own).set(3)
    registry = exposition.make_registry(TelemetrySettings(), own=own)
    REGISTRY.register(hanging)
    try:
        found = {sample.name: sample.value for one in registry.collect() for sample in one.samples}
        assert not hanging.answered
    finally:
        REGISTRY.unregister(hanging)
        hanging.ended.set()
    assert found["lamps"] == 3


def test_headers_over_grpc_have_the_lower_case_names_that_it_demands() -> None:
    settings = TelemetrySettings(headers={"Authorization": "Basic QQ=="})
    assert _grpc_options(settings)["headers"] == (("authorization", "Basic QQ=="),)


@pytest.mark.parametrize(
    ("environ", "served"),
    [({}, 1), ({"SERVER_SOFTWARE": "x/1"}, 1), ({"HTTP_USER_AGENT": "Werkzeug/3.1"}, 0)],
    ids=["a server that gives no name", "a server", "the test client"],
)
def test_the_metrics_port_opens_once_for_any_server_and_not_for_a_test(
    environ: dict[str, Any], served: int
) -> None:
    opened: list[bool] = []
    app = _FirstRequest(lambda *_: [], lambda: opened.append(True))
    for _ in range(2):
        app(environ, None)
    assert len(opened) == served
