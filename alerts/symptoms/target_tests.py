"""The test of the rules generated from a scrape file: each missing job fires one alert."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from alerts.expected import expected_links, external_labels
from alerts.promrules.test_file import Case, as_yaml
from alerts.promrules.yaml_text import dump

STEP = timedelta(minutes=1)
NAME = "TargetMissing"
# Steps between one job's absence and the next one's; the stale marker stands 6 steps in.
APART = 30
AWAY = 20


def target_tests(rules: str, jobs: Sequence[str], header: str) -> str:
    """Return the test file of one scrape file's rules.

    Args:
        rules: The folder of the rule file, as seen from the tests.
        jobs: The scraped jobs.
        header: The file's first comment.
    """
    case = Case(f"each of {len(jobs)} jobs is reported after 10 minutes without it", STEP, [])
    for place, job in enumerate(jobs):
        start = APART * place + 5
        back = APART * (len(jobs) - place) - AWAY
        case.series.append(
            (f'up{{job="{job}",instance="i"}}', f"1x{start} stale _x{AWAY - 1} 1x{back}")
        )
        case.expect_alerts(start * STEP, NAME, [])
        case.expect_alerts((start + 10) * STEP, NAME, [])
        case.expect_alerts((start + 11) * STEP, NAME, [_missing(job)])
        case.expect_alerts((start + 21) * STEP, NAME, [])
    cases = [case, _start(jobs[0])]
    document = as_yaml(f"{rules}/targets.yml", ["targets"], STEP, cases, external_labels())
    return dump(document, header)


def _start(job: str) -> Case:
    """Return the case of a Prometheus that starts before a job, which never comes."""
    case = Case(
        f"without {job} from the start, nothing is even pending in the first minute",
        STEP,
        [('up{job="another",instance="i"}', "1x20")],
    )
    case.expect_nothing(0 * STEP, f'count(ALERTS{{alertname="{NAME}"}})')
    case.expect(10 * STEP, f'count(ALERTS{{job="{job}",alertstate="pending"}})', "{}", 1)
    case.expect(11 * STEP, f'count(ALERTS{{job="{job}",alertstate="firing"}})', "{}", 1)
    return case


def _missing(job: str) -> dict[str, Any]:
    words = {
        "summary": f"{job}: no target in Prometheus",
        "description": f"Prometheus has discovered no target of {job} for 10 minutes. Its metrics"
        " are missing, and alerts that read them cannot fire.",
    }
    labels = {"severity": "ticket", "service": "monitoring", "job": job}
    return {"exp_labels": labels, "exp_annotations": words | expected_links(NAME, "telemetry")}
