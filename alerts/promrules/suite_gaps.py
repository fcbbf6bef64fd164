"""What a suite of promtool tests seems to cover and does not: promtool passes all of it."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from .errors import RulesError

# The one in C is ten times as fast.
_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def suite_gaps(rules: Iterable[Path], tests: Iterable[Path]) -> list[str]:
    """Return the gaps of a suite, a sentence each.

    A rule file that no test file names is not tested. An alert that no rule has never fires, so
    `exp_alerts: []` about it always passes.

    Args:
        rules: Rule files.
        tests: Promtool test files.

    Raises:
        RulesError: A file cannot be read, or is not YAML.
    """
    alerts = {path.resolve(): _alerts(path) for path in rules}
    named: set[Path] = set()
    found: list[str] = []
    for path in tests:
        document = _mapping(path)
        loaded = {file.resolve() for file in _rule_files(path, document)}
        named |= loaded
        known = {name for file in loaded for name in alerts.get(file) or _alerts(file)}
        unknown = dict.fromkeys(name for name in _expected(document) if name not in known)
        found += [
            f"{path}: {name!r} is no alert of its rule files: a misspelling?" for name in unknown
        ]
    found += [f"{path}: no test file names it" for path in alerts if path not in named]
    return found


def _rule_files(path: Path, document: dict[str, Any]) -> Iterator[Path]:
    for pattern in document.get("rule_files") or ():
        # An absolute path replaces the folder.
        yield from map(Path, glob.glob(str(path.parent / str(pattern))))  # noqa: PTH207 - as promtool


def _alerts(path: Path) -> set[str]:
    groups = _items(_mapping(path), "groups")
    rules = [rule for group in groups for rule in _items(group, "rules")]
    return {str(rule["alert"]) for rule in rules if "alert" in rule}


def _expected(document: dict[str, Any]) -> Iterator[str]:
    for test in _items(document, "tests"):
        for case in _items(test, "alert_rule_test"):
            yield str(case.get("alertname"))


def _items(mapping: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the mappings of a list; promtool says what is wrong with anything else."""
    items = mapping.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _mapping(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - safe
    except OSError as error:
        raise RulesError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: {error}") from error
    return document if isinstance(document, dict) else {}
