"""The JSON API over traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, jsonify, request

from local.console.api.params import Params
from local.store.queries import traces

if TYPE_CHECKING:
    from flask import Response

    from local.store.store import Store

_PARAMS = (
    *("service", "operation", "status", "min_ms", "max_ms", "attr", "text"),
    *("from", "to", "limit", "order"),
)


def traces_blueprint(store: Store) -> Blueprint:
    """Return the routes under /api that search traces, services and operations."""
    api = Blueprint("traces", __name__, url_prefix="/api")

    @api.get("/traces")
    def find_traces() -> Response:
        return jsonify(traces=traces.search_traces(store.reader(), _search()))

    @api.get("/traces/<trace_id>")
    def one_trace(trace_id: str) -> Response | tuple[Response, int]:
        full_id = traces.trace_id_of(trace_id)
        trace = traces.read_trace(store.reader(), full_id)
        if trace is None:
            return jsonify(error=f"no trace {full_id} in the store"), 404
        return jsonify(trace)

    @api.get("/services")
    def all_services() -> Response:
        return jsonify(services=traces.services(store.reader()))

    @api.get("/operations")
    def all_operations() -> Response:
        service = Params(request.args, ("service",)).text("service")
        return jsonify(operations=traces.operations(store.reader(), service))

    return api


def _search() -> traces.TraceSearch:
    params = Params(request.args, _PARAMS)
    return traces.TraceSearch(
        service=params.text("service"),
        operation=params.text("operation"),
        status=params.text("status"),
        min_ns=params.milliseconds("min_ms"),
        max_ns=params.milliseconds("max_ms"),
        attributes=params.texts("attr"),
        text=params.text("text"),
        start_ns=params.moment_ns("from"),
        end_ns=params.moment_ns("to"),
        order=params.word("order", ("newest", "slowest")),
        limit=params.number("limit", 20, 1, 500),
    )
