"""Read a `.env` file as Docker Compose does, or report lines that it would read differently.

python-dotenv splits the file. The two differ in substitution: Compose leaves single quotes alone
and knows `$NAME` and `$$`. A line on which they cannot agree is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import Binding, parse_stream

_VALUE = re.compile(r"\s*(?:export\s+)?[^=]*=(?P<blank>[^\S\r\n]*)(?P<raw>.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_REFERENCE = re.compile(
    r"\\?\$(?:(?P<dollar>\$)|(?P<name>[A-Za-z_]\w*)"
    r"|\{(?P<braced>[A-Za-z_]\w*)(?:(?P<sign>:?-)(?P<default>[^{}$]*))?\}|(?P<open>\{))?"
)


class DotenvError(ValueError):
    """A `.env` file that cannot be read, with every bad line.

    Args:
        problems: One sentence per line.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_dotenv(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the file sets; none if it does not exist.

    Args:
        path: The `.env` file, UTF-8.
        environ: Values of `${NAME}`; they win over earlier lines of the file.

    Raises:
        DotenvError: A line cannot be read, or Compose would read it differently.
    """
    if not path.is_file():
        return {}
    values: dict[str, str] = {}
    problems = []
    with path.open(encoding="utf-8") as stream:
        for binding in parse_stream(stream):
            try:
                values |= _read(binding, {**values, **environ})
            except ValueError as error:
                line = binding.original.line + _blank_lines(binding.original.string)
                problems.append(f"{path.name} line {line}: {error}")
    if problems:
        raise DotenvError(problems)
    return values


def _blank_lines(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")


def _read(binding: Binding, known: Mapping[str, str]) -> dict[str, str]:
    """Return the one variable of a statement, or nothing for a comment."""
    if binding.error:
        raise ValueError("expected NAME=value, with nothing but a comment after a closing quote")
    if binding.key is None or binding.value is None:
        return {}
    if not _NAME.match(binding.key):
        raise ValueError(f"{binding.key!r} is not a variable name")
    match = _VALUE.match(binding.original.string)
    raw = match["raw"] if match else ""
    if raw.startswith("'"):
        return {binding.key: _single_quoted(raw, binding.value)}
    if raw.startswith('"'):
        _check_escapes(raw)
    elif match and match["blank"] and raw.startswith("#"):
        raise ValueError("Compose reads the comment after '=' as the value; move it")
    elif re.search(r"[^\S ]#", raw):
        raise ValueError("only a space may precede a comment")
    elif "\\$" in raw:
        raise ValueError("'\\$' needs quotes")
    return {binding.key: _REFERENCE.sub(lambda found: _replace(found, known), binding.value)}


def _single_quoted(raw: str, value: str) -> str:
    if "\\\\" in raw:
        raise ValueError("two backslashes within single quotes: use double quotes")
    return value


def _check_escapes(raw: str) -> None:
    if "\\\\$" in raw:
        raise ValueError("'\\\\$' is ambiguous: use single quotes")
    if found := re.search(r"\\[^nrt\"$]", raw.replace("\\\\", "")):
        raise ValueError(f"{found[0]!r} within double quotes: use single quotes")


def _replace(found: re.Match[str], known: Mapping[str, str]) -> str:
    """Return the value of one `$` reference."""
    text = found[0]
    if text.startswith("\\") and found["open"] is None:
        return text[1:]
    if found["open"] is not None:
        raise ValueError("expected ${NAME}, ${NAME:-default} or ${NAME-default}")
    if found["dollar"]:
        return "$"
    name = found["name"] or found["braced"]
    if name is None:
        return text
    value = known.get(name)
    if found["sign"] and (value is None or (found["sign"] == ":-" and not value)):
        return found["default"]
    return value or ""
