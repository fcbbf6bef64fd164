"""Tempo's query API, answered from the store, so that dashboards work in both modes.

Source: Tempo 3.0 HTTP API: search, traces by id (v1 and v2), search tags; ids in a trace's JSON
are base64, as protobuf writes them.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from local.console.api.params import Params
from local.console.api.times import seconds_of
from local.store.errors import BadQueryError
from local.store.queries import traceql, traces
from local.store.queries.tokens import LONGEST_QUERY

if TYPE_CHECKING:
    from local.store.store import Store

HOUR = 3600.0
# Tempo's default.
SPANS_PER_TRACE = 3


def tempo_blueprint(store: Store) -> Blueprint:
    """Return the routes under /tempo."""
    api = Blueprint("tempo", __name__, url_prefix="/tempo/api")

    @api.get("/search")
    def search() -> Response:
        params = Params(request.args)
        start_ns, end_ns = _bounds(params)
        limit = params.number("limit", 20, 1, 500)
        spans = params.number("spss", SPANS_PER_TRACE, 1, 100)
        query = traceql.parse(params.text("q", "{}", most=LONGEST_QUERY))
        found = traceql.search(store.reader(), query, start_ns, end_ns, limit)
        return jsonify(traces=[_found(trace, spans) for trace in found], metrics={})

    @api.get("/traces/<trace_id>")
    def v1(trace_id: str) -> Response | tuple[Response, int]:
        batches = _batches(store, trace_id)
        return jsonify(batches=batches) if batches else (jsonify(error="trace not found"), 404)

    @api.get("/v2/traces/<trace_id>")
    def v2(trace_id: str) -> Response | tuple[Response, int]:
        batches = _batches(store, trace_id)
        if not batches:
            return jsonify(error="trace not found"), 404
        return jsonify(trace={"resourceSpans": batches})

    return api


def _bounds(params: Params) -> tuple[int, int]:
    end = seconds_of(params.text("end", "now"), params.now, name="end")
    start = seconds_of(params.text("start", str(max(0.0, end - HOUR))), params.now, name="start")
    if start > end:
        raise BadQueryError("start: must not be after end")
    return int(start * 1e9), int(end * 1e9)


def _found(trace: dict[str, Any], most: int) -> dict[str, Any]:
    spans = [
        {
            "spanID": span["span_id"],
            "name": span["name"],
            "startTimeUnixNano": str(span["start_ns"]),
            "durationNanos": str(span["duration_ns"]),
            "attributes": _attributes({"service.name": span["service"], **span["selected"]}),
        }
        for span in trace["spans_matched"][:most]
    ]
    span_set = {"spans": spans, "matched": len(trace["spans_matched"])}
    return {
        "traceID": trace["trace_id"],
        "rootServiceName": trace["root_service"],
        "rootTraceName": trace["root_name"],
        "startTimeUnixNano": str(trace["start_ns"]),
        # Tempo rounds to whole milliseconds; a trace of 0.4 ms would last 0.
        "durationMs": round(trace["duration_ns"] / 1e6, 3),
        "spanSet": span_set,
        "spanSets": [span_set],
    }


def _batches(store: Store, trace_id: str) -> list[dict[str, Any]]:
    trace = traces.read_trace(store.reader(), traces.trace_id_of(trace_id))
    spans = trace["spans"] if trace else []
    return [
        {
            "resource": {"attributes": _attributes(span["resource"])},
            "scopeSpans": [{"scope": span["scope"], "spans": [_span(span)]}],
        }
        for span in spans
    ]


def _span(span: dict[str, Any]) -> dict[str, Any]:
    status = {"unset": {}, "ok": {"code": "STATUS_CODE_OK"}, "error": {"code": "STATUS_CODE_ERROR"}}
    return {
        "traceId": _base64(span["trace_id"]),
        "spanId": _base64(span["span_id"]),
        "parentSpanId": _base64(span["parent_span_id"]),
        "traceState": span["trace_state"],
        "name": span["name"],
        "kind": f"SPAN_KIND_{span['kind'].upper()}",
        "startTimeUnixNano": str(span["start_ns"]),
        "endTimeUnixNano": str(span["start_ns"] + span["duration_ns"]),
        "attributes": _attributes(span["attributes"]),
        "events": [
            {
                "timeUnixNano": str(event["time_ns"]),
                "name": event["name"],
                "attributes": _attributes(event["attributes"]),
            }
            for event in span["events"]
        ],
        "links": [
            {
                "traceId": _base64(link["trace_id"]),
                "spanId": _base64(link["span_id"]),
                "traceState": link["trace_state"],
                "attributes": _attributes(link["attributes"]),
            }
            for link in span["links"]
        ],
        "status": {**status[span["status"]], "message": span["status_message"]},
    }


def _base64(hex_id: str) -> str:
    return base64.b64encode(bytes.fromhex(hex_id)).decode()


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(one)} for key, one in values.items() if one is not None]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value if isinstance(value, str) else str(value)}
