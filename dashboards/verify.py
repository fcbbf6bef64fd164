"""Does every panel have data? `python -m dashboards verify --prometheus URL [FILE|FOLDER …]`.

For each panel of any dashboard, ours or a stranger's: how many rows it has, or the metric that is
missing, by name. Exit code 0: every panel has rows; 1: some have none; 2: it could not be asked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import promql_parser

from dashboards import back_ends
from dashboards.back_ends import BackEnd, BackEndError, UnreachableError
from dashboards.reading import SILENT, Dashboard, DashboardError, Panel, Target, read_dashboards
from dashboards.substitution import built_in, substitute, values_of

OURS = Path(__file__).parent / "json"
HAS_ROWS, EMPTY, SKIPPED, FAILED = "rows", "empty", "skipped", "error"


@dataclass
class Finding:
    """What was found of one panel.

    Args:
        dashboard: The dashboard's uid.
        panel: The panel's title.
        state: `rows`, `empty`, `skipped` (asks nobody, or a back end that was not named), `error`.
        rows: Series, streams or traces that its queries yield together.
        missing: Metrics that its queries name and that have no series.
        reason: What the back end refused, or why it was skipped.
        only_in_docker: Whether it needs the exporters of the Docker mode.
    """

    dashboard: str
    panel: str
    state: str
    rows: int = 0
    missing: list[str] = field(default_factory=list)
    reason: str = ""
    only_in_docker: bool = False


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
        self._has = lru_cache(maxsize=None)(self._ask_has)

    def panels(self, dashboard: Dashboard) -> list[tuple[Panel, Finding]]:
        """Return what each panel has."""
        values = self._values(dashboard)
        return [(panel, self._panel(dashboard, panel, values)) for panel in dashboard.panels]

    def _values(self, dashboard: Dashboard) -> dict[str, str]:
        end = self._ends["prometheus"]
        known = built_in(end.window, end.step, self._scrape)

        def label_values(metric: str, label: str) -> Sequence[str]:
            return back_ends.prometheus_label_values(end, metric, label)

        return values_of(dashboard.variables, self._chosen, label_values, known)

    def _panel(self, dashboard: Dashboard, panel: Panel, values: Mapping[str, str]) -> Finding:
        finding = Finding(dashboard.uid, panel.title, SKIPPED, only_in_docker=panel.only_in_docker)
        asked = [target for target in panel.targets if target.kind in self._ends]
        if panel.type in SILENT or not panel.targets:
            finding.reason = "asks nobody"
        elif not asked:
            finding.reason = f"no address was given for {panel.targets[0].kind}"
        else:
            self._ask(asked, values, finding)
        return finding

    def _ask(self, targets: Sequence[Target], values: Mapping[str, str], finding: Finding) -> None:
        try:
            for target in targets:
                expr = substitute(target.expr, values)
                finding.rows += self._rows(target, expr)
                if target.kind == "prometheus":
                    names = metrics_of(expr)
                    finding.missing += sorted(n for n in names if not self._has(n))
        except UnreachableError:
            raise
        except BackEndError as error:
            finding.state, finding.reason = FAILED, str(error)
            return
        finding.state = HAS_ROWS if finding.rows else EMPTY

    def _rows(self, target: Target, expr: str) -> int:
        end = self._ends[target.kind]
        if target.kind == "prometheus":
            return back_ends.prometheus_rows(end, expr, instant=target.instant)
        ask = {"loki": back_ends.loki_rows, "tempo": back_ends.tempo_rows}[target.kind]
        return ask(end, expr)

    def _ask_has(self, metric: str) -> bool:
        return back_ends.prometheus_has(self._ends["prometheus"], metric)


def metrics_of(expr: str) -> set[str]:
    """Return the names of the metrics that a PromQL query reads; empty if it cannot be parsed."""
    try:
        return set(_walk(promql_parser.parse(expr)))
    except ValueError:
        return set()


def _walk(node: Any) -> list[str]:
    """Return metric names below a node of promql-parser's tree."""
    if node is None:
        return []
    if isinstance(node, promql_parser.VectorSelector):
        return [node.name] if node.name else []
    if isinstance(node, promql_parser.MatrixSelector):
        return _walk(node.vector_selector)
    parts = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param")]
    found = [name for part in parts for name in _walk(part)]
    return found + [
        name for argument in getattr(node, "args", None) or [] for name in _walk(argument)
    ]


def verify(dashboards: Sequence[Dashboard], verifier: Verifier) -> list[Finding]:
    """Return what every panel has, with a progress bar where somebody watches."""
    findings: list[Finding] = []
    for number, dashboard in enumerate(dashboards, 1):
        if sys.stderr.isatty():
            bar = "#" * (20 * number // len(dashboards))
            sys.stderr.write(f"\r[{bar:<20}] {number}/{len(dashboards)} {dashboard.uid:<30.30}")
        findings += [finding for _, finding in verifier.panels(dashboard)]
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    return findings


def as_text(findings: Sequence[Finding]) -> str:
    """Return a line per panel that has no rows, and the sums."""
    lines = []
    for one in findings:
        if one.state in (EMPTY, FAILED):
            why = f"missing {', '.join(one.missing)}" if one.missing else one.reason or "no rows"
            where = " [only in docker]" if one.only_in_docker else ""
            lines.append(f"{one.state.upper():6} {one.dashboard} / {one.panel}: {why}{where}")
    counts = {s: sum(f.state == s for f in findings) for s in (HAS_ROWS, EMPTY, FAILED, SKIPPED)}
    docker = sum(f.only_in_docker for f in findings if f.state in (EMPTY, FAILED))
    sums = f"{counts[HAS_ROWS]} panels with rows, {counts[EMPTY]} empty, {counts[FAILED]} refused"
    return "\n".join(
        [*lines, f"{sums} ({docker} of these only in docker), {counts[SKIPPED]} skipped"]
    )


def as_junit(findings: Sequence[Finding]) -> str:
    """Return JUnit XML: a test case per panel."""
    suite = ET.Element("testsuite", name="dashboards", tests=str(len(findings)))
    for one in findings:
        case = ET.SubElement(suite, "testcase", classname=one.dashboard, name=one.panel or "-")
        if one.state == SKIPPED or (one.only_in_docker and one.state == EMPTY):
            ET.SubElement(case, "skipped", message=one.reason or "only in docker")
        elif one.state != HAS_ROWS:
            ET.SubElement(
                case, "failure", message=one.reason or ", ".join(one.missing) or "no rows"
            )
    return ET.tostring(suite, encoding="unicode")


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        chosen = dict(pair.split("=", 1) for pair in options.var)
    except ValueError:
        sys.stderr.write("--var wants NAME=VALUE\n")
        return 2
    kinds = ("prometheus", "loki", "tempo")
    try:
        ends = {kind: BackEnd(url) for kind in kinds if (url := getattr(options, kind))}
        verifier = Verifier(ends, chosen, timedelta(seconds=options.scrape_interval))
        findings = verify(read_dashboards(options.paths or [OURS]), verifier)
    except (DashboardError, BackEndError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _write(options, findings)
    sys.stdout.write(as_text(findings) + "\n")
    bad = [f for f in findings if f.state in (EMPTY, FAILED)]
    return 1 if [f for f in bad if options.docker or not f.only_in_docker] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dashboards verify", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="dashboard files or folders (ours)")
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--loki", metavar="URL")
    parser.add_argument("--tempo", metavar="URL")
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--scrape-interval", type=int, default=5, metavar="SECONDS", help="(5)")
    parser.add_argument("--docker", action="store_true", help="rows only in docker count too")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--junit", type=Path, metavar="FILE")
    return parser


def _write(options: argparse.Namespace, findings: Sequence[Finding]) -> None:
    if options.json:
        by_dashboard: dict[str, list[dict[str, Any]]] = {}
        for one in findings:
            by_dashboard.setdefault(one.dashboard, []).append(asdict(one))
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(by_dashboard, indent=1))
    if options.junit:
        options.junit.parent.mkdir(parents=True, exist_ok=True)
        options.junit.write_text(as_junit(findings))
