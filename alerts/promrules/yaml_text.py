"""YAML for people, with a comment and blocks, and YAML for promtool, written fast."""

from __future__ import annotations

from typing import Any

import yaml


class OneLine(dict[str, Any]):
    """A mapping that is written on one line, everything inside it included."""


class _Dumper(yaml.SafeDumper):
    """A dumper that writes multi-line texts as blocks, and repeats values instead of aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        """Return True, so that a repeated value is written again."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _one_line(dumper: yaml.SafeDumper, mapping: OneLine) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", mapping, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(OneLine, _one_line)


def dump(document: Any, header: str) -> str:
    """Return a document as YAML below a comment that names its author."""
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    return comment + str(body)


def yaml_text(document: Any) -> str:
    """Return a document as YAML, in C where PyYAML has it."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(document, Dumper=dumper, sort_keys=False)
    return text
