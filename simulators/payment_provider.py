"""The payment provider: a simulated third-party HTTP service that the orders depend on.

    POST /v1/charges   201 succeeded · 402 declined · 409 voided (a refund came first) · 422 · 503
    POST /v1/refunds   201 succeeded, or voided when no charge was seen: none can follow · 422 · 503
    GET  /v1/ledger    the ledger, page by page

Each request needs a header `Idempotency-Key`; the same key gives the same answer.
`ledger.reason_to_decline` decides what is declined.
"""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
from http import HTTPStatus
from typing import Any

import click
import orjson
from flask import Flask, Response, request
from opentelemetry import trace
from pydantic import BaseModel, ConfigDict, Field

from observability.instrumentation.dependencies import bound_lookups
from observability.instrumentation.environment import SettingsError, exit_for
from observability.instrumentation.exposition import claim_directory, start_metrics_server
from observability.instrumentation.flask import instrument_app
from observability.instrumentation.logs import configure_logging
from observability.instrumentation.telemetry import shutdown_telemetry, start_telemetry
from service.faults.switchboard import Switchboard
from service.semconv import ATTR_CUSTOMER_ID, ATTR_ORDER_ID, PAYMENT_PROVIDER, SERVICE_NAMESPACE
from service.version import VERSION
from service.web.hosts import refuse_other_sites
from service.web.limits import (
    LARGEST_BODY_BYTES,
    LARGEST_HEADERS_BYTES,
    limit_bodies,
    parse_json,
    read_body,
)
from service.web.problems import problem, register_problems, validate
from service.web.schemas import ID_PATTERN, KEY_PATTERN
from simulators.faults import FaultyLedger
from simulators.http_server import HttpServer
from simulators.ledger import (
    CHARGE,
    DECLINED,
    REFUND,
    SUCCEEDED,
    VOIDED,
    Charge,
    Entry,
    KeyReusedError,
    Ledger,
    VoidedError,
)
from simulators.settings import ProviderSettings

JSON = "application/json"
LARGEST_PAGE = 10_000
MOST_CONNECTIONS = 200
# Longer than the faults that slow it down, and shorter than the time that Docker leaves it.
STOP_SECONDS = 10.0

logger = logging.getLogger(__name__)


class KeyHeader(BaseModel):
    """The header that makes a request safe to repeat."""

    key: str = Field(pattern=KEY_PATTERN, alias="Idempotency-Key")


class RefundBody(BaseModel):
    """An order to refund."""

    model_config = ConfigDict(extra="forbid")
    order_id: str = Field(pattern=ID_PATTERN)


class ChargeBody(RefundBody):
    """An order to charge."""

    customer_id: str = Field(pattern=ID_PATTERN)
    amount_cents: int = Field(ge=0, strict=True)
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class LedgerQuery(BaseModel):
    """The page of the ledger to return."""

    after: int = Field(default=0, ge=0)
    limit: int = Field(default=LARGEST_PAGE, ge=1, le=LARGEST_PAGE)


class ProviderViews:
    """The views of the provider."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def charge(self) -> Response:
        """Charge an order."""
        key = validate(KeyHeader, dict(request.headers)).key
        body = validate(ChargeBody, parse_json(read_body(request)))
        trace.get_current_span().set_attributes(
            {ATTR_ORDER_ID: body.order_id, ATTR_CUSTOMER_ID: body.customer_id}
        )
        entry, replayed = self._ledger.charge(key, Charge(**body.model_dump()))
        return _movement(entry, replayed=replayed)

    def refund(self) -> Response:
        """Refund an order."""
        key = validate(KeyHeader, dict(request.headers)).key
        body = validate(RefundBody, parse_json(read_body(request)))
        trace.get_current_span().set_attribute(ATTR_ORDER_ID, body.order_id)
        entry, replayed = self._ledger.refund(key, body.order_id)
        return _movement(entry, replayed=replayed)

    def ledger(self) -> Response:
        """Return the totals of the ledger, and one page of its entries."""
        query = validate(LedgerQuery, request.args.to_dict())
        entries = self._ledger.page(query.after, query.limit)
        totals = self._ledger.totals()
        return _json(
            {
                "charges": totals.get((CHARGE, SUCCEEDED), 0),
                "declined": totals.get((CHARGE, DECLINED), 0),
                "refunds": totals.get((REFUND, SUCCEEDED), 0),
                "voided": totals.get((REFUND, VOIDED), 0),
                "entries": [dataclasses.asdict(entry) for entry in entries],
                "next": entries[-1].seq if len(entries) == query.limit else None,
            }
        )


def _json(body: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(orjson.dumps(body), status.value, mimetype=JSON)


def _movement(entry: Entry, *, replayed: bool) -> Response:
    """Return the response for an entry of the ledger, and log it."""
    body: dict[str, Any] = {"id": entry.id, "state": entry.state}
    if entry.reason:
        body["reason"] = entry.reason
    declined = entry.state == DECLINED
    response = _json(body, HTTPStatus.PAYMENT_REQUIRED if declined else HTTPStatus.CREATED)
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    logger.info(
        "%s %s", entry.kind, entry.state, extra={ATTR_ORDER_ID: entry.order_id, "id": entry.id}
    )
    return response


def _register_errors(app: Flask) -> None:
    register_problems(app)
    app.register_error_handler(VoidedError, lambda _: _json({"state": VOIDED}, HTTPStatus.CONFLICT))
    app.register_error_handler(
        KeyReusedError,
        lambda _: problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "this idempotency key was used with another request",
            [{"field": "Idempotency-Key", "message": "used with another request"}],
        ),
    )


def create_app(settings: ProviderSettings | None = None) -> Flask:
    """Return the payment provider, ready to be served."""
    settings = settings or ProviderSettings.from_env_or_exit()
    switchboard = Switchboard(settings.faults_file) if settings.faults_file else None
    telemetry = start_telemetry(
        settings.telemetry,
        service_name=PAYMENT_PROVIDER,
        service_namespace=SERVICE_NAMESPACE,
        service_version=VERSION,
        is_dropping=switchboard.drops_telemetry if switchboard else None,
    )
    app = Flask(__name__, static_folder=None)
    limit_bodies(app)
    refuse_other_sites(app, settings.trusted_hosts)
    path = settings.ledger
    views = ProviderViews(FaultyLedger(path, switchboard) if switchboard else Ledger(path))
    app.add_url_rule("/v1/charges", "charge", views.charge, methods=["POST"])
    app.add_url_rule("/v1/refunds", "refund", views.refund, methods=["POST"])
    app.add_url_rule("/v1/ledger", "ledger", views.ledger, methods=["GET"])
    app.add_url_rule("/livez", "livez", lambda: _json({"status": "ok"}), methods=["GET"])
    _register_errors(app)
    instrument_app(app, telemetry, success_codes={"charge": [201, 402], "refund": [201]})
    return app


@click.command(help="Serve the payment provider until TERM.")
def main() -> None:
    """Start telemetry, the metrics port and the server, and wait for a signal."""
    settings = ProviderSettings.from_env_or_exit()
    bound_lookups()
    try:
        claim_directory(settings.telemetry)
    except SettingsError as error:
        exit_for(error)
    configure_logging(settings.telemetry)
    app = create_app(settings)
    start_metrics_server(
        settings.telemetry,
        settings.metrics_port,
        host=settings.bind_host,
        trusted_hosts=settings.trusted_hosts,
    )
    server = HttpServer(
        app,
        name="payment-provider",
        host=settings.bind_host,
        port=settings.port,
        threads=settings.threads,
        most_connections=MOST_CONNECTIONS,
        max_body_bytes=LARGEST_BODY_BYTES,
        max_head_bytes=LARGEST_HEADERS_BYTES,
    )
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    logger.info("listening on port %d", server.port)
    ended.wait()
    server.stop(STOP_SECONDS)
    shutdown_telemetry()


if __name__ == "__main__":
    main(prog_name="python -m simulators.payment_provider")
