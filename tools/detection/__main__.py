"""Write docs/measurements/detection.md: `python -m tools.detection`."""

from __future__ import annotations

import click

from alerts.paths import PROGRAMS, ROOT
from alerts.promrules.promtool import find_all
from tools.detection.page import detection_page


@click.command()
def main() -> None:
    """Measure detection times and write docs/measurements/detection.md."""
    path = ROOT / "docs" / "measurements" / "detection.md"
    path.write_text(detection_page(find_all(folder=PROGRAMS)[-1]), encoding="utf-8")
    print(f"{path.relative_to(ROOT)} written")


if __name__ == "__main__":
    main()
