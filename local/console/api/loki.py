"""Loki's query API, answered from the store, so that dashboards work in both modes.

Source: Loki 3.7 HTTP API: query_range, query, labels, label values.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from local.store.errors import BadQueryError
from local.store.queries import log_streams, logql
from local.store.queries.times import duration_of, seconds_of

if TYPE_CHECKING:
    from local.store.queries.logql import LogQuery, MetricQuery
    from local.store.store import Store

HOUR = 3600.0
MOST_LINES = 5_000
MOST_STEPS = 11_000


def loki_blueprint(store: Store) -> Blueprint:
    """Return the routes under /loki."""
    api = Blueprint("loki", __name__, url_prefix="/loki/api/v1")

    @api.get("/query_range")
    @api.get("/query")
    def query() -> Response:
        parsed = logql.parse(request.args.get("query", ""))
        start_ns, end_ns = _bounds()
        if isinstance(parsed, logql.MetricQuery):
            return _success(_counts(store, parsed, start_ns, end_ns))
        return _success(_streams(store, parsed, start_ns, end_ns))

    @api.get("/labels")
    def labels() -> Response:
        return jsonify(status="success", data=list(log_streams.INDEX_LABELS))

    @api.get("/label/<name>/values")
    def values(name: str) -> Response:
        return jsonify(status="success", data=log_streams.label_values(store.reader(), name))

    return api


def _success(data: dict[str, Any]) -> Response:
    return jsonify(status="success", data=data)


def _streams(store: Store, parsed: LogQuery, start_ns: int, end_ns: int) -> dict[str, Any]:
    limit = request.args.get("limit", 100, type=int)
    if not 1 <= limit <= MOST_LINES:
        raise BadQueryError(f"limit: expected 1 to {MOST_LINES}, not {limit}")
    streams: dict[tuple[tuple[str, str], ...], list[list[str]]] = {}
    lines = log_streams.find_lines(store.reader(), parsed, start_ns, end_ns, limit)
    for time_ns, labels, line in lines:
        streams.setdefault(tuple(sorted(labels.items())), []).append([str(time_ns), line])
    result = [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
    return {"resultType": "streams", "result": result, "stats": {}}


def _counts(store: Store, parsed: MetricQuery, start_ns: int, end_ns: int) -> dict[str, Any]:
    instant = request.path.endswith("/query")
    step = duration_of(request.args.get("step", "60"), name="step")
    if instant:
        start_ns, step = end_ns, 1.0
    if step <= 0 or (end_ns - start_ns) / 1e9 / step > MOST_STEPS:
        raise BadQueryError("step: too small for this range")
    series = log_streams.count_lines(store.reader(), parsed, start_ns, end_ns, int(step * 1e9))
    if instant:
        result = [{"metric": labels, "value": _sample(points[-1])} for labels, points in series]
        return {"resultType": "vector", "result": result}
    rows = [(labels, [_sample(point) for point in points if point[1]]) for labels, points in series]
    result = [{"metric": labels, "values": values} for labels, values in rows]
    return {"resultType": "matrix", "result": result}


def _sample(point: tuple[int, float]) -> list[Any]:
    return [point[0] / 1e9, f"{point[1]:g}"]


def _bounds() -> tuple[int, int]:
    now = time.time()
    end = _moment(request.args.get("end") or request.args.get("time"), now, "end") or now
    start = _moment(request.args.get("start"), now, "start") or end - HOUR
    return int(start * 1e9), int(end * 1e9)


def _moment(text: str | None, now: float, name: str) -> float | None:
    if not text:
        return None
    # Loki's own form: nanoseconds, recognized by their number of digits.
    if text.isdecimal() and len(text) > 15:
        return int(text) / 1e9
    return seconds_of(text, now, name=name)
