"""promtool as a calculator: the results of rules for given traffic, without a Prometheus.

An expectation that never holds makes promtool print the actual value; every version does so.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from alerts.promrules.durations import show
from alerts.promrules.errors import RulesError
from alerts.promrules.promtool import Promtool
from alerts.promrules.test_file import EXPR_TESTS
from alerts.promrules.yaml_text import yaml_text

NEVER = [{"labels": "never", "value": -12345}]
ANSWER = re.compile(r"got:[ \t]*(.*)")
VALUE = re.compile(r"\S+ ([-+0-9.eE]+|NaN|[-+]Inf)$")


@dataclass(frozen=True)
class Question:
    """Expressions to evaluate for one course of traffic.

    Args:
        interval: Between samples.
        series: Input, name and values.
        asked: Expressions, each with a time.
    """

    interval: timedelta
    series: Sequence[tuple[str, str]]
    asked: Sequence[tuple[str, timedelta]]


def ask(
    promtool: Promtool,
    rules: dict[str, Any],
    questions: Sequence[Question],
    evaluation: timedelta,
) -> list[list[float | None]]:
    """Return the value of each expression; None where it gives no sample.

    Args:
        promtool: The promtool that calculates.
        rules: A rule file as data.
        questions: The courses of traffic.
        evaluation: Interval of evaluation.

    Raises:
        RulesError: promtool did not answer each question.
    """
    document = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": show(evaluation),
        "group_eval_order": [group["name"] for group in rules["groups"]],
        "tests": [_test(question) for question in questions],
    }
    with tempfile.TemporaryDirectory(prefix="ask-") as folder:
        Path(folder, "rules.yml").write_text(yaml_text(rules), encoding="utf-8")
        path = Path(folder, "ask.test.yml")
        path.write_text(yaml_text(document), encoding="utf-8")
        output = promtool.run("test", "rules", path).stdout
    answers = [_value(text) for text in ANSWER.findall(output)]
    wanted = sum(len(question.asked) for question in questions)
    if len(answers) != wanted:
        raise RulesError(f"{len(answers)} answers to {wanted} questions:\n{output[:2000]}")
    rest = iter(answers)
    return [[next(rest) for _ in question.asked] for question in questions]


def _test(question: Question) -> dict[str, Any]:
    return {
        "interval": show(question.interval),
        "input_series": [{"series": name, "values": values} for name, values in question.series],
        EXPR_TESTS: [
            {"expr": expr, "eval_time": show(at), "exp_samples": NEVER}
            for expr, at in question.asked
        ],
    }


def _value(text: str) -> float | None:
    found = VALUE.search(text.strip())
    return float(found[1]) if found else None
