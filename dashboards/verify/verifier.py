"""Run the queries of each panel, and find the metrics that are missing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from time import monotonic
from typing import Any

import promql_parser

from dashboards.reader.sources import UNKNOWN
from dashboards.verify import backends
from dashboards.verify.backends import Backend, BackendError, UnreachableError
from dashboards.verify.durations import duration
from dashboards.verify.reading import NO_QUERY, Dashboard, Panel, Target
from dashboards.verify.report import EMPTY, FAILED, HAS_ROWS, SKIPPED, Finding
from dashboards.verify.substitution import Values, built_in, names_in, substitute
from dashboards.verify.variables import values_of

# Grafana requests one point per pixel, unless the panel sets a maximum.
POINTS = 1000
# Pairs, since the parser's constants cannot be keys.
OPERATORS = (
    (promql_parser.MatchOp.Equal, "="),
    (promql_parser.MatchOp.NotEqual, "!="),
    (promql_parser.MatchOp.Re, "=~"),
    (promql_parser.MatchOp.NotRe, "!~"),
)
TRACE_ID = re.compile(r"^[0-9a-fA-F]{1,32}$")


class Verifier:
    """A verifier that runs the queries of panels against their backends.

    Args:
        ends: Backend by type of data source: `prometheus` (required), `loki`, `tempo`.
        chosen: Values of variables, by name.
        scrape: Prometheus' scrape interval.
    """

    def __init__(
        self, ends: Mapping[str, Backend], chosen: Mapping[str, str], scrape: timedelta
    ) -> None:
        self._ends, self._chosen, self._scrape = ends, chosen, scrape
        self._has_series = cache(self._query_has_series)

    def panels(self, dashboard: Dashboard) -> list[Finding]:
        """Return the finding of each panel.

        Raises:
            UnreachableError: A backend does not answer.
        """
        end = self._ends["prometheus"]
        known = built_in(end.window, end.step, self._scrape)
        values = values_of(dashboard.variables, self._chosen, self, known)
        return [self._panel(dashboard, panel, values) for panel in dashboard.panels]

    def label_values(self, kind: str, selector: str, label: str) -> Sequence[str]:
        """Return the values of a label; none if the caller gave no backend of this type."""
        queries = {"loki": backends.loki_label_values,
                   "prometheus": backends.prometheus_label_values}  # fmt: skip
        if kind not in self._ends or kind not in queries:
            return []
        return _if_accepted(lambda: queries[kind](self._ends[kind], selector, label))

    def query_result(self, expr: str) -> Sequence[str]:
        """Return the rows of a PromQL query as Grafana's `query_result` writes them."""
        return _if_accepted(lambda: backends.prometheus_texts(self._ends["prometheus"], expr))

    def _panel(self, dashboard: Dashboard, panel: Panel, values: Values) -> Finding:
        finding = Finding(dashboard.uid, panel.title, SKIPPED, only_in_docker=panel.only_in_docker)
        finding.reason = self._reason_to_skip(panel)
        if finding.reason:
            return finding
        # Each copy of a repeated panel has one of the values.
        own = {name: value.first() for name, value in values.items() if name in panel.repeat}
        targets = [t for t in panel.targets if t.kind in self._ends and t.expr]
        when = self._when(panel)
        known = built_in(when.window, when.step, self._scrape)
        self._query(targets, {**values, **known, **own}, when, finding)
        return finding

    def _when(self, panel: Panel) -> Backend:
        """Return a backend with the time range and the step of a panel."""
        end = self._ends["prometheus"]
        window = duration(panel.model["timeFrom"]) or end.window
        shift = duration(panel.model["timeShift"]) or end.shift
        step = max(end.step, window / (panel.points or POINTS))
        return replace(end, window=window, step=step, shift=shift)

    def _reason_to_skip(self, panel: Panel) -> str:
        """Return why a panel is not queried; empty if it is."""
        kinds = sorted({target.kind for target in panel.targets})
        named = sorted({t.source for t in panel.targets if t.kind == UNKNOWN})
        if panel.library:
            return "library panels whose queries are not in the file"
        if panel.type in NO_QUERY or not panel.targets:
            return "no queries"
        if named and not set(kinds) & set(self._ends):
            return f"unknown data source {', '.join(named)}"
        if not set(kinds) & set(self._ends):
            return f"no address given for {', '.join(kinds)}"
        texts = any(target.expr for target in panel.targets if target.kind in self._ends)
        return "" if texts else "queries built in a form, without a text"

    def _query(
        self, targets: Sequence[Target], values: Values, when: Backend, finding: Finding
    ) -> None:
        try:
            for target in targets:
                expr = substitute(target.expr, values)
                if target.kind == "tempo" and not expr.startswith("{") and not TRACE_ID.match(expr):
                    options = " ".join(f"--var {name}=…" for name in names_in(target.expr))
                    finding.reason = f"needs a trace id: {options}"
                    return
                began = monotonic()
                finding.rows += self._rows(target, expr, when)
                finding.seconds = max(finding.seconds, monotonic() - began)
                if target.kind == "prometheus":
                    self._explain(expr, finding)
        except UnreachableError:
            raise
        except BackendError as error:
            finding.state, finding.reason = FAILED, str(error)
            return
        finding.state = HAS_ROWS if finding.rows else EMPTY
        finding.reason = "" if finding.rows else finding.reason

    def _explain(self, expr: str, finding: Finding) -> None:
        """Note the metrics without series, and the selectors that match none of a metric's."""
        for name, selectors in sorted(selectors_of(expr).items()):
            if not self._has_series(name):
                finding.missing = sorted({*finding.missing, name})
            elif none := sorted(one for one in selectors if not self._has_series(one)):
                finding.reason = f"nothing matches {' '.join(none)}"

    def _rows(self, target: Target, expr: str, when: Backend) -> int:
        end = replace(when, url=self._ends[target.kind].url)
        if target.kind == "prometheus":
            return backends.prometheus_rows(end, expr, instant=target.instant)
        query = {"loki": backends.loki_rows, "tempo": backends.tempo_rows}[target.kind]
        return query(end, expr)

    def _query_has_series(self, selector: str) -> bool:
        return backends.prometheus_has(self._ends["prometheus"], selector)


def _if_accepted(query: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Return a query's values; none if the backend refuses it, since only one variable needs it."""
    try:
        return query()
    except UnreachableError:
        raise
    except BackendError:
        return []


def selectors_of(expr: str) -> dict[str, set[str]]:
    """Return the selectors of a PromQL query by metric; none if it cannot be parsed."""
    found: dict[str, set[str]] = {}
    try:
        for name, selector in _walk(promql_parser.parse(expr)):
            found.setdefault(name, set()).add(selector)
    except ValueError:
        return {}
    return found


def _walk(node: Any) -> list[tuple[str, str]]:
    """Return the metrics and selectors below a node of promql-parser's tree."""
    if node is None:
        return []
    if isinstance(node, promql_parser.VectorSelector):
        return [(node.name, _selector(node))] if node.name else []
    if isinstance(node, promql_parser.MatrixSelector):
        return _walk(node.vector_selector)
    parts = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param")]
    parts += getattr(node, "args", None) or []
    return [one for part in parts for one in _walk(part)]


def _selector(node: Any) -> str:
    """Return a selector without offset and range."""
    pairs = [
        f"{m.name}{sign}{json.dumps(m.value)}"
        for m in node.matchers.matchers
        for op, sign in OPERATORS
        if op == m.op
    ]
    return f"{node.name}{{{','.join(pairs)}}}" if pairs else str(node.name)


def verify(dashboards: Sequence[Dashboard], verifier: Verifier) -> list[Finding]:
    """Return the findings of all panels; draw a progress bar on a terminal."""
    findings: list[Finding] = []
    for number, dashboard in enumerate(dashboards, 1):
        if sys.stderr.isatty():
            bar = "#" * (20 * number // len(dashboards))
            sys.stderr.write(f"\r[{bar:<20}] {number}/{len(dashboards)} {dashboard.uid:<30.30}")
        findings += verifier.panels(dashboard)
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    return findings
