"""A page of another site in a real Chromium, whose name resolves to this machine."""

from __future__ import annotations

import http.server
import json
import smtplib
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.consoles import Running, ask
from tools.other_sites import INVENTED, SILENCE

pytestmark = pytest.mark.browser
EVIL = "evil.example"
# Sends a request, and tells what the page sees of the answer.
SEND = """async ([method, url, body, mode]) => {
  const headers = body && mode === "cors" ? {"content-type": "application/json"} : {};
  try {
    const answer = await fetch(url, {method, body, headers, mode});
    return `${answer.status} ${await answer.text()}`;
  } catch (error) {
    return "blocked";
  }
}"""


class Site(http.server.BaseHTTPRequestHandler):
    """Another site, with an empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(site: int, chromium: str) -> Iterator[Page]:
    """Open the page of the other site."""
    arguments = ["--no-sandbox", f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page()
        page.goto(f"http://{EVIL}:{site}/")
        yield page
        browser.close()


def test_a_page_of_another_site_changes_nothing(guarded: tuple[Running, str], page: Page) -> None:
    console, own = guarded
    port = console.console.alertmanager_port
    silence = json.dumps(SILENCE)
    alert = json.dumps(INVENTED)
    for base in (f"http://127.0.0.1:{port}", f"http://localhost:{port}", own):
        for mode in ("cors", "no-cors"):
            for path, body in (("silences", silence), ("alerts", alert)):
                seen = page.evaluate(SEND, ["POST", f"{base}/api/v2/{path}", body, mode])
                assert seen == "blocked" or (mode == "no-cors" and seen == "0 ")
    for path in ("silences", "alerts"):
        assert ask(f"http://127.0.0.1:{port}/api/v2/{path}").json == []


def test_a_name_that_leads_here_reads_and_deletes_nothing(
    guarded: tuple[Running, str], page: Page
) -> None:
    console, _ = guarded
    ports = console.console
    with smtplib.SMTP("127.0.0.1", ports.smtp_port, timeout=20) as client:
        client.sendmail("a@x.example", ["b@x.example"], "Subject: private\n\nthe secret of Ada")
    for port, path in (
        (ports.mail_port, "/api/mails"),
        (ports.pages_port, "/api/mails"),
        (ports.pages_port, "/api/logs"),
        (ports.otlp_port, "/livez"),
        (ports.alertmanager_port, "/api/v2/alerts"),
    ):
        answer = page.goto(f"http://{EVIL}:{port}{path}")
        assert answer is not None
        assert (answer.status, "secret of Ada" in answer.text()) == (421, False)
        seen = page.evaluate(SEND, ["DELETE", "/api/mails", None, "same-origin"])
        assert seen.startswith("421 unknown host evil.example")
    assert ask(f"{console.mail}/api/mails").json["total"] == 1


def test_the_consoles_own_page_works_as_before(guarded: tuple[Running, str], page: Page) -> None:
    console, _ = guarded
    page.goto(f"http://localhost:{console.console.mail_port}/")
    seen = page.evaluate(SEND, ["DELETE", "/api/mails", None, "same-origin"])
    assert seen == '200 {"deleted":true}\n'
    page.goto(f"http://localhost:{console.console.alertmanager_port}/-/ready")
    made = page.evaluate(SEND, ["POST", "/api/v2/silences", json.dumps(SILENCE), "cors"])
    assert made.startswith("200 ")
