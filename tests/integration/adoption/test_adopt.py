"""Each shape of docs/adopt.md has all three signals, with the lines that the page adds."""

from __future__ import annotations

import json

import pytest

from tests.integration.adoption.adopter import (
    Project,
    RunningWorker,
    Shape,
    Web,
    exported_lines,
    shapes,
    spans_by_service,
)
from tests.integration.instrumentation.conftest import scrape
from tools.bench.sink import Sink
from tools.servers import wait_until

SHAPES = list(shapes())
MOST_LINES = 6
REQUESTS = "http_server_request_duration_seconds_count"
TASKS = "celery_tasks_total"


def are_json(lines: list[str]) -> bool:
    return bool(lines) and all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.title)
def test_a_shape_takes_few_lines(shape: Shape) -> None:
    assert 0 < len(shape.changed()) <= MOST_LINES, shape.changed()


def test_the_page_has_five_shapes() -> None:
    assert len(SHAPES) == 5


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES[:2], ids=lambda shape: shape.title)
def test_a_factory_and_its_worker_are_one_trace_and_two_services(
    project: Project, shape: Shape, sink: Sink
) -> None:
    project.write(shape)
    worker = RunningWorker(project, shape.command("celery"))
    web = Web(project, shape.command("gunicorn"))
    wait_until(lambda: scrape(web.metrics_port), 60)
    route = "/orders/<int:number>"
    assert wait_until(lambda: web.get("/orders/7", "POST"), 60) == 201
    wait_until(lambda: worker.total(TASKS, queue="celery", state="succeeded") == 1)
    wait_until(lambda: web.total(REQUESTS, http_response_status_code="201") == 1)
    assert worker.total(REQUESTS) == 0
    expected = {
        "shop": {f"POST {route}", "send celery"},
        "shop-worker": {"process celery"},
    }
    wait_until(lambda: spans_by_service(sink) == expected)
    assert len({span.trace_id for span in sink.spans}) == 1
    wait_until(lambda: "packing 7" in exported_lines(sink, "shop-worker"))
    wait_until(lambda: "POST /orders/7 201" in exported_lines(sink, "shop"))
    assert are_json(project.lines("web"))
    assert are_json(project.lines("worker"))
    folders = [json.loads(line)["body"] for line in project.lines("web") if "folder" in line]
    assert len(folders) == 1
    assert "PROMETHEUS_MULTIPROC_DIR is not set" in folders[0]


@pytest.mark.slow
def test_one_module_under_flask_run(project: Project, sink: Sink) -> None:
    project.write(SHAPES[2])
    web = Web(project, SHAPES[2].command("flask"))
    wait_until(lambda: web.total(REQUESTS) == 0 and scrape(web.metrics_port), 60)
    assert 'http_route="/lamps/<int:number>"' in scrape(web.metrics_port)
    assert wait_until(lambda: web.get("/lamps/3"), 60) == 200
    wait_until(lambda: web.total(REQUESTS, http_route="/lamps/<int:number>") == 1)
    wait_until(lambda: spans_by_service(sink) == {"shop": {"GET /lamps/<int:number>"}})
    wait_until(lambda: "looking up" in exported_lines(sink, "shop"))
    # The line of the app's own logger is there once.
    written = "\n".join(project.lines("web"))
    assert written.count("looking up") == 1


@pytest.mark.slow
def test_a_worker_with_embedded_beat_counts_by_the_queues_of_its_routes(
    project: Project, sink: Sink
) -> None:
    project.write(SHAPES[3])
    worker = RunningWorker(project, SHAPES[3].command("celery"))
    assert worker.total(TASKS, queue="reports", task="mailer.report") == 0
    text = worker.metrics()
    assert 'celery_tasks_total{queue="reports",state="succeeded",task="mailer.report"} 0.0' in text
    assert 'celery_tasks_total{queue="mail",state="succeeded",task="mailer.send"} 0.0' in text
    done = project.run("-c", "import mailer; mailer.report.delay()")
    assert (done.returncode, done.stdout) == (0, "")
    wait_until(lambda: worker.total(TASKS, queue="mail", state="succeeded") == 1)
    assert worker.total(TASKS, queue="reports", state="succeeded") == 1
    names = {"send reports", "process reports", "send mail", "process mail"}
    wait_until(lambda: spans_by_service(sink) == {"mailer": names})
    assert len({span.trace_id for span in sink.spans}) == 1
    wait_until(lambda: "to boss@example.com" in exported_lines(sink, "mailer"))
    assert are_json(project.lines("worker"))


@pytest.mark.slow
@pytest.mark.parametrize("preload", ["", "preload_app = True\n"], ids=["", "preload"])
def test_a_factory_with_gevent_and_a_configuration_of_its_own(
    project: Project, sink: Sink, preload: str
) -> None:
    project.write(SHAPES[4])
    with (project.folder / "gunicorn.conf.py").open("a") as file:
        file.write(preload)
    web = Web(project, SHAPES[4].command("gunicorn"))
    assert wait_until(lambda: web.get("/users/5"), 60) == 200
    assert web.get("/healthz") == 200
    route = "/users/<int:number>"
    wait_until(lambda: web.total(REQUESTS, http_route=route, http_response_status_code="200") == 1)
    wait_until(lambda: spans_by_service(sink) == {"big": {f"GET {route}"}})
    wait_until(lambda: "looking up" in exported_lines(sink, "big"))
    web.process.terminate()
    assert web.process.wait(90) == 0
    assert are_json(project.lines("web"))
