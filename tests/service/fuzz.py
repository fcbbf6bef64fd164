"""Throw schemathesis at the API: `python -m tests.service.fuzz --cases 2000`.

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

from tests.servers import running_postgres, running_redis
from tests.service.running import Served, serving

DEFAULT_CASES = 300
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
COUNT = "http_server_request_duration_seconds_count"


def operations(document: dict) -> int:
    """Return how many operations an OpenAPI document has."""
    return sum(
        "responses" in entry for path in document["paths"].values() for entry in path.values()
    )


def fuzz(served: Served, cases: int, seed: str) -> int:
    """Run at least so many cases; return the exit code."""
    document = f"{served.url}/openapi.json"
    each = ceil(cases / operations(requests.get(document, timeout=10).json()))
    run = subprocess.run(
        [
            SCHEMATHESIS,
            "run",
            document,
            f"--max-examples={each}",
            f"--seed={seed}",
            "--checks=all",
            "--continue-on-failure",
            "--no-color",
            "--request-timeout=10",
            "--suppress-health-check=all",
        ],
        check=False,
    )
    asked = served.metric(COUNT)
    failed = served.metric(COUNT, http_response_status_code="500")
    print(f"{asked:.0f} requests reached the API, {failed:.0f} were answered 500")
    enough = asked >= cases
    if not enough:
        print(f"that is fewer than {cases}")
    return 1 if run.returncode or failed or not enough else 0


def main() -> int:
    """Start the servers, fuzz, and stop them."""
    parser = argparse.ArgumentParser(prog="python -m tests.service.fuzz")
    parser.add_argument("--cases", type=int, default=int(os.environ.get("CASES", DEFAULT_CASES)))
    parser.add_argument("--seed", default="1")
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
