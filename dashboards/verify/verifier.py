"""Does every panel have data? `python -m dashboards verify --prometheus URL [FILE|FOLDER …]`.

For each panel of any dashboard, ours or a stranger's: how many rows it has, or the metric that is
missing, by name. Exit code 0: every panel has rows; 1: some have none; 2: it could not be asked.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import promql_parser

from dashboards.verify import backends
from dashboards.verify.backends import BackEnd, BackEndError, UnreachableError
from dashboards.verify.reading import (
    SILENT,
    Dashboard,
    DashboardError,
    Panel,
    Target,
    read_dashboards,
)
from dashboards.verify.report import (
    EMPTY,
    FAILED,
    HAS_ROWS,
    SKIPPED,
    Finding,
    as_json,
    as_junit,
    as_text,
)
from dashboards.verify.substitution import Values, built_in, names_in, substitute
from dashboards.verify.variables import values_of

OURS = Path(__file__).parent.parent / "json"
KINDS = ("prometheus", "loki", "tempo")
# As many as a panel has pixels, unless it asks for fewer.
POINTS = 1000
# Pairs, since the parser's constants cannot be keys.
SIGNS = (
    (promql_parser.MatchOp.Equal, "="),
    (promql_parser.MatchOp.NotEqual, "!="),
    (promql_parser.MatchOp.Re, "=~"),
    (promql_parser.MatchOp.NotRe, "!~"),
)
TRACE_ID = re.compile(r"^[0-9a-fA-F]{1,32}$")


class Verifier:
    """Asks the back ends what the panels would ask.

    Args:
        ends: Back end by data source type: `prometheus`, `loki`, `tempo`.
        chosen: Values of variables that the caller names.
        scrape: Prometheus' scrape interval.
    """

    def __init__(
        self, ends: Mapping[str, BackEnd], chosen: Mapping[str, str], scrape: timedelta
    ) -> None:
        self._ends, self._chosen, self._scrape = ends, chosen, scrape
        self._has = cache(self._ask_has)

    def panels(self, dashboard: Dashboard) -> list[Finding]:
        """Return what each panel has."""
        end = self._ends["prometheus"]
        known = built_in(end.window, end.step, self._scrape)
        values = values_of(dashboard.variables, self._chosen, self, known)
        return [self._panel(dashboard, panel, values) for panel in dashboard.panels]

    def _step(self, panel: Panel) -> timedelta:
        end = self._ends["prometheus"]
        return max(end.step, end.window / (panel.points or POINTS))

    def label_values(self, kind: str, selector: str, label: str) -> Sequence[str]:
        """Return the values of a label; none where nobody was named who knows them."""
        if kind not in self._ends:
            return []
        ask = {"loki": backends.loki_label_values}.get(kind, backends.prometheus_label_values)
        return ask(self._ends[kind], selector, label)

    def query_result(self, expr: str) -> Sequence[str]:
        """Return the rows of a PromQL query, one text each."""
        return backends.prometheus_texts(self._ends["prometheus"], expr)

    def _panel(self, dashboard: Dashboard, panel: Panel, values: Values) -> Finding:
        finding = Finding(dashboard.uid, panel.title, SKIPPED, only_in_docker=panel.only_in_docker)
        finding.reason = self._not_asked(panel)
        if finding.reason:
            return finding
        # Each copy of a repeated panel has one of the values.
        own = {name: value.first() for name, value in values.items() if name in panel.repeat}
        asked = [t for t in panel.targets if t.kind in self._ends and t.expr]
        step = self._step(panel)
        known = built_in(self._ends["prometheus"].window, step, self._scrape)
        self._ask(asked, {**values, **known, **own}, step, finding)
        return finding

    def _not_asked(self, panel: Panel) -> str:
        """Return why a panel is not asked; empty if it is."""
        kinds = sorted({target.kind for target in panel.targets})
        if panel.library:
            return "library panels whose queries are not in the file"
        if panel.type in SILENT or not panel.targets:
            return "ask nobody"
        if not set(kinds) & set(self._ends):
            return f"no address was given for {', '.join(kinds)}"
        asked = any(target.expr for target in panel.targets if target.kind in self._ends)
        return "" if asked else "the query is a form, not a text"

    def _ask(
        self, targets: Sequence[Target], values: Values, step: timedelta, finding: Finding
    ) -> None:
        try:
            for target in targets:
                expr = substitute(target.expr, values)
                if target.kind == "tempo" and not expr.startswith("{") and not TRACE_ID.match(expr):
                    wanted = " ".join(f"--var {name}=…" for name in names_in(target.expr))
                    finding.reason = f"wants a trace id: {wanted}"
                    return
                began = monotonic()
                finding.rows += self._rows(target, expr, step)
                finding.seconds = max(finding.seconds, monotonic() - began)
                if target.kind == "prometheus":
                    self._explain(expr, finding)
        except UnreachableError:
            raise
        except BackEndError as error:
            finding.state, finding.reason = FAILED, str(error)
            return
        finding.state = HAS_ROWS if finding.rows else EMPTY
        finding.reason = "" if finding.rows else finding.reason

    def _explain(self, expr: str, finding: Finding) -> None:
        """Note which metrics are not there, and which selectors of those that are match none."""
        for name, selectors in sorted(selectors_of(expr).items()):
            if not self._has(name):
                finding.missing = sorted({*finding.missing, name})
            elif none := sorted(one for one in selectors if not self._has(one)):
                finding.reason = f"nothing matches {' '.join(none)}"

    def _rows(self, target: Target, expr: str, step: timedelta) -> int:
        end = replace(self._ends[target.kind], step=step)
        if target.kind == "prometheus":
            return backends.prometheus_rows(end, expr, instant=target.instant)
        ask = {"loki": backends.loki_rows, "tempo": backends.tempo_rows}[target.kind]
        return ask(end, expr)

    def _ask_has(self, selector: str) -> bool:
        return backends.prometheus_has(self._ends["prometheus"], selector)


def selectors_of(expr: str) -> dict[str, set[str]]:
    """Return by metric the selectors of a PromQL query; none if it cannot be parsed."""
    found: dict[str, set[str]] = {}
    try:
        for name, selector in _walk(promql_parser.parse(expr)):
            found.setdefault(name, set()).add(selector)
    except ValueError:
        return {}
    return found


def _walk(node: Any) -> list[tuple[str, str]]:
    """Return metrics and selectors below a node of promql-parser's tree."""
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
        for op, sign in SIGNS
        if op == m.op
    ]
    return f"{node.name}{{{','.join(pairs)}}}" if pairs else str(node.name)


def verify(dashboards: Sequence[Dashboard], verifier: Verifier) -> list[Finding]:
    """Return what every panel has, with a progress bar where somebody watches."""
    findings: list[Finding] = []
    for number, dashboard in enumerate(dashboards, 1):
        if sys.stderr.isatty():
            bar = "#" * (20 * number // len(dashboards))
            sys.stderr.write(f"\r[{bar:<20}] {number}/{len(dashboards)} {dashboard.uid:<30.30}")
        findings += verifier.panels(dashboard)
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    return findings


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        chosen = dict(pair.split("=", 1) for pair in options.var)
    except ValueError:
        sys.stderr.write("--var wants NAME=VALUE\n")
        return 2
    try:
        window = timedelta(minutes=options.window)
        ends = {k: BackEnd(url, window) for k in KINDS if (url := getattr(options, k))}
        verifier = Verifier(ends, chosen, timedelta(seconds=options.scrape_interval))
        findings = verify(read_dashboards(options.paths or [OURS]), verifier)
    except (DashboardError, BackEndError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.json:
        _write(options.json, json.dumps(as_json(findings), indent=1))
    if options.junit:
        _write(options.junit, as_junit(findings))
    sys.stdout.write(as_text(findings) + "\n")
    return 1 if [f for f in findings if f.bad and (options.docker or not f.only_in_docker)] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dashboards verify", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="dashboard files or folders (ours)")
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--loki", metavar="URL")
    parser.add_argument("--tempo", metavar="URL")
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--window", type=int, default=15, metavar="MINUTES", help="(15)")
    parser.add_argument("--scrape-interval", type=int, default=5, metavar="SECONDS", help="(5)")
    parser.add_argument("--docker", action="store_true", help="rows only in docker count too")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--junit", type=Path, metavar="FILE")
    return parser


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
