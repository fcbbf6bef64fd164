"""Draw a dashboard into a picture or a self-contained HTML page: `python -m local render`."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from dashboards.reader.files import DashboardError, read_model
from local.cli.browser import Browser, BrowserError
from local.cli.errors import CommandError, RefusedError
from local.settings import LocalSettings
from observability.instrumentation.environment import SettingsError

DRAWN = "document.body && document.body.dataset.ready"
# Canvases become pictures and styles text, so that the page needs nothing else.
SNAPSHOT = """(() => {
  const copy = document.documentElement.cloneNode(true);
  const canvases = document.querySelectorAll("canvas");
  copy.querySelectorAll("canvas").forEach((canvas, index) => {
    const picture = document.createElement("img");
    picture.src = canvases[index].toDataURL();
    picture.setAttribute("style", canvas.getAttribute("style"));
    canvas.replaceWith(picture);
  });
  copy.querySelectorAll("script, link, header.top, .skip, .popup").forEach((one) => one.remove());
  const style = document.createElement("style");
  style.textContent = [...document.styleSheets]
    .flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText)).join("\\n");
  copy.querySelector("head").append(style);
  return "<!doctype html>\\n" + copy.outerHTML;
})()"""


def _check_suffix(_context: click.Context, _parameter: click.Parameter, path: Path) -> Path:
    if path.suffix.lower() not in (".png", ".html"):
        raise click.BadParameter(f"{path}: expected a name that ends in .png or .html")
    return path


@dataclass(frozen=True)
class View:
    """A dashboard to draw.

    Args:
        dashboard: Uid, or path of a JSON file.
        url: Address of the console.
        width: In pixels.
        parameters: Query parameters of the dashboard page.
        timeout: Seconds to wait for the last panel.
    """

    dashboard: str
    url: str
    width: int
    parameters: list[tuple[str, str]]
    timeout: float


@click.command(short_help="Draw a dashboard into a picture or a page.")
@click.argument("dashboard")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=_check_suffix,
    required=True,
    help="FILE.png or FILE.html.",
)
@click.option("--theme", type=click.Choice(["dark", "light"]), default="dark", show_default=True)
@click.option("--url", help="Address of the console; by default the running local mode's.")
@click.option("--width", default=1400, show_default=True, help="In pixels.")
@click.option("--from", "start", default="", help="Start of the time range, such as now-1h.")
@click.option("--to", "end", default="", help="End of the time range.")
@click.option("--var", "variables", multiple=True, help="name=value; may repeat.")
@click.option("--timeout", default=60.0, show_default=True, help="In seconds.")
@click.option("--browser", "program", help="Path of a Chromium.")
def render(
    *,
    dashboard: str,
    out: Path,
    theme: str,
    url: str | None,
    width: int,
    start: str,
    end: str,
    variables: tuple[str, ...],
    timeout: float,
    program: str | None,
) -> int:
    """Draw DASHBOARD, a uid or a JSON file, into a picture or a self-contained HTML page.

    Exit code: 0 drawn, 1 could not be drawn, 2 bad arguments or settings.
    """
    query = {"render": "1", "theme": theme, "from": start, "to": end}
    pairs = [(name, value) for name, value in query.items() if value]
    pairs += [(f"var-{name}", value) for name, _, value in (v.partition("=") for v in variables)]
    try:
        url = url or f"http://{LocalSettings.from_env().address('GRAFANA_PORT')}"
        with Browser(program) as browser:
            _open(browser, View(dashboard, url, width, pairs, timeout))
            out.write_bytes(_drawn(browser, out.suffix.lower()))
    except SettingsError as error:
        raise RefusedError(str(error)) from error
    except (BrowserError, OSError) as error:
        raise CommandError(f"render: {error}") from error
    click.echo(out)
    return 0


def _open(browser: Browser, view: View) -> None:
    uid = view.dashboard
    if uid.endswith(".json"):
        model = read_dashboard(Path(uid))
        source = f"globalThis.givenDashboard = {json.dumps(model)};"
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=source)
        uid = model["uid"]
    _resize(browser, view.width, 900)
    address = f"{view.url}/d/{quote(uid)}?{urlencode(view.parameters)}"
    answer = browser.call("Page.navigate", url=address)
    if answer.get("errorText"):
        raise BrowserError(f"{address}: {answer['errorText']}; is the local mode running?")
    if browser.wait_for(DRAWN, view.timeout) != "true":
        raise BrowserError(browser.evaluate("document.querySelector('main').innerText"))
    _resize(browser, view.width, int(browser.evaluate("document.body.scrollHeight")))
    browser.evaluate("globalThis.settle()")


def read_dashboard(path: Path) -> dict[str, Any]:
    """Return the dashboard in a JSON file.

    Raises:
        RefusedError: The file is not a dashboard.
    """
    try:
        return read_model(path)
    except DashboardError as error:
        raise RefusedError(str(error)) from error


def _resize(browser: Browser, width: int, height: int) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=max(height, 300),
        deviceScaleFactor=1,
        mobile=False,
    )


def _drawn(browser: Browser, suffix: str) -> bytes:
    if suffix == ".html":
        return str(browser.evaluate(SNAPSHOT)).encode()
    shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
    return base64.b64decode(shot["data"])
