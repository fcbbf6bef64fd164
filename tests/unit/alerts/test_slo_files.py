"""SLO files as sloth's users write them: what is read, what is derived, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from alerts.__main__ import main
from alerts.slo.series import derive
from alerts.slo.sloth import events_of
from alerts.slo.spec import load_objectives

W = "[{{.window}}]"
FILE = """\
version: prometheus/v1
service: shop
labels: {owner: shop-team, tier: "2", generated: true}
slos:
  - name: checkout
    objective: 99.9
    description: Checkouts are answered.
    labels: {category: availability}
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="shop"}[{{.window}}]))
    alerting:
      name: CheckoutErrors
      labels: {area: money}
      annotations: {summary: Checkout fails}
      page_alert: {labels: {severity: critical, routing_key: shop}}
      ticket_alert: {labels: {severity: warning}, annotations: {runbook_url: "https://shop.example"}}
"""
MANIFEST = """\
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: shop}
spec:
  service: shop
  labels: {owner: shop-team, tier: "2", generated: true}
  slos:
    - name: checkout
      objective: 99.9
      description: Checkouts are answered.
      labels: {category: availability}
      sli:
        events:
          errorQuery: sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))
          totalQuery: sum(rate(http_requests_total{job="shop"}[{{.window}}]))
      alerting:
        name: CheckoutErrors
        labels: {area: money}
        annotations: {summary: Checkout fails}
        pageAlert: {labels: {severity: critical, routing_key: shop}}
        ticketAlert:
          labels: {severity: warning}
          annotations: {runbook_url: "https://shop.example"}
"""


def written(folder: Path, text: str, *options: str) -> dict[str, str]:
    """The files that `python -m alerts slo` writes for a file with this text."""
    source = folder / "shop.yaml"
    source.write_text(text)
    output = folder / "rules"
    assert main(["slo", str(source), "--output", str(output), *options]) == 0
    files = sorted(path for path in output.rglob("*") if path.is_file())
    return {str(path.relative_to(output)): path.read_text() for path in files}


def refusal(folder: Path, text: str, capsys) -> str:
    source = folder / "shop.yaml"
    source.write_text(text)
    assert main(["slo", str(source), "--output", str(folder / "rules")]) == 1
    assert not (folder / "rules").exists()
    return str(capsys.readouterr().err)


def burn_alerts(text: str) -> dict[str, dict]:
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    return {r["labels"]["burn"]: r for r in rules if "burn" in r.get("labels", {})}


def test_labels_severities_and_annotations_are_carried_through(tmp_path):
    alerts = burn_alerts(written(tmp_path, FILE)["slo-checkout.yml"])
    common = {
        "owner": "shop-team",
        "tier": "2",
        "generated": "true",
        "category": "availability",
        "area": "money",
        "slo": "checkout",
        "service": "shop",
    }
    assert set(alerts) == {"fast", "high", "slow", "creep"}
    assert {alert["alert"] for alert in alerts.values()} == {"CheckoutErrors"}
    page = common | {"severity": "critical", "routing_key": "shop"}
    assert page.items() <= alerts["fast"]["labels"].items()
    assert (common | {"severity": "warning"}).items() <= alerts["slow"]["labels"].items()
    assert "routing_key" not in alerts["slow"]["labels"]
    assert alerts["fast"]["annotations"]["summary"] == "Checkout fails"
    # There is no page to link to, unless the file names one.
    assert "runbook_url" not in alerts["fast"]["annotations"]
    assert alerts["slow"]["annotations"]["runbook_url"] == "https://shop.example"


def test_the_tests_say_which_series_were_derived(tmp_path):
    files = written(tmp_path, FILE)
    tests = [text for name, text in files.items() if name.startswith("tests/")]
    assert len(tests) == 4
    for text in tests:
        assert 'bad: http_requests_total{job="shop",code="500"}' in text
        assert 'good: http_requests_total{job="shop",code="200"}' in text


def test_a_manifest_of_sloth_gives_the_same_rules(tmp_path):
    (tmp_path / "plain").mkdir()
    assert written(tmp_path / "plain", FILE) == written(tmp_path, MANIFEST)


def test_a_fault_in_a_manifest_is_named_with_its_line(tmp_path, capsys):
    text = refusal(tmp_path, MANIFEST.replace("errorQuery:", "errors:"), capsys)
    line = MANIFEST.splitlines().index(next(x for x in MANIFEST.splitlines() if "errorQuery" in x))
    assert f"shop.yaml:{line + 1}: unknown key 'errors'" in text


def test_rules_are_written_as_a_manifest_too(tmp_path):
    files = written(tmp_path, FILE, "--kubernetes")
    manifest = yaml.safe_load(files["kubernetes/slo-checkout.yaml"])
    assert manifest["kind"] == "PrometheusRule"
    assert manifest["spec"] == yaml.safe_load(files["slo-checkout.yml"])


def test_a_disabled_alert_leaves_out_its_burn_rates_only(tmp_path):
    text = FILE.replace("{labels: {severity: critical, routing_key: shop}}", "{disable: true}")
    assert set(burn_alerts(written(tmp_path, text)["slo-checkout.yml"])) == {"slow", "creep"}


RATIO = f"1 - sum(rate(ok_total{W})) / sum(rate(all_total{W}))"


def test_an_error_ratio_becomes_two_counts(tmp_path):
    source = tmp_path / "shop.yaml"
    source.write_text(
        "service: s\nslos: [{name: a, objective: 99, alerting: {name: A},"
        f" sli: {{raw: {{error_ratio_query: '{RATIO}'}}}}}}]\n"
    )
    (one,) = load_objectives(source)
    assert one.total_query == f"sum(rate(all_total{{}}{W}))"
    assert one.error_query == f"(sum(rate(all_total{{}}{W}))) - (sum(rate(ok_total{{}}{W})))"
    assert events_of(f"sum(rate(bad{W})) / (sum(rate(all{W})))")[0] == f"sum(rate(bad{{}}{W}))"


@pytest.mark.parametrize(
    ("errors", "total", "series"),
    [
        ('a{c=~"5..|429"}', "a", {"bad": 'a{c="500"}', "good": 'a{c="x"}'}),
        ('a{c!~"2.."}', "a", {"bad": 'a{c="x"}', "good": 'a{c="200"}'}),
        ('a{s=~"failed|lost"}', 'a{s!="retried"}', {"bad": 'a{s="failed"}', "good": 'a{s="x"}'}),
        ("failed", "all", {"bad": "failed{}", "total": "all{}"}),
        ('a{p="\\"\\\\"}', "a", {"bad": 'a{p="\\"\\\\"}', "good": 'a{p="x"}'}),
    ],
)
def test_series_are_derived_from_a_selection(errors, total, series):
    pairs = derive(f"sum(rate({errors}{W})) or vector(0)", f"sum(increase({total}{W}))")
    assert dict(pairs) == series


def test_series_are_derived_from_a_difference():
    errors = f'sum(rate(c{{v!="W"}}{W})) - sum(rate(b{{le="0.4",v!="W"}}{W}))'
    pairs = derive(errors, f'sum(rate(c{{v!="W"}}{W}))')
    assert dict(pairs) == {"total": 'c{v="x"}', "good": 'b{le="0.4",v="x"}'}


def test_series_are_derived_from_sums():
    pairs = derive(f"sum(rate(bad{W}))", f"sum(rate(bad{W})) + sum(rate(good{W}))")
    assert dict(pairs) == {"bad": "bad{}", "good": "good{}"}


def test_errors_that_have_not_happened_yet_count_as_none_unless_they_are_a_difference(tmp_path):
    source = tmp_path / "shop.yaml"
    source.write_text(FILE)
    (selection,) = load_objectives(source)
    assert selection.zero_without_errors
    text = FILE.replace(
        "error_query: sum(rate(", "error_query: sum(rate(all[{{.window}}])) - sum(rate("
    )
    source.write_text(text.replace('total{job="shop"}[', "all["))
    source.write_text(source.read_text().replace("http_requests_all", "all"))
    (difference,) = load_objectives(source)
    assert not difference.zero_without_errors


OPENSLO = "apiVersion: openslo/v1alpha\nkind: SLO\n"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("slos:\n", "slo_plugins: {chain: []}\nslos:\n", "plugins are not supported; remove it"),
        (
            "    sli:\n",
            "    plugins: {chain: []}\n    sli:\n",
            "plugins are not supported; remove it",
        ),
        (
            "      events:\n",
            "      plugin: {id: x}\n      events:\n",
            "write `events` with the queries",
        ),
        (
            "      events:\n",
            "      raw: {error_ratio_query: x}\n      events:\n",
            "either events or raw",
        ),
        (FILE, OPENSLO, "OpenSLO is not read; expected prometheus/v1"),
        ("prometheus/v1", "prometheus/v2", "version: 'prometheus/v2'; expected prometheus/v1"),
        ("objective: 99.9", "objective: 100", "the objective must be between 0 and 100 percent"),
        ("objective: 99.9", "objective: 90", "tier fast can never fire"),
        ("{owner: shop-team", "{service: other", "label 'service' is set by the generator"),
        ("critical, routing_key: shop}}", "critical}, disable: true}", ""),
        ("sum(rate(http", "avg_over_time((http", "no sum or difference of rates of counters"),
        ('code=~"5.."', 'code=~"("', "shop.yaml:"),
        (
            "total_query: sum(",
            "total_query: sum(rate(http_requests_total[{{.window}}])) + sum(",
            "expected entries for two of good, bad, total",
        ),
        (
            'sum(rate(http_requests_total{job="shop"}',
            'sum(rate(http_requests_total{job="shop"',
            "is not PromQL",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_edit_to_make(tmp_path, capsys, old, new, why):
    assert old in FILE
    text = FILE.replace(old, new, 1)
    if not why:
        text = text.replace("{labels: {severity: warning},", "{disable: true,")
        why = "every alert is disabled"
    found = refusal(tmp_path, text, capsys)
    assert why in found
    assert "Traceback" not in found
    assert all(line.startswith(f"{tmp_path}/shop.yaml:") for line in found.splitlines()[:1])


def test_two_slos_of_one_name_over_two_files_are_refused(tmp_path, capsys):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(FILE)
    files = [str(tmp_path / name) for name in ("a.yaml", "b.yaml")]
    assert main(["slo", *files, "--output", str(tmp_path / "rules")]) == 1
    assert "b.yaml:5: name: 'checkout' is taken by" in capsys.readouterr().err
    assert not (tmp_path / "rules").exists()


def test_a_new_slo_needs_no_edit_to_give_rules_and_a_runbook(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("alerts.__main__.RUNBOOKS", tmp_path / "runbooks")
    file = tmp_path / "slo.yaml"
    file.write_text(FILE)
    assert main(["new", "cart-availability", "--job", "cart", "--file", str(file)]) == 0
    assert file.read_text().startswith(FILE)
    checkout, cart = load_objectives(file)
    assert (checkout.name, cart.name, cart.service) == ("checkout", "cart-availability", "cart")
    assert 'job="cart"' in cart.error_query
    page = (tmp_path / "runbooks" / "CartAvailabilityBudgetBurn.md").read_text()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]
    assert "$" not in page + file.read_text()
    assert main(["slo", str(file), "--output", str(tmp_path / "rules")]) == 0
    # Once more: the name is taken, and nothing changes.
    before = file.read_text()
    assert main(["new", "cart-availability", "--job", "cart", "--file", str(file)]) == 1
    assert "is taken by" in capsys.readouterr().err
    assert file.read_text() == before
