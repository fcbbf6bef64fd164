"""The hosts that a server answers for, and the pages that may use it."""

from __future__ import annotations

import pytest

from observability.instrumentation.environment import TrustedHosts


def refusal(hosts: str = "", **changes: str) -> int | None:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        **changes,
    }
    found = TrustedHosts.parse(hosts).refusal(environ)
    return found.status.value if found else None


@pytest.mark.parametrize(
    ("listed", "host", "status"),
    [
        ("", "shop.example", 421),
        ("shop.example", "shop.example", None),
        ("shop.example", "SHOP.example.:443", None),
        ("shop.example", "api.shop.example", 421),
        (".shop.example", "api.shop.example", None),
        (".shop.example", "shop.example", None),
        (".shop.example", "badshop.example", 421),
        ("a.example, shop.example", "shop.example", None),
        ("*", "evil.example", None),
        ("", "", 400),
        ("", ".", 400),
        ("", "shop.svc", None),
        ("", "svc.example", 421),
        ("", "evil.local", 421),
        ("", "2001:db8::1", 400),
        ("", "[2001:db8::1]", None),
        ("", "127.1.evil", 421),
        ("", "x" * 5000, None),
        ("", "é.example", 400),
    ],
)
def test_public_names_must_be_listed(listed: str, host: str, status: int | None) -> None:
    assert refusal(listed, HTTP_HOST=host) == status


@pytest.mark.parametrize(
    ("listed", "origin", "status"),
    [
        ("", "https://shop.example", 403),
        ("shop.example", "https://shop.example", None),
        ("shop.example", "http://shop.example:8443", None),
        ("shop.example", "ftp://shop.example", 403),
        ("", "chrome-extension://abc", 403),
        ("*", "null", None),
        ("", "", 403),
    ],
)
def test_pages_of_other_hosts_must_be_listed(listed: str, origin: str, status: int | None) -> None:
    assert refusal(listed, HTTP_ORIGIN=origin) == status
    assert refusal(listed, HTTP_ORIGIN=origin, REQUEST_METHOD="POST") == status


def test_a_page_at_an_address_may_use_its_own_server_only() -> None:
    own = {"HTTP_HOST": "192.0.2.7:3000", "HTTP_ORIGIN": "http://192.0.2.7:3000"}
    assert refusal(**own) is None
    assert refusal(**own | {"HTTP_HOST": "127.0.0.1:3000"}) == 403


@pytest.mark.parametrize("text", ["shop.example:80", "https://shop.example", "a b", "a..b", "é.de"])
def test_what_is_not_a_name_is_a_bad_setting(text: str) -> None:
    with pytest.raises(ValueError, match="host names without ports"):
        TrustedHosts.parse(text)


def test_the_reason_names_the_host_but_not_all_of_a_long_one() -> None:
    name = f"{'x' * 500}.example"
    found = TrustedHosts().refusal({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": name})
    assert found is not None
    assert "unknown host xxx" in found.reason
    assert len(found.reason) < 200
