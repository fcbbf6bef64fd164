"""Dashboards of other projects in the console: what is drawn, what is named, what stays."""

from __future__ import annotations

import json
import re
import smtplib
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from dashboards.reader.files import read_model
from tests.consoles import Running, Service, running_console
from tools.servers import running_prometheus, wait_until

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def panel(title: str, kind: str, expr: str, at: int, **more: Any) -> dict[str, Any]:
    place = {"x": at % 3 * 8, "y": at // 3 * 8, "w": 8, "h": 8}
    return {"title": title, "type": kind, "gridPos": place, "targets": [{"expr": expr}], **more}


GONE = {
    "noValue": "nothing here",
    "color": {"mode": "thresholds"},
    "thresholds": {"steps": [{"color": "#009E73", "value": None}]},
    "mappings": [
        {"type": "special",
         "options": {"match": "null+nan", "result": {"text": "no data", "color": "#E69F00"}}}
    ],
}  # fmt: skip
OLD = {
    "title": "Boards of rows",
    "rows": [
        {
            "title": "First row",
            "showTitle": True,
            "panels": [
                {"type": "graph", "title": "Old graph", "span": 4,
                 "targets": [{"expr": "vector(2)"}], "datasource": None,
                 "seriesOverrides": [{"alias": "a", "oddity": 1}]},
                {"type": "singlestat", "title": "Old stat", "span": 4, "format": "percent",
                 "targets": [{"expr": "vector(50)"}], "prefix": "about"},
                {"type": "text", "title": "Old text", "span": 4, "mode": "markdown",
                 "content": "**bold** words"},
            ],
        },
        {
            "title": "Second row",
            "panels": [
                {"type": "table", "title": "Old table", "span": 4, "styles": [
                    {"pattern": "Value", "alias": "Answer", "type": "number", "unit": "s"}],
                 "targets": [{"expr": "vector(3)", "format": "table", "instant": True}]},
                {"type": "graph", "title": "Elsewhere", "span": 4, "datasource": "Thanos",
                 "targets": [{"expr": "up"}]},
                {"type": "graph", "title": "Test data", "span": 4, "datasource": "gdev-testdata",
                 "targets": [{"scenarioId": "x"}]},
            ],
        },
    ],
}  # fmt: skip
NEW = {
    "uid": "new",
    "title": "Settings",
    "graphTooltip": 1,
    "refresh": "",
    "annotations": {
        "list": [
            {"name": "Starts", "enable": True, "expr": "vector(time() * 1000) > 0",
             "useValueForTime": True, "iconColor": "#D55E00", "step": "15s"}
        ]
    },
    "panels": [
        panel("Lines", "timeseries", "vector(150)", 0,
              fieldConfig={"defaults": {"unit": "s", "min": 0}}),
        panel("Heat", "heatmap", 'label_replace(vector(5), "le", "1", "", "")', 1),
        panel("Own time", "timeseries", "vector($__range_s)", 2, timeFrom="2h", timeShift="1d",
              transformations=[{"id": "renameByRegex",
                                "options": {"regex": "(.*)", "renamePattern": "renamed"}},
                               {"id": "calculateField", "options": {}}],
              options={"legend": {"showLegend": True}, "novelty": {"depth": 3}},
              fieldConfig={"overrides": [
                  {"matcher": {"id": "byValue", "options": {}}, "properties": []}]}),
        panel("Hidden time", "stat", "vector($__range_s)", 3, timeFrom="3h",
              hideTimeOverride=True, fieldConfig={"defaults": {"unit": "none"}}),
        panel("Gone", "stat", "absent_metric", 4, fieldConfig={"defaults": GONE}),
        panel("Not a number", "stat", "vector(NaN)", 5, fieldConfig={"defaults": GONE}),
        panel("Absent", "gauge", "absent_metric", 6,
              fieldConfig={"defaults": {**GONE, "mappings": []}}),
        panel("Sortable", "table", "vector(1)", 7),
        panel("Zeros", "graph", 'label_replace(vector(0), "a", "zero", "", "") or vector(1)', 8,
              legend={"show": True, "hideZero": True}),
        {"title": "Lines of logs", "type": "logs", "gridPos": {"x": 0, "y": 24, "w": 24, "h": 8},
         "datasource": "Loki", "targets": [{"expr": '{service_name="orders"}'}]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("third")
    (folder / "boards").mkdir()
    (folder / "boards" / "old.json").write_text(json.dumps(OLD))
    (folder / "boards" / "new.json").write_text(json.dumps(NEW))
    (folder / "boards" / "broken.json").write_text('{"panels": [')
    variables = {"DASHBOARDS_DIR": str(folder / "boards")}
    with running_prometheus(folder, "global: {}\n") as url:
        variables["PROMETHEUS_SERVER_PORT"] = url.rsplit(":", 1)[1]
        with running_console(folder / "state", variables) as running:
            yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a page; fail the test if a script fails."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(90_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


def at(page: Page, title: str) -> Locator:
    return page.locator(f'section[aria-label="{title}"]')


def opened(page: Page, console: Running, uid: str) -> Page:
    page.goto(f"{console.pages}/d/{uid}?render=1")
    page.locator("body[data-ready=true]").wait_for()
    return page


def run(page: Page, module: str, body: str, *values: Any) -> Any:
    script = f"async (v) => {{ const m = await import('/static/js/{module}.js'); {body} }}"
    return page.evaluate(script, list(values))


def test_a_board_of_rows_is_drawn_and_what_only_grafana_has_is_named(
    page: Page, console: Running
) -> None:
    opened(page, console, "old")
    expect(page.get_by_role("button", name="First row")).to_have_count(1)
    expect(at(page, "Old graph").locator("canvas")).to_have_count(1)
    assert "series overrides of oddity" in _badge(at(page, "Old graph"))
    expect(at(page, "Old stat").locator(".stat-value")).to_have_text("50%")
    assert "the prefix “about”" in _badge(at(page, "Old stat"))
    expect(at(page, "Old text").locator("strong")).to_have_text("bold")
    expect(at(page, "Old table")).to_contain_text("Answer")
    expect(at(page, "Old table")).to_contain_text("3 s")
    expect(at(page, "Elsewhere")).to_contain_text("the data source “Thanos”")
    expect(at(page, "Test data")).to_contain_text("data sources of the type testdata")
    expect(page.get_by_role("alert")).to_have_count(0)


def _badge(panel: Locator) -> str:
    return panel.locator(".badge:visible", has_text="only in Grafana").get_attribute("title") or ""


def test_settings_of_a_panel_are_honoured_or_named(page: Page, console: Running) -> None:
    opened(page, console, "new")
    own = at(page, "Own time")
    expect(own.locator(".badge.info")).to_have_text("last 2h, shifted by 1d")
    expect(own).to_contain_text("renamed")
    assert _badge(own).splitlines()[1:] == [
        "the option “novelty”",
        "overrides that match “byValue”",
        "the transformation “calculateField”",
    ]
    hidden = at(page, "Hidden time")
    expect(hidden.locator(".stat-value")).to_have_text("10800")
    expect(hidden.locator(".badge:visible")).to_have_count(0)
    ends = "(it) => echarts.getInstanceByDom(it).getOption().xAxis[0]"
    shown = own.locator("[_echarts_instance_]").evaluate(ends)
    assert shown["max"] - shown["min"] == pytest.approx(7_200_000, abs=2)
    assert time.time() * 1000 - shown["max"] == pytest.approx(86_400_000, rel=0.01)
    expect(at(page, "Zeros").locator(".legend .chip")).to_have_count(1)


def test_a_value_that_is_gone_has_a_text_and_is_not_green(page: Page, console: Running) -> None:
    opened(page, console, "new")
    gone = {"Gone": "no data", "Not a number": "no data", "Absent": "nothing here"}
    for title, text in gone.items():
        expect(at(page, title)).to_contain_text(text)
        value = at(page, title).locator(".stat-value, text").first
        colors = "(it) => [getComputedStyle(it).color, getComputedStyle(it).fill]"
        assert "rgb(0, 158, 115)" not in value.evaluate(colors)


def test_annotations_without_an_end_are_lines_and_ticks_are_whole_minutes(
    page: Page, console: Running
) -> None:
    opened(page, console, "new")
    chart = at(page, "Lines").locator("[_echarts_instance_]")
    marks = chart.evaluate(
        "(it) => echarts.getInstanceByDom(it).getOption().series.find((one) => one.id === 'marks')"
    )
    assert [one["xAxis"] for one in marks["markLine"]["data"]]
    assert marks["markArea"]["data"] == []
    ticks = chart.evaluate(
        "(it) => echarts.getInstanceByDom(it).getModel().getComponent('yAxis').axis.scale"
        ".getTicks().map((one) => one.value)"
    )
    assert ticks == [0, 30, 60, 90, 120, 150]


def test_the_crosshair_is_on_every_chart_with_a_time_axis(page: Page, console: Running) -> None:
    opened(page, console, "new")
    at(page, "Lines").locator("canvas").hover(position={"x": 200, "y": 60})
    expect(at(page, "Lines").locator(".crosshair")).to_be_hidden()
    expect(at(page, "Zeros").locator(".crosshair")).to_be_visible()
    expect(at(page, "Heat").locator(".crosshair")).to_be_visible()
    page.mouse.move(5, 5)
    expect(at(page, "Zeros").locator(".crosshair")).to_be_hidden()


def test_a_refresh_keeps_the_focus_and_open_lines(page: Page, console: Running) -> None:
    shop = Service(console.otlp, "orders")
    shop.line("first line", SeverityNumber.INFO, time.time_ns())
    shop.flush()
    page.goto(f"{console.pages}/d/new")
    lines = at(page, "Lines of logs").locator(".line")
    at(page, "Lines of logs").scroll_into_view_if_needed()
    expect(lines).to_have_count(1)
    lines.first.press("Enter")
    expect(at(page, "Lines of logs").locator(".detail")).to_have_count(1)
    shop.line("second line", SeverityNumber.WARN, time.time_ns())
    shop.close()
    refresh = "dispatchEvent(new Event('refresh'))"

    def refreshed(condition: Callable[[], bool]) -> bool:
        page.evaluate(refresh)
        page.wait_for_timeout(500)
        return condition()

    # A refresh is left out while another waits for its answers.
    wait_until(lambda: refreshed(lambda: lines.count() == 2), 60)
    expect(at(page, "Lines of logs").locator(".detail")).to_have_count(1)
    assert "first line" in page.evaluate("document.activeElement.textContent")
    head = at(page, "Sortable").get_by_role("button", name="vector(1)")
    head.focus()
    old = head.element_handle()
    wait_until(lambda: refreshed(lambda: not old.evaluate("(it) => it.isConnected")), 60)
    assert page.evaluate("document.activeElement.textContent").startswith("vector(1)")


def test_a_broken_file_does_not_break_the_list(page: Page, console: Running) -> None:
    page.goto(f"{console.pages}/dashboards")
    expect(page.get_by_role("link", name="Boards of rows")).to_be_visible()
    expect(page.get_by_text("broken.json: Expecting")).to_be_visible()


def test_an_email_links_to_the_trace_of_its_order(page: Page, console: Running) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "orders@example.org", "customer@example.org"
    message["Subject"] = "Your order is confirmed"
    message["traceparent"] = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
    message.set_content(f"Thank you!\n\nTrace {TRACE_ID}\n")
    with smtplib.SMTP("127.0.0.1", console.console.smtp_port) as smtp:
        smtp.send_message(message)
    page.goto(f"{console.pages}/mails")
    link = page.locator(".mail-text a")
    expect(link).to_have_text(TRACE_ID)
    assert link.get_attribute("href") == f"/trace/{TRACE_ID}"
    expect(page.locator(".pairs", has_text="trace").first).to_contain_text(TRACE_ID)


TICKS = {
    0.0004: 0.0001, 0.9: 0.2, 12: 5, 70: 15, 100: 20, 140: 30, 150: 30, 400: 120, 500: 120,
    1000: 300, 3600: 900, 20_000: 7200, 400_000: 86_400,
}  # fmt: skip
MIB = 1024 * 1024
BYTE_TICKS = {3: 1, 900: 200, 3000: 1024, 4200: 1024, 200 * MIB: 50 * MIB, 143 * MIB: 50 * MIB}
ROUNDED = {
    ("now/d", False): "2026-03-11 00:00:00",
    ("now/d", True): "2026-03-11 23:59:59",
    ("now-1d/d", False): "2026-03-10 00:00:00",
    ("now-1d/d", True): "2026-03-10 23:59:59",
    ("now/h-30m", False): "2026-03-11 14:30:00",
    ("now/w", False): "2026-03-08 00:00:00",
    ("now-1M/M", False): "2026-02-01 00:00:00",
    ("now/y", True): "2026-12-31 23:59:59",
    ("now-1h", False): "2026-03-11 14:20:10",
    ("now+1h", False): "2026-03-11 16:20:10",
}


def test_ticks_of_durations_are_whole_units(page: Page, console: Running) -> None:
    page.goto(f"{console.pages}/runbook/none")
    found = run(page, "chartparts", "return v.map((span) => m.tickSeconds(span));", *TICKS)
    assert found == pytest.approx(list(TICKS.values()))


def test_ticks_of_sizes_are_whole_units(page: Page, console: Running) -> None:
    page.goto(f"{console.pages}/runbook/none")
    found = run(page, "chartparts", "return v.map((span) => m.tickBytes(span));", *BYTE_TICKS)
    assert found == list(BYTE_TICKS.values())


def test_rounded_times_are_those_of_grafana(page: Page, console: Running) -> None:
    page.goto(f"{console.pages}/runbook/none")
    body = """const { dateTime } = await import("/static/js/format.js");
      const now = new Date(2026, 2, 11, 15, 20, 10).getTime() / 1000;
      return v.map(([text, up]) => dateTime(m.moment(text, now, {up}) * 1000));"""
    assert run(page, "state", body, *ROUNDED) == list(ROUNDED.values())


LIGHT = """
  const light = (text) => { const c = document.createElement("canvas").getContext("2d");
    c.fillStyle = text; c.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...c.getImageData(0, 0, 1, 1).data].slice(0, 3).map((n) => n / 255)
      .map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05); };
"""


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_everything_that_is_drawn_has_a_contrast_of_three(
    page: Page, console: Running, theme: str
) -> None:
    page.goto(f"{console.pages}/runbook/none?theme={theme}")
    ours = sorted(set(re.findall(r'"(#[0-9A-Fa-f]{6})"', _boards())))
    body = f"""{LIGHT}
      const {{ cssColor }} = await import("/static/js/dash/field.js");
      const names = ["green", "yellow", "orange", "red", "blue", "purple", "dark-red", "light-blue",
        "light-green", "semi-dark-red", "dark-blue", "dark-yellow", "super-light-green", "#fff",
        "black", "rgb(50, 172, 45)", "rgba(245, 54, 54, 0.9)", ...v[0]];
      const surfaces = ["--page", "--surface", "--raised"].map(m.token);
      const inks = ["text", "muted", "faint", "link", "accent", "bad", "warn", "good", "info"];
      const out = [];
      const check = (name, color, on) => {{
        if (contrast(color, on) < 3) out.push([name, color, on, contrast(color, on)]); }};
      for (const on of surfaces) for (const ink of inks) check(ink, m.token(`--${{ink}}`), on);
      for (const word of ["bad", "warn", "good", "info"])
        check(`${{word}} badge`, m.token(`--${{word}}`), m.token(`--${{word}}-wash`));
      for (const color of m.palette()) check("palette", color, surfaces[1]);
      for (const name of names) check(name, cssColor(name), surfaces[1]);
      for (const name of names) check(`on ${{name}}`, m.inkOn(cssColor(name)), cssColor(name));
      check("button", m.token("--on-accent"), m.token("--accent"));
      return out;"""
    assert run(page, "colors", body, ours) == []


def _boards() -> str:
    folder = Path(__file__).parents[2] / "dashboards" / "json"
    return "".join(path.read_text() for path in folder.glob("*.json"))


def test_our_own_panels_are_drawn_completely(page: Page, console: Running) -> None:
    page.goto(f"{console.pages}/runbook/none")
    files = (Path(__file__).parents[2] / "dashboards" / "json").glob("*.json")
    panels = [one for path in files for one in read_model(path)["panels"]]
    body = "return v[0].flatMap((one) => m.notesOf(one).map((note) => `${one.title}: ${note}`));"
    found = run(page, "dash/support", body, [one for one in panels if one["type"] != "row"])
    assert found == []
