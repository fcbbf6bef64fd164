"""Draw a dashboard into a picture, or into a page that stands alone: `python -m local render`."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from local.cli.browser import Browser, BrowserError
from local.settings import LocalSettings
from observability.instrumentation.environment import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class RenderError(Exception):
    """The picture could not be made; the message says why."""


class ModelError(Exception):
    """The file given is no dashboard; the message says why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Draw one dashboard.

    Returns:
        Exit code: 0 drawn, 1 could not be drawn, 2 bad arguments or settings.
    """
    options = _parser().parse_args(argv)
    try:
        url = options.url or f"http://{LocalSettings.from_env().address('GRAFANA_PORT')}"
        with Browser(options.browser) as browser:
            _open(browser, options, url)
            options.out.write_bytes(_drawn(browser, options.out.suffix.lower()))
    except (SettingsError, ModelError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (BrowserError, RenderError, OSError) as error:
        sys.stderr.write(f"render: {error}\n")
        return 1
    sys.stdout.write(f"{options.out}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local render", description="Draw a dashboard of the running local mode."
    )
    parser.add_argument("dashboard", help="its uid, or a JSON file")
    parser.add_argument("--out", type=_out, required=True, help="FILE.png or FILE.html")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--url", help="console; the running local mode's by default")
    parser.add_argument("--width", type=int, default=1400, help="in pixels")
    parser.add_argument("--from", dest="start", default="", help="such as now-1h")
    parser.add_argument("--to", dest="end", default="")
    parser.add_argument("--var", action="append", default=[], help="name=value; may repeat")
    parser.add_argument("--timeout", type=float, default=60.0, help="in seconds")
    parser.add_argument("--browser", help="path of a Chromium")
    return parser


def _out(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (".png", ".html"):
        raise argparse.ArgumentTypeError(f"{text}: expected a name that ends in .png or .html")
    return path


def _open(browser: Browser, options: argparse.Namespace, url: str) -> None:
    uid = options.dashboard
    if uid.endswith(".json"):
        model = _model(Path(uid))
        source = f"globalThis.givenDashboard = {json.dumps(model)};"
        browser.call("Page.addScriptToEvaluateOnNewDocument", source=source)
        uid = model.get("uid") or Path(uid).stem
    _resize(browser, options.width, 900)
    query = {"render": "1", "theme": options.theme, "from": options.start, "to": options.end}
    pairs = [(name, value) for name, value in query.items() if value]
    for one in options.var:
        name, _, value = one.partition("=")
        pairs.append((f"var-{name}", value))
    address = f"{url}/d/{quote(uid)}?{urlencode(pairs)}"
    answer = browser.call("Page.navigate", url=address)
    if answer.get("errorText"):
        raise RenderError(f"{address}: {answer['errorText']}; is the local mode up?")
    if browser.wait_for(DRAWN, options.timeout) != "true":
        raise RenderError(browser.evaluate("document.querySelector('main').innerText"))
    _resize(browser, options.width, int(browser.evaluate("document.body.scrollHeight")))
    browser.evaluate("globalThis.settle()")


def _model(path: Path) -> dict[str, Any]:
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: is no JSON: {error}") from error
    if not isinstance(model, dict):
        raise ModelError(f"{path}: is no dashboard: expected a JSON object")
    return model


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


if __name__ == "__main__":
    sys.exit(main())
