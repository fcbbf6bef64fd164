"""The command `python -m dashboards verify`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from dashboards.reader.files import DashboardError
from dashboards.verify.backends import Backend, BackendError
from dashboards.verify.reading import read_all
from dashboards.verify.report import Finding, as_json, as_junit, as_text
from dashboards.verify.staleness import Question, stale_panels
from dashboards.verify.verifier import Verifier, verify

FILE = click.Path(path_type=Path)
OURS = Path(__file__).parent.parent / "json"


@click.command()
@click.argument("paths", nargs=-1, type=FILE, metavar="[FILE|FOLDER]...")
@click.option("--prometheus", metavar="URL", help="Required, except with --dead alone.")
@click.option("--loki", metavar="URL", help="Without it, panels of logs are skipped.")
@click.option("--tempo", metavar="URL", help="Without it, panels of traces are skipped.")
@click.option("--var", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a variable.")
@click.option("--window", default=15, metavar="MINUTES", help="Time range.", show_default=True)
@click.option("--scrape-interval", default=5, metavar="SECONDS", show_default=True)
@click.option(
    "--dead",
    type=float,
    metavar="MINUTES",
    help="Find panels that would show a value "
    "of a process that ended so long ago; needs no backend.",
)
@click.option(
    "--lookback",
    default=0.0,
    metavar="MINUTES",
    show_default=True,
    help="For --dead: how long Prometheus keeps a series that ended; 5 if pushed.",
)
@click.option("--docker", is_flag=True, help="Panels in rows marked (docker) must have data too.")
@click.option("--json", type=FILE, metavar="FILE", help="Write the findings as JSON.")
@click.option("--junit", type=FILE, metavar="FILE", help="Write the findings as JUnit XML.")
def command(
    *,
    paths: Sequence[Path],
    pairs: Sequence[str],
    window: int,
    scrape_interval: int,
    dead: float | None,
    lookback: float,
    docker: bool,
    json: Path | None,
    junit: Path | None,
    **urls: str | None,
) -> None:
    """Check that every panel of the dashboards has data; by default those in dashboards/json.

    Reports, for each panel without data, the missing metric or the selector that matches nothing.
    With --dead it reports the panels that would show a value of a process that ended, too.
    Exit code 0: nothing to report; 1: a panel is reported; 2: a backend or a file cannot be read.
    """
    if not urls["prometheus"] and dead is None:
        raise click.UsageError("expected --prometheus URL, or --dead MINUTES")
    span, scrape = timedelta(minutes=window), timedelta(seconds=scrape_interval)
    chosen = _chosen(pairs)
    try:
        dashboards, broken = read_all(paths or [OURS])
        findings: list[Finding] = []
        if urls["prometheus"]:
            backends = {kind: Backend(url, span) for kind, url in urls.items() if url}
            findings = verify(dashboards, Verifier(backends, chosen, scrape))
    except (DashboardError, BackendError) as error:
        click.echo(error, err=True)
        sys.exit(2)
    if dead is not None:
        question = Question(timedelta(minutes=dead), timedelta(minutes=lookback), span, scrape)
        findings += [f for one in dashboards for f in stale_panels(one, chosen, question)]
    if json:
        _write(json, as_json(findings))
    if junit:
        _write(junit, as_junit(findings))
    click.echo(as_text(findings))
    for reason in broken:
        click.echo(reason, err=True)
    if broken:
        sys.exit(2)
    sys.exit(any(one.bad and (docker or not one.only_in_docker) for one in findings))


def _chosen(pairs: Sequence[str]) -> dict[str, str]:
    """Return the values of variables by name."""
    for pair in pairs:
        if "=" not in pair:
            raise click.BadParameter(f"{pair!r}: expected NAME=VALUE", param_hint="--var")
    return dict(pair.split("=", 1) for pair in pairs)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
