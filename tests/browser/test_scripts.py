"""The scripts' pure functions, run in a browser that imports them from the console."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from dashboards.generate import FOLDER
from dashboards.grafana.colours import WARN
from dashboards.grafana.dashboard import GENERATED
from tests.consoles import Running, running_console

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Page]:
    with (
        running_console(tmp_path_factory.mktemp("state"), {}) as console,
        sync_playwright() as play,
    ):
        yield _open(play, console, chromium)


def _open(play: Any, console: Running, chromium: str) -> Page:
    browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    page: Page = browser.new_page()
    page.goto(f"{console.pages}/runbook/none?theme=dark")
    return page


def run(page: Page, module: str, body: str, *values: Any) -> Any:
    script = f"async (v) => {{ const m = await import('/static/js/{module}.js'); {body} }}"
    return page.evaluate(script, list(values))


SCOPE = """
  const v = (name, value, more) => [name, {value, options: ["a", "b.c"], ...more}];
  const all = {multi: true, includeAll: true};
  const scope = new m.Scope(new Map([
    v("one", "x"), v("quoted", 'a"b'), v("many", ["a", "b.c"], all),
    v("all", ["$__all"], all), v("any", ["$__all"], {...all, allValue: ".+"})]),
    {__rate_interval: "20s", __url_time_range: "from=now-1h&to=now"});
"""


@pytest.mark.parametrize(
    ("text", "style", "filled"),
    [
        ('up{job="$one"}', "query", 'up{job="x"}'),
        ("rate(x[$__rate_interval])", "query", "rate(x[20s])"),
        ('{a=~"$many"}', "query", '{a=~"(a|b\\\\.c)"}'),
        ('{a=~"$all"}', "query", '{a=~"(a|b\\\\.c)"}'),
        ('{a=~"$any"}', "query", '{a=~".+"}'),
        ('{a="$quoted"}', "query", '{a="a\\"b"}'),
        ("${many:csv} [[one]] ${many:pipe}", "text", "a,b.c x a|b.c"),
        ("Rate of $all", "text", "Rate of All"),
        (
            "/d/x?${__url_time_range}&${many:queryparam}",
            "text",
            "/d/x?from=now-1h&to=now&var-many=a&var-many=b.c",
        ),
        (
            'label_replace(x, "a", "$1", "b", "(.+)")',
            "query",
            'label_replace(x, "a", "$1", "b", "(.+)")',
        ),
        ("$constructor $unknown", "text", "$constructor $unknown"),
    ],
)
def test_variables_are_substituted_as_in_grafana(
    page: Page, text: str, style: str, filled: str
) -> None:
    body = f"const given = v; {{ {SCOPE} return m.fill(given[0], scope, given[1]); }}"
    assert run(page, "dash/scope", body, text, style) == filled


@pytest.mark.parametrize(
    ("unit", "decimals", "value", "text"),
    [
        ("s", None, 0.25, "250 ms"),
        ("s", None, 200, "3 min 20 s"),
        ("ms", None, 1500, "1.5 s"),
        ("percentunit", None, 0.0123, "1.23%"),
        ("percentunit", None, 0.99957, "99.957%"),
        ("percentunit", 1, 0.5, "50.0%"),
        ("bytes", None, 1536, "1.5 KiB"),
        ("reqps", None, 12.34, "12.3 req/s"),
        ("short", None, 12_345, "12.3 k"),
        ("none", 0, 3, "3"),
        ("suffix:boxes", None, 3, "3 boxes"),
        ("suffix:s", None, 1000, "1000 s"),
        ("unheard of", None, 3, "3 unheard of"),
        ("s", None, None, "no value"),
    ],
)
def test_numbers_are_formatted_in_their_unit(
    page: Page, unit: str, decimals: int | None, value: float | None, text: str
) -> None:
    body = "return m.unitFormat(v[0], v[1])(v[2]);"
    assert run(page, "dash/units", body, unit, decimals, value) == text


def test_thresholds_mappings_and_overrides_set_text_and_color(page: Page) -> None:
    body = """
      const panel = {fieldConfig: {defaults: {unit: "s", color: {mode: "thresholds"},
        thresholds: {mode: "absolute",
          steps: [{color: "#00ff00", value: null}, {color: "#ff0000", value: 1}]},
        mappings: [{type: "value", options: {"0": {text: "idle", color: "#8080ff"}}},
                   {type: "range", options: {from: 10, to: 20, result: {text: "long"}}}]},
        overrides: [{matcher: {id: "byName", options: "b"},
          properties: [{id: "unit", value: "bytes"}]}]}};
      const shown = (name, value) => { const one = m.display(value, m.fieldOptions(panel, {name}));
        return [one.text, one.color]; };
      return [shown("a", 0.5), shown("a", 2), shown("a", 0), shown("a", 15), shown("b", 2048)];
    """
    assert run(page, "dash/field", body) == [
        ["500 ms", "#00ff00"],
        ["2 s", "#ff0000"],
        ["idle", "#8080ff"],
        ["long", "#ff0000"],
        ["2 KiB", "#ff0000"],
    ]


def test_markdown_becomes_elements_and_is_never_parsed_as_html(page: Page) -> None:
    text = (
        "# A\n\n1. one\n   - two\n\n| a | b |\n|---|---|\n| x | **z** |\n\n```\n<b>\n```\n"
        "[j](javascript:alert(1)) [r](../runbooks/OrdersDown.md) <img src=x>"
    )
    body = """
      const found = (what) => [...m.markdown(v[0]).querySelectorAll(what)];
      const all = (what) => found(what).map((one) => one.textContent);
      return {h: all("h1"), li: all("ol > li > ul > li"), th: all("th"), strong: all("strong"),
        pre: all("pre"), links: found("a").map((one) => one.getAttribute("href")),
        img: all("img").length};
    """
    assert run(page, "markdown", body, text) == {
        "h": ["A"],
        "li": ["two"],
        "th": ["a", "b"],
        "strong": ["z"],
        "pre": ["<b>"],
        "links": ["/runbook/OrdersDown"],
        "img": 0,
    }


def test_spans_with_circular_parents_are_all_shown(page: Page) -> None:
    spans = [
        {"span_id": "a", "parent_span_id": "b", "start_ns": 1},
        {"span_id": "b", "parent_span_id": "a", "start_ns": 2},
        {"span_id": "c", "parent_span_id": "c", "start_ns": 3},
        {"span_id": "d", "parent_span_id": "gone", "start_ns": 4},
        {"span_id": "e", "parent_span_id": "d", "start_ns": 5},
    ]
    body = "return m.spanTree(v[0]).map((one) => [one.span.span_id, one.depth]);"
    shown = run(page, "tree", body, spans)
    assert sorted(name for name, _ in shown) == ["a", "b", "c", "d", "e"]
    assert ["e", 1] in shown


def test_both_sides_of_a_call_that_share_an_id_are_shown_one_below_the_other(page: Page) -> None:
    spans = [
        {"span_id": "b", "parent_span_id": "", "kind": "server", "service": "y", "start_ns": 1},
        {"span_id": "b", "parent_span_id": "", "kind": "client", "service": "x", "start_ns": 2},
        {"span_id": "c", "parent_span_id": "b", "kind": "internal", "service": "y", "start_ns": 3},
        {"span_id": "d", "parent_span_id": "b", "kind": "internal", "service": "x", "start_ns": 4},
    ]
    body = "return m.spanTree(v[0]).map((one) => [one.span.span_id, one.span.kind, one.depth]);"
    assert run(page, "tree", body, spans) == [
        ["b", "client", 0],
        ["b", "server", 1],
        ["c", "internal", 2],
        ["d", "internal", 1],
    ]


def test_a_repeated_panel_moves_the_panels_below_it(page: Page) -> None:
    panels = [
        {
            "type": "stat",
            "repeat": "q",
            "gridPos": {"x": 0, "y": 0, "w": 12, "h": 4},
            "maxPerRow": 2,
        },
        {"type": "stat", "gridPos": {"x": 0, "y": 4, "w": 24, "h": 4}},
    ]
    body = """
      const { Scope } = await import("/static/js/dash/scope.js");
      const scope = new Scope(new Map([["q", {value: ["a", "b", "c"], options: ["a", "b", "c"]}]]));
      const { items } = m.sections(v[0], scope)[0];
      return items.map((one) => [one.column, one.line, one.width, one.scope.values("q")]);
    """
    assert run(page, "dash/layout", body, panels) == [
        [0, 0, 12, ["a"]],
        [12, 0, 12, ["b"]],
        [0, 4, 12, ["c"]],
        [0, 8, 24, ["a", "b", "c"]],
    ]


def test_only_urls_and_runbooks_in_a_text_become_links(page: Page) -> None:
    text = "See http://127.0.0.1:3000/d/slo?a=1&b=2. <b>x</b> alerts/runbooks/Burn.md javascript:a"
    body = "const d = document.createElement('pre'); m.put(d, m.linked(v[0])); return d.innerHTML;"
    assert run(page, "dom", body, text) == (
        'See <a href="http://127.0.0.1:3000/d/slo?a=1&amp;b=2" rel="noreferrer">'
        "http://127.0.0.1:3000/d/slo?a=1&amp;b=2</a>. &lt;b&gt;x&lt;/b&gt; "
        '<a href="/runbook/Burn" rel="noreferrer">alerts/runbooks/Burn.md</a> javascript:a'
    )


def test_the_note_about_generated_files_is_not_shown(page: Page) -> None:
    described = f"Request rate and errors. {GENERATED}"
    assert run(page, "format", "return m.purpose(v[0])", described) == "Request rate and errors."


def _panel(uid: str, title: str) -> dict[str, Any]:
    panels = json.loads((FOLDER / f"{uid}.json").read_text())["panels"]
    found: dict[str, Any] = next(panel for panel in panels if panel["title"] == title)
    return found


@pytest.mark.parametrize(("values", "hidden"), [([0, 0, None], True), ([0, 0.1], False)])
def test_a_series_of_zeros_leaves_the_legend(page: Page, values: list[Any], hidden: bool) -> None:
    override = _panel("telemetry", "Dropped spans by reason")["fieldConfig"]["overrides"][0]
    body = "return m.fieldOptions({fieldConfig: {overrides: [v[0]]}}, {points: v[1]}).custom"
    points = [[place, value] for place, value in enumerate(values)]
    custom = run(page, "dash/field", body, override, points)
    assert bool(custom.get("hideFrom", {}).get("legend")) is hidden


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_value_that_does_not_exist_is_not_green(page: Page, value: float | None) -> None:
    defaults = _panel("home", "Pages")["fieldConfig"]["defaults"]
    body = "return m.display(v[0] === null ? null : NaN, v[1])"
    shown = run(page, "dash/field", body, value and 1, defaults)
    assert (shown["text"], shown["color"]) == ("no data", WARN)
