"""Checks of what is served at the metrics ports, and of how Prometheus scrapes it."""

from __future__ import annotations

import json
import socket
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from .. import semconv
from .finding import fail, note, ok

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .finding import Finding

_SECONDS = 5.0
_SHOWN = 3
# A counter that every process of this kit has.
_OURS = "telemetry_log_lines_total"


def check_port(port: int, host: str, variable: str) -> Iterator[Finding]:
    """Check that a metrics port is free, or serves whole metrics of this kit."""
    subject = f"port {port}"
    try:
        text = _scrape(port)
    except (OSError, ValueError) as error:
        problem = _problem_with(host, port)
        if problem is None:
            yield ok(subject, "is free; start your program and ask again to check its metrics")
        else:
            yield fail(subject, f"is taken, and does not serve metrics ({error}): set {variable}")
        return
    if _OURS not in text:
        yield fail(subject, f"is taken by a program without this kit's metrics: set {variable}")
        return
    families = list(text_string_to_metric_families(text))
    yield ok(subject, f"serves the metrics of this kit: {_whose(families)}")
    yield _check_histograms(subject, families)


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_SECONDS) as answer:
        text: str = answer.read().decode()
    return text


def _problem_with(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return error
    return None


def _whose(families: Iterable[Any]) -> str:
    """Return a few routes or tasks, by which people see whether the port is their program's."""
    labels = [sample.labels for family in families for sample in family.samples]
    for name, noun in ((semconv.HTTP_ROUTE, "routes"), (semconv.TASK, "tasks")):
        values = sorted({one[name] for one in labels if name in one} - {semconv.OTHER})
        if values:
            more = " …" if len(values) > _SHOWN else ""
            return f"{noun} {', '.join(values[:_SHOWN])}{more}"
    return "neither routes nor tasks yet"


def _check_histograms(subject: str, families: Iterable[Any]) -> Finding:
    """Check that each histogram's last bucket has all of its observations."""
    checked, broken = 0, set()
    for family in families:
        if family.type == "histogram":
            counts, infinite = _last_buckets(family.name, family.samples)
            checked += len(counts)
            broken |= {family.name for key, count in counts.items() if infinite.get(key) != count}
    if broken:
        names = ", ".join(sorted(broken))
        text = f"histograms without a whole +Inf bucket: {names}; is the folder another program's?"
        return fail(subject, text)
    return ok(subject, f"{checked} histograms are whole")


def _last_buckets(name: str, samples: Iterable[Any]) -> tuple[dict[Any, float], dict[Any, float]]:
    counts: dict[Any, float] = {}
    infinite: dict[Any, float] = {}
    for sample in samples:
        labels = {key: value for key, value in sample.labels.items() if key != "le"}
        key = frozenset(labels.items())
        if sample.name == f"{name}_count":
            counts[key] = sample.value
        elif sample.labels.get("le") == "+Inf":
            infinite[key] = sample.value
    return counts, infinite


def check_scrape_job(prometheus: str, ports: Iterable[int], service: str | None) -> Finding:
    """Check that Prometheus scrapes one of the ports under the name of the service."""
    if not prometheus:
        return note("scrape job", "not checked: give --prometheus http://localhost:9090")
    try:
        url = f"{prometheus.rstrip('/')}/api/v1/targets?state=active"
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - http_url
            targets = json.load(answer)["data"]["activeTargets"]
    except (OSError, ValueError, KeyError) as error:
        return fail("scrape job", f"{prometheus} cannot be asked for its targets: {error}")
    wanted = set(ports)
    jobs = {one["labels"]["job"] for one in targets if urlsplit(one["scrapeUrl"]).port in wanted}
    shown = " or ".join(map(str, sorted(wanted)))
    if not jobs:
        return fail("scrape job", f"no target of Prometheus has port {shown}: add one")
    if service is None:
        return note("scrape job", f"{', '.join(sorted(jobs))}; give --app to compare its name")
    if service in jobs:
        return ok("scrape job", f"{service}, the name of the service")
    text = f"port {shown} is scraped as {', '.join(sorted(jobs))}, and the service is {service}"
    return fail("scrape job", f"{text}: set job_name: {service}, since rules join the two")
