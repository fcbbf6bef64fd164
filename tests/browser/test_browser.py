"""The pages in a real Chromium, with a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.consoles import MS, Running, Service, running_console
from tools.servers import free_port, running_prometheus, wait_until

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)
HERE = Path(__file__).parent
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
- {{job_name: console, static_configs: [{{targets: ["127.0.0.1:{pages}"]}}]}}
- {{job_name: prometheus, static_configs: [{{targets: ["127.0.0.1:{own}"]}}]}}
"""
RULES = """
groups:
- name: always
  rules:
  - alert: AlwaysFires
    expr: vector(1)
    labels: {severity: page, service: "<b>orders</b>"}
    annotations: {summary: "It fires <script>alert(1)</script>", runbook_url: "https://example.org/AlwaysFires.md"}
  - alert: Watchdog
    expr: vector(1)
"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a page; fail the test if a script fails or requests another origin."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    page.on("console", lambda message: problems.append(message.text) if _bad(message) else None)
    page.on("request", lambda request: problems.append(request.url) if _away(request.url) else None)
    yield page
    context.close()
    assert problems == []


def _bad(message: object) -> bool:
    # A status of 4xx that the page shows in words is no fault of the page.
    return message.type in ("error", "warning") and "Failed to load resource" not in message.text


def _away(url: str) -> bool:
    return not re.match(r"(http://127\.0\.0\.1:|data:|blob:)", url)


# Features of third-party dashboards that ours do not use.
ODD = {
    "uid": "odd",
    "title": "Odd",
    "tags": "not a list",
    "links": [{"title": "leads nowhere"}],
    "panels": [
        {
            "title": "Below its soft maximum",
            "type": "timeseries",
            "targets": [{"refId": "A", "expr": "vector(1)"}],
            "fieldConfig": {"defaults": {"custom": {"axisSoftMax": 50}}},
            "gridPos": {"w": 12, "h": 8},
        },
        {
            "title": "Heat of nothing",
            "type": "heatmap",
            "targets": [{"refId": "A", "expr": "nobody_has_this", "format": "heatmap"}],
            "gridPos": {"w": 12, "h": 8, "x": 12},
        },
        {
            "title": "Traces",
            "type": "table",
            "datasource": {"type": "tempo", "uid": "t"},
            "targets": [{"refId": "A", "query": "{ }", "queryType": "traceql"}],
            "fieldConfig": {
                "overrides": [
                    {
                        "matcher": {"id": "byName", "options": "traceName"},
                        "properties": [
                            {"id": "displayName", "value": "What was asked"},
                            {
                                "id": "links",
                                "value": [{"url": "/d/odd?var-t=${__data.fields.traceID}"}],
                            },
                        ],
                    }
                ]
            },
            "gridPos": {"w": 24, "h": 8, "y": 8},
        },
    ],
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a console and a Prometheus that scrapes it and that it queries."""
    tmp_path = tmp_path_factory.mktemp("live")
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (folder / "rules.yml").write_text(RULES)
    runbooks = tmp_path / "runbooks"
    runbooks.mkdir()
    (runbooks / "AlwaysFires.md").write_text("# Meaning\n\nSomething `fires`.\n\n- one\n- two\n")
    pages, dashboards = free_port(), tmp_path / "dashboards"
    dashboards.mkdir()
    shutil.copy(HERE / "dashboard.json", dashboards)
    (dashboards / "odd.json").write_text(json.dumps(ODD))
    config = CONFIG.format(rules=folder / "rules.yml", pages=pages, own=9)
    with running_prometheus(folder, config) as url:
        own = url.rsplit(":", 1)[1]
        (folder / "prometheus.yml").write_text(
            CONFIG.format(rules=folder / "rules.yml", pages=pages, own=own)
        )
        variables = {
            "GRAFANA_PORT": str(pages),
            "PROMETHEUS_SERVER_PORT": own,
            "DASHBOARDS_DIR": str(dashboards),
            "RUNBOOKS_DIR": str(runbooks),
        }
        with running_console(tmp_path / "state", variables) as running:
            yield running


@pytest.fixture(scope="module")
def order(live: Running) -> str:
    """Send the trace of one failed order; return its id once it is scraped."""
    now = time.time_ns()
    shop, worker = Service(live.otlp, "orders"), Service(live.otlp, "orders-worker")
    from opentelemetry._logs import SeverityNumber
    from opentelemetry.trace import SpanKind

    root = shop.span("POST /v1/orders", SpanKind.SERVER, start=now, took=40 * MS, order__id="o-1")
    child = worker.span(
        "process orders", SpanKind.CONSUMER, root, start=now + 50 * MS, took=20 * MS, error="Broken"
    )
    worker.line("charge failed <b>503</b>", SeverityNumber.ERROR, now + 60 * MS, child)
    shop.line("order placed", SeverityNumber.INFO, now + 10 * MS, root)
    for one in (shop, worker):
        one.close()
    # A chart's points lie on a grid of five seconds; with eight there is one for certain.
    query = "count_over_time(traces_spanmetrics_calls_total[1m]) >= 8"
    address = "/api/prometheus/api/v1/query"
    wait_until(lambda: live.json(address, query=query)["data"]["result"], 60)
    return format(root.get_span_context().trace_id, "032x")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ('/explore?range=5m&expr=traces_spanmetrics_latency_bucket{service="orders"}', "main"),
        ("/d/every-panel", 'section[aria-label="Lines of small"]'),
    ],
    ids=["metrics page", "p99 panel"],
)
def test_an_exemplar_leads_to_its_trace_its_logs_and_back(
    live: Running, order: str, page: Page, address: str, place: str
) -> None:
    page.goto(live.pages + address)
    dot = """(place) => { const box = document.querySelector(`${place} [_echarts_instance_]`);
        const chart = box && echarts.getInstanceByDom(box);
        const data = chart && chart.getOption().series.find((one) => one.id === "exemplars").data;
        if (!data || !data.length) return null;
        const at = chart.convertToPixel({gridIndex: 0}, data[0].value);
        const { left, top } = box.getBoundingClientRect();
        return [left + at[0], top + at[1]]; }"""
    wait_until(lambda: (page.reload(), page.wait_for_timeout(800), page.evaluate(dot, place))[-1])
    page.mouse.click(*page.evaluate(dot, place))
    page.wait_for_url(f"**/trace/{order}*")
    expect(page.locator(".span")).to_have_count(2)
    page.get_by_role("link", name="Logs of this trace").click()
    expect(page.locator(".line")).to_have_count(2)
    expect(page.locator(".line").first).to_contain_text("charge failed <b>503</b>")
    page.locator(".line a").first.click()
    page.wait_for_url(f"**/trace/{order}?span=*")
    expect(page.locator(".span[aria-expanded=true]")).to_contain_text("process orders")
    page.go_back()
    expect(page.locator(".line")).to_have_count(2)


def test_traces_are_searched_and_opened_by_keyboard(live: Running, order: str, page: Page) -> None:
    page.goto(f"{live.pages}/")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url("**/traces")
    page.get_by_label("Status").select_option("error")
    page.wait_for_url("**status=error**")
    row = page.locator(".results tbody tr")
    expect(row).to_have_count(1)
    row.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/trace/{order}")
    page.locator(".span").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".span:visible")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".detail")).to_contain_text("charge failed <b>503</b>")


def test_the_live_tail_shows_a_line_without_a_reload(console: Running, page: Page) -> None:
    from opentelemetry._logs import SeverityNumber

    page.goto(f"{console.pages}/logs")
    expect(page.locator("main")).to_contain_text("No log lines yet")
    page.get_by_role("button", name="Live tail").click()
    shop = Service(console.otlp, "shop")
    shop.line("hello from now", SeverityNumber.WARN, time.time_ns())
    shop.close()
    expect(page.locator(".line")).to_contain_text("hello from now")
    assert "live=1" in page.url


def test_metric_names_are_suggested_and_a_bad_query_shows_the_error(
    live: Running, order: str, page: Page
) -> None:
    page.goto(f"{live.pages}/explore")
    area = page.get_by_label("Query A")
    area.press_sequentially("rate(traces_spanmetrics_ca")
    expect(page.locator(".suggest li").first).to_contain_text("traces_spanmetrics_calls_total")
    page.keyboard.press("Tab")
    expect(area).to_have_value("rate(traces_spanmetrics_calls_total")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("unclosed left parenthesis")


def test_an_alert_shows_its_state_its_labels_and_its_runbook(live: Running, page: Page) -> None:
    query = 'ALERTS{alertstate="firing",alertname="AlwaysFires"}'
    address = "/api/prometheus/api/v1/query"
    wait_until(lambda: live.json(address, query=query)["data"]["result"])
    page.goto(f"{live.pages}/alerts")
    card = page.locator(".alert")
    expect(card).to_have_count(1)
    expect(card).to_contain_text("It fires <script>alert(1)</script>")
    expect(card).to_contain_text("service=<b>orders</b>")
    card.get_by_role("button", name="Runbook").click()
    expect(card.locator(".prose h1")).to_have_text("Meaning")
    expect(card.locator(".prose li")).to_have_count(2)
    expect(page.locator("main")).to_contain_text("Watchdog is firing, as it always should")
    page.goto(f"{live.pages}/alerts/rules")
    expect(page.locator("main")).to_contain_text("2 alerts, 0 recordings")


def test_every_type_of_panel_is_drawn_or_explains_why_not(
    live: Running, order: str, page: Page
) -> None:
    page.goto(f"{live.pages}/d/every-panel?render=1")
    page.locator("body[data-ready=true]").wait_for()
    panel = lambda name: page.locator(f'section[aria-label="{name}"]')  # noqa: E731 - short, used often
    expect(page.locator("h1")).to_have_text("Every panel <b>bold</b>")
    expect(panel("Gauge")).to_contain_text("25%")
    expect(panel("Bars")).to_contain_text("1.5 KiB")
    expect(panel("Lines of small").locator("canvas")).to_have_count(1)
    expect(panel("Lines of small")).to_contain_text("p99")
    expect(panel("Heat").locator("canvas").first).to_be_visible()
    expect(panel("Note").first.locator("strong")).to_have_text("strong")
    expect(panel("Note").first.locator("img")).to_have_count(0)
    expect(panel("Note").first.locator("a")).to_have_count(0)
    expect(panel("Broken").first).to_contain_text("unclosed left parenthesis")
    expect(panel("Lines").locator(".line")).to_have_count(2)
    expect(panel("Traces")).to_contain_text(order[:12])
    expect(panel("Pie")).to_contain_text("only drawn in Grafana")
    expect(page.locator("main")).to_contain_text("Repeated for console")
    expect(page.locator("main")).to_contain_text(
        "Panels for the exporters and backends of the Docker mode: 1."
    )
    expect(panel("Redis memory")).to_have_count(0)


def test_a_variable_changes_the_url_and_the_queries(live: Running, order: str, page: Page) -> None:
    page.goto(f"{live.pages}/d/every-panel?var-size=large")
    page.locator("body[data-ready=true]").wait_for()
    expect(page.locator('section[aria-label="Lines of large"]')).to_have_count(1)
    page.locator("details.multi summary").click()
    page.get_by_label("console", exact=True).check()
    page.wait_for_url("**var-job=console**")
    expect(page.locator("main")).to_contain_text("Repeated for console")
    expect(page.locator("main")).not_to_contain_text("Repeated for prometheus")


def test_dragging_over_a_chart_zooms_the_dashboard(live: Running, order: str, page: Page) -> None:
    page.goto(f"{live.pages}/d/every-panel")
    page.locator("body[data-ready=true]").wait_for()
    box = page.locator('section[aria-label="Lines of small"] canvas').bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 65, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=\d{13}&to=\d{13}"))


def test_a_third_party_dashboard_is_drawn_as_far_as_supported(
    live: Running, order: str, page: Page
) -> None:
    page.goto(f"{live.pages}/d/odd")
    page.locator("body[data-ready=true]").wait_for()
    chart = page.locator('section[aria-label="Below its soft maximum"] [_echarts_instance_]')
    extent = "getModel().getComponent('yAxis').axis.scale.getExtent()"
    assert chart.evaluate(f"(it) => echarts.getInstanceByDom(it).{extent}")[1] == 50
    heat = page.locator('section[aria-label="Heat of nothing"]')
    assert "undefined" not in heat.inner_text()
    traces = page.locator('section[aria-label="Traces"]')
    assert "What was asked" in traces.inner_text()
    link = traces.get_by_role("link", name="POST /v1/orders").first
    assert link.get_attribute("href") == f"/d/odd?var-t={order}"
    page.goto(f"{live.pages}/dashboards")
    page.get_by_role("link", name="Odd").wait_for()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_both_themes_are_remembered_and_readable(live: Running, page: Page, theme: str) -> None:
    page.goto(f"{live.pages}/?theme={theme}")
    contrast = page.evaluate(
        """() => { const light = (text) => { const [r, g, b] = text.match(/\\d+/g).map((n) => {
            const c = n / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const style = getComputedStyle(document.body);
        const [a, b] = [light(style.color), light(style.backgroundColor)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05); }"""
    )
    assert contrast > 7
    page.get_by_role("button", name="Switch between dark and light").click()
    page.goto(f"{live.pages}/logs")
    other = "light" if theme == "dark" else "dark"
    assert page.evaluate("document.documentElement.dataset.theme") == other


def test_a_picture_and_a_page_are_rendered_from_the_command_line(
    live: Running, order: str, tmp_path: Path
) -> None:
    for name, start in (("a.png", b"\x89PNG"), ("a.html", b"<!doctype html>")):
        command = ["-m", "local", "render", "every-panel", "--out", str(tmp_path / name)]
        done = subprocess.run(
            [sys.executable, *command, "--url", live.pages, "--theme", "light"],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        content = (tmp_path / name).read_bytes()
        assert content.startswith(start)
        assert len(content) > 10_000
    page = (tmp_path / "a.html").read_text()
    assert "<script" not in page
    assert 'src="/' not in page


def test_the_command_reports_an_unknown_dashboard(live: Running, tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    command = ["-m", "local", "render", "absent", "--out", str(out), "--url", live.pages]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "absent" in done.stderr
    assert not out.exists()
