"""The rules that the generator writes, and the input that it refuses."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from textwrap import dedent, indent

import pytest
import yaml

from alerts import links, refusals
from alerts.layout import (
    LOCAL_JOBS,
    RULES,
    STACK_RULES,
    all_files,
    docker_jobs,
    rendered,
    stack_jobs,
)
from alerts.links import DASHBOARDS, RUNBOOKS
from alerts.paths import HERE
from alerts.promrules.errors import RefusedError, RulesError
from alerts.promrules.model import Alert, Group, Recording
from alerts.slo.alerting_rules import slo_groups
from alerts.slo.spec import load_objectives
from alerts.slo.windows import load_profile
from alerts.vocabulary import Vocabulary


def rules_of(path: Path) -> list[dict]:
    return [r for g in yaml.safe_load(path.read_text())["groups"] for r in g["rules"]]


def test_the_committed_files_are_what_the_generator_writes():
    stale = [path for path, text in rendered().items() if path.read_text() != text]
    assert not stale


def test_the_fast_alert_of_availability_reads_as_designed():
    rules = rules_of(RULES / "production" / "slo-orders-availability.yml")
    (fast,) = [r for r in rules if r.get("labels", {}).get("burn") == "fast"]
    assert fast == {
        "alert": "OrdersAvailabilityBudgetBurn",
        "expr": 'slo:burn_rate:ratio1h{slo="orders-availability"} > 14.4\n'
        "and slo:burn_rate:ratio5m > 14.4\n"
        "and slo:sli_bad:rate1h * 3600 >= 10",
        "for": "1m",
        "labels": {
            "severity": "page",
            "team": "orders",
            "slo": "orders-availability",
            "service": "orders",
            "profile": "production",
            "slo_period": "30d",
            "burn": "fast",
            "long_window": "1h",
            "short_window": "5m",
        },
        "annotations": {
            "summary": "orders-availability: error budget burning"
            ' {{ $value | printf "%.1f" }}× too fast (1h)',
            "description": 'The error budget of 30d burned {{ $value | printf "%.1f" }}× too fast'
            " over the last 1h (threshold 14.4×). At 14.4× a full budget is gone in 50h. SLO:"
            " Customer requests are answered without a server error.",
            "runbook_url": "{{ with $externalLabels.sightline_url }}{{ . }}"
            "/d/runbook-ordersavailabilitybudgetburn{{ end }}",
            "dashboard_url": "{{ with $externalLabels.sightline_url }}{{ . }}"
            "/d/slo?var-slo=orders-availability{{ end }}",
        },
    }


def test_every_duration_of_the_demo_is_a_twelfth_of_production():
    production, demo = load_profile("production"), load_profile("demo")
    for name in ("period", "period_interval", "base_window", "raw_up_to", "gap", "period_gap"):
        assert getattr(demo, name) == getattr(production, name) / 12, name
    assert demo.missing_hold == production.missing_hold / 12
    assert demo.exhausted_hold == production.exhausted_hold / 12
    for ours, theirs in zip(demo.tiers, production.tiers, strict=True):
        assert ours.long_window == theirs.long_window / 12
        assert ours.short_window == theirs.short_window / 12
        assert ours.hold == theirs.hold / 12


def test_the_demo_is_as_strict_as_production():
    production, demo = load_profile("production"), load_profile("demo")
    assert [t.factor for t in demo.tiers] == [t.factor for t in production.tiers] == [14.4, 6, 3, 1]
    spent = [t.factor * t.long_window / demo.period for t in demo.tiers]
    assert spent == pytest.approx([0.02, 0.05, 0.1, 0.1])


def test_both_profiles_record_the_same_names_so_that_dashboards_serve_both():
    names = [
        sorted(
            r["record"]
            for p in (RULES / profile).glob("*.yml")
            for r in rules_of(p)
            if "record" in r
        )
        for profile in ("production", "demo")
    ]
    assert names[0] == names[1]


def test_a_demo_alert_is_marked_as_one():
    for path in (RULES / "demo").glob("*.yml"):
        for rule in rules_of(path):
            if "alert" in rule:
                assert rule["labels"]["profile"] == "demo"
                assert "1 minute here is 12 in production" in rule["annotations"]["description"]


def test_recordings_stand_before_the_alerts_that_read_them():
    for path in RULES.glob("*/*.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            kinds = [
                "alert" in rule
                for rule in group["rules"]
                if path.parent.name in ("production", "demo")
            ]
            assert kinds == sorted(kinds)


def test_every_scraped_job_has_an_alert_on_its_absence():
    folders = {
        RULES / "docker": docker_jobs(),
        RULES / "local": LOCAL_JOBS,
        STACK_RULES: stack_jobs(),
    }
    for folder, jobs in folders.items():
        assert [r["labels"]["job"] for r in rules_of(folder / "targets.yml")] == list(jobs)
    assert not set(docker_jobs()) & set(stack_jobs())


def test_the_local_jobs_are_those_that_the_local_mode_scrapes():
    from local.servers.configs import JOBS

    assert sorted(JOBS) == sorted(LOCAL_JOBS)


def test_every_alert_has_a_runbook_with_its_four_parts():
    for group in (g for groups in all_files().values() for g in groups):
        for rule in group.rules:
            if isinstance(rule, Alert):
                text = (RUNBOOKS / f"{rule.name}.md").read_text()
                parts = [line for line in text.splitlines() if line.startswith("## ")]
                assert parts == ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"], (
                    rule.name
                )
                assert "```promql" in text
                assert set(rule.annotations) == {
                    "summary",
                    "description",
                    "runbook_url",
                    "dashboard_url",
                }


def test_the_uid_of_every_runbook_page_fits_into_grafanas_limit():
    names = [path.stem for path in RUNBOOKS.glob("*.md")]
    assert [name for name in names if len(f"runbook-{name.lower()}") > 40] == []


def test_the_rules_of_the_stack_alone_belong_to_no_team():
    rules = [rule for path in STACK_RULES.glob("*.yml") for rule in rules_of(path)]
    assert rules
    assert [rule["alert"] for rule in rules if "team" in rule["labels"]] == []


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://wiki.example/runbooks", "https://wiki.example/runbooks/OrdersDown.md"),
        ("https://wiki.example/{alert}", "https://wiki.example/OrdersDown"),
        (
            "$externalLabels.wiki/{lower}",
            "{{ with $externalLabels.wiki }}{{ . }}/ordersdown{{ end }}",
        ),
    ],
)
def test_an_adopter_sets_the_addresses_of_runbooks(monkeypatch, base, expected):
    monkeypatch.setattr(links, "_bases", lambda: {"runbooks": base})
    assert links.runbook_url("OrdersDown") == expected


def test_no_runbook_is_about_an_alert_that_does_not_exist():
    alerts = {
        r.name for gs in all_files().values() for g in gs for r in g.rules if isinstance(r, Alert)
    }
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == alerts


def test_the_dashboards_that_alerts_link_to_exist():
    there = {path.stem for path in (HERE.parent / "dashboards" / "json").glob("*.json")}
    assert set(DASHBOARDS) <= there


@pytest.fixture
def edited(tmp_path):
    """Change the text of a copied file, and load what the generator would."""

    def edit(name: str, old: str, new: str):
        for source in HERE.glob("*.yaml"):
            shutil.copy(source, tmp_path)
        path = tmp_path / name
        before, found, after = path.read_text().partition(old)
        assert found
        path.write_text(before + new + after)
        line = before.count("\n") + 1
        return path, line

    return edit


def refused(folder: Path) -> str:
    objectives = load_objectives(folder / "slo.yaml")
    profiles = [load_profile(name, folder) for name in ("production", "demo")]
    groups = [g for p in profiles for o in objectives for g in slo_groups(o, p)]
    with pytest.raises(RefusedError) as caught:
        refusals.refuse(groups, objectives, profiles)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("slo.yaml", "objective: 99.9", "objective: 92", "tier fast can never fire"),
        ("slo.yaml", "factor: 2.5", "factor: 5.0", "tier fast can never fire"),
        (
            "slo.yaml",
            'http_response_status_code!~"5..",le="0.5"',
            'http_response_status_code!~"5..",le="0.3"',
            'no bucket le="0.3"',
        ),
        (
            "slo.yaml",
            'job="orders-worker",le="30.0"',
            'job="orders-worker",le="30"',
            'no bucket le="30"',
        ),
        (
            "slo.yaml",
            "sum(rate(cache_requests_total",
            "sum(rate(cache_lookups_total",
            "'cache_lookups_total'",
        ),
        ("slo.yaml", 'http_route!~"/livez', 'route!~"/livez', "no label 'route'"),
        (
            "slo.yaml",
            'result=~"miss|error"',
            'result=~"miss|failure"',
            "never has result='failure'",
        ),
        (
            "slo.yaml",
            "name: OrdersLatencyBudgetBurn",
            "name: OrdersTooSlow",
            "no runbook alerts/runbooks/OrdersTooSlow.md",
        ),
        ("windows.production.yaml", "shortWindow: 5m", "shortWindow: 15s", "fewer than 4 scrapes"),
        (
            "windows.demo.yaml",
            "shortWindow: 25s",
            "shortWindow: 10m",
            "the short window is not shorter than",
        ),
    ],
)
def test_the_generator_refuses_what_could_never_work_and_names_file_and_line(
    edited, name, old, new, why
):
    path, line = edited(name, old, new)
    text = refused(path.parent)
    assert why in text
    places = {int(at.split(":")[1]) for at in text.splitlines() if at.startswith(str(path))}
    assert places
    assert min(abs(place - line) for place in places) <= 12


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            "slos:",
            "slo:",
            "unknown key 'slo'; expected service, slos, version, labels, slo_plugins",
        ),
        (
            "x_zero_without_errors: true",
            "x_zero_without_error: true",
            "unknown key 'x_zero_without_error'; expected name,",
        ),
        ("team: orders", "team: [orders]", "team: ['orders']; expected a string"),
        ("team: orders", "te-am: orders", "'te-am' is not a name; expected letters, digits,"),
        ("team: orders", "slo: orders", "label 'slo' is set by the generator; expected another"),
        (
            "severity: ticket}\n      - {name: high",
            "severity: urgent}\n      - {name: high",
            "'urgent' is not a severity; expected page or ticket",
        ),
        ("events:", "event:", "unknown key 'event'; expected events"),
        ("error_query:", "errors:", "unknown key 'errors'; expected error_query,"),
        (
            "for: 15m,",
            "hold: 15m,",
            "unknown key 'hold'; expected name, factor, long_window, short_window, for,",
        ),
        (
            "      page_alert: {l",
            "      severity: page\n      page_alert: {l",
            "unknown key 'severity'; expected name, labels, annotations, page_alert, ticket_alert",
        ),
        (
            "ticket_alert: {labels: {severity: ticket}}\n\n  # A cause",
            "ticket_alert: {labels: [ticket]}\n\n  # A cause",
            "labels: expected names and values",
        ),
        (
            'http_response_status_code=~"5.."}[{{.window}}]',
            'http_response_status_code=~"5.."}[5m]',
            "error_query reads [5m]; expected [{{.window}}]",
        ),
        (
            'sum(rate(celery_task_queue_wait_seconds_count{job="orders-worker"}[{{.window}}]))\n',
            'celery_task_queue_wait_seconds_count{job=~"[a-z-]+"}\n',
            "total_query has no range; expected [{{.window}}]",
        ),
        (
            "name: orders-latency",
            "name: orders-availability",
            "name: 'orders-availability' is taken by",
        ),
        (
            "name: orders-latency",
            "name: Orders Latency",
            "expected letters, digits, hyphens, dots,",
        ),
        ("counts: bad", "counts: bda", "counts: 'bda'; expected good, bad, total, decoy"),
        ("counts: bad", "count: bad", "unknown key 'count'; expected counts, series"),
        ("x_zero_without_errors: true", "x_zero_without_errors: 'no'", "expected true or false"),
    ],
)
def test_an_entry_that_would_be_misread_is_refused(edited, old, new, why):
    path, line = edited("slo.yaml", old, new)
    with pytest.raises(RefusedError) as caught:
        load_objectives(path)
    (line_of_fault,) = [text for text in str(caught.value).splitlines() if why in text]
    place = int(line_of_fault.removeprefix(f"{path}:").partition(":")[0])
    assert abs(place - line) <= 1


def test_an_slo_whose_series_cannot_be_derived_is_refused(edited):
    path, _ = edited("slo.yaml", "x_test_series:", "x_tiers:")
    text = re.sub(r"    x_tiers:\n(      - \{counts.*\n)+", "", path.read_text(), count=1)
    path.write_text(text.replace("error_query: sum(", "error_query: max(", 1))
    with pytest.raises(
        RefusedError,
        match=r"slo.yaml:\d+: orders-availability: x_test_series: 'max\(.*' is no sum",
    ):
        load_objectives(path)


def test_the_slo_of_the_readme_lacks_nothing_but_its_runbook(edited):
    readme = (HERE / "README.md").read_text()
    (example,) = re.findall(r"\n((?: {4}.*\n)+)\n\| key ", readme)
    path, _ = edited("slo.yaml", "slos:\n", "slos:\n" + indent(dedent(example), "  "))
    text = refused(path.parent)
    assert text.endswith(
        "OrdersEmailsBudgetBurn has no runbook alerts/runbooks/OrdersEmailsBudgetBurn.md"
    )
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "---\n", "service: orders\nlabels: {team: a}\nslos: []\n"]
)
def test_a_file_without_slos_is_refused(tmp_path, text):
    path = tmp_path / "slo.yaml"
    path.write_text(text)
    with pytest.raises(RefusedError, match=r"slo.yaml:\d+: .*expected"):
        load_objectives(path)


def test_an_unknown_metric_is_refused_with_the_file_that_declares_the_known_ones():
    vocabulary = Vocabulary()
    unknown = vocabulary.fault("lamps_lit_total")
    assert "service/semconv.py and observability/instrumentation/semconv.py" in unknown
    queue = vocabulary.fault("celery_queue_messages", "queue", "lamps")
    assert queue.endswith("known: emails, orders (declared in service/semconv.py)")
    for file in re.findall(r"[\w/]+\.py", f"{unknown} {queue}"):
        assert (HERE.parent / file).is_file()


@pytest.mark.parametrize(
    ("program", "argument", "module", "package"),
    [
        ("alerts", "--check", "click", "click"),
        ("alerts", "--check", "yaml", "pyyaml"),
        ("alerts", "--check", "promql_parser", "promql-parser"),
        ("dashboards", "verify", "promql_parser", "promql-parser"),
        ("dashboards", "--check", "grafana_foundation_sdk", "grafana-foundation-sdk"),
    ],
)
def test_a_package_that_is_not_installed_is_named_in_one_line(program, argument, module, package):
    code = f"import runpy, sys; sys.modules[{module!r}] = None; sys.argv[1:] = [{argument!r}]; "
    code += f"runpy.run_module({program!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert f"python -m {program} needs {package}: pip install" in message
    assert "make generate" in message


def test_an_unknown_duration_names_file_and_line(edited):
    path, line = edited("windows.demo.yaml", "x_gap: 20s", "x_gap: soon")
    with pytest.raises(RulesError, match=f"{path}:{line}: 'soon' is not a duration"):
        load_profile("demo", path.parent)


def test_an_entry_that_is_missing_names_file_and_line(edited):
    path, _ = edited("slo.yaml", "    objective: 99.9\n", "")
    with pytest.raises(RulesError, match=r"slo.yaml:\d+: 'objective' is missing"):
        load_objectives(path)


def test_all_faults_are_reported_at_once(edited):
    path, _ = edited("slo.yaml", "objective: 99.9", "objective: 92")
    path.write_text(path.read_text().replace('le="30.0"', 'le="30"', 1))
    text = refused(path.parent)
    assert "can never fire" in text
    assert 'le="30"' in text


def test_a_p99_threshold_that_is_not_a_bucket_is_refused(monkeypatch):
    monkeypatch.setattr(refusals, "P99_SECONDS", 0.3)
    with pytest.raises(
        RefusedError, match=r"symptoms/orders.py:\d+: the p99 threshold 0.3 is not a bucket"
    ):
        refusals.refuse([], [], [])


def test_a_p99_threshold_on_the_top_bucket_is_refused(monkeypatch):
    monkeypatch.setattr(refusals, "P99_SECONDS", 10.0)
    with pytest.raises(RefusedError, match="not below the top bucket"):
        refusals.refuse([], [], [])


def test_a_threshold_rule_is_refused_with_the_line_of_its_module():
    from alerts.symptoms.queues import group

    rules = tuple(
        Recording(r.name, r.expr.replace("[5m]", "[15s]")) if isinstance(r, Recording) else r
        for r in group().rules
    )
    with pytest.raises(
        RefusedError, match=r"symptoms/queues.py:\d+: .*\[15s\] holds fewer than 4 scrapes"
    ):
        refusals.refuse([Group("queues", rules)], [], [load_profile("production")])


def test_windows_shorter_than_the_interval_of_a_lookback_are_not_used():
    assert load_profile("production").gap < timedelta(minutes=5)
