"""The doctor finds what is wrong, says what to do, and fails only then."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.adoption.adopter import Project, RunningWorker, Web, shapes
from tests.integration.instrumentation.conftest import scrape
from tools.servers import free_port, running_prometheus, wait_until

FACTORY, PATTERN, MODULE, MAILER, BIG = shapes()


def consult(project: Project, *words: str, **extra: str) -> tuple[int, list[str]]:
    """Return the exit code of the doctor and its lines."""
    done = project.run("-m", "telemetry", "doctor", *words, **extra)
    assert not [line for line in done.stderr.splitlines() if not line.startswith("{")], done.stderr
    return done.returncode, done.stdout.splitlines()


def lines_about(subject: str, lines: list[str]) -> str:
    return "\n".join(line for line in lines if line[5:].startswith(subject))


def test_a_project_that_is_complete_has_no_failures(project: Project) -> None:
    project.write(PATTERN)
    code, lines = consult(project, "--app", "shop:create_app()")
    assert [line for line in lines if line.startswith("FAIL")] == []
    assert code == 0
    assert "is instrumented as shop" in lines_about("app", lines)
    assert "accepts traces" in lines_about("receiver", lines)
    assert "is free" in lines_about("port", lines)
    assert "written once" in lines_about("logging", lines)
    assert "telemetry.redis" in lines_about("library", lines)
    code, lines = consult(project, "--app", "make_celery:celery_app")
    assert "is instrumented as shop-worker" in lines_about("app", lines)
    assert code == 0


def test_bad_settings_are_all_listed(project: Project) -> None:
    code, lines = consult(project, OTEL_EXPORTER_PROMETHEUS_PORT="x", TELEMETRY_LOG_STREAM="y")
    assert code == 1
    assert len(lines) == 2
    assert all(line.startswith("FAIL settings") for line in lines)


def test_a_receiver_that_does_not_answer_is_a_failure(project: Project) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, lines = consult(project, OTEL_EXPORTER_OTLP_ENDPOINT=url)
    assert code == 1
    assert lines_about("receiver", lines).startswith(f"FAIL receiver    {url} cannot be reached")


@contextmanager
def serving(text: str) -> Iterator[int]:
    """Serve a text on any path; yield the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_port_of_another_program_is_a_failure(project: Project) -> None:
    with serving("hello") as port:
        code, lines = consult(project, OTEL_EXPORTER_PROMETHEUS_PORT=str(port))
    assert code == 1
    assert "taken by a program without this kit's metrics" in lines_about("port", lines)


@pytest.mark.slow
def test_a_port_of_a_program_that_does_not_answer_is_a_failure(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        number = str(silent.getsockname()[1])
        code, lines = consult(project, OTEL_EXPORTER_PROMETHEUS_PORT=number)
    assert code == 1
    assert "does not serve metrics" in lines_about("port", lines)


BROKEN = """# TYPE telemetry_log_lines counter
telemetry_log_lines_total 1.0
# TYPE whole_seconds histogram
whole_seconds_bucket{le="1.0",a="b"} 1.0
whole_seconds_bucket{le="+Inf",a="b"} 2.0
whole_seconds_count{a="b"} 2.0
whole_seconds_sum{a="b"} 2.0
# TYPE torn_seconds histogram
torn_seconds_bucket{le="1.0"} 1.0
torn_seconds_count 2.0
torn_seconds_sum 2.0
"""


def test_a_histogram_without_its_last_bucket_is_a_failure(project: Project) -> None:
    with serving(BROKEN) as port:
        code, lines = consult(project, OTEL_EXPORTER_PROMETHEUS_PORT=str(port))
    assert code == 1
    found = lines_about("port", lines)
    assert "torn_seconds" in found
    assert "whole_seconds" not in found


def test_a_folder_that_cannot_be_used_is_a_failure(project: Project) -> None:
    (project.folder / "file").touch()
    code, lines = consult(project, PROMETHEUS_MULTIPROC_DIR=str(project.folder / "file"))
    assert code == 1
    assert lines_about("folder", lines).startswith("FAIL")


def test_a_second_console_handler_and_a_bare_app_are_failures(project: Project) -> None:
    project.write(MODULE)
    path = project.folder / "app.py"
    text = path.read_text() + (
        "import logging\nlogging.getLogger('shop').addHandler(logging.StreamHandler())\n"
    )
    path.write_text(text)
    code, lines = consult(project, "--app", "app:app")
    assert code == 1
    assert lines_about("logging", lines).startswith("FAIL logging     'shop' has a console handler")
    project.write_file("bare.py", "from flask import Flask\napp = Flask('bare')\n")
    code, lines = consult(project, "--app", "bare:app")
    assert code == 1
    assert "is not instrumented" in lines_about("app", lines)
    code, lines = consult(project, "--app", "missing:app")
    assert code == 1
    assert "ModuleNotFoundError" in lines_about("app", lines)


@pytest.mark.slow
def test_a_running_program_is_checked_too(project: Project) -> None:
    project.write(FACTORY)
    folder = project.folder / "metrics"
    words = ["gunicorn", "-c", "python:telemetry.gunicorn_conf", "shop:create_app()"]
    web = Web(project, words, PROMETHEUS_MULTIPROC_DIR=str(folder))
    wait_until(lambda: "/orders/<int:number>" in scrape(web.metrics_port), 60)
    port = {"OTEL_EXPORTER_PROMETHEUS_PORT": str(web.metrics_port)}
    code, lines = consult(project, **port, PROMETHEUS_MULTIPROC_DIR=str(folder))
    assert code == 0, lines
    assert f"used by process {web.process.pid}" in lines_about("folder", lines)
    found = lines_about("port", lines)
    assert "serves the metrics of this kit: routes /orders/<int:number>" in found
    assert "histograms are whole" in found


@pytest.mark.slow
def test_a_scrape_job_that_is_not_the_services_name_is_a_failure(
    project: Project, tmp_path: Path
) -> None:
    project.write(MAILER)
    worker = RunningWorker(project, MAILER.command("celery"))
    port = {"OTEL_EXPORTER_PROMETHEUS_PORT": str(worker.metrics_port)}
    for job, expected in (("mailer", 0), ("celery", 1)):
        folder = tmp_path / job
        folder.mkdir()
        config = (
            f"scrape_configs: [{{job_name: {job}, static_configs: "
            f"[{{targets: ['127.0.0.1:{worker.metrics_port}']}}]}}]"
        )
        with running_prometheus(folder, config) as prometheus:
            words = ("--app", "mailer:app", "--prometheus", prometheus)

            def is_known(words: tuple[str, ...] = words) -> tuple[int, list[str]] | None:
                found = consult(project, *words, **port)
                return None if "no target" in lines_about("scrape job", found[1]) else found

            # Prometheus shows its targets a few seconds after its start.
            code, lines = wait_until(is_known, 60)
        assert code == expected, lines
        found = lines_about("scrape job", lines)
        assert ("set job_name: mailer" in found) == (job == "celery")
