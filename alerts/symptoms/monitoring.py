"""Whether alerting itself works: targets, Prometheus, Alertmanager, and the heartbeat."""

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
from alerts.promql import JOB, UP, equal, series
from alerts.promrules.model import Alert, Group
from alerts.symptoms.alert import NONE, PAGE, TICKET, minutes, threshold

SERVICE = "monitoring"
SERIES_BUDGET = 100_000
FAILED_RATIO = 0.01


def group() -> Group:
    """Return the rules of every Prometheus that evaluates ours."""
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
        summary="Alerting works",
        description="Always fires. Whoever receives it every minute phones when it stops.",
        dashboard="telemetry",
    )


def _target_down() -> Alert:
    return threshold(
        "TargetDown",
        f"{UP} == 0",
        hold=minutes(5),
        severity=TICKET,
        service=SERVICE,
        summary="{{ $labels.job }} at {{ $labels.instance }} cannot be scraped",
        description="Prometheus has failed to scrape {{ $labels.instance }} for 5 minutes; alerts"
        " on what only it tells are blind.",
        dashboard="telemetry",
    )


def _target_missing(job: str) -> Alert:
    return threshold(
        "TargetMissing",
        f"absent({series(UP, equal(JOB, job))})",
        hold=minutes(10),
        severity=TICKET,
        service=SERVICE,
        labels={JOB: job},
        summary=f"Prometheus knows no target of {job}",
        description=f"No instance of {job} has been discovered for 10 minutes.",
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
        description="Alerts of {{ $labels.rule_group }} are blind, recordings have holes.",
        dashboard="telemetry",
    )


def _missed_evaluations() -> Alert:
    return threshold(
        "PrometheusMissedEvaluations",
        f"sum by ({JOB}, rule_group) (increase({series(MISSED_ITERATIONS)}[15m])) > 0",
        hold=minutes(15),
        severity=TICKET,
        service=SERVICE,
        summary="Prometheus is too slow for {{ $labels.rule_group }}",
        description="Evaluations of {{ $labels.rule_group }} are skipped, so its alerts come late.",
        dashboard="telemetry",
    )


def _reload_failed() -> Alert:
    return threshold(
        "PrometheusConfigReloadFailed",
        f"max by ({JOB}) (max_over_time({series(CONFIG_RELOADED)}[5m])) == 0",
        hold=minutes(10),
        severity=TICKET,
        service=SERVICE,
        summary="Prometheus runs with an old configuration",
        description="The last reload failed; edits of rules and targets have no effect.",
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
        summary="{{ $labels.job }} fails to pass alerts on",
        description="{{ $value | humanizePercentage }} of what {{ $labels.job }} tried to deliver"
        " in 10 minutes failed. This page may not arrive either; the heartbeat then stops.",
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
        description="{{ $value | humanize }} series, more than the budget of"
        f" {SERIES_BUDGET}; a label with unbounded values is the usual reason.",
        dashboard="telemetry",
    )
