"""`.env` means the same to Docker Compose and to the local mode, or the local mode refuses it.

The table was read from Docker Compose 2.40; where Compose is installed it is asked again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from local.dotenv_file import DotenvError, read_dotenv

ABOVE = "ABOVE=above\nEMPTY=\n"

SAME = {
    "plain # comment": "plain",
    "plain#no-comment": "plain#no-comment",
    " spaced ": "spaced",
    "": "",
    "#x": "#x",
    "a=b=c": "a=b=c",
    "a'b\"c": "a'b\"c",
    "it's": "it's",
    "a  b\tc": "a  b\tc",
    "ünï": "ünï",
    "p@ss:w/rd%20!": "p@ss:w/rd%20!",
    "https://u:p@h/?a=b&c=d#frag": "https://u:p@h/?a=b&c=d#frag",
    "$(id) `id`": "$(id) `id`",
    "C:\\dir\\new": "C:\\dir\\new",
    "a\\nb": "a\\nb",
    "pa$$word": "pa$word",
    "pw$1": "pw$1",
    "pw$": "pw$",
    "$ABOVE-x": "above-x",
    "${ABOVE}${ABOVE}": "aboveabove",
    "${UNSET}": "",
    "$UNSET": "",
    "${UNSET:-a b}": "a b",
    "${EMPTY:-default}": "default",
    "${EMPTY-default}": "",
    "${UNSET-default}": "default",
    "$HOME": "/home/user",
    '"quoted # no comment" # comment': "quoted # no comment",
    '  "lead"': "lead",
    '"a\\$b"': "a$b",
    '"a$$b"': "a$b",
    '"$ABOVE ${ABOVE}"': "above above",
    '"\\${ABOVE}"': "${ABOVE}",
    '"{\\"x\\": 1}"': '{"x": 1}',
    '"a\\nb\\tc"': "a\nb\tc",
    '"C:\\\\dir"': "C:\\dir",
    '"two\nlines"': "two\nlines",
    "'$ABOVE ${ABOVE} $$'": "$ABOVE ${ABOVE} $$",
    "'a\\nb'": "a\\nb",
    "'let\\'s go'": "let's go",
    "'two\nlines'": "two\nlines",
    "'x' # comment": "x",
    "'#x'": "#x",
    "\r": "",
}

REFUSED = {
    " # comment": "reads the comment",
    "a\\$b": "needs quotes",
    "a\t# comment": "only a space",
    '"tail" junk': "closing quote",
    "'it''s'": "closing quote",
    '"no end': "closing quote",
    '"a\\x"': "single quotes",
    "'a\\\\b'": "double quotes",
    '"\\\\$ABOVE"': "ambiguous",
    "${ABOVE:+other}": "expected .{NAME}",
    "${ABOVE:?message}": "expected .{NAME}",
    "${ABOVE:-${EMPTY}}": "expected .{NAME}",
    "${1}": "expected .{NAME}",
    "${ABOVE": "expected .{NAME}",
}


def read(tmp_path, value, **environ):
    file = tmp_path / ".env"
    file.write_bytes(f"{ABOVE}VALUE={value}\n".encode())
    return read_dotenv(file, {"HOME": "/home/user", **environ})


@pytest.mark.parametrize("value", SAME)
def test_a_value_is_read_as_compose_reads_it(tmp_path, value):
    assert read(tmp_path, value) == {"ABOVE": "above", "EMPTY": "", "VALUE": SAME[value]}


@pytest.mark.parametrize("value", REFUSED)
def test_a_value_that_compose_reads_differently_is_refused_with_its_line(tmp_path, value):
    with pytest.raises(DotenvError, match=REFUSED[value]) as raised:
        read(tmp_path, value)
    assert raised.value.problems[0].startswith(".env line 3: ")


def has_compose() -> bool:
    docker = shutil.which("docker")
    return (
        bool(docker)
        and not subprocess.run(
            [docker, "compose", "version"], check=False, capture_output=True
        ).returncode
    )


@pytest.mark.skipif(not has_compose(), reason="Docker Compose is not installed")
def test_compose_itself_agrees_with_the_table(tmp_path):
    (tmp_path / "compose.yaml").write_text(
        "services: {a: {image: x, environment: {"
        + ", ".join(f'V{n}: "${{V{n}}}"' for n in range(len(SAME)))
        + "}}}"
    )
    lines = [f"V{number}={value}\n" for number, value in enumerate(SAME)]
    (tmp_path / ".env").write_bytes((ABOVE + "".join(lines)).encode())
    shown = subprocess.run(
        ["docker", "compose", "config", "--format", "json"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": "/home/user"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    values = json.loads(shown)["services"]["a"]["environment"]
    # Compose prints a dollar sign doubled, so that its output can be read as a file again.
    shown_values = [values[f"V{n}"].replace("$$", "$") for n in range(len(SAME))]
    assert dict(zip(SAME, shown_values, strict=True)) == SAME


def test_a_reference_prefers_the_environment_to_earlier_lines(tmp_path):
    assert read(tmp_path, "$ABOVE", ABOVE="outside")["VALUE"] == "outside"


def test_every_bad_line_is_listed(tmp_path):
    file = tmp_path / ".env"
    file.write_text('A="x" y\n\n# fine\nB=${A:?}\n2C=3\nnot a line\nD=fine\n')
    with pytest.raises(DotenvError) as raised:
        read_dotenv(file, {})
    assert [p.split(":")[0] for p in raised.value.problems] == [
        ".env line 1",
        ".env line 4",
        ".env line 5",
        ".env line 6",
    ]


def test_a_missing_file_sets_nothing(tmp_path):
    assert read_dotenv(tmp_path / ".env", {}) == {}
