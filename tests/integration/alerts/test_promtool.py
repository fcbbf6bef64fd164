"""Both versions of promtool accept every rule file; `python -m alerts test` runs on both."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.promrules.errors import RulesError
from alerts.promrules.promtool import Promtool, identify, run_tests
from alerts.slo.windows import load_profile
from alerts.slo_files import slo_file_texts

SLO = """\
  - name: slo-{number}
    objective: {objective}
    alerting: {{name: A, page_alert: {{disable: {paging_off}}}}}
    sli: {sli}
"""
W = "[{{.window}}]"
SELECTION = (
    f"{{events: {{error_query: 'sum(rate(requests{{code=~\"5..\"}}{W}))',"
    f" total_query: 'sum(rate(requests{W}))'}}}}"
)
DIFFERENCE = (
    "{raw: {error_ratio_query:"
    f" '1 - sum(rate(buckets{{le=\"0.5\"}}{W})) / sum(rate(counts{W}))'}}}}"
)


def test_both_majors_are_here(promtools):
    assert promtools[0].version.startswith("2.42.")
    assert int(promtools[-1].version.split(".")[0]) >= 3


def test_every_rule_file_passes_every_lint_on_both(promtools, rule_paths):
    for tool in promtools:
        done = tool.run("check", "rules", "--lint=all", "--lint-fatal", *rule_paths)
        assert done.returncode == 0, done.stdout


def test_tests_are_told_from_rules_by_their_names(rule_paths, test_paths):
    assert len(rule_paths) == 23
    assert not set(rule_paths) & set(test_paths)
    assert all(path.parent.name == "tests" for path in test_paths)


def test_a_failing_test_fails_the_run(promtools, tmp_path):
    (tmp_path / "r.yml").write_text(
        "groups: [{name: g, rules: [{record: 'a:b:c', expr: vector(1)}]}]"
    )
    wrong = "exp_samples: [{labels: 'a:b:c', value: 2}]"
    case = f"{{promql_expr_test: [{{expr: 'a:b:c', eval_time: 1m, {wrong}}}]}}"
    (tmp_path / "r.test.yml").write_text(f"rule_files: [r.yml]\ntests: [{case}]")
    lines = []
    assert run_tests(promtools, [tmp_path], lines.append) == 1
    assert "1 failed" in lines[-1]


def test_another_program_is_refused():
    with pytest.raises(RulesError, match="is not promtool"):
        identify(Path("/bin/true"))


@pytest.mark.slow  # every case of two SLOs, on both promtools
@pytest.mark.parametrize("objective", [94, 99.9])
def test_the_derived_tests_pass_for_any_objective(
    promtools: list[Promtool], tmp_path: Path, objective: float
) -> None:
    kinds = [(SELECTION, "false"), (DIFFERENCE, "true")]
    slos = "".join(
        SLO.format(number=number, objective=objective, sli=sli, paging_off=off)
        for number, (sli, off) in enumerate(kinds)
    )
    source = tmp_path / "shop.yaml"
    # At 94 %, no error ratio burns as fast as a page asks for.
    text = f"service: shop\nslos:\n{slos}"
    source.write_text(text.replace("disable: false", "disable: true") if objective < 95 else text)
    for path, file in slo_file_texts(
        [source], tmp_path / "rules", load_profile("production")
    ).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file)
    lines: list[str] = []
    assert run_tests(promtools, [tmp_path / "rules"], lines.append) == 0, "\n".join(lines)
    assert all("2 rule files, 8 test files, 0 failed" in line for line in lines[-2:])
