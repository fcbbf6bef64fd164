"""Requests of other sites' pages to a running project: none is served."""

from __future__ import annotations

import json
from dataclasses import replace

from tools.other_sites import INVENTED, SILENCE, Case, wrong_answers
from tools.servers import wait_until
from tools.standins.docker import ComposeRunError, Project, report
from tools.standins.shop import Shop, request

# Port variable: a path on which it answers GET, the status of that answer, the name of its image.
PORTS = {
    "ORDERS_PORT": ("/livez", 200, "orders"),
    "GRAFANA_PORT": ("/api/health", 200, "grafana"),
    "PROMETHEUS_PORT": ("/-/ready", 200, "prometheus"),
    "ALERTMANAGER_PORT": ("/-/ready", 200, "alertmanager"),
    "MAIL_PORT": ("/livez", 200, "mailpit"),
    "OTLP_PORT": ("/v1/traces", 405, "collector"),
}
# What Prometheus scrapes and what the worker calls, on networks without published ports.
INSIDE = {
    "orders": "http://orders:9464/metrics",
    "orders-worker": "http://orders-worker:9465/metrics",
    "orders-relay": "http://orders-relay:9466/metrics",
    "payment-provider": "http://payment-provider:9467/metrics",
}
PAGE = {"Origin": "https://evil.example"}
REBOUND = {"Host": "evil.example"}


def refuse_other_sites(sut: Project, shop: Shop, stubs: list[str]) -> None:
    """Send what a page of another site can send to every port; fail if anything is served."""
    for variable, (path, status, image) in PORTS.items():
        served = 200 if any(image in stub for stub in stubs) else status
        wrong = wrong_answers(shop.ports[variable], path, served)
        assert wrong == [], f"{variable}: {wrong}"
    report(f"{len(PORTS)} published ports serve no page of another site")
    for name, url in INSIDE.items():
        command = ["exec", "-T", "prometheus", "wget", "-q", "-T", "10", "-O", "-"]
        assert "process_" in sut.compose(*command, url), name
        try:
            found = sut.compose(*command, "--header", "Host: evil.example", url)
        except ComposeRunError:
            continue
        raise AssertionError(f"{name} answers for evil.example: {found[:200]}")
    _alerts_stay(shop)
    if not any("mailpit" in stub for stub in stubs):
        _mails_stay(shop)


def _alerts_stay(shop: Shop) -> None:
    """Try to silence every alert and to invent one; then silence one as a person does."""
    silences = shop.url("ALERTMANAGER_PORT", "/api/v2/silences")
    alerts = shop.url("ALERTMANAGER_PORT", "/api/v2/alerts")
    for headers in (PAGE, REBOUND):
        assert request(silences, SILENCE, **headers)[0] in {403, 421}
        assert request(alerts, INVENTED, **headers)[0] in {403, 421}
    assert request(silences)[2] == []
    assert "Invented" not in json.dumps(request(alerts)[2])
    own = {"Origin": silences.removesuffix("/api/v2/silences")}
    status, _, made = request(silences, SILENCE, **own)
    assert status == 200, made
    silence = Case("", method="DELETE")
    path = f"/api/v2/silence/{made['silenceID']}"
    assert silence.send(shop.ports["ALERTMANAGER_PORT"], path)[0] == 200
    for path in ("/-/reload", "/-/quit", "/api/v1/admin/tsdb/delete_series"):
        status, _, body = request(shop.url("PROMETHEUS_PORT", path), {})
        assert status in {403, 404, 500}, (path, status, body)
    report("a page of another site silences no alert and invents none; a person's page does")


def _mails_stay(shop: Shop) -> None:
    """Try to read and to delete the mails; then see that they are there."""
    url = shop.url("MAIL_PORT", "/api/v1/messages")
    mails = wait_until(lambda: request(url)[2]["messages"], seconds=60, interval=0.5)
    assert request(url, **REBOUND)[0] == 421
    for page in (Case("", origin="https://evil.example"), Case("", host="Host: evil.example")):
        delete = replace(page, method="DELETE")
        assert delete.send(shop.ports["MAIL_PORT"], "/api/v1/messages")[0] in {403, 421}
    assert request(url)[2]["messages_count"] >= len(mails)
    report(f"a page of another site can read and delete none of {len(mails)} mails")
