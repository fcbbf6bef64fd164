"""Each parameter of each route, with values that no page sends: a sentence in JSON, never a 500."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from opentelemetry._logs import SeverityNumber

from local.console.app import API_PATHS, create_app
from local.console.settings import ConsoleSettings
from local.store.store import Store
from tests.consoles import MS, Running, Service, running_console

LOGS = ("service", "level", "text", "trace_id", "span_id", "from", "to", "limit", "after", "attr")
LOKI = ("query", "start", "end", "time", "limit", "step", "direction")
# Route: its parameters; `{}` is one in its path.
ROUTES: dict[str, tuple[str, ...]] = {
    "/api/store": (),
    "/api/traces": (
        *("service", "operation", "status", "min_ms", "max_ms", "attr", "text"),
        *("from", "to", "limit", "order"),
    ),
    "/api/traces/{}": (),
    "/api/services": (),
    "/api/operations": ("service",),
    "/api/logs": LOGS,
    "/api/logs/last": (),
    "/api/logs/volume": (*LOGS, "steps"),
    "/api/mails": (
        *("to", "subject", "text", "message_id", "trace_id", "order_id", "start", "limit"),
    ),
    "/api/mails/{}": (),
    "/api/v1/messages": ("start", "limit"),
    "/api/v1/search": ("query", "start", "limit"),
    "/api/v1/message/{}": (),
    "/api/v1/message/{}/headers": (),
    "/api/prometheus/{}": ("query", "time", "start", "end", "step"),
    "/api/alertmanager/{}": ("filter",),
    "/api/runbooks": (),
    "/api/runbooks/{}": (),
    "/api/dashboards": (),
    "/api/dashboards/{}": (),
    "/loki/api/v1/query": LOKI,
    "/loki/api/v1/query_range": LOKI,
    "/loki/api/v1/labels": (),
    "/loki/api/v1/label/{}/values": (),
    "/tempo/api/search": ("q", "start", "end", "limit", "spss", "tags"),
    "/tempo/api/traces/{}": (),
    "/tempo/api/v2/traces/{}": (),
}
# What a route needs next to the value under test.
NEEDED = {
    "/loki/api/v1/query": {"query": '{a="b"}'},
    "/loki/api/v1/query_range": {"query": '{a="b"}'},
}
NUMBERS = (
    *("nan", "inf", "-inf", "-1", "0", "1e400", "1e-320", "9" * 5000, "0" * 5000, str(10**20)),
    *(
        str(2**63),
        str(2**63 - 1),
        "-9223372036854775809",
        "1.5",
        "0x10",
        "\uff11\uff12",
        "\u0663",
        "1_000",
    ),
)
TIMES = (
    *("now-999999999w", "now+1h", "now/d", "9999-12-31T23:59:59-23:59", "2026-13-45"),
    *("0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z", "2300-01-01", "10:00"),
)
TEXTS = (
    *("", " ", "\x00", "a\x00b", "\ud800", "\udcff", "\U0010ffff", "%", "_%", "\\", '"', "'", "`"),
    *("' OR 1=1 --", 'a"b=c', "a\\b=c", '$."x', "a=b=c", "=", "=x", "true", "[]", "{}", "null"),
    *(
        "(" * 3000,
        "{" * 3000,
        "[" * 3000,
        "x" * 7999,
        "x" * 30000,
        "../../etc/passwd",
        "\r\nHost: x",
    ),
)
QUERIES = (
    *(
        "{",
        "{}",
        "}",
        '{a="b"} |~ `((((.+)+)+)+)+Z`',
        '{a=~"(?=x)"}',
        '{a=~"(a)\\\\1"}',
        "{ name =~ `(`",
    ),
    *('{a="b"} |= "\\d"', '{a="b"} | ' + "(" * 500 + 'c="d"' + ")" * 500, "{" + "(" * 3000),
    *('{a="b"}' + ' |= "x"' * 500, "{ " + " && ".join(["name = `x`"] * 500) + " }", "{ kind = 1 }"),
    *(
        "rate({a=`b`}[0s])",
        "rate({a=`b`}[999999999999999999999h])",
        "{ duration > 9" + "9" * 400 + "h }",
    ),
    *("{ span.a = 9" + "9" * 4400 + " }", "{ span.a = -9223372036854775809 }", '{a="b"} | c > 1e5'),
    *(
        "{ span.a =~ `x{1000}{1000}` }",
        "{ span.a =~ `" + "(?:x?){900}" * 100 + "` }",
        '{a="\\ud800"}',
    ),
)
VALUES = (*NUMBERS, *TIMES, *TEXTS, *QUERIES)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    # Ports on which no Prometheus and no Alertmanager listens.
    upstream = {"PROMETHEUS_SERVER_PORT": "1", "ALERTMANAGER_SERVER_PORT": "2"}
    with running_console(tmp_path_factory.mktemp("state"), upstream) as console:
        service = Service(console.otlp, "orders")
        span = service.span("work", start=time.time_ns(), took=MS, order__id="o-1", a=5)
        service.line("GET /v1/orders 200", SeverityNumber.INFO, time.time_ns(), span)
        service.flush()
        service.close()
        yield console


def test_every_route_of_the_api_is_in_the_table(tmp_path: Path) -> None:
    settings = ConsoleSettings.from_env({})
    store = Store(tmp_path / "store.sqlite", settings.limits)
    rules = list(create_app(settings, store, store.problem).url_map.iter_rules())
    store.close()
    paths = {
        "".join("{}" if is_argument else text for is_argument, text in rule._trace).lstrip("|")
        for rule in rules
        if "GET" in (rule.methods or ()) and rule.rule.startswith(API_PATHS)
    }
    assert paths == set(ROUTES)


def problems(console: Running, targets: list[tuple[str, bool]]) -> list[str]:
    """Send each target; return those that were answered in another way than promised."""
    found = []
    connection = http.client.HTTPConnection("127.0.0.1", console.console.pages_port, timeout=60)
    for target, may_be_down in targets:
        connection.request("GET", target)
        answer = connection.getresponse()
        body, kind = answer.read(), answer.headers.get_content_type()
        allowed = {200, 400, 404, *((502,) if may_be_down else ())}
        sentence = "x"
        if answer.status != 200:
            try:
                document = json.loads(body)
                sentence = document.get("error") or document.get("Error")
            except ValueError:
                sentence = ""
        if answer.status not in allowed or not sentence or kind != "application/json":
            found.append(f"{answer.status} {kind} {target[:150]} {body[:150]!r}")
        elif len(sentence) > 1000:
            found.append(f"a sentence of {len(sentence)} characters: {target[:150]}")
    connection.close()
    return found


def encoded(value: str) -> str:
    return quote(value.encode("utf-8", "surrogatepass"), safe="")


@pytest.mark.slow
@pytest.mark.parametrize("route", [route for route in ROUTES if "{}" not in route])
def test_an_odd_value_is_answered_with_a_sentence(filled: Running, route: str) -> None:
    targets = []
    for name in ROUTES[route]:
        rest = "".join(
            f"&{key}={encoded(one)}" for key, one in NEEDED.get(route, {}).items() if key != name
        )
        targets += [(f"{route}?{name}={encoded(value)}{rest}", False) for value in VALUES]
        targets += [
            (f"{route}?{name}=1&{name}=2{rest}", False),
            (f"{route}?{'&'.join([f'{name}=1'] * 3000)}{rest}", False),
            (f"{route}?{name}", False),
            (f"{route}?{name}=%FF%FE%C0%80&%00=1{rest}", False),
        ]
    assert problems(filled, targets or [(f"{route}?x=1", False)]) == []


@pytest.mark.slow
@pytest.mark.parametrize("route", [route for route in ROUTES if "{}" in route])
def test_an_odd_path_is_answered_with_a_sentence(filled: Running, route: str) -> None:
    # Slashes make other paths, and a path has no place for 30,000 characters.
    upstream = "prometheus" in route or "alertmanager" in route
    values = [value for value in VALUES if value and len(value) < 8000]
    targets = [(route.format(encoded(value)), upstream) for value in values]
    for path in ("api/v1/query", "api/v2/alerts") if upstream else ():
        targets += [
            (f"{route.format(path)}?{name}={encoded(value)}", True)
            for name in ROUTES[route]
            for value in values
        ]
        targets.append((f'{route.format(path)}?q="<>^`{{|}}~%zz[]', True))
    assert [one for one in problems(filled, targets) if not one.startswith("308")] == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("/api/traces", name) for name in ("from", "to", "min_ms", "max_ms", "limit")),
        *(("/api/logs", name) for name in ("from", "to", "limit", "after")),
        *(("/tempo/api/search", name) for name in ("start", "end", "limit", "spss")),
        *(("/loki/api/v1/query_range", name) for name in ("start", "end", "time", "limit", "step")),
        *(("/api/v1/messages", name) for name in ("start", "limit")),
    ],
)
def test_a_number_out_of_range_is_refused_and_named(filled: Running, path: str, name: str) -> None:
    for value in ("nan", "inf", "-1", "1e400", "9" * 900, "x"):
        answer = filled.get(path, **{"query": '{a="b"}'} if "loki" in path else {}, **{name: value})
        assert (answer.status, answer.json["error"].startswith(f"{name}:")) == (400, True), value


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/traces", 405),
        ("PUT", "/loki/api/v1/query", 405),
        ("PATCH", "/api/v1/messages", 405),
        ("GET", "/api/unknown", 404),
        ("GET", "/tempo/api/unknown/%FF", 404),
        ("DELETE", "/api/mails/1", 405),
    ],
)
def test_an_error_below_the_api_is_json(
    filled: Running, method: str, path: str, status: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", filled.console.pages_port, timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    document = json.loads(answer.read())
    assert (answer.status, bool(document["error"])) == (status, True)
    assert status != 405 or answer.headers["Allow"]
    connection.close()


def test_an_error_of_prometheus_that_is_no_json_becomes_json(tmp_path: Path) -> None:
    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401, "no password")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever).start()
        port = str(server.server_port)
        with running_console(tmp_path, {"PROMETHEUS_SERVER_PORT": port}) as console:
            answer = console.get("/api/prometheus/api/v1/query", query="up")
        server.shutdown()
    assert (answer.status, "answered 401" in answer.json["error"]) == (401, True)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /api/logs?text=" + b"x" * 70_000 + b" HTTP/1.1\r\n", 431),
        (b"DELETE /api/mails HTTP/1.1\r\nContent-Length: 99999999999\r\n", 413),
        (b"GET /api/logs HTTP/1.1\r\nContent-Length: -1\r\n", 400),
        (b"GET /api/logs HTTP/1.1\r\nTransfer-Encoding: other\r\n", 501),
    ],
)
def test_a_request_that_reaches_no_route_is_answered_with_json(
    filled: Running, head: bytes, status: int
) -> None:
    address = ("127.0.0.1", filled.console.pages_port)
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head + b"Host: 127.0.0.1\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        document = json.loads(answer.read())
    assert (answer.status, bool(document["error"])) == (status, True)
    assert answer.headers.get_content_type() == "application/json"
