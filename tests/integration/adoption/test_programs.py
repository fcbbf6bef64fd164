"""Every program that imports an adopted app does the right thing with metrics and log lines."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.integration.adoption.adopter import (
    Project,
    RunningWorker,
    Web,
    exported_lines,
    shapes,
    spans_by_service,
)
from tests.integration.instrumentation.conftest import scrape
from tools.bench.sink import Sink
from tools.servers import wait_until

FACTORY, PATTERN, MODULE, MAILER, BIG = shapes()
REQUESTS = "http_server_request_duration_seconds_count"


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
def test_the_debug_reloader_serves_metrics_from_the_process_that_serves_requests(
    project: Project,
) -> None:
    project.write(MODULE)
    web = Web(project, ["flask", "--debug", "run"])
    assert wait_until(lambda: web.get("/lamps/1"), 60) == 200
    wait_until(lambda: web.total(REQUESTS, http_route="/lamps/<int:number>") == 1)
    path = project.folder / "app.py"
    path.write_text(path.read_text().replace("/lamps/", "/lights/"))
    os.utime(path, (time.time() + 5,) * 2)
    assert wait_until(lambda: web.get("/lights/1"), 60) == 200
    wait_until(lambda: web.total(REQUESTS, http_route="/lights/<int:number>") == 1)
    assert not [line for line in project.lines("web") if "not served" in line]


@pytest.mark.parametrize("words", [["flask", "routes"], ["flask", "hello"], ["celery", "report"]])
def test_a_command_leaves_standard_output_and_the_metrics_port_alone(
    project: Project, words: list[str]
) -> None:
    project.write(PATTERN)
    if words[0] == "flask":
        project.write_file(
            "app.py",
            "import click\nfrom shop import create_app\napp = create_app()\n"
            "@app.cli.command('hello')\ndef hello():\n"
            "    app.logger.warning('working')\n    click.echo('hello')\n",
        )
        command = ["-m", *words]
    else:
        command = ["-m", "celery", "-A", "make_celery", *words[1:]]
    done = project.run(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not [line for line in done.stdout.splitlines() if line.startswith("{")]
    logged = [json.loads(line) for line in done.stderr.splitlines()]
    assert not [line for line in logged if "metrics" in line["body"]]
    if words[1] == "hello":
        assert done.stdout == "hello\n"
        assert "working" in [line["body"] for line in logged]


def test_log_lines_go_to_the_stream_that_is_set(project: Project) -> None:
    project.write(MODULE)
    code = "import app; app.app.logger.warning('here')"
    for stream in ("stdout", "stderr"):
        done = project.run("-c", code, TELEMETRY_LOG_STREAM=stream)
        written, other = (done.stdout, done.stderr)[:: 1 if stream == "stdout" else -1]
        assert "here" in [json.loads(line)["body"] for line in written.splitlines()]
        assert other == ""


def test_only_the_packages_that_the_page_installs_are_needed(project: Project) -> None:
    project.write(PATTERN)
    code = (
        "import sys\n"
        "for name in ('exporter', 'instrumentation', 'proto'):\n"
        "    sys.modules[f'opentelemetry.{name}'] = None\n"
        "for name in ('grpc', 'redis', 'requests', 'psycopg', 'sqlalchemy'):\n"
        "    sys.modules[name] = None\n"
        "import telemetry.gunicorn_conf, shop\n"
        "assert shop.create_app().test_client().get('/').status_code == 404\n"
    )
    done = project.run("-c", code)
    assert done.returncode == 0, done.stderr


def test_handlers_that_write_elsewhere_stay(project: Project) -> None:
    project.write(MODULE)
    code = (
        "import logging; logging.basicConfig(filename='own.log'); "
        "import app; app.app.logger.warning('here')"
    )
    done = project.run("-c", code)
    assert '"body":"here"' in done.stdout
    assert "here" in (project.folder / "own.log").read_text()


@pytest.mark.slow
def test_lines_of_gunicorns_master_are_exported_under_the_name_of_the_app(
    project: Project, sink: Sink
) -> None:
    project.write(BIG)
    web = Web(project, ["gunicorn", "big:create_app()"])
    assert wait_until(lambda: web.get("/users/1"), 60) == 200
    wait_until(lambda: len(children(web.process.pid)) == 2)
    killed, other = children(web.process.pid)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: any("SIGKILL" in line for line in exported_lines(sink, "big")))
    # The new worker, forked from a master with telemetry, exports like the others.
    wait_until(lambda: set(children(web.process.pid)) - {killed, other}, 60)
    (new,) = set(children(web.process.pid)) - {killed, other}
    wait_until(lambda: f"Booting worker with pid: {new}" in exported_lines(sink, "big"), 60)
    os.kill(other, signal.SIGKILL)
    wait_until(lambda: web.get("/users/2") == 200, 60)
    # What the master wrote before any worker told the name is exported with it.
    assert any("Starting gunicorn" in line for line in exported_lines(sink, "big"))
    assert {one["service.name"] for one in sink.log_resources} == {"big"}
    web.process.terminate()
    web.process.wait(90)
    assert not [line for line in project.lines("web") if not line.startswith("{")]
    assert not [line for line in project.lines("web") if "SIGSEGV" in line]


@pytest.mark.slow
@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["", "preload"])
def test_the_private_folder_is_deleted_when_gunicorn_stops(
    project: Project, preload: list[str]
) -> None:
    project.write(FACTORY)
    words = ["gunicorn", "-c", "python:telemetry.gunicorn_conf", *preload, "shop:create_app()"]
    web = Web(project, words)
    wait_until(lambda: web.total(REQUESTS) == 0 and scrape(web.metrics_port), 60)
    wait_until(lambda: 'http_route="/orders/<int:number>"' in scrape(web.metrics_port), 60)
    assert len(list(project.folder.glob("telemetry-metrics-*"))) == 1
    web.process.terminate()
    assert web.process.wait(90) == 0
    assert list(project.folder.glob("telemetry-metrics-*")) == []


@pytest.mark.slow
def test_gunicorn_without_the_kits_configuration_says_what_is_missing(
    project: Project, sink: Sink
) -> None:
    project.write(MODULE)
    web = Web(project, ["gunicorn", "app:app"])
    assert wait_until(lambda: web.get("/lamps/1"), 60) == 200
    wait_until(lambda: spans_by_service(sink) == {"shop": {"GET /lamps/<int:number>"}})
    assert any("-c python:telemetry.gunicorn_conf" in line for line in project.lines("web"))


@pytest.mark.slow
def test_another_server_opens_the_metrics_port_with_its_first_request(project: Project) -> None:
    project.write(MODULE)
    server = (
        "import os\nfrom wsgiref.simple_server import make_server\nfrom app import app\n"
        "make_server('127.0.0.1', int(os.environ['PORT']), app).serve_forever()\n"
    )
    project.write_file("serve.py", server)
    web = Web(project, ["serve"])
    assert wait_until(lambda: web.get("/lamps/1"), 60) == 200
    wait_until(lambda: web.total(REQUESTS, http_route="/lamps/<int:number>") == 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["flask", "run"], ["gunicorn", "-c", "python:telemetry.gunicorn_conf", "app:app"]],
    ids=["flask run", "gunicorn"],
)
def test_a_taken_metrics_port_does_not_stop_a_web_app_and_is_logged(
    project: Project, words: list[str]
) -> None:
    project.write(MODULE)
    first = Web(project, ["flask", "run"])
    wait_until(lambda: scrape(first.metrics_port), 60)
    port = {"OTEL_EXPORTER_PROMETHEUS_PORT": str(first.metrics_port)}
    second = Web(project, words, name="second", **port)
    assert wait_until(lambda: second.get("/lamps/1"), 60) == 200
    (line,) = [json.loads(one) for one in project.lines("second") if "not served" in one]
    assert str(first.metrics_port) in line["body"]
    assert "OTEL_EXPORTER_PROMETHEUS_PORT" in line["body"]


@pytest.mark.slow
def test_a_worker_writes_to_the_log_file_that_its_command_names(project: Project) -> None:
    project.write(MAILER)
    words = ("celery", "-A", "mailer", "worker", "-B", "-c", "1", "--logfile=own.log")
    project.start("worker", *words)
    file = project.folder / "own.log"
    wait_until(lambda: re.search(r"celery@\S+ ready", file.read_text()), 60)
    wait_until(lambda: "beat: Starting" in file.read_text(), 60)
    project.run("-c", "import mailer; mailer.send.delay('you')")
    wait_until(lambda: '"body":"to you"' in file.read_text())
    assert all(line.startswith("{") for line in file.read_text().splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("embedded", [False, True], ids=["beat", "worker -B"])
def test_what_beat_sends_is_traced(project: Project, sink: Sink, embedded: bool) -> None:
    project.write(MAILER)
    path = project.folder / "mailer.py"
    path.write_text(path.read_text().replace("3600.0", "0.5"))
    worker = RunningWorker(
        project, ["celery", "-A", "mailer", "worker", *(["-B"] if embedded else [])]
    )
    if not embedded:
        project.start("beat", "celery", "-q", "-A", "mailer", "beat")
    done = 'celery_tasks_total{queue="reports",state="succeeded",task="mailer.report"}'
    wait_until(lambda: not re.search(rf"{re.escape(done)} 0\.0", worker.metrics()))
    wait_until(lambda: "process reports" in spans_by_service(sink).get("mailer", ()))
    reports = [span for span in list(sink.spans) if span.name == "process reports"]
    parent = reports[0].parent_span_id
    wait_until(lambda: parent in {s.span_id for s in list(sink.spans) if s.name == "send reports"})
    names = ["worker"] if embedded else ["worker", "beat"]
    for name in names:
        assert all(line.startswith("{") for line in project.lines(name)), name
