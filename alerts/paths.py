"""The files and folders that `python -m alerts` reads and writes."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
RULES = HERE / "rules"
STACK = ROOT / "observability" / "stack"
STACK_RULES = STACK / "rules"
SCRAPE = ROOT / "observability" / "scrape"
# Every folder with rule files and their tests.
FOLDERS = (RULES, STACK_RULES)
# The promtools that this project fetches; the PATH is searched too.
PROGRAMS = ROOT / ".state" / "programs" / "bin"
