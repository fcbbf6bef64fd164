"""Write docs/telemetry.md from the semconv modules: `python -m tools.telemetry_document`."""

from __future__ import annotations

from pathlib import Path

from observability.instrumentation import semconv as kit
from service import semconv as orders

PATH = Path(__file__).parent.parent / "docs" / "telemetry.md"
HEAD = """<!-- Written by `make generate` from the two semconv modules; edit those. -->
# Every metric, its labels and its unit

Metrics are scraped. Names are OpenTelemetry's semantic conventions in their Prometheus spelling
where a convention is stable; other names begin with their owner. Every known label set exists at 0
before the first event. A histogram has `_bucket`, `_sum` and `_count`; its `_count` is the rate, so
there is no second counter. Request and task histograms carry exemplars with a `trace_id`, with any
number of worker processes.
"""


def rows(metrics: tuple[kit.Metric, ...]) -> list[str]:
    """Render one Markdown table row per metric."""
    out = []
    for metric in metrics:
        labels = " ".join(f"`{label}`" for label in metric.labels) or "none"
        bounds = f" Bounds: {' '.join(f'{b:g}' for b in metric.buckets)}." if metric.buckets else ""
        cells = (f"`{metric.name}`", metric.kind, metric.unit, labels, metric.description + bounds)
        out.append(f"| {' | '.join(cells)} |")
    return out


def document() -> str:
    """Render the page."""
    head = [
        "| metric | type | unit (UCUM) | labels | description |",
        "| --- | --- | --- | --- | --- |",
    ]
    parts = [HEAD, "## From the kit: any service", "", *head, *rows(kit.METRICS), ""]
    parts += ["## From the order service", "", *head, *rows(orders.METRICS), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    PATH.write_text(document())
