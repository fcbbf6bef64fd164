"""One order through the running system: a trace, its logs, its metrics, its email."""

from __future__ import annotations

import json
import secrets

import pytest

from observability.instrumentation import semconv as kit
from service import semconv as words
from tools.servers import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PROCESSES = {words.ORDERS, words.ORDERS_RELAY, words.ORDERS_WORKER, words.PAYMENT_PROVIDER}
ADDED_BY_PROMETHEUS = {"__name__", "instance", "job", "le"}


@pytest.fixture(scope="module")
def placed(system):
    """Place an order; return it and its trace id once its email has arrived."""
    trace_id = secrets.token_hex(16)
    order = system.place_order(trace_id)
    wait_until(lambda: system.order(order["id"])["status"] == "confirmed", 30)
    wait_until(lambda: system.mails(order["id"]), 30)
    return order, trace_id


def spans_of(system, trace_id):
    return system.trace(trace_id).get("spans", [])


def test_every_process_is_ready_and_counted(system):
    status = system.run("status", "--json")
    assert status.returncode == 0, status.stdout
    rows = {row["name"]: row for row in json.loads(status.stdout)}
    assert {
        *PROCESSES,
        "postgres",
        "cache",
        "broker",
        "prometheus",
        "alertmanager",
        "console",
    } <= set(rows)
    assert all(
        set(row) >= {"name", "state", "address", "memory_mb", "restarts"} for row in rows.values()
    )
    assert {row["restarts"] for row in rows.values()} == {0}


def test_one_trace_spans_every_process(system, placed):
    _, trace_id = placed
    wait_until(lambda: {s["service"] for s in spans_of(system, trace_id)} >= PROCESSES, 20)
    wait_until(lambda: any(s["name"] == "process emails" for s in spans_of(system, trace_id)), 20)
    spans = spans_of(system, trace_id)
    named = {(s["service"], s["kind"], s["name"]) for s in spans}
    assert (words.ORDERS, "server", "POST /v1/orders") in named
    assert (words.ORDERS_RELAY, "producer", "send orders") in named
    assert (words.ORDERS_WORKER, "consumer", "process orders") in named
    ids = {s["span_id"]: s for s in spans}
    producer = next(s for s in spans if s["name"] == "send orders")
    consumer = next(s for s in spans if s["name"] == "process orders")
    assert consumer["parent_span_id"] == producer["span_id"]
    assert ids[producer["parent_span_id"]]["service"] == words.ORDERS
    roots = [s for s in spans if s["parent_span_id"] not in ids]
    assert [s["name"] for s in roots] == ["POST /v1/orders"]


def test_the_trace_shows_the_database_the_cache_and_the_mail_server(system, placed):
    _, trace_id = placed
    wait_until(lambda: any(s["name"] == "process emails" for s in spans_of(system, trace_id)), 20)
    spans = [s for s in spans_of(system, trace_id) if s["kind"] == "client"]
    systems = {s["attributes"].get(kit.ATTR_DB_SYSTEM) for s in spans}
    assert {"postgresql", "redis"} <= systems
    mail = next(s for s in spans if s["name"] == "send email")
    assert str(mail["attributes"][kit.ATTR_SERVER_PORT]) == system.environ["ORDERS_SMTP_PORT"]


def test_every_process_logged_the_trace(system, placed):
    _, trace_id = placed
    wait_until(lambda: {ln["service"] for ln in system.log_lines(trace_id)} >= PROCESSES, 20)
    lines = system.log_lines(trace_id)
    assert {line["trace_id"] for line in lines} == {trace_id}


def test_every_line_of_every_process_is_json(system, placed):
    for name in sorted(PROCESSES):
        for line in (system.state / "logs" / f"{name}.log").read_text().splitlines():
            record = json.loads(line)
            assert {kit.LOG_TIMESTAMP, kit.LOG_SEVERITY, kit.LOG_BODY} <= set(record), (name, line)
            assert record.get(kit.LOG_TRACE_ID) != "0" * 32


def test_prometheus_counted_the_order(system, placed):
    wait_until(lambda: system.value(f'{words.ORDERS_PLACED.name}{{job="orders"}}') >= 1, 30)
    finished = f'sum({words.ORDERS_FINISHED.name}{{outcome="confirmed"}})'
    wait_until(lambda: system.value(finished) >= 1, 30)
    succeeded = f'{kit.CELERY_TASKS.name}{{task="{words.TASK_FULFIL_ORDER}",state="succeeded"}}'
    wait_until(lambda: system.value(succeeded) >= 1, 30)
    route = '{http_route="/v1/orders",http_request_method="POST",http_response_status_code="201"}'
    wait_until(
        lambda: system.value(f"{kit.HTTP_SERVER_REQUEST_DURATION.name}_count{route}") >= 1, 30
    )


def test_the_customer_gets_one_email_that_links_to_the_trace(system, placed):
    order, trace_id = placed
    (mail,) = system.mails(order["id"])
    assert order["id"] in mail["message_id"]
    assert mail["trace_id"] == trace_id


def exposed(system, metric):
    name = f"{metric.name}_count" if metric.kind == "histogram" else metric.name
    return system.query(name)


@pytest.mark.parametrize("metric", [*kit.METRICS, *words.METRICS], ids=lambda m: m.name)
def test_a_metric_of_the_semconv_modules_is_exposed_with_its_labels(system, placed, metric):
    series = wait_until(lambda: exposed(system, metric), 30)
    for one in series:
        assert set(one["metric"]) - ADDED_BY_PROMETHEUS == set(metric.labels)


def test_an_exemplar_of_the_request_histogram_leads_to_a_trace(system, placed):
    def exemplars():
        url = system.url(
            "PROMETHEUS_PORT",
            "/api/v1/query_exemplars",
            query=f"{kit.HTTP_SERVER_REQUEST_DURATION.name}_bucket",
            start=0,
            end=4102444800,
        )
        series = system.ask("GET", url).body["data"]
        return [e["labels"][kit.EXEMPLAR_TRACE_ID] for one in series for e in one["exemplars"]]

    found = wait_until(exemplars, 30)
    assert any(spans_of(system, trace_id) for trace_id in found)


def test_every_target_is_up_and_every_rule_is_healthy(system, placed):
    wait_until(lambda: system.query("up") and not system.query("up == 0"), 30)
    rules = system.ask("GET", system.url("PROMETHEUS_PORT", "/api/v1/rules")).body["data"]["groups"]
    assert sum(len(group["rules"]) for group in rules) > 50
    wait_until(
        lambda: all(r["health"] == "ok" for g in system_rules(system) for r in g["rules"]), 60
    )


def system_rules(system):
    return system.ask("GET", system.url("PROMETHEUS_PORT", "/api/v1/rules")).body["data"]["groups"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/orders", {}, 422),
        ("POST", "/v1/orders", "not an object", 422),
        ("GET", "/v1/orders", None, 422),
        ("GET", "/v1/orders/00000000-0000-4000-8000-000000000000", None, 404),
        ("GET", "/v1/nowhere", None, 404),
        ("PUT", "/v1/orders", {}, 405),
    ],
)
def test_bad_input_is_answered_as_a_problem_with_its_trace_id(system, method, path, body, status):
    answer = system.ask(method, system.url("ORDERS_PORT", path), body)
    assert answer.status == status or (status == 422 and answer.status == 400), answer
    assert answer.headers.get_content_type() == "application/problem+json"
    assert len(answer.body["trace_id"]) == 32
