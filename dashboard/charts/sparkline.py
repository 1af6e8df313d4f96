"""A customer's days in a line of a list. Pure: data in, picture out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any
from urllib.parse import quote

from dashboard.charts.shared import translucent
from dashboard.theme import Palette

_WIDTH, _HEIGHT, _MARGIN = 150, 34, 3
"""Pixels, by hand: ten such lines and what is above them fit a window of 900."""


def sparkline(days: Sequence[Mapping[str, Any]], onset: str, palette: Palette) -> str:
    """Return some days' consumption as an HTML image, with the day marked on which a case began.

    Streamlit lets no SVG through as HTML, but as the address of an image.

    ``days``: ``fecha`` and ``consumo_kwh`` in rising order; a day that is missing, or of which
    nothing is known, is a gap. ``onset``: ISO day; one before the first day marks nothing.
    """
    known: list[tuple[int, float]] = [
        (_ordinal(row["fecha"]), row["consumo_kwh"])
        for row in days
        if row["consumo_kwh"] is not None
    ]
    if not known:
        return ""
    first, last, start = known[0][0], known[-1][0], _ordinal(onset)
    top = max(*(kwh for _, kwh in known), 0.01)

    def x(day: int) -> float:
        return round(_MARGIN + (_WIDTH - 2 * _MARGIN) * (day - first) / max(last - first, 1), 1)

    def y(kwh: float) -> float:
        return round(_HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * kwh / top, 1)

    strokes = []
    for colour, own in (
        (palette.third, [(day, kwh) for day, kwh in known if day <= start]),
        (palette.severity["alta"], [(day, kwh) for day, kwh in known if day >= start - 1]),
    ):
        for _, run in groupby(enumerate(own), key=lambda pair: pair[1][0] - pair[0]):
            points = " ".join(f"{x(day)},{y(kwh)}" for _, (day, kwh) in run)
            strokes.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            )
    mark = ""
    if first <= start <= last:
        at = x(start)
        mark = (
            f'<rect x="{at}" y="0" width="{round(_WIDTH - _MARGIN - at, 1)}" height="{_HEIGHT}" '
            f'fill="{translucent(palette.severity["alta"], 0.1)}"/>'
            f'<line x1="{at}" x2="{at}" y1="0" y2="{_HEIGHT}" stroke="{palette.text}" '
            'stroke-dasharray="2 2"/>'
        )
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'preserveAspectRatio="none">{mark}{"".join(strokes)}</svg>'
    )
    return f'<img alt="" src="data:image/svg+xml,{quote(drawing)}">'


def _ordinal(day: str) -> int:
    return date.fromisoformat(day).toordinal()
