"""Write the alert rules, or with a command test, measure or verify them: `python -m alerts`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

try:
    from alerts.layout import AUTHOR, all_files, left_alone, rendered
    from alerts.paths import FOLDERS, PROGRAMS, ROOT
    from alerts.promrules.errors import AlertsError
    from alerts.promrules.promtool import find_all, run_tests
    from alerts.refusals import refuse
    from alerts.slo.detection_page import detection_page
    from alerts.slo.spec import load_objectives
    from alerts.slo.windows import PROFILES, load_profile
    from alerts.verify import verify
except ImportError as missing:
    package = {"yaml": "pyyaml", "promql_parser": "promql-parser"}.get(
        (missing.name or "").partition(".")[0]
    )
    if package is None:
        raise
    print(
        f"python -m alerts needs {package}: pip install promql-parser pyyaml"
        " (in this repository `make generate` installs both)",
        file=sys.stderr,
    )
    sys.exit(2)


def main(arguments: list[str]) -> int:
    """Do what the command line asks; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "test":
            return run_tests(find_all(options.promtool, PROGRAMS), FOLDERS, print)
        if options.command == "verify":
            return verify(options.prometheus, options.rules, print)
        if options.command == "detection":
            return _detection()
        return _check() if options.check else _write()
    except AlertsError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m alerts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    commands = parser.add_subparsers(dest="command")
    test = commands.add_parser("test", help="promtool check and test, on every version found")
    test.add_argument("--promtool", action="append", type=Path, default=[], help="a promtool")
    commands.add_parser(
        "detection", help="measure detection times and write docs/measurements/detection.md"
    )
    verify = commands.add_parser("verify", help="which series of which rule a Prometheus lacks")
    verify.add_argument("--prometheus", required=True, help="its address")
    verify.add_argument("--rules", nargs="*", type=Path, default=[], help="rule files or folders")
    return parser


def _detection() -> int:
    path = ROOT / "docs" / "measurements" / "detection.md"
    path.write_text(detection_page(find_all(folder=PROGRAMS)[-1]), encoding="utf-8")
    print(f"{path.relative_to(ROOT)} written")
    return 0


def _fresh() -> dict[Path, str]:
    groups = [group for found in all_files().values() for group in found]
    refuse(groups, load_objectives(), [load_profile(name) for name in PROFILES])
    return rendered()


def _write() -> int:
    files = _fresh()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in _strangers(files):
        path.unlink()
    print(f"{len(files)} files written below alerts/rules and observability/stack/rules")
    return 0


def _check() -> int:
    files = _fresh()
    stale = [p for p, text in files.items() if not p.exists() or p.read_text("utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale; run `python -m alerts`")
    strangers = _strangers(files)
    for path in strangers:
        print(f"{path.relative_to(ROOT)} is nobody's; run `python -m alerts`")
    return 1 if stale or strangers else 0


def _strangers(files: dict[Path, str]) -> list[Path]:
    """Return files that an earlier run wrote and this one would not."""
    found = (p for folder in {path.parent for path in files} for p in folder.glob("*.yml"))
    known = {*files, *left_alone()}
    return sorted(p for p in found if p not in known and AUTHOR in p.read_text("utf-8"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
