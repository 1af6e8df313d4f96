"""Mi lista de hoy: the cases worth a visit, and how the work on cases goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.case_actions import draw_case_outcome
from dashboard.cases import EXPLORED, VISITS, draw_case_rows, todays_cases, todays_request
from dashboard.client import ApiRequest, api_request, fetch
from dashboard.navigation import address_of

_LIVE_EVERY_S = 30
"""How often the list is asked for again: a case is one of days. By hand, 2026-11-30."""
_MAX_VISITS = 50
_SUMMARY = "/api/casos/resumen"
_NO_CASES = (
    "Ningún caso que visitar",
    "Aparecen cuando el día de un cliente está completo: envíe lecturas con «consumo producir» y "
    "póngalas a puntuar con «consumo consumir», o vea una demostración con «consumo demo».",
)


def asked_first(query: Mapping[str, Any]) -> list[ApiRequest]:
    """Return what the page asks the API, unless its address says how many visits there are."""
    return [api_request(_SUMMARY), *([] if query else [todays_request()])]


def draw_hoy() -> None:
    """Draw the page."""
    draw_case_outcome()
    _figures()
    visits, explored = _portfolio()
    _list(visits, explored)


@st.fragment(run_every=_LIVE_EVERY_S)
def _figures() -> None:
    with ui.section("cifras_casos"):
        ui.kpis(*_cards(fetch(_SUMMARY)))


def _cards(summary: Mapping[str, Any]) -> list[ui.Kpi]:
    """Return the cards: what there is now against seven days ago, and two whole weeks compared."""
    spans = today, week, before = [summary[s] for s in ("hoy", "semana", "semana_anterior")]
    judged_today, judged, judged_before = (s["confirmados"] + s["descartados"] for s in spans)
    return [
        ui.Kpi(
            "Casos abiertos",
            texts.number(summary["abiertos"]),
            why_moved(summary),
            address=address_of("casos"),
        ),
        ui.Kpi(
            "En curso",
            texts.number(summary["en_curso"]),
            f"hace 7 días, {texts.number(summary['en_curso_antes'])}",
            address=address_of("casos", estado=["Asignado", "Visitado"]),
        ),
        ui.Kpi(
            "Recuperable",
            texts.money(summary["recuperable_eur"]),
            f"hace 7 días, {texts.money(summary['recuperable_eur_antes'])}",
            address=address_of("casos"),
        ),
        ui.Kpi(
            "Juzgados en 7 días",
            texts.number(judged),
            f"antes, {texts.number(judged_before)}; hoy, {texts.number(judged_today)}",
            address=address_of("casos", estado=["Confirmado", "Descartado"]),
        ),
        ui.Kpi(
            "Recuperado en 7 días",
            texts.money(week["recuperado_eur"]),
            f"antes, {texts.money(before['recuperado_eur'])}; "
            f"hoy, {texts.money(today['recuperado_eur'])}",
            address=address_of("aciertos"),
        ),
    ]


def why_moved(summary: Mapping[str, Any]) -> str:
    """Return how many more or fewer cases are open than seven days ago, and why.

    Examples
    --------
    >>> none = {"abiertos": 0, "terminados": 0, "confirmados": 0, "descartados": 0}
    >>> week = none | {"abiertos": 3, "terminados": 1, "descartados": 1}
    >>> why_moved({"abiertos": 9, "abiertos_antes": 8, "hoy": none, "semana": week})
    '+1 en 7 días: +3 nuevos, −1 juzgado, −1 acabado'
    >>> why_moved({"abiertos": 8, "abiertos_antes": 8, "hoy": none, "semana": none})
    'como hace 7 días'
    """
    today, week = summary["hoy"], summary["semana"]

    def moved(*fields: str) -> int:
        return sum(int(span[field]) for span in (today, week) for field in fields)

    change = summary["abiertos"] - summary["abiertos_antes"]
    whys = [
        f"{sign}{texts.count_of(count, one, f'{one}s')}"
        for sign, count, one in (
            ("+", moved("abiertos"), "nuevo"),
            ("−", moved("confirmados", "descartados"), "juzgado"),
            ("−", moved("terminados"), "acabado"),
        )
        if count
    ]
    if not change and not whys:
        return "como hace 7 días"
    sign = "+" if change > 0 else ""
    return f"{f'{sign}{texts.number(change)}' if change else 'los mismos'} en 7 días" + (
        f": {', '.join(whys)}" if whys else ""
    )


def _portfolio() -> tuple[int, float]:
    """Draw the visits of a day and how many of them are drawn at random, and return them."""
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("Cartera de visitas", icon=":material/route:"):
            visits = st.number_input(
                "Visitas al día", 1, _MAX_VISITS, VISITS, key="visitas", bind="query-params"
            )
            share = st.slider(
                "Al azar", 0, 50, round(100 * EXPLORED), 5, format="%d %%", key="azar",
                bind="query-params",
            )  # fmt: skip
            st.caption(
                "Las que se sortean entre todos los casos abiertos dicen cuánto acierta la lista "
                "de verdad: están en «Aciertos», aparte."
            )
        drawn = round(visits * share / 100)
        st.caption(
            f"{texts.count_of(visits, 'visita', 'visitas')}, {texts.number(drawn)} al azar. "
            "Teclas: j y k recorren la lista, Intro abre."
        )
    return int(visits), share / 100


@st.fragment(run_every=_LIVE_EVERY_S)
def _list(visits: int, explored: float) -> None:
    with ui.section("lista_de_hoy"):
        cases = todays_cases(visits, explored)
        if not cases:
            ui.empty(*_NO_CASES)
            return
        draw_case_rows(cases)
