"""Loki's query API, answered from the store, so that dashboards work in both modes.

Source: Loki 3.7 HTTP API: query_range, query, labels, label values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from local.console.api.params import LARGEST, Params, row_id
from local.console.api.times import duration_of, seconds_of
from local.store.errors import BadQueryError
from local.store.queries import log_streams, logql
from local.store.queries.tokens import LONGEST_QUERY

if TYPE_CHECKING:
    from local.store.queries.logql import LogQuery, MetricQuery
    from local.store.store import Store

HOUR_NS = 3600 * 10**9
MOST_LINES = 5_000
MOST_STEPS = 11_000


def loki_blueprint(store: Store) -> Blueprint:
    """Return the routes under /loki."""
    api = Blueprint("loki", __name__, url_prefix="/loki/api/v1")

    @api.get("/query_range")
    @api.get("/query")
    def query() -> Response:
        params = Params(request.args)
        parsed = logql.parse(params.text("query", most=LONGEST_QUERY))
        start_ns, end_ns = _bounds(params)
        limit = params.number("limit", 100, 1, MOST_LINES)
        step = duration_of(params.text("step", "60"), name="step")
        if isinstance(parsed, logql.LogQuery):
            return _success(_streams(store, parsed, start_ns, end_ns, limit))
        if request.path.endswith("/query"):
            return _success(_instant(store, parsed, end_ns))
        return _success(_counts(store, parsed, start_ns, end_ns, step))

    @api.get("/labels")
    def labels() -> Response:
        return jsonify(status="success", data=list(log_streams.INDEX_LABELS))

    @api.get("/label/<name>/values")
    def values(name: str) -> Response:
        return jsonify(status="success", data=log_streams.label_values(store.reader(), name))

    return api


def _success(data: dict[str, Any]) -> Response:
    return jsonify(status="success", data=data)


def _streams(
    store: Store, parsed: LogQuery, start_ns: int, end_ns: int, limit: int
) -> dict[str, Any]:
    streams: dict[tuple[tuple[str, str], ...], list[list[str]]] = {}
    lines = log_streams.find_lines(store.reader(), parsed, start_ns, end_ns, limit)
    for time_ns, labels, line in lines:
        streams.setdefault(tuple(sorted(labels.items())), []).append([str(time_ns), line])
    result = [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
    return {"resultType": "streams", "result": result, "stats": {}}


def _counts(
    store: Store, parsed: MetricQuery, start_ns: int, end_ns: int, step: float
) -> dict[str, Any]:
    step_ns = int(step * 1e9)
    if not step_ns or (end_ns - start_ns) // step_ns > MOST_STEPS:
        raise BadQueryError("step: too small for this range")
    series = log_streams.count_lines(store.reader(), parsed, start_ns, end_ns, step_ns)
    rows = [(labels, [_sample(point) for point in points if point[1]]) for labels, points in series]
    result = [{"metric": labels, "values": values} for labels, values in rows]
    return {"resultType": "matrix", "result": result}


def _instant(store: Store, parsed: MetricQuery, at_ns: int) -> dict[str, Any]:
    series = log_streams.count_lines(store.reader(), parsed, at_ns, at_ns, 1)
    result = [{"metric": labels, "value": _sample(points[-1])} for labels, points in series]
    return {"resultType": "vector", "result": result}


def _sample(point: tuple[int, float]) -> list[Any]:
    return [point[0] / 1e9, f"{point[1]:g}"]


def _bounds(params: Params) -> tuple[int, int]:
    time_ns = _moment(params, "time", int(params.now * 1e9))
    end_ns = _moment(params, "end", time_ns)
    start_ns = _moment(params, "start", max(0, end_ns - HOUR_NS))
    if start_ns > end_ns:
        raise BadQueryError("start: must not be after end")
    return start_ns, end_ns


def _moment(params: Params, name: str, default_ns: int) -> int:
    text = params.text(name)
    if not text:
        return default_ns
    # Loki's own form: nanoseconds, recognized by their number of digits.
    if text.isascii() and text.isdecimal() and len(text) > 15:
        return min(row_id(name, text), LARGEST - 1)
    return int(seconds_of(text, params.now, name=name) * 1e9)
