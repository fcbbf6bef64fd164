"""The command `python -m dashboards verify`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from dashboards.verify.backends import Backend, BackendError
from dashboards.verify.reading import DashboardError, read_dashboards
from dashboards.verify.report import as_json, as_junit, as_text
from dashboards.verify.verifier import Verifier, verify

FILE = click.Path(path_type=Path)
OURS = Path(__file__).parent.parent / "json"


@click.command()
@click.argument("paths", nargs=-1, type=FILE, metavar="[FILE|FOLDER]...")
@click.option("--prometheus", required=True, metavar="URL")
@click.option("--loki", metavar="URL", help="Without it, panels of logs are skipped.")
@click.option("--tempo", metavar="URL", help="Without it, panels of traces are skipped.")
@click.option("--var", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a variable.")
@click.option("--window", default=15, metavar="MINUTES", help="Time range.", show_default=True)
@click.option("--scrape-interval", default=5, metavar="SECONDS", show_default=True)
@click.option("--docker", is_flag=True, help="Panels in rows marked (docker) must have data too.")
@click.option("--json", type=FILE, metavar="FILE", help="Write the findings as JSON.")
@click.option("--junit", type=FILE, metavar="FILE", help="Write the findings as JUnit XML.")
def command(
    *,
    paths: Sequence[Path],
    pairs: Sequence[str],
    window: int,
    scrape_interval: int,
    docker: bool,
    json: Path | None,
    junit: Path | None,
    **urls: str | None,
) -> None:
    """Check that every panel of the dashboards has data; by default those in dashboards/json.

    Reports, for each panel without data, the missing metric or the selector that matches nothing.
    Exit code 0: every panel has data; 1: some have none; 2: a backend or a file cannot be read.
    """
    try:
        span = timedelta(minutes=window)
        backends = {kind: Backend(url, span) for kind, url in urls.items() if url}
        verifier = Verifier(backends, _chosen(pairs), timedelta(seconds=scrape_interval))
        findings = verify(read_dashboards(paths or [OURS]), verifier)
    except (DashboardError, BackendError) as error:
        click.echo(error, err=True)
        sys.exit(2)
    if json:
        _write(json, as_json(findings))
    if junit:
        _write(junit, as_junit(findings))
    click.echo(as_text(findings))
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
