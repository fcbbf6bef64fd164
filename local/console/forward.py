"""Forward Prometheus and Alertmanager, which cannot tell our pages from those of other sites.

They listen on ports of their own and ask for a password there, so that a page that finds such a
port gets 401. Their known ports are the console's, which refuses such requests before it forwards.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from werkzeug.exceptions import NotFound
from werkzeug.middleware.http_proxy import ProxyMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from local.console.settings import ConsoleSettings

TIMEOUT_SECONDS = 30


def authorization(settings: ConsoleSettings) -> dict[str, str]:
    """Return the header that both servers ask for; none if there is no password."""
    if not settings.server_password:
        return {}
    pair = f"{settings.SERVER_USER}:{settings.server_password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def forwarder(port: int, headers: dict[str, str]) -> WSGIApplication:
    """Return an application that sends every request to a loopback port, with further headers."""
    target = {"target": f"http://127.0.0.1:{port}", "headers": headers}
    proxy = ProxyMiddleware(NotFound(), {"": target}, timeout=TIMEOUT_SECONDS)

    def forward(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop("HTTP_AUTHORIZATION", None)
        return proxy.proxy_to(target, environ["PATH_INFO"], "")(environ, start_response)

    return forward
