"""Write the alert rules, or with a command test or verify them: `python -m alerts`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

try:
    import click

    from alerts.layout import AUTHOR, all_files, not_writable, rendered, write_demo_tests
    from alerts.links import RUNBOOKS
    from alerts.paths import FOLDERS, HERE, PROGRAMS, ROOT, RULES
    from alerts.promrules.commands import ManyValues
    from alerts.promrules.errors import RulesError
    from alerts.promrules.promtool import find_all, run_tests
    from alerts.promrules.verify import verify
    from alerts.refusals import refuse
    from alerts.slo.spec import load_objectives
    from alerts.slo.windows import PROFILES, load_profile
    from alerts.slo_files import new_slo, slo_file_texts
except ImportError as missing:
    package = {"click": "click", "yaml": "pyyaml", "promql_parser": "promql-parser"}.get(
        (missing.name or "").partition(".")[0]
    )
    if package is None:
        raise
    print(
        f"python -m alerts needs {package}: pip install click promql-parser pyyaml"
        " (in this repository `make generate` installs them)",
        file=sys.stderr,
    )
    sys.exit(2)

PATH = click.Path(path_type=Path)


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    try:
        return int(commands.main(arguments, "python -m alerts", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except RulesError as error:
        print(error, file=sys.stderr)
        return 1


@click.group(help=__doc__, invoke_without_command=True)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file is stale.")
@click.pass_context
def commands(context: click.Context, *, check: bool) -> int:
    """Write the rules, or check them, unless a command is given."""
    if context.invoked_subcommand:
        return 0
    return _check() if check else _write()


@commands.command("test", cls=ManyValues)
@click.option("--promtool", type=PATH, multiple=True, help="A promtool (default: all found).")
def run_every_test(promtool: tuple[Path, ...]) -> int:
    """Check and test every rule with promtool, on every version found."""
    with tempfile.TemporaryDirectory(prefix="demo-tests-") as folder:
        demo = write_demo_tests(Path(folder))
        return run_tests(find_all(promtool, PROGRAMS), [*FOLDERS, demo], print)


@commands.command("slo", cls=ManyValues)
@click.argument("files", type=PATH, nargs=-1, required=True)
@click.option("--output", type=PATH, required=True, help="Folder for the rules.")
@click.option(
    "--profile", type=click.Choice(PROFILES), default=PROFILES[0], help="Windows of the burn rates."
)
@click.option("--kubernetes", is_flag=True, help="Also write PrometheusRule manifests.")
def write_slo_files(
    files: tuple[Path, ...], output: Path, profile: str, *, kubernetes: bool
) -> int:
    """Write rules and tests for SLO FILES in sloth's format, about any metrics."""
    texts = slo_file_texts(files, output, load_profile(profile), kubernetes=kubernetes)
    _write_texts(texts)
    print(f"{len(texts)} files written below {output}")
    return 0


@commands.command("new")
@click.argument("name")
@click.option("--job", required=True, help="The scrape job, which is also the service's name.")
@click.option("--file", type=PATH, default=HERE / "slo.yaml", help="Default: alerts/slo.yaml.")
def add_slo(name: str, job: str, file: Path) -> int:
    """Add an SLO NAME about the availability of a service, and a runbook to complete."""
    for path in new_slo(name, job, file, RUNBOOKS):
        print(f"{path} written")
    print("Now edit both, then: python -m alerts && python -m alerts test")
    return 0


@commands.command("demo-tests")
@click.argument("folder", type=PATH)
def demo_tests(folder: Path) -> int:
    """Write the tests of the demo profile, which are not committed, into a folder."""
    print(f"{write_demo_tests(folder)} written")
    return 0


@commands.command("verify", cls=ManyValues)
@click.option("--prometheus", required=True, help="Its address.")
@click.option("--rules", type=PATH, multiple=True, help="Rule files or folders.")
def verify_rules(prometheus: str, rules: tuple[Path, ...]) -> int:
    """Print which series each rule lacks on a Prometheus."""
    return verify(prometheus, rules or (RULES / "production", RULES / "common"), print)


def _fresh() -> dict[Path, str]:
    groups = [group for found in all_files().values() for group in found]
    refuse(groups, load_objectives(), [load_profile(name) for name in PROFILES])
    return rendered()


def _write() -> int:
    files = _fresh()
    _write_texts(files)
    for path in _left_over(files):
        path.unlink()
    print(f"{len(files)} files written below alerts/rules and observability/stack/rules")
    return 0


def _write_texts(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _check() -> int:
    files = _fresh()
    stale = [p for p, text in files.items() if not p.exists() or p.read_text("utf-8") != text]
    left_over = _left_over(files)
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale; run `python -m alerts`")
    for path in left_over:
        print(f"{path.relative_to(ROOT)} is no longer generated; run `python -m alerts`")
    return 1 if stale or left_over else 0


def _left_over(files: dict[Path, str]) -> list[Path]:
    """Return files that an earlier run wrote and this one does not."""
    found = (path for folder in FOLDERS for path in folder.rglob("*.yml"))
    known = {*files, *not_writable()}
    return sorted(p for p in found if p not in known and AUTHOR in p.read_text("utf-8"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
