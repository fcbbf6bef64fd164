"""The version of a program, as the compose run finds it in what the program prints."""

from __future__ import annotations

import pytest

from tools.standins.compose_run import version_in


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("prometheus, version 3.5.3+ds1 (branch: debian/sid)\n  go version: go1.26.4", "3.5.3+ds1"),
        ("Redis server v=8.0.6 sha=00000000:0 malloc=jemalloc-5.3.1", "8.0.6"),
        ("nginx version: nginx/1.30.6", "1.30.6"),
        ("postgres (PostgreSQL) 18.6 (Debian 18.6-3)", "18.6"),
        ("/mailpit v1.33.1 compiled with go1.26.8 on linux/amd64", "1.33.1"),
        ("/mailpit dev compiled with go1.26.8 on linux/amd64", "unknown"),
        ("loki, version  (branch: , revision: unknown)", "unknown"),
    ],
)
def test_the_version_of_the_program_is_found_and_not_that_of_its_compiler(printed, version):
    assert version_in(printed) == version
