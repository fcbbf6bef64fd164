"""The label sets that requests can have, according to the routes of a Flask app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask.views import MethodView

from .. import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flask import Flask
    from werkzeug.routing import Rule

    LabelSet = tuple[str, str, int]

_DEFAULT_CODES = {"POST": (201,), "DELETE": (204,)}
# A form that is shown again, what it created, and the page that it leads to.
_FORM_CODES = (200, 201, 302)
_FAILURES = (500, 503)
# Flask adds these by itself; their series would only double the number.
_AUTOMATIC = frozenset({"HEAD", "OPTIONS"})


class KnownResponses:
    """The responses that an app is expected to send, the most important first.

    Args:
        app: With all its routes.
        excluded: Paths without metrics.
        success_codes: By endpoint or rule; the others are guessed: 204 for DELETE, 201 for POST,
            200, 201 and 302 for the POST of a view that answers GET too, as forms do, else 200.
    """

    def __init__(
        self, app: Flask, excluded: frozenset[str], success_codes: Mapping[str, Sequence[int]]
    ) -> None:
        self._app = app
        self._given = success_codes
        self._rules = [
            rule
            for rule in app.url_map.iter_rules()
            if rule.endpoint != "static" and rule.rule not in excluded
        ]
        self._learnt: set[tuple[str, int]] = set()

    def label_sets(self) -> Iterator[LabelSet]:
        """Yield method, route and status code: successes first, then failures."""
        yield ("GET", semconv.OTHER, 404)
        for rule, method in self._methods():
            for code in self._given_codes(rule) or self._guessed_codes(rule, method):
                yield (method, rule.rule, code)
        for code in _FAILURES:
            for rule, method in self._methods():
                yield (method, rule.rule, code)

    def learn(self, method: str, code: int) -> Iterator[LabelSet]:
        """Yield what a success code that one route has sent suggests for the others.

        An app whose forms lead to another page does so in all of them. GET is left out: its
        guess is right nearly always, and its other codes say nothing about other routes.
        """
        if method == "GET" or not 200 <= code < 400 or (method, code) in self._learnt:
            return
        self._learnt.add((method, code))
        for rule, its_method in self._methods():
            if its_method == method and not self._given_codes(rule):
                yield (method, rule.rule, code)

    def _methods(self) -> Iterator[tuple[Rule, str]]:
        for rule in self._rules:
            for method in sorted((rule.methods or set()) - _AUTOMATIC):
                yield rule, method

    def _given_codes(self, rule: Rule) -> Sequence[int]:
        names = (rule.endpoint, rule.endpoint.rpartition(".")[2], rule.rule)
        return next((self._given[name] for name in names if name in self._given), ())

    def _guessed_codes(self, rule: Rule, method: str) -> Sequence[int]:
        if method == "POST" and "GET" in (rule.methods or ()) and not self._is_resource(rule):
            return _FORM_CODES
        return _DEFAULT_CODES.get(method, (200,))

    def _is_resource(self, rule: Rule) -> bool:
        """Return whether a view has a function for each method, as those of an API have."""
        kind = getattr(self._app.view_functions.get(rule.endpoint), "view_class", None)
        return isinstance(kind, type) and issubclass(kind, MethodView)
