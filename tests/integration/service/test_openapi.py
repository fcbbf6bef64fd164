from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from service.web.openapi import document
from tests.integration.service.orders import an_order

ORDER = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def served(client) -> dict[str, Any]:
    return client.get("/openapi.json").json


def test_the_document_is_valid_openapi_3_1(served) -> None:
    assert served["openapi"].startswith("3.1")
    validate(served)


def test_it_describes_every_route_and_no_other(app) -> None:
    routes = {
        (re.sub(r"<uuid:(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule != "/openapi.json"
    }
    described = {
        (path, method)
        for path, entry in document("1")["paths"].items()
        for method in entry
        if method != "parameters"
    }

    assert described == routes


def test_every_example_of_a_request_is_accepted(client, served) -> None:
    schemas = served["components"]["schemas"]
    item = schemas["ItemBody"]["properties"]
    sku = item["sku"]["examples"][0]
    customer_id = schemas["OrderBody"]["properties"]["customer_id"]["examples"][0]
    body = an_order(customer_id=customer_id)
    body["items"][0] |= {"sku": sku, "quantity": item["quantity"]["maximum"]}

    assert client.post("/v1/orders", json=body).status_code == 201


def test_the_largest_order_is_accepted_and_can_be_read(client, served) -> None:
    schemas = served["components"]["schemas"]
    item = schemas["ItemBody"]["properties"]
    largest = {
        "sku": "x" * 64,
        "quantity": item["quantity"]["maximum"],
        "unit_price_cents": item["unit_price_cents"]["maximum"],
    }
    most = schemas["OrderBody"]["properties"]["items"]["maxItems"]

    placed = client.post("/v1/orders", json=an_order(items=[largest] * most))

    assert placed.status_code == 201
    assert placed.json["total_cents"] == most * 1000 * 10_000_000
    assert client.get(placed.headers["Location"]).json == placed.json


def test_every_status_that_is_tested_here_is_described(served) -> None:
    place = served["paths"]["/v1/orders"]["post"]["responses"]
    always = {"403", "421", "429", "431", "500", "503"}
    assert {"201", "400", "409", "413", "415", "422"} | always == set(place)
    for status in ("400", "404", "409"):
        assert status in served["paths"]["/v1/orders/{order_id}/cancel"]["post"]["responses"]
