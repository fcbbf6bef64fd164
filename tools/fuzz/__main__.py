"""Fuzz the API, with schemathesis, and the console: `python -m tools.fuzz --cases 2000`.

Exits with 1 on any answer of the API that the OpenAPI document does not allow, on any 500, and when
a part of the console ends.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from math import ceil
from pathlib import Path

import click
import requests

from tools.fuzz.console import KINDS, Fuzzer, running_console
from tools.served_api import Served, serving
from tools.servers import running_postgres, running_redis

DEFAULT_CASES = 300
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
MOST_RUNS = 10
COUNT = "http_server_request_duration_seconds_count"


def operations(document: dict) -> int:
    """Count the operations of an OpenAPI document."""
    return sum(
        "responses" in entry for path in document["paths"].values() for entry in path.values()
    )


def fuzz(served: Served, cases: int, seed: int) -> int:
    """Run at least this many cases, over several seeds if needed; return the exit code."""
    document = f"{served.url}/openapi.json"
    each = ceil(cases / operations(requests.get(document, timeout=10).json()))
    asked, runs = 0.0, 0
    while asked < cases:
        if runs == MOST_RUNS:
            print(f"only {asked:.0f} requests in {runs} runs: expected {cases}")
            return 1
        code = schemathesis(document, each, seed + runs)
        runs += 1
        asked = served.metric(COUNT)
        failed = served.metric(COUNT, http_response_status_code="500")
        print(f"{asked:.0f} requests reached the API, {failed:.0f} were answered 500")
        if code or failed:
            return 1
    return 0


def schemathesis(document: str, examples: int, seed: int) -> int:
    """Run schemathesis once over all operations; return its exit code."""
    options = ["--checks=all", "--continue-on-failure", "--no-color", "--request-timeout=10"]
    size = [f"--max-examples={examples}", f"--seed={seed}", "--suppress-health-check=all"]
    return subprocess.run([SCHEMATHESIS, "run", document, *size, *options], check=False).returncode


@click.command()
@click.option("--cases", default=DEFAULT_CASES, envvar="CASES", show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(cases: int, seed: int) -> None:
    """Start the servers, fuzz the API and the console, and stop them."""
    with tempfile.TemporaryDirectory() as name, running_console(Path(name)) as ports:
        fuzzer = Fuzzer(ports, seed)
        results = [fuzzer.run(kind, cases) for kind in KINDS]
        if not all(results):
            print(ports.log.read_text(errors="replace")[-5000:])
            sys.exit(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            running_postgres(folder / "postgres") as postgres,
            running_redis(folder / "cache") as cache,
            serving(folder, postgres, cache, {"ORDERS_RATE_LIMIT": "0"}) as served,
        ):
            code = fuzz(served, cases, seed)
            if code:
                print(served.log.read_text()[-5000:])
            sys.exit(code)


if __name__ == "__main__":
    main()
