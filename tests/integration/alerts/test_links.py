"""The links in alerts begin with an external label of Prometheus, and are empty without it."""

from __future__ import annotations

import pytest
import yaml

from alerts.paths import STACK_RULES

LINKS = ("runbook_url", "dashboard_url")


@pytest.mark.parametrize("address", ["https://sightline.example/a b?c=$d", ""])
def test_both_promtools_build_links_from_the_label_and_leave_them_empty_without_it(
    promtools, tmp_path, address
):
    (rule,) = [
        rule
        for group in yaml.safe_load((STACK_RULES / "monitoring.yml").read_text())["groups"]
        for rule in group["rules"]
        if rule["alert"] == "Watchdog"
    ]
    ends = dict(zip(LINKS, ("/d/runbook-watchdog", "/d/telemetry"), strict=True))
    links = {name: address + end if address else "" for name, end in ends.items()}
    case = {
        "input_series": [{"series": "up", "values": "1x2"}],
        "external_labels": {"sightline_url": address} if address else {},
        "alert_rule_test": [
            {
                "alertname": "Watchdog",
                "eval_time": "1m",
                "exp_alerts": [
                    {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"] | links}
                ],
            }
        ],
    }
    document = {"rule_files": [str(STACK_RULES / "monitoring.yml")], "tests": [case]}
    path = tmp_path / "links.test.yml"
    path.write_text(yaml.safe_dump(document))
    for tool in promtools:
        done = tool.run("test", "rules", path)
        assert done.returncode == 0, done.stdout
