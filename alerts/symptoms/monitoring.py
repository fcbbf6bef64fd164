"""Alerts on alerting itself: targets, Prometheus, Alertmanager, and the heartbeat."""

from __future__ import annotations

from collections.abc import Iterable

from alerts.catalogue import (
    ALERTS_NOT_SENT,
    ALERTS_SENT,
    CONFIG_RELOADED,
    HEAD_SERIES,
    MISSED_ITERATIONS,
    NOTIFICATIONS,
    NOTIFICATIONS_FAILED,
    RULE_FAILURES,
)
from alerts.promql import JOB, STARTED, UP, equal, series
from alerts.promrules.model import Alert, Group
from alerts.symptoms.alert import NONE, PAGE, TICKET, minutes
from alerts.symptoms.alert import stack_threshold as threshold

SERVICE = "monitoring"
SERIES_BUDGET = 100_000
FAILED_RATIO = 0.01


def group() -> Group:
    """Return the rules about Prometheus and Alertmanager themselves."""
    rules = (
        _watchdog(),
        _target_down(),
        _rule_failures(),
        _missed_evaluations(),
        _reload_failed(),
        _delivery_failing("prometheus", ALERTS_NOT_SENT, ALERTS_SENT),
        _delivery_failing("alertmanager", NOTIFICATIONS_FAILED, NOTIFICATIONS),
        _cardinality(),
    )
    return Group("monitoring", rules)


def targets(jobs: Iterable[str]) -> Group:
    """Return one rule per job: `up == 0` cannot see a job that is gone."""
    return Group("targets", tuple(_target_missing(job) for job in jobs))


def _watchdog() -> Alert:
    return threshold(
        "Watchdog",
        "vector(1)",
        hold=minutes(0),
        severity=NONE,
        service=SERVICE,
        summary="Watchdog: alerting works",
        description="Fires all the time, by design. When it stops arriving, no other alert arrives"
        " either.",
        dashboard="telemetry",
    )


def _target_down() -> Alert:
    return threshold(
        "TargetDown",
        # Two minutes in a row: a process that is starting is not down.
        f"max_over_time({UP}[1m]) == 0\nand max_over_time({UP}[1m] offset 1m) == 0",
        hold=minutes(3),
        severity=TICKET,
        service=SERVICE,
        summary="{{ $labels.job }}: {{ $labels.instance }} cannot be scraped",
        description="Prometheus has failed to scrape {{ $labels.instance }} for 5 minutes. Alerts"
        " that read its metrics cannot fire.",
        dashboard="telemetry",
    )


def _target_missing(job: str) -> Alert:
    return threshold(
        "TargetMissing",
        f"absent({series(UP, equal(JOB, job))})\nand {STARTED}",
        hold=minutes(10),
        severity=TICKET,
        service=SERVICE,
        labels={JOB: job},
        summary=f"{job}: no target in Prometheus",
        description=f"Prometheus has discovered no target of {job} for 10 minutes. Its metrics are"
        " missing, and alerts that read them cannot fire.",
        dashboard="telemetry",
    )


def _rule_failures() -> Alert:
    return threshold(
        "PrometheusRuleFailures",
        f"sum by ({JOB}, rule_group) (increase({series(RULE_FAILURES)}[5m])) > 0",
        hold=minutes(5),
        severity=PAGE,
        service=SERVICE,
        summary="Prometheus cannot evaluate rules of {{ $labels.rule_group }}",
        description='About {{ $value | printf "%.1f" }} evaluations failed in 5 minutes'
        " (threshold 0). Alerts of this group cannot fire, and its recordings have gaps.",
        dashboard="telemetry",
    )


def _missed_evaluations() -> Alert:
    return threshold(
        "PrometheusMissedEvaluations",
        f"sum by ({JOB}, rule_group) (increase({series(MISSED_ITERATIONS)}[15m])) > 0",
        hold=minutes(15),
        severity=TICKET,
        service=SERVICE,
        summary="Prometheus skips evaluations of {{ $labels.rule_group }}",
        description='About {{ $value | printf "%.1f" }} evaluations were skipped in 15 minutes'
        " (threshold 0). Alerts of this group fire late.",
        dashboard="telemetry",
    )


def _reload_failed() -> Alert:
    return threshold(
        "PrometheusConfigReloadFailed",
        f"max by ({JOB}) (max_over_time({series(CONFIG_RELOADED)}[5m])) == 0",
        hold=minutes(10),
        severity=TICKET,
        service=SERVICE,
        summary="Prometheus runs an outdated configuration",
        description="The last reload failed at least 10 minutes ago. Changes to rules and targets"
        " have no effect.",
        dashboard="telemetry",
    )


def _delivery_failing(hop: str, failed: str, attempted: str) -> Alert:
    return threshold(
        "AlertDeliveryFailing",
        # sum: Prometheus 3.10 gave these a label for each Alertmanager.
        f"sum by ({JOB}) (rate({series(failed)}[10m]))\n"
        f"/ sum by ({JOB}) (rate({series(attempted)}[10m])) > {FAILED_RATIO}",
        hold=minutes(5),
        severity=PAGE,
        service=SERVICE,
        labels={"hop": hop},
        summary="{{ $labels.job }}: alerts are not delivered",
        description="{{ $value | humanizePercentage }} of the deliveries that {{ $labels.job }}"
        f" attempted in 10 minutes failed (threshold {FAILED_RATIO:.0%}). Alerts may be lost, this"
        " one included; then the Watchdog stops arriving too.",
        dashboard="telemetry",
    )


def _cardinality() -> Alert:
    return threshold(
        "MetricsCardinalityHigh",
        f"max by ({JOB}) (max_over_time({series(HEAD_SERIES)}[5m])) > {SERIES_BUDGET}",
        hold=minutes(15),
        severity=TICKET,
        service=SERVICE,
        summary="Prometheus holds more series than planned",
        description="Prometheus holds {{ $value | humanize }} series (threshold"
        f" {SERIES_BUDGET}). It may run out of memory; the usual cause is a label with unbounded"
        " values.",
        dashboard="telemetry",
    )
