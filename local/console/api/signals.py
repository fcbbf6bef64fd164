"""The JSON API over traces and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, jsonify, request

from local.console.api.params import Params
from local.store.queries import logs, traces

if TYPE_CHECKING:
    from flask import Response

    from local.store.store import Store

_TRACE_PARAMS = (
    *("service", "operation", "status", "min_ms", "max_ms", "attr", "text"),
    *("from", "to", "limit", "order"),
)
_LOG_PARAMS = (
    *("service", "level", "text", "trace_id", "span_id", "from", "to"),
    *("limit", "after", "attr"),
)


def signals_blueprint(store: Store) -> Blueprint:
    """Return the routes under /api that search traces and logs."""
    api = Blueprint("signals", __name__, url_prefix="/api")

    @api.get("/traces")
    def find_traces() -> Response:
        return jsonify(traces=traces.search_traces(store.reader(), _trace_search()))

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

    @api.get("/logs")
    def find_logs() -> Response:
        search = _log_search(Params(request.args, _LOG_PARAMS))
        lines = logs.search_logs(store.reader(), search)
        newest = max((line["id"] for line in lines), default=search.after or 0)
        return jsonify(lines=lines, last_id=newest)

    @api.get("/logs/last")
    def last_line() -> Response:
        return jsonify(last_id=logs.last_id(store.reader()))

    @api.get("/logs/volume")
    def log_volume() -> Response:
        return jsonify(**_volume(store))

    return api


def _volume(store: Store) -> dict[str, Any]:
    params = Params(request.args, (*_LOG_PARAMS, "steps"))
    search = _log_search(params)
    start, end = search.start_ns, search.end_ns
    if start is None or end is None or end <= start:
        return {"step_ns": 0, "volume": []}
    step = max(10**9, (end - start) // params.number("steps", 60, 1, 500))
    return {"step_ns": step, "volume": logs.count_logs(store.reader(), search, step_ns=step)}


def _trace_search() -> traces.TraceSearch:
    params = Params(request.args, _TRACE_PARAMS)
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


def _log_search(params: Params) -> logs.LogSearch:
    trace_id = params.text("trace_id")
    return logs.LogSearch(
        services=params.texts("service"),
        level=params.text("level"),
        text=params.texts("text"),
        trace_id=traces.trace_id_of(trace_id) if trace_id else "",
        span_id=params.text("span_id"),
        attributes=params.texts("attr"),
        start_ns=params.moment_ns("from"),
        end_ns=params.moment_ns("to"),
        after=params.optional_number("after"),
        limit=params.number("limit", 200, 1, 5000),
    )
