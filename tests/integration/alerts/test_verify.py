"""`python -m alerts verify` against a real Prometheus that knows only itself."""

from __future__ import annotations

import json
import urllib.request

import pytest

from alerts.__main__ import main
from alerts.catalogue import PROMETHEUS
from alerts.layout import all_files
from alerts.paths import RULES
from alerts.promrules.verify import missing
from tools.servers import free_port, running, wait_until


@pytest.fixture(scope="module")
def prometheus(prometheus_bin, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (folder / "p.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 5s}\n"
        f"rule_files: [{RULES}/demo/*.yml, {RULES}/common/*.yml, {RULES}/local/*.yml]\n"
        "scrape_configs:\n- job_name: prometheus\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    )
    address = f"http://127.0.0.1:{port}"
    command = [
        prometheus_bin,
        f"--config.file={folder / 'p.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, log=folder / "log"):
        wait_until(lambda: query(address, "up"), 60)
        yield address


def query(address: str, expr: str):
    with urllib.request.urlopen(f"{address}/api/v1/query?query={expr}", timeout=5) as answer:
        return json.load(answer)["data"]["result"]


def test_the_series_that_are_missing_are_named_with_their_rule(prometheus, capsys):
    code = main(["verify", "--prometheus", prometheus, "--rules", str(RULES / "common")])
    output = capsys.readouterr().out
    assert code == 1
    assert "QueueStalled: celery_queue_messages: no such metric" in output
    assert 'OrdersDown: up{job="orders"}: the metric is there, with other labels' in output


def test_a_rule_whose_series_are_there_is_not_named(prometheus):
    rules = [
        {"alert": "X", "expr": 'up{job="prometheus"} == 0'},
        {"record": "a:b:c", "expr": "x:y:z"},
    ]
    assert not list(missing(prometheus, rules, ["x:y:z"]))


def test_the_catalogue_of_prometheus_metrics_is_what_it_exposes(prometheus):
    with urllib.request.urlopen(f"{prometheus}/metrics", timeout=5) as answer:
        exposed = {line.split("{")[0].split(" ")[0] for line in answer.read().decode().splitlines()}
    assert (
        set(PROMETHEUS.metrics)
        - {"prometheus_notifications_sent_total", "prometheus_notifications_errors_total"}
        <= exposed
    )


def test_every_shipped_rule_loads_and_evaluates(prometheus):
    def rules():
        with urllib.request.urlopen(f"{prometheus}/api/v1/rules", timeout=5) as answer:
            groups = json.load(answer)["data"]["groups"]
        found = [rule for group in groups for rule in group["rules"]]
        return found if all(rule["health"] != "unknown" for rule in found) else None

    found = wait_until(rules, 90)
    folders = {RULES / name for name in ("demo", "common", "local")}
    groups = [g for path, gs in all_files().items() if path.parent in folders for g in gs]
    assert len(found) == sum(len(group.rules) for group in groups)
    assert {rule["health"] for rule in found} == {"ok"}


def test_an_address_that_does_not_answer_is_an_error_not_a_result(capsys):
    assert main(["verify", "--prometheus", f"http://127.0.0.1:{free_port()}"]) == 1
    assert "does not answer" in capsys.readouterr().err
