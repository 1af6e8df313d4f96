"""The map of the cases. Pure: data in, map out; by default nothing lies under it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydeck import Deck, Layer, ViewState

from dashboard import texts
from dashboard.charts.shared import ApiRows
from dashboard.theme import Palette

LAYER = "casos"
"""What the layer of the cases is called in what Streamlit tells of a click."""
_COLOURS = {
    "plantacion_cannabis": "crítica", "fraude": "alta", "modelo_offline": "media",
    "consumo_constante": "baja",
}  # fmt: skip
"""Kind of case -> the severity whose colour it has: those are told apart by everybody."""
_RADII = 6.0, 24.0
"""Pixels: of a case with nothing to recover, and of the one with most."""
_VIEW = 310.0
"""Pixels that the cases fill at first: less than a telephone is wide, by hand."""
_WORLD = 512.0
"""Pixels of the world at zoom 0 (deck.gl, "Web Mercator projection")."""
_MIN_SPAN = 0.004
"""Degrees: a single case is shown with the streets around it, by hand."""
_MAX_TILE_ZOOM = 19
"""The closest tiles that servers usually have (OpenStreetMap, "Zoom levels")."""
_MAX_LATITUDE = 85.0
"""Beyond which a Mercator map has no place."""


def kind_colour(kind: str, palette: Palette) -> str:
    """Return the colour of a kind of case."""
    return palette.severity[_COLOURS.get(kind, "normal")]


def map_of_cases(cases: ApiRows, tiles: str, palette: Palette) -> Deck:
    """Return the map of some cases, at least one: coloured by kind, sized by what is recoverable.

    Parameters
    ----------
    cases : sequence
        ``id``, ``propietario_id``, ``latitud``, ``longitud``, ``tipo``, ``recuperable_kwh``,
        ``recuperable_eur``, ``probabilidad``.
    tiles : str
        Address of what lies under them, with {z}, {x} and {y}; '' = nothing, and nobody is asked.
    """
    most = max([1e-9, *(case["recuperable_kwh"] for case in cases)])
    layer = Layer(
        "ScatterplotLayer",
        # The largest first, so that the small ones lie on top of them.
        data=[_point(case, most, palette) for case in cases],
        id=LAYER, get_position="[longitud, latitud]", get_radius="radio", get_fill_color="color",
        radius_units='"pixels"', pickable=True, auto_highlight=True,
        highlight_color=[*_rgb(palette.text), 90], stroked=True,
        get_line_color=_rgb(palette.background), line_width_units='"pixels"', get_line_width=1.5,
    )  # fmt: skip
    return Deck(
        [layer],
        initial_view_state=_view(cases),
        map_provider=None,
        map_style=_style(tiles, palette),
        tooltip={
            "text": "{propietario_id}\n{que}\n{cuanto}\n{seguro}",
            "style": {
                "backgroundColor": palette.text,
                "color": palette.background,
                "fontSize": "0.82rem",
            },
        },
    )


def _point(case: Mapping[str, Any], most: float, palette: Palette) -> dict[str, Any]:
    least, largest = _RADII
    # An area in proportion to the energy.
    share = math.sqrt(max(case["recuperable_kwh"], 0.0) / most)
    return {
        "id": case["id"],
        "propietario_id": case["propietario_id"],
        "latitud": case["latitud"],
        "longitud": case["longitud"],
        "radio": round(least + (largest - least) * share, 1),
        "color": [*_rgb(kind_colour(case["tipo"], palette)), 215],
        "que": texts.readable(case["tipo"]),
        "cuanto": f"{texts.money(case['recuperable_eur'])} por recuperar",
        "seguro": f"{texts.probability(case['probabilidad'])} de que haya algo",
    }


def _view(cases: ApiRows) -> ViewState:
    """Return the view in which all of the cases are seen."""
    latitudes = [max(-_MAX_LATITUDE, min(case["latitud"], _MAX_LATITUDE)) for case in cases]
    longitudes = [case["longitud"] for case in cases]
    middle = (min(latitudes) + max(latitudes)) / 2
    span = max(
        max(longitudes) - min(longitudes),
        (max(latitudes) - min(latitudes)) / math.cos(math.radians(middle)),
        _MIN_SPAN,
    )
    return ViewState(
        latitude=middle,
        longitude=(min(longitudes) + max(longitudes)) / 2,
        zoom=max(0.0, math.log2(_VIEW * 360 / (_WORLD * span))),
    )


def _style(tiles: str, palette: Palette) -> str:
    """Return the style of what lies under the cases (MapLibre Style Spec 8), as a ``data:`` URL.

    Without a style of ours Streamlit would ask CARTO for one; and it takes a style as a text only.
    """
    sources: dict[str, Any] = {}
    layers: list[dict[str, Any]] = [
        {"id": "fondo", "type": "background", "paint": {"background-color": palette.sidebar}}
    ]
    if tiles:
        sources["teselas"] = {
            "type": "raster",
            "tiles": [tiles],
            "tileSize": 256,
            "maxzoom": _MAX_TILE_ZOOM,
        }
        layers.append({"id": "teselas", "type": "raster", "source": "teselas"})
    style = json.dumps({"version": 8, "sources": sources, "layers": layers})
    return f"data:application/json,{quote(style, safe='')}"


def _rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
