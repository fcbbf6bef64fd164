"""Findings as text, JSON and JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

HAS_ROWS, EMPTY, SKIPPED, FAILED, OLD = "rows", "empty", "skipped", "error", "old"


@dataclass
class Finding:
    """The result of one panel.

    Args:
        dashboard: The dashboard's uid.
        panel: The panel's title.
        state: `rows`, `empty`, `skipped` (no query, or no address for its backend), `error`, or
            `old`: it would show a value of a process that ended.
        rows: Series, streams or traces of all its queries.
        missing: Metrics in its queries that have no series.
        reason: The backend's error, the selector that matches nothing, or why it was skipped.
        seconds: Duration of its slowest query.
        only_in_docker: Whether it needs exporters that only the Docker mode runs.
    """

    dashboard: str
    panel: str
    state: str
    rows: int = 0
    missing: list[str] = field(default_factory=list)
    reason: str = ""
    seconds: float = 0.0
    only_in_docker: bool = False

    @property
    def bad(self) -> bool:
        """Return whether its queries failed, returned no rows, or keep values that are old."""
        return self.state in (EMPTY, FAILED, OLD)


def as_text(findings: Sequence[Finding]) -> str:
    """Return a line per panel without rows, and the totals."""
    lines = []
    for one in findings:
        if one.bad:
            why = f"missing {', '.join(one.missing)}" if one.missing else one.reason or "no rows"
            where = " [only in docker]" if one.only_in_docker else ""
            lines.append(f"{one.state.upper():6} {one.dashboard} / {one.panel}: {why}{where}")
    states = (HAS_ROWS, EMPTY, FAILED, SKIPPED, OLD)
    counts = {s: sum(f.state == s for f in findings) for s in states}
    docker = sum(f.only_in_docker for f in findings if f.bad)
    totals = (
        f"{counts[HAS_ROWS]} panels with rows, {counts[EMPTY]} empty, {counts[FAILED]} refused"
        f" ({docker} of these only in docker), {counts[SKIPPED]} skipped"
    )
    totals += f", {counts[OLD]} with old values" if counts[OLD] else ""
    return "\n".join([*lines, totals, *_slowest(findings), *_reasons(findings)])


def _slowest(findings: Sequence[Finding]) -> list[str]:
    """Return the panel with the slowest query."""
    slowest = max(findings, key=lambda one: one.seconds, default=None)
    if slowest is None or not slowest.seconds:
        return []
    took = f"{1000 * slowest.seconds:.0f} ms"
    return [f"slowest query {took}: {slowest.dashboard} / {slowest.panel}"]


def _reasons(findings: Sequence[Finding]) -> list[str]:
    """Return the reasons for skipped panels, with their counts."""
    reasons = [f.reason for f in findings if f.state == SKIPPED]
    return [f"  skipped {reasons.count(one)}: {one}" for one in dict.fromkeys(reasons)]


def as_json(findings: Sequence[Finding]) -> str:
    """Return the findings as JSON: lists by dashboard."""
    by_dashboard: dict[str, list[dict[str, Any]]] = {}
    for one in findings:
        by_dashboard.setdefault(one.dashboard, []).append(asdict(one))
    return json.dumps(by_dashboard, indent=1)


def as_junit(findings: Sequence[Finding]) -> str:
    """Return JUnit XML: a test case per panel."""
    suite = ET.Element("testsuite", name="dashboards", tests=str(len(findings)))
    for one in findings:
        case = ET.SubElement(suite, "testcase", classname=one.dashboard, name=one.panel or "-")
        if one.state == SKIPPED or (one.only_in_docker and one.state == EMPTY):
            ET.SubElement(case, "skipped", message=one.reason or "only in docker")
        elif one.bad:
            why = one.reason or ", ".join(one.missing) or "no rows"
            ET.SubElement(case, "failure", message=why)
    return ET.tostring(suite, encoding="unicode")
