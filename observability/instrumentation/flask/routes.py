"""The label sets that requests can have, according to the routes of a Flask app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flask import Flask
    from werkzeug.routing import Rule

_DEFAULT_CODES = {"POST": (201,), "DELETE": (204,)}
_FAILURES = (500, 503)
# Flask adds these by itself; their series would only double the number.
_AUTOMATIC = frozenset({"HEAD", "OPTIONS"})


def known_label_sets(
    app: Flask, excluded: frozenset[str], success_codes: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, str, int]]:
    """Yield method, route and status code of the responses that the app is expected to send."""
    yield ("GET", semconv.OTHER, 404)
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static" or rule.rule in excluded:
            continue
        for method in sorted((rule.methods or set()) - _AUTOMATIC):
            for code in (*_codes(rule, method, success_codes), *_FAILURES):
                yield (method, rule.rule, code)


def _codes(rule: Rule, method: str, success_codes: Mapping[str, Sequence[int]]) -> Sequence[int]:
    for name in (rule.endpoint, rule.endpoint.rpartition(".")[2], rule.rule):
        if name in success_codes:
            return success_codes[name]
    return _DEFAULT_CODES.get(method, (200,))
