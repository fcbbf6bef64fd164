"""No port of the running local mode serves a page of another site, nor one that finds the port."""

from __future__ import annotations

import uuid

import pytest

from local.settings import LISTENERS
from tests.e2e.system import System
from tools.other_sites import Case, wrong_answers
from tools.servers import wait_until

pytestmark = pytest.mark.e2e
# Port variable: a path on which it answers GET.
PATHS = {
    "ORDERS_PORT": "/livez",
    "ORDERS_METRICS_PORT": "/metrics",
    "ORDERS_WORKER_METRICS_PORT": "/metrics",
    "ORDERS_RELAY_METRICS_PORT": "/metrics",
    "ORDERS_PAYMENT_PROVIDER_PORT": "/v1/ledger",
    "ORDERS_PAYMENT_PROVIDER_METRICS_PORT": "/metrics",
    "GRAFANA_PORT": "/api/mails",
    "OTLP_PORT": "/livez",
    "MAIL_PORT": "/api/mails",
    "PROMETHEUS_PORT": "/api/v1/query?query=up",
    "ALERTMANAGER_PORT": "/api/v2/alerts",
}
ASK_FOR_A_PASSWORD = ("PROMETHEUS_SERVER_PORT", "ALERTMANAGER_SERVER_PORT")
NO_HTTP = {"ORDERS_DATABASE_PORT", "ORDERS_CACHE_PORT", "ORDERS_BROKER_PORT", "ORDERS_SMTP_PORT"}


def test_every_port_is_tried() -> None:
    assert {*PATHS, *ASK_FOR_A_PASSWORD} | NO_HTTP == set(LISTENERS)


@pytest.mark.parametrize("variable", PATHS)
def test_a_port_serves_no_other_site(system: System, variable: str) -> None:
    assert wrong_answers(int(system.environ[variable]), PATHS[variable]) == []


@pytest.mark.parametrize("variable", ASK_FOR_A_PASSWORD)
def test_a_page_that_finds_the_port_of_a_server_gets_401(system: System, variable: str) -> None:
    port = int(system.environ[variable])
    assert Case("").send(port, "/-/ready")[0] == 401
    assert Case("", method="POST").send(port, "/api/v2/silences")[0] == 401


def test_the_api_answers_with_a_problem(system: System) -> None:
    url = system.url("ORDERS_PORT", "/v1/orders")
    for header, status in ({"Host": "evil.example"}, 421), ({"Origin": "https://a.example"}, 403):
        refused = system.ask("POST", url, {}, **header)
        assert refused.status == status
        assert refused.headers.get_content_type() == "application/problem+json"
        assert "add it" in refused.body["detail"] or "add its host" in refused.body["detail"]


def test_a_page_cannot_delete_mails_and_the_person_can(system: System) -> None:
    order = system.place_order(uuid.uuid4().hex)["id"]
    wait_until(lambda: system.mails(order), 60)
    url = system.url("MAIL_PORT", "/api/mails")
    for path in ("/api/mails", "/api/v1/messages"):
        page = {"Origin": "https://evil.example"}
        assert system.ask("DELETE", system.url("MAIL_PORT", path), **page).status == 403
    assert system.mails(order)
    own = url.removesuffix("/api/mails")
    assert system.ask("DELETE", url, Origin=own).status == 200
    assert system.mails(order) == []


def test_prometheus_has_no_lifecycle_and_no_admin_api(system: System) -> None:
    for path in ("/-/reload", "/-/quit", "/api/v1/admin/tsdb/delete_series"):
        answer = system.ask("POST", system.url("PROMETHEUS_PORT", path))
        assert answer.status in {403, 404, 500}, path
        assert "not enabled" in str(answer.body) or "disabled" in str(answer.body), answer
    wait_until(lambda: system.value("count(up)") > 0, 60)
