"""What the proxies' entrypoint writes for nginx."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from observability.instrumentation.environment import TrustedHosts
from tools.standins.composed import STACK, stack

ALWAYS = ["localhost", "127.0.0.1", "[::1]"]


def start(folder: Path, name_server: str = "127.0.0.11", **variables: str) -> tuple[int, str]:
    servers = folder / "resolv.conf"
    servers.write_text(f"search example\nnameserver {name_server}\nnameserver 10.0.0.2\n")
    _, script, target, *_ = stack()["stack-edge"].get("entrypoint")
    script = STACK / "edge" / Path(script).name
    done = subprocess.run(
        ["sh", script, folder / Path(target).name, "echo", "started"],
        env={"PATH": "/usr/bin:/bin", "RESOLV_CONF": str(servers), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def hosts(folder: Path) -> list[str]:
    lines = (folder / "edge" / "hosts.conf").read_text().splitlines()
    assert all(line.endswith(" 1;") for line in lines)
    return [line.removesuffix(" 1;").strip('"') for line in lines]


@pytest.mark.parametrize(
    ("listed", "url", "expected"),
    [
        ("", "", []),
        ("Shop.example, .api.example", "", ["shop.example", ".api.example"]),
        ("localhost,[::1]", "", []),
        ("[2001:db8::1]", "", ["[2001:db8::1]"]),
        ("shop.example", "https://sightline.example", ["sightline.example", "shop.example"]),
        ("", "http://sightline.example:3000", ["sightline.example"]),
        ("", "http://[2001:db8::1]:3000", ["[2001:db8::1]"]),
        ("*", "", ["~^"]),
    ],
)
def test_trusted_hosts_are_written_once_each(
    tmp_path: Path, listed: str, url: str, expected: list[str]
) -> None:
    code, output = start(tmp_path, TRUSTED_HOSTS=listed, SIGHTLINE_URL=url)
    assert (code, output) == (0, "started\n")
    assert hosts(tmp_path) == ALWAYS + expected
    TrustedHosts.parse(listed)


@pytest.mark.parametrize(
    "listed", ["shop.example:80", "https://shop.example", "a b", "a..b", "é.de", 'a";', "a 1; b"]
)
def test_a_bad_name_is_reported_as_the_code_does(tmp_path: Path, listed: str) -> None:
    code, output = start(tmp_path, TRUSTED_HOSTS=listed)
    assert code == 2
    assert "TRUSTED_HOSTS: expected host names without ports" in output
    assert "started" not in output
    with pytest.raises(ValueError, match="host names without ports"):
        TrustedHosts.parse(listed)


@pytest.mark.parametrize(
    ("server", "written"), [("10.89.0.1", "10.89.0.1"), ("fd00::1", "[fd00::1]")]
)
def test_the_name_server_is_the_containers(tmp_path: Path, server: str, written: str) -> None:
    start(tmp_path, server)
    line = (tmp_path / "edge" / "resolver.conf").read_text()
    assert line == f"resolver {written} valid=2s ipv6=off;\n"
    assert "include /tmp/edge/resolver.conf;" in (STACK / "edge/nginx.conf").read_text()
