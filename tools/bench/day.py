"""Time every panel on a day of data of many instances: `python -m tools.bench.day`.

The series are those of a running Prometheus, after some load; one instance of each of the project's
jobs is copied many times, and promtool writes the blocks. A second Prometheus serves them, and
`dashboards verify` times each panel.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from service.semconv import ORDERS, ORDERS_RELAY, ORDERS_WORKER, PAYMENT_PROVIDER
from tools.servers import PROGRAMS, running_prometheus

BLOCK_SECONDS = 2 * 3600
COPIED = (ORDERS, ORDERS_RELAY, ORDERS_WORKER, PAYMENT_PROVIDER)
GROWS = ("_total", "_bucket", "_count", "_sum")
SAMPLE = re.compile(r"^(?P<name>[\w:]+)\{(?P<labels>.*)\} (?P<value>\S+) \d+$")
INSTANCE = re.compile(r'instance="([^"]*)"')
JOB = re.compile(r'job="([^"]*)"')


def shapes(url: str, instances: int) -> Iterator[tuple[str, float, bool]]:
    """Yield name with labels, newest value and whether it grows, for each series to write.

    Args:
        url: Of the Prometheus whose series are copied.
        instances: How many copies of one instance each job gets.
    """
    query = urllib.parse.urlencode({"match[]": '{__name__=~".+"}'})
    with urllib.request.urlopen(f"{url}/federate?{query}", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    first: dict[str, str] = {}
    for match in filter(None, map(SAMPLE.match, lines)):
        name, labels, value = match["name"], match["labels"], float(match["value"])
        grows = name.endswith(GROWS) and ":" not in name
        instance, job = INSTANCE.search(labels), JOB.search(labels)
        if not instance or not job or job[1] not in COPIED:
            yield f"{name}{{{labels}}}", value, grows
        elif first.setdefault(job[1], instance[1]) == instance[1]:
            for number in range(instances):
                other = INSTANCE.sub(f'instance="10.0.0.{number}:9464"', labels)
                yield f"{name}{{{other}}}", value, grows


def write_block(
    path: Path, series: list[tuple[str, float, bool]], times: range, day: range
) -> None:
    """Write the samples at some of the day's times as OpenMetrics text, for promtool."""
    parts = [((at - day.start) / (day.stop - day.start), at) for at in times]
    with path.open("w") as text:
        for labels, value, grows in series:
            text.writelines(
                f"{labels} {value * part if grows else value} {at}\n" for part, at in parts
            )
        text.write("# EOF\n")


def write_day(folder: Path, series: list[tuple[str, float, bool]], hours: int, every: int) -> None:
    """Write the blocks of the last hours, with a sample every `every` seconds."""
    end = int(time.time()) // every * every
    day = range(end - hours * 3600, end, every)
    for start in range(day.start, day.stop, BLOCK_SECONDS):
        times = range(start, min(start + BLOCK_SECONDS, day.stop), every)
        text = folder / "samples.txt"
        write_block(text, series, times, day)
        command = [PROGRAMS.find("promtool"), "tsdb", "create-blocks-from", "openmetrics"]
        subprocess.run([*command, text, folder / "tsdb"], check=True, stdout=subprocess.DEVNULL)
        text.unlink()
        sys.stderr.write(f"\r{(times.stop - day.start) / 3600:.0f} of {hours} h written")
    sys.stderr.write("\n")


def report(findings: dict[str, list[dict[str, object]]], limit: float) -> int:
    """Print the slowest panels; return how many took longer than the limit, in seconds."""
    panels = [(one["seconds"], uid, one["panel"]) for uid, all_ in findings.items() for one in all_]
    slowest = sorted(panels, key=lambda one: float(str(one[0])), reverse=True)
    for seconds, uid, title in slowest[:12]:
        sys.stdout.write(f"{1000 * float(str(seconds)):6.0f} ms  {uid} / {title}\n")
    return sum(float(str(seconds)) > limit for seconds, *_ in panels)


def main() -> int:
    """Run the measurement; 1 if a panel took longer than the limit."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.day", description=__doc__)
    parser.add_argument("--prometheus", default="http://127.0.0.1:9090", metavar="URL")
    parser.add_argument("--instances", type=int, default=50)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--every", type=int, default=60, metavar="SECONDS")
    parser.add_argument("--window", type=int, default=60, metavar="MINUTES", help="(60)")
    parser.add_argument("--limit", type=float, default=0.2, metavar="SECONDS", help="(0.2)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="use, or make, blocks here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="day-") as made:
        folder = options.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "tsdb").is_dir():
            series = list(shapes(options.prometheus, options.instances))
            sys.stderr.write(f"{len(series)} series\n")
            write_day(folder, series, options.hours, options.every)
        result = folder / "panels.json"
        with running_prometheus(folder, "global: {}\n") as url:
            command = [sys.executable, "-m", "dashboards", "verify", "--prometheus", url]
            command += ["--window", str(options.window), "--scrape-interval", str(options.every)]
            # Twice, since the first run reads each block from the disk.
            for _ in range(2):
                subprocess.run([*command, "--json", str(result)], check=False)
        slow = report(json.loads(result.read_text()), options.limit)
        sys.stdout.write(f"{slow} panels took longer than {1000 * options.limit:.0f} ms\n")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
