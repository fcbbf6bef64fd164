"""An unpacked Alertmanager finds its templates below the folder where it was unpacked."""

from __future__ import annotations

import subprocess

from local.servers.relocate import COMPILED_IN, DESCRIPTOR, relocate


def test_the_compiled_in_folder_is_replaced_by_one_of_the_same_length(tmp_path):
    folder = tmp_path / COMPILED_IN.decode().lstrip("/")
    folder.mkdir(parents=True)
    (folder / "default.tmpl").write_text("hello")
    program = tmp_path / "program"
    program.write_bytes(b"before " + COMPILED_IN + b" after")
    assert relocate(tmp_path, program) == folder
    code = program.read_bytes()
    assert len(code) == len(b"before " + COMPILED_IN + b" after")
    path = code.removeprefix(b"before ").removesuffix(b" after")
    shown = subprocess.run(
        ["sh", "-c", f'exec {DESCRIPTOR}<"{folder}"; cat "{path.decode()}/default.tmpl"'],
        check=True,
        capture_output=True,
    ).stdout
    assert shown == b"hello"
    assert relocate(tmp_path, program) == folder
    assert program.read_bytes() == code


def test_a_program_without_a_compiled_in_folder_is_unchanged(tmp_path):
    program = tmp_path / "program"
    program.write_bytes(COMPILED_IN)
    assert relocate(tmp_path, program) is None
    assert program.read_bytes() == COMPILED_IN
