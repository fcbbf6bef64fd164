"""PromQL built from the semconv modules, which alone spell metrics and labels."""

from __future__ import annotations

from observability.instrumentation.semconv import Metric

JOB = "job"
INSTANCE = "instance"
LE = "le"
UP = "up"

# Holds a minute after Prometheus' first scrape: what has not been discovered before is not missing.
STARTED = f"on () {UP} offset 1m"


def equal(label: str, value: str) -> str:
    """Return the matcher `label="value"`."""
    return f'{label}="{value}"'


def unequal(label: str, value: str) -> str:
    """Return the matcher `label!="value"`."""
    return f'{label}!="{value}"'


def match(label: str, *values: str) -> str:
    """Return a matcher for any of the values, each a regular expression."""
    return f'{label}=~"{"|".join(values)}"'


def differ(label: str, *values: str) -> str:
    """Return a matcher for none of the values, each a regular expression."""
    return f'{label}!~"{"|".join(values)}"'


def series(metric: Metric | str, *matchers: str, part: str = "") -> str:
    """Return a selector.

    Args:
        metric: A declared metric, or the name of a third-party one.
        matchers: Conditions on its labels.
        part: `_bucket`, `_count` or `_sum` of a histogram.
    """
    name = metric.name if isinstance(metric, Metric) else metric
    return f"{name}{part}" + (f"{{{','.join(matchers)}}}" if matchers else "")


def bound(seconds: float) -> str:
    """Return the upper bound of a bucket as Prometheus 3 stores it: 0.5, 30.0."""
    return str(float(seconds))
