from __future__ import annotations

import pytest

from tests.integration.service.orders import place, place_one


def test_a_problem_names_the_trace_it_belongs_to(traced) -> None:
    client, telemetry = traced

    answer = client.get("/v1/orders")

    span = telemetry.span("GET /v1/orders")
    assert answer.json["trace_id"] == format(span.context.trace_id, "032x")


def test_the_message_carries_the_context_of_its_request(traced, sql) -> None:
    client, telemetry = traced

    place_one(client)

    server = telemetry.span("POST /v1/orders")
    [(traceparent,)] = sql.execute("SELECT traceparent FROM outbox").fetchall()
    _, trace_id, span_id, flags = traceparent.split("-")
    assert trace_id == format(server.context.trace_id, "032x")
    assert span_id == format(server.context.span_id, "016x")
    assert flags == "01"


def test_a_client_that_is_traced_is_continued(traced, sql) -> None:
    client, telemetry = traced
    trace_id = "0af7651916cd43dd8448eb211c80319c"

    client.post(
        "/v1/orders",
        json={"customer_id": "ada"},
        headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"},
    )

    assert format(telemetry.span("POST /v1/orders").context.trace_id, "032x") == trace_id


def test_statements_and_cache_commands_are_children_of_the_request(traced) -> None:
    client, telemetry = traced
    place_one(client)

    server = telemetry.span("POST /v1/orders")
    children = [
        s.name for s in telemetry.spans if s.parent and s.parent.span_id == server.context.span_id
    ]

    assert "INSERT orders" in children
    assert "INSERT outbox" in children
    assert any(name.startswith("EVAL") for name in children)


def test_the_span_names_its_order(traced) -> None:
    client, telemetry = traced
    order_id = place_one(client)

    attributes = telemetry.span("POST /v1/orders").attributes
    assert attributes["order.id"] == order_id
    assert attributes["customer.id"] == "ada"
    assert attributes["order.status"] == "pending"


def test_no_value_of_a_request_stands_in_a_statement(traced) -> None:
    client, telemetry = traced
    place_one(client, customer_id="very-private-customer")

    texts = [span.attributes.get("db.query.text", "") for span in telemetry.spans]
    assert any("INSERT INTO orders" in text for text in texts)
    assert not any("very-private-customer" in text for text in texts)


def test_orders_are_counted_when_they_are_new_and_not_when_they_are_replayed(traced) -> None:
    client, telemetry = traced
    from service.semconv import ORDERS_FINISHED, ORDERS_PLACED

    order_id = place(client, key="k-1").json["id"]
    place(client, key="k-1")
    place(client, items=[])
    for _ in range(2):
        client.post(f"/v1/orders/{order_id}/cancel")

    assert telemetry.value(ORDERS_PLACED) == 1
    assert telemetry.value(ORDERS_FINISHED, outcome="cancelled") == 1
    assert telemetry.value(ORDERS_FINISHED, outcome="confirmed") == 0


@pytest.fixture
def traced(make_app):
    """A client of an app whose spans are kept in memory."""
    from observability.instrumentation.testing import recorded_telemetry

    with recorded_telemetry() as telemetry:
        yield make_app(telemetry).test_client(), telemetry
