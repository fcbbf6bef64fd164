"""YAML with line numbers, so that an error can name the line to edit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import Place, RulesError

Key = str | int


@dataclass(frozen=True)
class Source:
    """The documents of one file, and the line of each entry.

    Args:
        path: The file, as errors name it.
        documents: The YAML as data.
        lines: Line of each entry by its path of keys, the document's number first.
    """

    path: Path
    documents: list[Any]
    lines: dict[tuple[Key, ...], int]

    def place(self, *keys: Key) -> Place:
        """Return the line of an entry, or of the nearest entry above it that exists."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        return Place(self.path, self.lines.get(keys, 1))


def read(path: Path) -> Source:
    """Return the documents of a YAML file.

    Raises:
        RulesError: The file is missing, or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
        for node in nodes:
            _keep_values_as_text(node)
        documents = [yaml.SafeLoader("").construct_document(node) for node in nodes]
    except OSError as error:
        raise RulesError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise RulesError(f"{path}: {error}") from error
    lines: dict[tuple[Key, ...], int] = {}
    for number, node in enumerate(nodes):
        _note(node, (number,), lines)
    return Source(path, documents, lines)


def _keep_values_as_text(node: yaml.Node) -> None:
    """Let the values of an input series be the text that stands there, as promtool reads them.

    To YAML `0x60` is the number 96; to promtool it is sixty-one zeros.
    """
    if isinstance(node, yaml.MappingNode):
        entries = {key.value: value for key, value in node.value}
        if "series" in entries and isinstance(entries.get("values"), yaml.ScalarNode):
            entries["values"].tag = "tag:yaml.org,2002:str"
    if isinstance(node, yaml.CollectionNode):
        for item in node.value:
            for inner in item if isinstance(item, tuple) else (item,):
                _keep_values_as_text(inner)


def _note(node: yaml.Node, keys: tuple[Key, ...], lines: dict[tuple[Key, ...], int]) -> None:
    lines[keys] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _note(value, (*keys, key.value), lines)
            lines[(*keys, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note(item, (*keys, index), lines)
