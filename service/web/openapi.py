"""The OpenAPI 3.1 document of the API; request bodies come from the schemas."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from flask import Blueprint, Response
from pydantic.json_schema import models_json_schema

from service.orders import Currency, OrderStatus
from service.web.problems import MEDIA_TYPE
from service.web.schemas import (
    CURSOR_PATTERN,
    DEFAULT_PAGE,
    ID_PATTERN,
    KEY_PATTERN,
    LARGEST_PAGE,
    OrderBody,
)

Node = dict[str, Any]

TEMPLATE = "#/components/schemas/{model}"
LARGEST_INT64 = 2**63 - 1
UUID: Node = {"type": "string", "format": "uuid"}
TIMESTAMP: Node = {"type": "string", "format": "date-time"}
COUNT: Node = {"type": "integer", "minimum": 0, "maximum": LARGEST_INT64}


def document(version: str) -> Node:
    """Return the whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Orders",
            "version": version,
            "description": "Place orders, read them, list them and cancel them.",
        },
        "paths": {
            "/v1/orders": {"post": _place(), "get": _page()},
            "/v1/orders/{order_id}": {"parameters": [_order_id()], "get": _get()},
            "/v1/orders/{order_id}/cancel": {"parameters": [_order_id()], "post": _cancel()},
            "/livez": {"get": _health("livez", "Check that the process works", {})},
            "/readyz": {"get": _health("readyz", "Check its dependencies", {"503": _down()})},
        },
        "components": {"schemas": _schemas()},
    }


def openapi_blueprint(version: str) -> Blueprint:
    """Return the route `/openapi.json`."""
    text = orjson.dumps(document(version))
    blueprint = Blueprint("openapi", __name__)
    blueprint.add_url_rule(
        "/openapi.json", "document", lambda: Response(text, mimetype="application/json")
    )
    return blueprint


def _place() -> Node:
    key = _parameter(
        "header",
        "Idempotency-Key",
        {"type": "string", "pattern": KEY_PATTERN},
        "The same key with the same body gets the same response for a day, and one order.",
    )
    body = {"application/json": {"schema": _ref("OrderBody")}}
    headers = {
        "Location": {"required": True, "schema": {"type": "string"}},
        "Idempotency-Replayed": {"schema": {"type": "string", "enum": ["true"]}},
    }
    created = {**_json("The order, not yet paid.", "Order"), "headers": headers}
    created["links"] = {
        "get": {"operationId": "getOrder", "parameters": {"order_id": "$response.body#/id"}},
        "cancel": {"operationId": "cancelOrder", "parameters": {"order_id": "$response.body#/id"}},
    }
    return {
        "operationId": "placeOrder",
        "summary": "Place an order",
        "parameters": [key],
        "requestBody": {"required": True, "content": body},
        "responses": {"201": created, **_problems(400, 409, 413, 415, 422)},
    }


def _page() -> Node:
    limit = {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": DEFAULT_PAGE}
    return {
        "operationId": "listOrders",
        "summary": "List a customer's orders, newest first",
        "parameters": [
            {
                **_parameter("query", "customer_id", {"type": "string", "pattern": ID_PATTERN}),
                "required": True,
            },
            _parameter("query", "limit", limit),
            _parameter(
                "query",
                "cursor",
                {"type": "string", "pattern": CURSOR_PATTERN},
                "The `next_cursor` of the page before.",
            ),
        ],
        "responses": {"200": _json("One page.", "OrderPage"), **_problems(400, 422)},
    }


def _get() -> Node:
    stale = {
        "Age": {"description": "Seconds since it became stale.", "schema": {"type": "string"}},
        "Warning": {"schema": {"type": "string"}},
    }
    found = {**_json("The order.", "Order"), "headers": stale}
    return {
        "operationId": "getOrder",
        "summary": "Read an order",
        "responses": {"200": found, **_problems(400, 404)},
    }


def _cancel() -> Node:
    return {
        "operationId": "cancelOrder",
        "summary": "Cancel an order",
        "description": "A payment is refunded. Cancelling twice changes nothing.",
        "responses": {"200": _json("The order, cancelled.", "Order"), **_problems(400, 404, 409)},
    }


def _health(name: str, summary: str, more: Node) -> Node:
    responses = {"200": _json("It works.", "Health"), **_problems(400), **more}
    return {"operationId": name, "summary": summary, "responses": responses}


def _down() -> Node:
    return _json("It cannot take orders.", "Health")


def _order_id() -> Node:
    return {**_parameter("path", "order_id", UUID), "required": True}


def _parameter(place: str, name: str, schema: Node, description: str = "") -> Node:
    parameter = {"in": place, "name": name, "schema": schema}
    return {**parameter, "description": description} if description else parameter


def _ref(model: str) -> Node:
    return {"$ref": TEMPLATE.format(model=model)}


def _json(description: str, model: str) -> Node:
    return {
        "description": description,
        "content": {"application/json": {"schema": _ref(model)}},
    }


def _problems(*statuses: int) -> Node:
    """Return the error responses; some are possible for any request."""
    responses = {}
    for status in (*statuses, 403, 421, 429, 431, 500, 503):
        content = {MEDIA_TYPE: {"schema": _ref("Problem")}}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    return responses


def _schemas() -> Node:
    _, bodies = models_json_schema([(OrderBody, "validation")], ref_template=TEMPLATE)
    schemas: Node = dict(bodies["$defs"])
    schemas["Order"] = _object(
        id=UUID,
        customer_id={"type": "string", "pattern": ID_PATTERN},
        status={"type": "string", "enum": [status.value for status in OrderStatus]},
        items={"type": "array", "minItems": 1, "items": _ref("ItemBody")},
        currency={"type": "string", "enum": [currency.value for currency in Currency]},
        total_cents=COUNT,
        created_at=TIMESTAMP,
        updated_at=TIMESTAMP,
        version={"type": "integer", "minimum": 1},
    )
    schemas["OrderPage"] = _object(
        orders={"type": "array", "maxItems": LARGEST_PAGE, "items": _ref("Order")},
        next_cursor={"type": ["string", "null"], "pattern": CURSOR_PATTERN},
    )
    schemas["Problem"] = _problem_schema()
    schemas["Health"] = _health_schema()
    return schemas


def _problem_schema() -> Node:
    field = _object(field={"type": "string"}, message={"type": "string"})
    schema = _object(
        type={"type": "string"},
        title={"type": "string"},
        status={"type": "integer", "minimum": 400, "maximum": 599},
        detail={"type": "string"},
    )
    schema["properties"]["trace_id"] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    schema["properties"]["errors"] = {"type": "array", "minItems": 1, "items": field}
    return schema


def _health_schema() -> Node:
    status = {"type": "string", "enum": ["ok", "degraded", "down"]}
    check = _object(status=status, seconds={"type": "number", "minimum": 0})
    schema = _object(status=status)
    schema["properties"]["checks"] = {"type": "object", "additionalProperties": check}
    return schema


def _object(**properties: Node) -> Node:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
