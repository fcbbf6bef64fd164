"""Every query parses, and reads only metrics and labels that are exposed or recorded."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import promql_parser
import pytest

from dashboards import queries
from dashboards.generate import FOLDER
from dashboards.verify.backends import Backend, BackendError, prometheus_rows, prometheus_texts
from dashboards.verify.reading import read_all
from dashboards.verify.substitution import Value, built_in, substitute
from dashboards.verify.verifier import selectors_of
from tests.integration.dashboards.labels import Labels
from tests.integration.dashboards.vocabulary import known
from tools.servers import running_prometheus

ANY = ("service", "namespace", "queue", "cache")
VALUES = {
    **built_in(timedelta(minutes=15), timedelta(seconds=15), timedelta(seconds=5)),
    **{name: Value([], everything=".+", alone=False) for name in ANY},
    "slower": Value(["10ms"]),
    "order": Value([""]),
    "trace": Value(["4bf92f3577b34da6a3ce929d0e0e4736"]),
    "spans": Value(["4bf92f3577b34da6a3ce929d0e0e4736"]),
}
QUERIES = [
    pytest.param(target.kind, substitute(target.expr, VALUES), id=f"{board.uid}/{panel.title}/{n}")
    for board in read_all([FOLDER])[0]
    for panel in board.panels
    for n, target in enumerate(panel.targets)
]
PROMQL = [one for one in QUERIES if one.values[0] == "prometheus"]
PROMQL.append(pytest.param("prometheus", queries.alerts_started("worker"), id="annotation"))
PROMQL.append(pytest.param("prometheus", queries.alerts_started("home"), id="annotation of home"))
# The grammars of Grafana's own query editors; npm caches them.
GRAMMARS = ("@grafana/lezer-logql@0.3.0", "@grafana/lezer-traceql@1.0.0", "@lezer/lr@1")


def problems(expr: str) -> list[str]:
    labels = Labels(known())
    labels.of(promql_parser.parse(expr))
    return labels.problems


@pytest.mark.parametrize(("kind", "expr"), QUERIES)
def test_every_variable_of_a_query_has_a_value(kind, expr):
    assert not re.search(r"\$[a-z_{]|\[\[", expr)


@pytest.mark.parametrize(("kind", "expr"), PROMQL)
def test_a_promql_query_reads_known_metrics_by_their_labels(kind, expr):
    assert problems(expr) == []


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ("rate(http_server_request_duration_second_count[5m])", "is not exposed"),
        ('sum(celery_queue_messages{route="a"})', "celery_queue_messages has no label 'route'"),
        ("sum by (queue) (rate(cache_requests_total[5m]))", "no label 'queue'"),
        ("max by (task) (sum by (queue) (celery_tasks_total))", "no label 'task'"),
        (
            "histogram_quantile(0.9, sum by (task) (rate(celery_task_duration_seconds_bucket[1m])))",  # noqa: E501
            "no label 'le'",
        ),
        ("celery_queue_messages / on (pool) celery_queue_limit_messages", "no label 'pool'"),
        ('label_replace(up, "a", "$1", "queue", "(.*)")', "no label 'queue'"),
        ("max by (window) (slo:error_budget_remaining:ratio)", "no label 'window'"),
    ],
)
def test_a_wrong_metric_or_label_name_is_noticed(expr, problem):
    assert any(problem in one for one in problems(expr))


def test_labels_of_recorded_series_and_alerts_come_from_the_rules():
    assert {"slo", "service"} <= known()["slo:error_budget_remaining:ratio"]
    assert known()["queue:drain_time:seconds"] == {"queue"}
    assert set(queries.ALERT_OBJECTS) <= known()["ALERTS_FOR_STATE"]


def test_prometheus_accepts_every_query(tmp_path):
    refused = {}
    with running_prometheus(tmp_path, "global: {}\n") as url:
        for one in PROMQL:
            try:
                prometheus_rows(Backend(url), one.values[1], instant=False)
            except BackendError as error:
                refused[one.id] = str(error)
        with pytest.raises(BackendError, match="parse error"):
            prometheus_rows(Backend(url), "sum by queue (up)", instant=False)
    assert refused == {}


@pytest.mark.parametrize(("trace", "query"), [("", "{ duration < 0s }"), ("4bf92", "4bf92")])
def test_without_a_trace_the_waterfall_asks_for_no_span(tmp_path, trace, query):
    """Tempo's data source answers an empty id with an error."""
    model = json.loads((FOLDER / "order.json").read_text())
    (variable,) = [one for one in model["templating"]["list"] if one["name"] == "spans"]
    call = re.fullmatch(r"query_result\((.+)\)", variable["query"]["query"])
    pattern = re.compile(variable["regex"].strip("/"))
    with running_prometheus(tmp_path, "global: {}\n") as url:
        (row,) = prometheus_texts(Backend(url), call[1].replace("$trace", trace))
    assert pattern.search(row)[1] == query


@pytest.fixture(scope="module")
def grammars(tmp_path_factory) -> Path:
    """A folder with Grafana's grammars from npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip("LogQL AND TRACEQL ARE NOT PARSED: node or npm is not installed")
    folder = tmp_path_factory.mktemp("grammars")
    (folder / "package.json").write_text("{}")
    command = [npm, "install", "--prefer-offline", "--no-audit", "--no-fund", *GRAMMARS]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        pytest.skip(f"LogQL AND TRACEQL ARE NOT PARSED: {done.stderr.strip()[-300:]}")
    return folder


def syntax_errors(grammars: Path, pairs: list[tuple[str, str]]) -> list[list[int]]:
    script = Path(__file__).with_name("grammars.mjs")
    done = subprocess.run(
        ["node", str(script), str(grammars)],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def test_grafanas_grammars_accept_every_logql_and_traceql_query(grammars):
    languages = {"loki": "logql", "tempo": "traceql"}
    chosen = [one for one in QUERIES if one.values[0] in languages]
    # A bare trace id is a lookup, not a query.
    texts = [(languages[kind], expr) for kind, expr in (one.values for one in chosen)]
    texts = [(language, expr) for language, expr in texts if expr.startswith("{")]
    texts.append(("logql", queries.process_starts()))
    assert len(texts) > 8
    positions = syntax_errors(grammars, texts)
    assert dict(zip(texts, positions, strict=True)) == {text: [] for text in texts}


@pytest.mark.parametrize(
    ("language", "expr"),
    [
        ("logql", '{a="b"} || c'),
        ("logql", '{a="b"} | c=~'),
        ("traceql", "{ kind = && status = error }"),
        ("traceql", "{ duration > 5xs }"),
    ],
)
def test_grafanas_grammars_refuse_a_malformed_query(grammars, language, expr):
    assert syntax_errors(grammars, [(language, expr)]) != [[]]


@pytest.mark.parametrize(("kind", "expr"), [a for a in QUERIES if a.values[0] == "loki"])
def test_a_logql_query_selects_by_labels_first(kind, expr):
    assert re.match(r'^\{\w+=~?"[^"]+"(, \w+=~?"[^"]+")*\}', expr)


def test_process_starts_are_found_by_the_line_that_the_kit_writes():
    text = re.search(r'\|= "([^"]+)"', queries.process_starts())[1]
    telemetry = Path(queries.kit.__file__).with_name("telemetry.py").read_text()
    assert f'"{text} %s"' in telemetry


def test_the_selectors_of_a_query_are_found_by_metric():
    expr = 'sum(rate(a_total{job="x",code!~"5.."}[5m])) / ignoring (z) b offset 5m'
    assert selectors_of(expr) == {
        "a_total": {'a_total{job="x",code!~"5.."}'},
        "b": {"b"},
    }
