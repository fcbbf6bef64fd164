from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from observability.instrumentation.settings import TelemetrySettings
from service.faults.switchboard import set_fault
from simulators.ledger import Ledger, reason_to_decline
from simulators.payment_provider import create_app
from simulators.settings import ProviderSettings
from tools.servers import ROOT, free_port, running, wait_until


@pytest.fixture
def settings(tmp_path) -> ProviderSettings:
    return ProviderSettings(
        ledger=tmp_path / "ledger.sqlite",
        faults_file=tmp_path / "faults.json",
        telemetry=TelemetrySettings(sdk_disabled=True),
    )


@pytest.fixture
def client(settings):
    return create_app(settings).test_client()


def charge(client, order_id: str, *, key: str | None = None, **changes):
    body = {"order_id": order_id, "customer_id": "ada", "amount_cents": 900, "currency": "EUR"}
    headers = {"Idempotency-Key": key or f"{order_id}:charge"}
    return client.post("/v1/charges", json=body | changes, headers=headers)


def refund(client, order_id: str, *, key: str | None = None):
    headers = {"Idempotency-Key": key or f"{order_id}:refund"}
    return client.post("/v1/refunds", json={"order_id": order_id}, headers=headers)


def books(client) -> dict[str, int]:
    page = client.get("/v1/ledger").json
    return {name: page[name] for name in ("charges", "declined", "refunds", "voided")}


def test_a_charge_is_written_into_the_books(client) -> None:
    answer = charge(client, "o-1")

    assert (answer.status_code, answer.json["state"]) == (201, "succeeded")
    page = client.get("/v1/ledger").json
    assert page["next"] is None
    assert page["entries"] == [
        {
            "seq": 1,
            "id": answer.json["id"],
            "order_id": "o-1",
            "kind": "charge",
            "state": "succeeded",
            "amount_cents": 900,
            "reason": None,
        }
    ]


def test_the_same_key_charges_once_and_answers_the_same(client) -> None:
    first, again = charge(client, "o-1"), charge(client, "o-1")

    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert books(client)["charges"] == 1


def test_the_same_key_at_the_same_time_charges_once(settings) -> None:
    app = create_app(settings)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: charge(app.test_client(), "o-1"), range(8)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert books(app.test_client())["charges"] == 1


def test_a_key_with_another_body_is_refused(client) -> None:
    charge(client, "o-1")

    assert charge(client, "o-1", amount_cents=901).status_code == 422
    assert refund(client, "o-1", key="o-1:charge").status_code == 422
    assert books(client)["charges"] == 1


def test_a_second_key_for_one_order_would_charge_twice_and_the_books_show_it(client) -> None:
    charge(client, "o-1")
    charge(client, "o-1", key="another")

    assert books(client)["charges"] == 2


def test_a_charge_is_paid_back_once(client) -> None:
    charge(client, "o-1")

    first, again = refund(client, "o-1"), refund(client, "o-1")

    assert (first.status_code, first.json["state"]) == (201, "succeeded")
    assert again.data == first.data
    assert books(client) == {"charges": 1, "declined": 0, "refunds": 1, "voided": 0}


def test_a_refund_that_comes_first_voids_the_charge_that_follows(client) -> None:
    assert refund(client, "o-1").json["state"] == "voided"

    late = charge(client, "o-1")

    assert (late.status_code, late.json) == (409, {"state": "voided"})
    assert books(client) == {"charges": 0, "declined": 0, "refunds": 0, "voided": 1}


def test_a_charge_asked_for_again_after_its_refund_answers_as_it_did(client) -> None:
    first = charge(client, "o-1")
    refund(client, "o-1")

    assert charge(client, "o-1").data == first.data


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"customer_id": "declined-dora"}, "card_declined"),
        ({"amount_cents": 50_000_001}, "limit_exceeded"),
    ],
)
def test_a_declined_charge_has_a_reason_and_is_declined_again(client, changes, reason) -> None:
    first, again = charge(client, "o-1", **changes), charge(client, "o-1", **changes)

    assert (first.status_code, first.json["state"], first.json["reason"]) == (
        402,
        "declined",
        reason,
    )
    assert again.data == first.data
    assert books(client)["declined"] == 1
    assert refund(client, "o-1").json["state"] == "voided"


def test_about_one_customer_in_fifty_has_a_bad_card() -> None:
    customers = [f"customer-{number}" for number in range(5000)]

    declined = sum(reason_to_decline(customer, 900) is not None for customer in customers)

    assert 70 <= declined <= 130
    assert reason_to_decline("ada", 900) is None


@pytest.mark.parametrize(
    ("path", "headers", "data", "status"),
    [
        ("/v1/charges", {}, '{"order_id": "o-1"}', 422),
        ("/v1/charges", {"Idempotency-Key": "k"}, "{", 400),
        ("/v1/charges", {"Idempotency-Key": "k"}, "[]", 422),
        ("/v1/charges", {"Idempotency-Key": "k"}, '{"order_id": "o-1"}', 422),
        ("/v1/refunds", {"Idempotency-Key": "k"}, '{"order_id": "a b"}', 422),
        ("/v1/refunds", {"Idempotency-Key": "k" * 256}, '{"order_id": "o-1"}', 422),
        ("/v1/refunds", {"Idempotency-Key": "k"}, " " * 70_000, 413),
    ],
)
def test_a_bad_request_is_refused_and_leaves_no_trace(client, path, headers, data, status) -> None:
    answer = client.post(path, data=data, headers=headers)

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert client.get("/v1/ledger").json["entries"] == []


def test_the_books_come_in_pages_without_gap_or_overlap(client) -> None:
    for number in range(7):
        charge(client, f"o-{number}")

    seen, after = [], 0
    while after is not None:
        page = client.get(f"/v1/ledger?after={after}&limit=3").json
        seen += [entry["order_id"] for entry in page["entries"]]
        after = page["next"]

    assert seen == [f"o-{number}" for number in range(7)]


def test_a_failing_provider_has_sometimes_done_its_work_and_never_twice(client, settings) -> None:
    set_fault(settings.faults_file, "payment_failing", "1")

    statuses = {charge(client, f"o-{n}").status_code for n in range(40) for _ in range(2)}

    assert statuses == {503}
    assert 0 < books(client)["charges"] <= 40
    assert client.get("/livez").status_code == 200


def test_a_slow_provider_takes_its_time(client, settings, caplog) -> None:
    set_fault(settings.faults_file, "payment_slow", "0.2")

    assert charge(client, "o-1").status_code == 201
    assert "fault payment_slow strikes" in caplog.text


def test_books_survive_a_restart(client, settings) -> None:
    first = charge(client, "o-1")

    assert charge(create_app(settings).test_client(), "o-1").data == first.data


def environment(port: int, folder: Path) -> dict[str, str]:
    """The environment of a provider that runs as a process."""
    return {
        "PATH": os.environ["PATH"],
        "ORDERS_PAYMENT_PROVIDER_PORT": str(port),
        "ORDERS_PAYMENT_PROVIDER_METRICS_PORT": str(free_port()),
        "ORDERS_PAYMENT_PROVIDER_LEDGER": str(folder / "books" / "ledger.sqlite"),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
        "OTEL_SDK_DISABLED": "true",
    }


def test_what_was_answered_is_in_the_books_after_a_kill(tmp_path) -> None:
    port = free_port()
    environ = environment(port, tmp_path)
    url, answered = f"http://127.0.0.1:{port}", []

    def charge_one(order_id: str) -> None:
        body = {"order_id": order_id, "customer_id": "ada", "amount_cents": 1, "currency": "EUR"}
        headers = {"Idempotency-Key": f"{order_id}:charge"}
        try:
            if requests.post(f"{url}/v1/charges", json=body, headers=headers, timeout=5).ok:
                answered.append(order_id)
        except requests.RequestException:
            pass
        if len(answered) == 20:
            os.killpg(process.pid, signal.SIGKILL)

    with (
        running(
            [sys.executable, "-m", "simulators.payment_provider"],
            log=tmp_path / "provider.log",
            ready=lambda: requests.get(f"{url}/livez", timeout=2).ok,
            env=environ,
            cwd=ROOT,
        ) as process,
        ThreadPoolExecutor(4) as threads,
    ):
        list(threads.map(charge_one, [str(uuid4()) for _ in range(60)]))

    written = {e.order_id for e in Ledger(tmp_path / "books" / "ledger.sqlite").page(0, 1000)}
    assert len(answered) >= 20
    assert set(answered) <= written


@pytest.mark.slow
def test_a_charge_that_it_has_begun_is_answered_before_it_stops(tmp_path) -> None:
    faults, log, port = tmp_path / "faults.json", tmp_path / "provider.log", free_port()
    set_fault(faults, "payment_slow", "3")
    environ = environment(port, tmp_path) | {"ORDERS_FAULTS_FILE": str(faults)}
    body = {"order_id": "o-1", "customer_id": "ada", "amount_cents": 1, "currency": "EUR"}
    url = f"http://127.0.0.1:{port}"
    with (
        running(
            [sys.executable, "-m", "simulators.payment_provider"],
            log=log,
            ready=lambda: requests.get(f"{url}/livez", timeout=2).ok,
            env=environ,
            cwd=ROOT,
        ) as process,
        ThreadPoolExecutor(1) as thread,
    ):
        answer = thread.submit(
            requests.post,
            f"{url}/v1/charges",
            json=body,
            headers={"Idempotency-Key": "o-1:charge"},
            timeout=30,
        )
        wait_until(lambda: "payment_slow strikes" in log.read_text(), 30)
        process.terminate()
        assert answer.result().status_code == 201
        assert process.wait(30) == 0


def test_bad_settings_stop_it_at_the_start() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "simulators.payment_provider"],
        env={"PATH": os.environ["PATH"], "ORDERS_PAYMENT_PROVIDER_PORT": "none"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 2
    assert "ORDERS_PAYMENT_PROVIDER_PORT='none'" in run.stderr
    assert "Traceback" not in run.stderr
