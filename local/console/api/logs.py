"""The JSON API over log lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, jsonify, request

from local.console.api.params import Params
from local.store.queries import logs
from local.store.queries.traces import trace_id_of

if TYPE_CHECKING:
    from flask import Response

    from local.store.store import Store

_PARAMS = (
    *("service", "level", "text", "trace_id", "span_id", "from", "to"),
    *("limit", "after", "attr"),
)


def logs_blueprint(store: Store) -> Blueprint:
    """Return the routes under /api/logs."""
    api = Blueprint("logs", __name__, url_prefix="/api/logs")

    @api.get("")
    def find_logs() -> Response:
        search = _search(Params(request.args, _PARAMS))
        lines = logs.search_logs(store.reader(), search)
        newest = max((line["id"] for line in lines), default=search.after or 0)
        return jsonify(lines=lines, last_id=newest)

    @api.get("/last")
    def last_line() -> Response:
        return jsonify(last_id=logs.last_id(store.reader()))

    @api.get("/volume")
    def log_volume() -> Response:
        params = Params(request.args, (*_PARAMS, "steps"))
        search = _search(params)
        start, end = search.start_ns, search.end_ns
        if start is None or end is None or end <= start:
            return jsonify(step_ns=0, volume=[])
        step = max(10**9, -(-(end - start) // params.number("steps", 60, 1, 500)))
        volume = logs.count_logs(store.reader(), search, step_ns=step)
        return jsonify(step_ns=step, volume=volume)

    return api


def _search(params: Params) -> logs.LogSearch:
    trace_id = params.text("trace_id")
    return logs.LogSearch(
        services=params.texts("service"),
        level=params.text("level"),
        text=params.texts("text"),
        trace_id=trace_id_of(trace_id) if trace_id else "",
        span_id=params.text("span_id"),
        attributes=params.texts("attr"),
        start_ns=params.moment_ns("from"),
        end_ns=params.moment_ns("to"),
        after=params.optional_number("after"),
        limit=params.number("limit", 200, 1, 5000),
    )
