"""Calendario: customers against days, so that what goes on is seen at a glance."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.browser import link
from dashboard.cases import CASE_CLASSES, remember_order
from dashboard.client import ApiRequest, api_request, fetch_asked
from dashboard.filters import choose_one
from dashboard.navigation import case_address

_CLASSES = ("Todos", "Sospechosos", "Inocentes")
_PERIODS = {"30 días": 30, "60 días": 60, "90 días": 90}
_PERIOD = "60 días"
_LANES = 50
_LIVE_EVERY_S = 60
"""How often it is asked for again: a lane changes once a day. By hand, 2026-11-30."""
_SEVERITIES = ("normal", *texts.ANOMALY_SEVERITIES)
_LABEL_EVERY = 7
"""Days between the dates above the lanes."""


def asked_first(query: Mapping[str, Any]) -> list[ApiRequest]:
    """Return what the page asks the API, unless its address has filters."""
    return [] if query else [_question(_PERIODS[_PERIOD], CASE_CLASSES[_CLASSES[0]])]


def _question(days: int, kind: str) -> ApiRequest:
    return api_request("/api/casos/calendario", dias=days, limite=_LANES, clase=kind)


def draw_calendario() -> None:
    """Draw the page."""
    with st.container(horizontal=True):
        days = _PERIODS[choose_one("Periodo", _PERIODS, "dias", _PERIOD)]
        kind = CASE_CLASSES[choose_one("Casos", _CLASSES, "clase")]
    _lanes(days, kind)


@st.fragment(run_every=_LIVE_EVERY_S)
def _lanes(days: int, kind: str) -> None:
    with ui.section("calendario"):
        answer = fetch_asked(_question(days, kind))
        if not answer["filas"]:
            ui.empty(
                "Ningún caso que enseñar",
                "Aparecen cuando un cliente cambia: envíe lecturas con «consumo producir».",
            )
            return
        remember_order([lane["caso_id"] for lane in answer["filas"]])
        _legend()
        lanes = [_head(answer["dias"]), *(_lane(one, answer["dias"]) for one in answer["filas"])]
        st.html(f'<div class="carriles">{"".join(lanes)}</div>')


def _legend() -> None:
    colours = ui.palette().severity
    samples = "".join(
        f'<span><i class="muestra" style="background:{colours[name]}"></i>'
        f"{name.capitalize()}</span>"
        for name in texts.ANOMALY_SEVERITIES
    )
    st.html(
        f'<div class="leyenda carriles"><span>Lo más grave del día:</span>{samples}'
        '<span class="carril"><span class="dias muestra"><i class="inocente" style="left:0;'
        f'right:0;background-color:{colours["alta"]}"></i></span>Sin sospecha ese día</span>'
        '<span class="carril"><span class="dias muestra"><i class="inocente caso" style="left:0;'
        'right:0"></i></span>Caso inocente</span>'
        "<span>Sin color: nada, o sin lecturas. La raya: empieza el caso. "
        "Teclas: j y k recorren, Intro abre.</span></div>"
    )


def _head(days: Sequence[str]) -> str:
    labels = "".join(
        f'<span style="left:{_share(i, days)}">{_short_day(day)}</span>'
        for i, day in enumerate(days)
        if (len(days) - 1 - i) % (_LABEL_EVERY * (2 if len(days) > 60 else 1)) == _LABEL_EVERY - 1
    )
    return f'<div class="carril cabeza"><b></b><span class="dias">{labels}</span><em></em></div>'


def _lane(lane: Mapping[str, Any], days: Sequence[str]) -> str:
    """Return a lane: a run of equal days is one piece."""
    colours = ui.palette().severity
    pieces = []
    numbered = enumerate(zip(lane["severidades"], lane["sospechoso"], strict=True))
    for (severity, suspicious), run in groupby(numbered, key=lambda pair: pair[1]):
        if not severity:
            continue
        at = [i for i, _ in run]
        name = _SEVERITIES[severity]
        span = _short_day(days[at[0]])
        if len(at) > 1:
            span += f" a {_short_day(days[at[-1]])}"
        pieces.append(
            f'<i class="{"" if suspicious else "inocente"}" style="left:{_share(at[0], days)};'
            f'width:{_share(len(at), days)};background-color:{colours[name]}" '
            f'title="{span}: {name}"></i>'
        )
    begins = next((i for i, day in enumerate(days) if day >= lane["inicio"]), len(days))
    if lane["inocente"] and begins < len(days):
        # Below what single days show.
        pieces.insert(
            0,
            f'<i class="inocente caso" style="left:{_share(begins, days)};right:0" '
            f'title="{html.escape(texts.readable(lane["tipo"]))}"></i>',
        )
    if lane["inicio"] in days:
        pieces.append(f'<u style="left:{_share(days.index(lane["inicio"]), days)}"></u>')
    customer = html.escape(lane["propietario_id"])
    title = html.escape(f"{texts.readable(lane['tipo'])}, desde el {texts.day(lane['inicio'])}")
    worth = "inocente" if lane["inocente"] else texts.money(lane["recuperable_eur"])
    inner = (
        f'<b title="{title}">{customer}</b><span class="dias">{"".join(pieces)}</span>'
        f"<em>{worth}</em>"
    )
    return link(case_address(lane["caso_id"]), inner, "carril", row=True)


def _share(days: int, of: Sequence[str]) -> str:
    return f"{100 * days / len(of):.3f}%"


def _short_day(day: str) -> str:
    return texts.day(day).rpartition(" ")[0]
