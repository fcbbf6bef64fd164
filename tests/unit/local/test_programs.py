"""Start scripts of unpacked programs work under any path, and after a checkout was moved."""

from __future__ import annotations

import subprocess

import pytest

from local.servers.binaries import Binaries

PATHS = ["plain", "a b", "$HOME `id` $(id)", 'it\'s "quoted" \\ [x] *']


def unpack(folder):
    """Put a program where Debian's package would be unpacked."""
    program = folder / "debian/forky/promtool/usr/bin/promtool"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)


def output(command):
    return subprocess.run([command, "hello"], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("path", PATHS)
def test_a_start_script_works_under_any_path(tmp_path, path):
    unpack(tmp_path / path)
    assert output(Binaries(tmp_path / path, path="").find("promtool")) == "hello\n"


def test_a_start_script_works_after_its_folder_was_moved(tmp_path):
    unpack(tmp_path / "old")
    Binaries(tmp_path / "old", path="").find("promtool")
    (tmp_path / "old").rename(tmp_path / "new")
    assert output(Binaries(tmp_path / "new", path="").find("promtool")) == "hello\n"


def test_a_start_script_with_the_path_of_another_checkout_is_written_again(tmp_path):
    unpack(tmp_path)
    (tmp_path / "bin").mkdir()
    stale = tmp_path / "bin/promtool"
    stale.write_text('#!/bin/sh\nexec "/elsewhere/promtool" "$@"\n')
    stale.chmod(0o755)
    assert output(Binaries(tmp_path, path="").find("promtool")) == "hello\n"
