"""The HTTP API of orders."""

from __future__ import annotations

import hashlib
import logging
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from flask import Blueprint, Response, request
from opentelemetry import trace
from werkzeug.exceptions import UnsupportedMediaType

from observability.instrumentation.propagation import TraceContext
from service import orders
from service.semconv import ATTR_CUSTOMER_ID, ATTR_ORDER_ID, ATTR_ORDER_STATUS
from service.storage.idempotency import IdempotencyKey
from service.web.cursors import Cursor
from service.web.limits import parse_json, read_body
from service.web.problems import validate
from service.web.schemas import OrderBody, OrderHeaders, PageQuery
from service.web.serialization import to_document

if TYPE_CHECKING:
    from uuid import UUID

    from service.metrics import OrderMetrics
    from service.storage.cache import OrderCache
    from service.storage.orders import OrderStore

JSON = "application/json"
REPLAYED = "Idempotency-Replayed"

logger = logging.getLogger(__name__)


class OrderViews:
    """The views of orders."""

    def __init__(self, store: OrderStore, cache: OrderCache, metrics: OrderMetrics) -> None:
        self._store = store
        self._cache = cache
        self._metrics = metrics

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        api = Blueprint("orders", __name__, url_prefix="/v1/orders")
        api.add_url_rule("", "place", self.place, methods=["POST"])
        api.add_url_rule("", "page", self.page, methods=["GET"])
        api.add_url_rule("/<uuid:order_id>", "get", self.get, methods=["GET"])
        api.add_url_rule("/<uuid:order_id>/cancel", "cancel", self.cancel, methods=["POST"])
        return api

    def place(self) -> Response:
        """Place a new order."""
        headers = validate(OrderHeaders, dict(request.headers))
        body = validate(OrderBody, _json_body())
        order = orders.place(
            uuid.uuid4(), body.customer_id, body.to_items(), body.currency, datetime.now(UTC)
        )
        _annotate(order)
        document = to_document(order)
        key = IdempotencyKey(headers.key, _hash(body), 201, document) if headers.key else None
        answer = self._store.place(order, key, TraceContext.current())
        if answer:
            return _created(answer.response, answer.status_code, replayed=True)
        self._cache.put(order)
        self._metrics.order_placed()
        logger.info("order placed", extra=_extra(order))
        return _created(document, 201, replayed=False)

    def page(self) -> Response:
        """List a customer's orders, newest first."""
        query = validate(PageQuery, request.args.to_dict())
        after = Cursor.decode(query.cursor) if query.cursor else None
        found = self._store.page(query.customer_id, query.limit + 1, after)
        shown = found[: query.limit]
        more = len(found) > query.limit
        cursor = Cursor(shown[-1].created_at, shown[-1].id).encode() if more else None
        body = {"orders": [to_document(order) for order in shown], "next_cursor": cursor}
        return Response(orjson.dumps(body), mimetype=JSON)

    def get(self, order_id: UUID) -> Response:
        """Return one order."""
        trace.get_current_span().set_attribute(ATTR_ORDER_ID, str(order_id))
        found = self._cache.get(order_id, lambda: self._store.get(order_id))
        response = Response(found.body, mimetype=JSON)
        if found.stale_seconds:
            response.headers["Age"] = str(int(found.stale_seconds))
            response.headers["Warning"] = '110 - "Response is Stale"'
        return response

    def cancel(self, order_id: UUID) -> Response:
        """Cancel an order; a payment is refunded."""
        order, changed = self._store.cancel(order_id, datetime.now(UTC), TraceContext.current())
        _annotate(order)
        if changed:
            self._metrics.order_finished(order.status)
            logger.info("order cancelled", extra=_extra(order))
        return Response(self._cache.put(order), mimetype=JSON)


def _json_body() -> Any:
    if request.mimetype != JSON or request.content_encoding not in {None, "identity"}:
        raise UnsupportedMediaType(f"expected {JSON} without compression")
    return parse_json(read_body(request))


def _hash(body: OrderBody) -> bytes:
    """Hash the parsed body, so that requests that differ only in formatting are the same."""
    return hashlib.sha256(body.model_dump_json().encode()).digest()


def _created(document: dict[str, Any], status: int, *, replayed: bool) -> Response:
    response = Response(orjson.dumps(document), status, mimetype=JSON)
    response.headers["Location"] = f"/v1/orders/{document['id']}"
    if replayed:
        response.headers[REPLAYED] = "true"
    return response


def _extra(order: orders.Order) -> dict[str, str]:
    return {ATTR_ORDER_ID: str(order.id), ATTR_ORDER_STATUS: order.status.value}


def _annotate(order: orders.Order) -> None:
    span = trace.get_current_span()
    span.set_attribute(ATTR_ORDER_ID, str(order.id))
    span.set_attribute(ATTR_CUSTOMER_ID, order.customer_id)
    span.set_attribute(ATTR_ORDER_STATUS, order.status.value)
