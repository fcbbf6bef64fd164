"""Dashboards of rows, before 2017: panels that share a height and divide twelve columns."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from dashboards.reader.shapes import Json, number, objects, text

GRID_COLUMNS, ROW_COLUMNS = 24, 12
DEFAULT_SPAN = 4
DEFAULT_PIXELS, MIN_CELLS = 250.0, 3
# One cell of the grid and the gap below it.
CELL_PIXELS = 38.0
PIXELS = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(?:px)?\s*$")


def panels_of_rows(rows: Sequence[Json]) -> Iterator[Json]:
    """Yield the panels of rows with their positions on the grid, each row's heading first.

    A row without a visible title, a repeat or a fold has no heading, unless another row has one.
    """
    headed = any(_has_heading(row) for row in rows)
    line = 0
    for row in rows:
        folded = row.get("collapse") is True or row.get("collapsed") is True
        placed, end = _placed(row, line + headed)
        if headed:
            heading = {
                "type": "row",
                "title": text(row.get("title")),
                "collapsed": folded,
                "repeat": row.get("repeat"),
                "gridPos": {"x": 0, "y": line, "w": GRID_COLUMNS, "h": 1},
            }
            yield {**heading, "panels": placed if folded else []}
        if not (headed and folded):
            yield from placed
        line = end


def _has_heading(row: Json) -> bool:
    return bool(row.get("collapse") or row.get("showTitle") or row.get("repeat"))


def _placed(row: Json, line: int) -> tuple[list[Json], int]:
    """Return the panels of a row with their positions, and the line below them."""
    column, height, placed = 0, 0, []
    for panel in objects(row.get("panels")):
        span = number(panel.get("span")) or DEFAULT_SPAN
        width = min(GRID_COLUMNS, max(1, int(span * GRID_COLUMNS / ROW_COLUMNS)))
        if column + width > GRID_COLUMNS:
            line, column, height = line + height, 0, 0
        cells = _cells(panel.get("height") or row.get("height"))
        placed.append({**panel, "gridPos": {"x": column, "y": line, "w": width, "h": cells}})
        column, height = column + width, max(height, cells)
    return placed, line + height


def _cells(height: object) -> int:
    found = PIXELS.match(text(height))
    pixels = float(found[1]) if found else DEFAULT_PIXELS
    return max(MIN_CELLS, math.ceil(min(pixels, 4000) / CELL_PIXELS))
