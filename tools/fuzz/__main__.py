"""Throw schemathesis at the API: `python -m tools.fuzz --cases 2000`.

Ends with 1 on any answer that the OpenAPI document does not allow, and on any answer 500.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from math import ceil
from pathlib import Path

import requests

from tools.served_api import Served, serving
from tools.servers import running_postgres, running_redis

DEFAULT_CASES = 300
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
MOST_RUNS = 10
COUNT = "http_server_request_duration_seconds_count"


def operations(document: dict) -> int:
    """Return how many operations an OpenAPI document has."""
    return sum(
        "responses" in entry for path in document["paths"].values() for entry in path.values()
    )


def fuzz(served: Served, cases: int, seed: int) -> int:
    """Run at least so many cases, with as many seeds as that takes; return the exit code."""
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
    """Run it once over all operations; return its exit code."""
    options = ["--checks=all", "--continue-on-failure", "--no-color", "--request-timeout=10"]
    size = [f"--max-examples={examples}", f"--seed={seed}", "--suppress-health-check=all"]
    return subprocess.run([SCHEMATHESIS, "run", document, *size, *options], check=False).returncode


def main() -> int:
    """Start the servers, fuzz, and stop them."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz")
    parser.add_argument("--cases", type=int, default=int(os.environ.get("CASES", DEFAULT_CASES)))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            running_postgres(folder / "postgres") as postgres,
            running_redis(folder / "cache") as cache,
            serving(folder, postgres, cache, {"ORDERS_RATE_LIMIT": "0"}) as served,
        ):
            code = fuzz(served, arguments.cases, arguments.seed)
            if code:
                print(served.log.read_text()[-5000:])
            return code


if __name__ == "__main__":
    sys.exit(main())
