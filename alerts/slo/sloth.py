"""The forms in which sloth's users write an SLO, brought into the one that the generator reads.

Source: https://sloth.dev/specs/default/ and https://sloth.dev/specs/kubernetes/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from promql_parser import BinaryExpr, Expr, NumberLiteral, ParenExpr

from alerts.promrules.reading import parse
from alerts.promrules.source import Key, Source

WINDOW = "{{.window}}"
KUBERNETES = "sloth.slok.dev/v1"
# A range that no query has, in place of {{.window}} while a query is parsed.
_RANGE, _PRETTY = "4242s", "1h10m42s"
_CAPITAL = re.compile(r"[A-Z]")
# Below these keys stand names that people chose.
_FREE = frozenset({"labels", "annotations"})


def normalized(source: Source) -> Source:
    """Return a file whose Kubernetes manifests have the keys of sloth's own form.

    The line of each entry is that of the file.
    """
    documents, lines = list(source.documents), dict(source.lines)
    for number, document in enumerate(documents):
        if _is_manifest(document):
            documents[number] = _snake(document["spec"])
            below = {keys: line for keys, line in lines.items() if keys[:2] == (number, "spec")}
            lines |= {(number, *_snake_keys(keys[2:])): line for keys, line in below.items()}
    return Source(source.path, documents, lines)


def _is_manifest(document: Any) -> bool:
    return (
        isinstance(document, dict)
        and document.get("apiVersion") == KUBERNETES
        and isinstance(document.get("spec"), dict)
    )


def _snake(value: Any) -> Any:
    if isinstance(value, list):
        return [_snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        _snake_key(key): inner if key in _FREE else _snake(inner) for key, inner in value.items()
    }


def _snake_keys(keys: tuple[Key, ...]) -> Iterator[Key]:
    free = False
    for key in keys:
        yield key if free else _snake_key(key)
        free = free or key in _FREE


def _snake_key(key: Any) -> Any:
    return _CAPITAL.sub(lambda found: "_" + found[0].lower(), key) if isinstance(key, str) else key


def parsed(query: str) -> Expr:
    """Return the tree of a query with `{{.window}}` in it.

    Raises:
        ValueError: It is not PromQL.
    """
    try:
        return parse(query.replace(WINDOW, _RANGE))
    except ValueError as error:
        raise ValueError(f"{query.strip()!r} is not PromQL: {error}") from error


def events_of(ratio: str) -> tuple[str, str]:
    """Return the queries of bad and of all events that an error ratio divides.

    Counts can be averaged over long windows and compared with a minimum, ratios cannot.

    Raises:
        ValueError: It is neither `bad / total` nor `1 - good / total`.
    """
    tree = bare(parsed(ratio))
    complement = False
    if isinstance(tree, BinaryExpr) and _op(tree) == "-" and _is_one(tree.lhs):
        tree, complement = bare(tree.rhs), True
    if not (isinstance(tree, BinaryExpr) and _op(tree) == "/"):
        raise ValueError("expected `bad / total` or `1 - good / total`, or events in its place")
    part, total = _text(tree.lhs), _text(tree.rhs)
    return (f"({total}) - ({part})" if complement else part), total


def bare(node: Expr) -> Expr:
    """Return an expression without the parentheses around it."""
    while isinstance(node, ParenExpr):
        node = node.expr
    return node


def _op(node: BinaryExpr) -> str:
    return str(node.op)


def _is_one(node: Expr) -> bool:
    node = bare(node)
    return isinstance(node, NumberLiteral) and node.val == 1


def _text(node: Expr) -> str:
    return str(bare(node)).replace(_PRETTY, WINDOW).replace(_RANGE, WINDOW)
