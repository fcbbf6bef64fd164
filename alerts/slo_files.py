"""Rules and tests of the SLOs of any file in sloth's format, about metrics of any name."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Template

from alerts.paths import HERE
from alerts.promrules.errors import Place, RefusedError
from alerts.promrules.model import Group, rule_file
from alerts.promrules.reading import parse
from alerts.promrules.yaml_text import dump
from alerts.refusals import slo_faults
from alerts.slo.alerting_rules import slo_groups
from alerts.slo.spec import Objective, load_objectives
from alerts.slo.test_files import slo_test_files
from alerts.slo.windows import Profile

COMMAND = "python -m alerts slo"
# What a new SLO and its runbook begin with.
NEW_SLO = HERE / "slo" / "new.yaml"
NEW_RUNBOOK = HERE / "slo" / "new.md"
DERIVED = "The input series were derived from the queries; x_test_series in the SLO replaces them:"


def slo_file_texts(
    paths: Iterable[Path], folder: Path, profile: Profile, *, kubernetes: bool = False
) -> dict[Path, str]:
    """Return the text of every file to write for the SLOs of some files.

    Args:
        paths: Files in sloth's format.
        folder: Where the rules go; their tests go into `tests/`, manifests into `kubernetes/`.
        profile: The windows of the burn rates.
        kubernetes: Whether each rule file is also written as a PrometheusRule.

    Raises:
        RulesError: A file cannot be read, or gives rules that cannot work; names file and line.
    """
    objectives = [one for path in paths for one in load_objectives(path)]
    groups = [group for one in objectives for group in slo_groups(one, profile)]
    faults = [*_names_taken(objectives), *slo_faults(objectives, [profile]), *_no_promql(groups)]
    if faults:
        raise RefusedError(list(dict.fromkeys(faults)))
    texts: dict[Path, str] = {}
    for one in objectives:
        header = f"Written by `{COMMAND}` from {one.source.path.name}; an edit here is lost."
        groups, stem = slo_groups(one, profile), f"slo-{one.name}"
        texts[folder / f"{stem}.yml"] = rule_file(groups, header)
        if kubernetes:
            texts[folder / "kubernetes" / f"{stem}.yaml"] = _manifest(stem, groups, header)
        tests = slo_test_files(folder / "tests", "..", one, profile, _tests_header(header, one))
        texts |= tests
    return texts


def new_slo(name: str, job: str, file: Path, runbooks: Path) -> list[Path]:
    """Add an SLO about the availability of a job that has this project's kit, and a runbook.

    Args:
        name: Of the SLO, such as `shop-availability`.
        job: The scrape job, which is also the service's name.
        file: A file of SLOs; made if it is not there.
        runbooks: Folder of the runbooks.

    Returns:
        The files that were written.

    Raises:
        RulesError: The name is taken or malformed, or the file is wrong already. Nothing is
            written then.
    """
    alert = "".join(word.capitalize() for word in re.split(r"[-_.]", name)) + "BudgetBurn"
    names = {"name": name, "job": job, "alert": alert}
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    text = before + ("---\n" if before.strip() else "") + _filled(NEW_SLO, names).partition("\n")[2]
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / file.name
        draft.write_text(text, encoding="utf-8")
        load_objectives(draft)
    file.write_text(text, encoding="utf-8")
    runbook = runbooks / f"{alert}.md"
    if not runbook.exists():
        runbooks.mkdir(parents=True, exist_ok=True)
        runbook.write_text(_filled(NEW_RUNBOOK, names), encoding="utf-8")
    return [file, runbook]


def _filled(template: Path, names: dict[str, str]) -> str:
    return Template(template.read_text(encoding="utf-8")).substitute(names)


def _names_taken(objectives: Iterable[Objective]) -> Iterator[tuple[Place, str]]:
    # The label `slo` tells the series of two SLOs apart, and so does the name of a file.
    names: dict[str, Objective] = {}
    for one in objectives:
        first = names.setdefault(one.name, one)
        if first is not one:
            yield one.place("name"), f"name: {one.name!r} is taken by {first.place('name')}"


def _no_promql(groups: Iterable[Group]) -> Iterator[tuple[Place, str]]:
    for group in groups:
        for rule in group.rules:
            try:
                parse(rule.expr)
            except ValueError as error:
                yield rule.place or Place(Path("slo.yaml"), 1), f"{rule.name}: {error}"


def _tests_header(header: str, objective: Objective) -> str:
    lines = [header, "Run with: promtool test rules"]
    if objective.derived:
        lines.append(DERIVED)
        lines += [f"  {fixture.counts}: {fixture.series}" for fixture in objective.test_series]
    return "\n".join(lines)


def _manifest(name: str, groups: list[Group], header: str) -> str:
    metadata = {"name": name.lower().replace("_", "-")}
    return dump(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": metadata,
            "spec": {"groups": [group.as_yaml() for group in groups]},
        },
        header,
    )
