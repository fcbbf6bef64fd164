"""Queries to Prometheus, Loki and Tempo over HTTP."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

# How Prometheus writes a value that is not a number.
NAN = "NaN"


class BackendError(RuntimeError):
    """Error of a backend: its message about a query, or an invalid address."""


class UnreachableError(BackendError):
    """Error of a backend that does not answer at its address."""


@dataclass(frozen=True)
class Backend:
    """The HTTP API of one backend.

    Args:
        url: Its base address.
        window: How far back a query looks.
        step: Shortest step of a range query.
        shift: How far before now the window ends.
    """

    url: str
    window: timedelta = timedelta(minutes=15)
    step: timedelta = timedelta(seconds=15)
    shift: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise BackendError(f"{self.url!r}: expected an address such as http://127.0.0.1:9090")

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a path.

        Raises:
            UnreachableError: The backend does not answer, or not with JSON.
            BackendError: The answer is an error.
        """
        words = urllib.parse.urlencode(query, doseq=True)
        address = f"{self.url.rstrip('/')}{path}?{words}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - checked above
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise BackendError(_reason(error)) from error
        except (OSError, ValueError) as error:
            raise UnreachableError(f"{self.url}: {error}") from error

    def bounds(self) -> tuple[float, float]:
        """Return start and end of the window, Unix seconds."""
        now = time.time() - self.shift.total_seconds()
        return now - self.window.total_seconds(), now


def _reason(error: urllib.error.HTTPError) -> str:
    text = error.read(2000).decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {text.strip()[:200]}"


def prometheus_rows(end: Backend, expr: str, *, instant: bool) -> int:
    """Return the number of series of a PromQL query, now or within the window.

    A series of NaN only draws nothing and does not count.
    """
    if instant:
        at = {"time": end.bounds()[1]} if end.shift else {}
        data = end.get("/api/v1/query", query=expr, **at)["data"]
    else:
        start, stop = end.bounds()
        step = end.step.total_seconds()
        data = end.get("/api/v1/query_range", query=expr, start=start, end=stop, step=step)["data"]
    if data["resultType"] == "string":
        return 1
    if data["resultType"] == "scalar":
        return int(data["result"][1] != NAN)
    values = [one.get("values") or [one.get("value", (0, ""))] for one in data["result"]]
    return sum(any(text != NAN for _, text in pairs) for pairs in values)


def prometheus_has(end: Backend, selector: str) -> bool:
    """Return whether a selector matches a series within the window."""
    start, stop = end.bounds()
    found = end.get("/api/v1/series", **{"match[]": selector}, start=start, end=stop, limit=1)
    return bool(found["data"])


def prometheus_label_values(end: Backend, metric: str, label: str) -> Sequence[str]:
    """Return the values of a label, of one metric or, if it is empty, of all."""
    start, stop = end.bounds()
    query: dict[str, Any] = {"start": start, "end": stop}
    if metric:
        query["match[]"] = metric
    values: list[str] = end.get(f"/api/v1/label/{label}/values", **query)["data"]
    return values


def prometheus_texts(end: Backend, expr: str) -> list[str]:
    """Return the rows of a query as Grafana's `query_result` writes them."""
    data = end.get("/api/v1/query", query=expr)["data"]
    if data["resultType"] != "vector":
        return [str(data["result"][1])]
    return [_text(row["metric"], *row["value"]) for row in data["result"]]


def _text(labels: Mapping[str, str], at: float, value: str) -> str:
    pairs = ",".join(f'{k}="{v}"' for k, v in labels.items() if k != "__name__")
    return f"{labels.get('__name__', '')}{{{pairs}}} {value} {int(at * 1000)}"


def loki_label_values(end: Backend, selector: str, label: str) -> Sequence[str]:
    """Return the values of a label of log streams; an empty selector stands for all."""
    start, stop = (int(second * 1e9) for second in end.bounds())
    query: dict[str, Any] = {"start": start, "end": stop}
    if selector:
        query["query"] = selector
    values: list[str] = end.get(f"/loki/api/v1/label/{label}/values", **query).get("data") or []
    return values


def loki_rows(end: Backend, expr: str) -> int:
    """Return the number of streams or series of a LogQL query within the window."""
    start, stop = (int(second * 1e9) for second in end.bounds())
    data = end.get("/loki/api/v1/query_range", query=expr, start=start, end=stop, limit=10)["data"]
    return len(data["result"])


def tempo_rows(end: Backend, expr: str) -> int:
    """Return the number of traces, at most 10, of a TraceQL query or a bare trace id."""
    if not expr.lstrip().startswith("{"):
        return 1 if end.get(f"/api/traces/{urllib.parse.quote(expr.strip())}") else 0
    start, stop = (int(second) for second in end.bounds())
    found = end.get("/api/search", q=expr, start=start, end=stop, limit=10)
    return len(found.get("traces") or [])
