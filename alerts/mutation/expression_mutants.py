"""Damage to an expression: one token at a time, each result still valid PromQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..promrules import durations, reading
from .tokens import COMPARISONS, SET_OPERATORS, Token, replace, tokens

# An operator's name, and the damaged expression.
Change = tuple[str, str]

FLIP = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "!=", "!=": "=="}
EDGE = {">": ">=", ">=": ">", "<": "<=", "<=": "<"}
NEGATE = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
SWAP_SET = {"and": ("or", "unless"), "or": ("and",), "unless": ("and",)}
SWAP_AGGREGATION = {"sum": "max", "max": "sum", "min": "max", "avg": "max", "count": "sum"}
SWAP_FUNCTION = {
    "rate": "increase",
    "increase": "rate",
    "irate": "increase",
    "max_over_time": "min_over_time",
    "min_over_time": "max_over_time",
    "avg_over_time": "max_over_time",
    "sum_over_time": "max_over_time",
    "last_over_time": "max_over_time",
    "count_over_time": "max_over_time",
    "clamp_max": "clamp_min",
    "clamp_min": "clamp_max",
    "floor": "ceil",
    "ceil": "floor",
}
SWAP_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*"}
GROUPINGS = ("by", "without", "on", "ignoring", "group_left", "group_right")


def expression_mutants(expr: str) -> Iterator[Change]:
    """Return every damaged form of an expression that still parses, each once."""
    words = tokens(expr)
    seen = {expr}
    for mutate in MUTATORS:
        for operator, changed in mutate(expr, words):
            if changed not in seen and _parses(changed):
                seen.add(changed)
                yield operator, changed


def _parses(expr: str) -> bool:
    try:
        reading.parse(expr)
    except ValueError:
        return False
    return True


def _numbers(expr: str, words: list[Token]) -> Iterator[Change]:
    for i, word in enumerate(words):
        if word.kind != "number" or word.inside == "[":
            continue
        before = [w.text for w in words[max(0, i - 2) : i]]
        after = [w.text for w in words[i + 1 : i + 2]]
        compared = any(text in COMPARISONS for text in before[-1:] + after) or (
            before[-1:] == ["bool"] and before[0] in COMPARISONS
        )
        value = float(word.text)
        texts = (durations.number(value * 0.8), durations.number(value * 1.25)) if value else ("1",)
        for text in texts:
            operator = "threshold" if compared else "number"
            yield operator, replace(expr, word.start, word.end, text)


def _comparisons(expr: str, words: list[Token]) -> Iterator[Change]:
    for i, word in enumerate(words):
        if word.text not in COMPARISONS or word.inside == "{":
            continue
        yield "comparison", replace(expr, word.start, word.end, FLIP[word.text])
        if word.text in EDGE:
            yield "boundary", replace(expr, word.start, word.end, EDGE[word.text])
        if i + 1 < len(words) and words[i + 1].kind == "number":
            yield "guard", replace(expr, word.start, words[i + 1].end, "").rstrip()


def _ranges(expr: str, words: list[Token]) -> Iterator[Change]:
    for i, word in enumerate(words):
        if word.kind != "duration":
            continue
        if words[i - 1].text == "offset":
            yield "offset", replace(expr, words[i - 1].start, word.end, "")
        elif words[i - 1].text == "[":
            span = durations.parse(word.text)
            for changed in (span / 2, span * 2):
                yield "range", replace(expr, word.start, word.end, durations.show(changed))


def _sets(expr: str, words: list[Token]) -> Iterator[Change]:
    for i, word in enumerate(words):
        if word.kind != "name" or word.text not in SET_OPERATORS or word.inside in {"{", "["}:
            continue
        for other in SWAP_SET[word.text]:
            yield "set", replace(expr, word.start, word.end, other)
        yield "guard", replace(expr, word.start, _operand_end(words, i), "").rstrip()


def _operand_end(words: list[Token], at: int) -> int:
    """Return where the right operand of a set operator ends."""
    operator = words[at]
    stops = ("or",) if operator.text == "or" else SET_OPERATORS
    end = operator.end
    for word in words[at + 1 :]:
        if word.depth < operator.depth or (word.depth == operator.depth and word.text in stops):
            break
        if word.depth == operator.depth and word.text == "," and word.inside == "(":
            break
        end = word.end
    return end


def _matchers(expr: str, words: list[Token]) -> Iterator[Change]:
    for i, word in enumerate(words):
        if word.inside != "{" or word.text not in NEGATE:
            continue
        yield "matcher", replace(expr, word.start, word.end, NEGATE[word.text])
        label, value = words[i - 1], words[i + 1]
        start, end = label.start, value.end
        if words[i + 2].text == ",":
            end = words[i + 2].end
        elif words[i - 2].text == ",":
            start = words[i - 2].start
        yield "matcher", replace(expr, start, end, "").replace("{}", "")


def _groupings(expr: str, words: list[Token]) -> Iterator[Change]:
    for i, word in enumerate(words):
        if word.text not in GROUPINGS or i + 1 >= len(words) or words[i + 1].text != "(":
            continue
        labels = []
        for entry in words[i + 2 :]:
            if entry.text == ")":
                break
            if entry.kind == "name":
                labels.append(entry)
        start, end = words[i + 1].start, labels[-1].end if labels else words[i + 1].end
        for dropped in labels:
            kept = ", ".join(label.text for label in labels if label is not dropped)
            yield "grouping", replace(expr, start, end, f"({kept}")


def _swaps(expr: str, words: list[Token]) -> Iterator[Change]:
    for i, word in enumerate(words):
        after = words[i + 1].text if i + 1 < len(words) else ""
        if word.kind == "name" and after in {"(", "by", "without"}:
            if other := SWAP_AGGREGATION.get(word.text):
                yield "aggregation", replace(expr, word.start, word.end, other)
            if other := SWAP_FUNCTION.get(word.text):
                yield "function", replace(expr, word.start, word.end, other)
        if word.kind == "operator" and word.text in SWAP_ARITHMETIC and i and _binary(words[i - 1]):
            changed = replace(expr, word.start, word.end, SWAP_ARITHMETIC[word.text])
            yield "arithmetic", changed


def _binary(before: Token) -> bool:
    return before.kind in {"number", "name"} or before.text in {")", "]", "}"}


MUTATORS: tuple[Callable[[str, list[Token]], Iterator[Change]], ...] = (
    _numbers,
    _comparisons,
    _ranges,
    _sets,
    _matchers,
    _groupings,
    _swaps,
)
