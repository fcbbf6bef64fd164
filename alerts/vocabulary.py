"""Every metric that exists, its labels and its buckets: what rules and test series may use."""

from __future__ import annotations

from collections.abc import Iterable

from alerts.catalogue import PROGRAMS
from alerts.promql import INSTANCE, JOB, LE, UP, bound
from alerts.promrules.model import Group, Recording
from alerts.promrules.reading import grouping_labels
from observability.instrumentation import semconv as kit
from observability.instrumentation.semconv import Metric
from service import semconv as orders

DECLARED: tuple[Metric, ...] = (*kit.METRICS, *orders.METRICS)
TARGET = frozenset({JOB, INSTANCE})
# Prometheus' own: the state of every alert.
ALERTS = "ALERTS"

# The files to edit for other metrics or other queues.
KIT_FILE = "observability/instrumentation/semconv.py"
OUR_FILE = "service/semconv.py"

# Closed sets of label values.
OUR_VALUES: dict[tuple[str, str], frozenset[str]] = {
    (kit.CELERY_TASKS.name, kit.QUEUE): frozenset(orders.QUEUES),
    (kit.CELERY_QUEUE_MESSAGES.name, kit.QUEUE): frozenset(orders.QUEUES),
    (kit.DEPENDENCY_UP.name, kit.DEPENDENCY): frozenset(orders.DEPENDENCIES),
}
KIT_VALUES: dict[tuple[str, str], frozenset[str]] = {
    (kit.CACHE_REQUESTS.name, kit.RESULT): frozenset(kit.CACHE_RESULTS),
    (kit.CELERY_TASKS.name, kit.STATE): frozenset(kit.TASK_STATES),
    (kit.CIRCUIT_BREAKER_TRANSITIONS.name, kit.TO): frozenset(kit.BREAKER_STATES),
    (kit.TELEMETRY_SPANS_ENDED.name, kit.SAMPLED): frozenset({"true", "false"}),
    (kit.TELEMETRY_SPANS_DROPPED.name, kit.REASON): frozenset(kit.DROP_REASONS),
}
VALUES = OUR_VALUES | KIT_VALUES


class Vocabulary:
    """The series that can exist, by name.

    Args:
        groups: Groups whose recordings exist too.
    """

    def __init__(self, groups: Iterable[Group] = ()) -> None:
        self.labels: dict[str, frozenset[str]] = {UP: TARGET}
        self.bounds: dict[str, frozenset[str]] = {}
        for metric in DECLARED:
            self._declare(metric)
        for program in PROGRAMS:
            for name, labels in program.metrics.items():
                self.labels[name] = TARGET | set(labels)
        for group in groups:
            for rule in group.rules:
                if isinstance(rule, Recording):
                    self.labels[rule.name] = self.labels.get(rule.name, frozenset()) | _kept(rule)

    def _declare(self, metric: Metric) -> None:
        labels = TARGET | set(metric.labels)
        if metric.kind != "histogram":
            self.labels[metric.name] = labels
            return
        for part in ("_count", "_sum"):
            self.labels[metric.name + part] = labels
        self.labels[f"{metric.name}_bucket"] = labels | {LE}
        bounds = {bound(seconds) for seconds in metric.buckets} | {"+Inf"}
        self.bounds[f"{metric.name}_bucket"] = frozenset(bounds)

    def fault(self, name: str, label: str = "", value: str = "") -> str | None:
        """Return what is wrong with a metric, its label or the label's value; None if nothing."""
        if name not in self.labels:
            return (
                f"no metric {name!r} is emitted or recorded; metrics are declared in {OUR_FILE}"
                f" and {KIT_FILE}, those of other programs in alerts/catalogue.py"
            )
        if not label:
            return None
        if label not in self.labels[name]:
            return f"{name} has no label {label!r}; it has {', '.join(sorted(self.labels[name]))}"
        if label == LE and value and value not in self.bounds.get(name, ()):
            known = ", ".join(sorted(self.bounds[name], key=float))
            return f'{name} has no bucket le="{value}"; as Prometheus stores them: {known}'
        known_values = VALUES.get((name, label))
        if value and known_values and value not in known_values:
            file = OUR_FILE if (name, label) in OUR_VALUES else KIT_FILE
            known = ", ".join(sorted(known_values))
            return f"{name} never has {label}={value!r}; known: {known} (declared in {file})"
        return None


def _kept(rule: Recording) -> frozenset[str]:
    return frozenset(rule.labels) | grouping_labels(rule.expr) - {LE}
