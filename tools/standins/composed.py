"""A reader of this project's compose files that needs no Docker.

It supports what they use: merge keys, `extends` into images.yaml, `include` with merged files, and
`${NAME:-default}`. tests/unit/stack/test_compose.py compares it with `docker compose config`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
STACK = ROOT / "observability" / "stack"
COMPOSE = ROOT / "compose.yaml"
IMAGES = STACK / "images.yaml"
REFERENCE = re.compile(r"^(?P<name>[\w./-]+):(?P<tag>[\w.-]+)$")
INNERMOST = re.compile(r"(?<!\$)\$\{(\w+)(?::-([^{}]*))?\}")


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Return a text with `${NAME:-default}` replaced, the innermost first."""
    while match := INNERMOST.search(text):
        value = environ.get(match[1]) or match[2] or ""
        text = text[: match.start()] + value + text[match.end() :]
    return text.replace("$$", "$")


def expand(value: Any, environ: Mapping[str, str]) -> Any:
    """Return a value with the variables in all of its texts replaced."""
    if isinstance(value, str):
        return interpolate(value, environ)
    if isinstance(value, list):
        return [expand(item, environ) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, environ) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class Mount:
    """One entry of `volumes`: a folder of this repository, a named or an anonymous volume."""

    source: str
    target: str
    read_only: bool
    folder: Path | None
    may_create: bool = True

    @classmethod
    def parse(cls, entry: str | Mapping[str, Any], base: Path) -> Mount:
        """Return an entry in short or long syntax; `base` is the folder of its file."""
        if not isinstance(entry, str):
            source, may_create = entry["source"], entry["bind"]["create_host_path"]
            folder = (base / source).resolve()
            return cls(source, entry["target"], entry["read_only"], folder, may_create)
        return cls._short(entry, base)

    @classmethod
    def _short(cls, text: str, base: Path) -> Mount:
        source, target, *mode = text.split(":") if ":" in text else ("", text)
        is_path = source.startswith((".", "/"))
        folder = (base / source).resolve() if is_path else None
        return cls(source, target, mode == ["ro"], folder)


@dataclass(frozen=True)
class Service:
    """One service of a compose file.

    Args:
        name: Its name.
        base: The folder of its file.
        raw: Its settings, merged and with variables replaced.
        written: Its settings as in the file.
    """

    name: str
    base: Path
    raw: Mapping[str, Any]
    written: Mapping[str, Any]

    def get(self, key: str, default: Any = None) -> Any:
        """Return one setting."""
        return self.raw.get(key, default)

    @property
    def mounts(self) -> list[Mount]:
        """Its mounts; a later one replaces an earlier one with the same target."""
        by_target = {}
        for entry in self.raw.get("volumes", []):
            mount = Mount.parse(entry, self.base)
            by_target[mount.target] = mount
        return list(by_target.values())

    @property
    def networks(self) -> set[str]:
        """The names of its networks."""
        return set(self.raw.get("networks", []))

    @property
    def environment(self) -> dict[str, str | None]:
        """Its environment variables."""
        return dict(self.raw.get("environment", {}))

    @property
    def is_one_shot(self) -> bool:
        """Whether it exits after its work."""
        return self.raw.get("restart") == "no"

    @property
    def needs(self) -> dict[str, str]:
        """The condition of each service that it depends on, by name."""
        return {name: how["condition"] for name, how in self.raw.get("depends_on", {}).items()}


def load(path: Path) -> Any:
    """Return the content of a YAML file."""
    return yaml.safe_load(path.read_text())


def services_of(path: Path, environ: Mapping[str, str]) -> dict[str, Service]:
    """Return the services of one compose file."""
    images = load(IMAGES)["services"]
    services = {}
    for name, written in load(path)["services"].items():
        whole = {**images.get(written.get("extends", {}).get("service"), {}), **written}
        services[name] = Service(name, path.parent, expand(whole, environ), written)
    return services


def merged(service: Service, written: Mapping[str, Any], environ: Mapping[str, str]) -> Service:
    """Return the service merged with another file's entry; lists are joined, mappings merged."""
    raw = dict(service.raw)
    for key, value in expand(dict(written), environ).items():
        old = raw.get(key)
        both = isinstance(old, list), isinstance(old, dict)
        raw[key] = [*old, *value] if both[0] else {**old, **value} if both[1] else value
    return Service(service.name, service.base, raw, service.written)


def project(environ: Mapping[str, str] | None = None) -> dict[str, Service]:
    """Return every service of the root compose.yaml and of the files that it includes."""
    environ = environ or {}
    services = {}
    for include in load(COMPOSE)["include"]:
        first, *others = (ROOT / part for part in include["path"])
        services = services_of(first, environ)
        for other in others:
            for name, written in load(other)["services"].items():
                services[name] = merged(services[name], written, environ)
    return services | services_of(COMPOSE, environ)


def stack(environ: Mapping[str, str] | None = None) -> dict[str, Service]:
    """Return the services of the telemetry stack."""
    return services_of(STACK / "compose.yaml", environ or {})


def declared(section: str) -> dict[str, Any]:
    """Return the networks or volumes declared in both compose files."""
    return load(STACK / "compose.yaml")[section] | load(COMPOSE)[section]


def pulled() -> dict[str, str]:
    """Return the tag of every pulled image by name, base images of builds included."""
    entries = load(IMAGES)["services"].values()
    texts = [entry["image"] for entry in entries if "build" not in entry]
    for build in (entry["build"] for entry in entries if "build" in entry):
        texts += build.get("args", {}).values()
        texts += re.findall(r"(?:FROM |--from=)(\S+)", build.get("dockerfile_inline", ""))
    matches = [REFERENCE.match(text) for text in texts]
    assert all(matches), texts
    names = {match["name"]: match["tag"] for match in matches if match}
    assert {f"{name}:{tag}" for name, tag in names.items()} == set(texts), "one image, two tags"
    return names


def has_compose() -> bool:
    """Return whether `docker compose` is installed; it needs no engine to read a file."""
    command = ["docker", "compose", "version"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


RULE_FOLDERS = [*sorted((ROOT / "alerts/rules").glob("*")), STACK / "rules"]


def rule_files() -> list[Path]:
    """Return every shipped file of Prometheus rules."""
    return [path for folder in RULE_FOLDERS for path in sorted(folder.glob("*.y*ml"))]


def shipped_alerts() -> list[tuple[str, dict[str, object]]]:
    """Return every shipped alert with the name of its file."""
    return [
        (f"{path.parent.name}/{path.name}", rule)
        for path in rule_files()
        for group in load(path)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
