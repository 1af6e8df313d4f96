"""Cases in lists: how one is called, its line, and the order in which they are gone through."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import date, timedelta

import streamlit as st

from dashboard import texts, ui
from dashboard.browser import link
from dashboard.case_texts import CaseRow, money_range
from dashboard.charts.sparkline import sparkline
from dashboard.client import ApiRequest, api_request, fetch, fetch_asked
from dashboard.navigation import case_address

STATES = ("nuevo", "asignado", "visitado", "confirmado", "descartado", "terminado")
CASE_CLASSES = {"Sospechosos": "sospechoso", "Inocentes": "inocente", "Todos": "todos"}
"""Which cases, by the words of the API; if nobody says, the first."""
VISITS, EXPLORED = 10, 0.1
"""The visits of a day's list, and which part of them is drawn at random, if nobody says."""
_IN_ORDER, _BY_LOT = "_casos_en_orden", "_casos_sorteados"
_MARK_WORDS = {"terminado": "acabó solo"}


def state_words(case: CaseRow) -> str:
    """Return the state of a case, for people."""
    state = str(case["estado"])
    return _MARK_WORDS.get(state, state).capitalize()


def state_badge(case: CaseRow) -> str:
    """Return the state of a case as HTML."""
    css = html.escape(str(case["estado"]))
    kind = '<span class="rotulo">Inocente</span> ' if case["inocente"] else ""
    return f'{kind}<span class="rotulo {css}">{html.escape(state_words(case))}</span>'


def draw_case_rows(cases: Sequence[CaseRow], first: int = 1) -> None:
    """Draw cases as lines that open them: customer, days, why, euros, state and who has it.

    The keys j and k go through them. ``first``: the number of the first one.
    """
    remember_order([case["id"] for case in cases])
    lines = [_line(number, case) for number, case in enumerate(cases, start=first)]
    st.html(f'<div class="filas">{"".join(lines)}</div>')


def _line(number: int, case: CaseRow) -> str:
    drawn = sparkline(case.get("serie") or [], case["fecha_inicio"], ui.palette())
    owner = case["asignado_a"] or "sin asignar"
    by_lot = " · al azar" if case["sorteo"] else ""
    cells = (
        ("n", str(number)),
        ("cli", _two(case["propietario_id"], texts.readable(case["tipo"]))),
        ("chispa", drawn),
        ("que", f'<span class="frase">{html.escape(case["frase"])}</span>'),
        ("eur", _two(texts.money(case["recuperable_eur"]), money_range(case))),
        ("quien", _two(state_words(case), f"{owner}{by_lot}")),
    )
    inner = "".join(f'<span class="{css}">{cell}</span>' for css, cell in cells if cell)
    css = "fila" if drawn else "fila sin-dibujo"
    return link(case_address(case["id"]), inner, css, row=True)


def _two(strong: str, small: str) -> str:
    return f"<b>{html.escape(strong)}</b><small>{html.escape(small)}</small>"


def remember_order(ids: Sequence[str]) -> None:
    """Remember the cases of a list as it is shown: the next one of a case is the one below it."""
    st.session_state[_IN_ORDER] = list(ids)


def neighbours_in_list(case_id: str) -> tuple[str | None, str | None, str]:
    """Return the case before one and the one after it, and where it is: '2 de 10'.

    In the list that it was opened from; who comes from outside goes through today's list.
    """
    ids: list[str] = st.session_state.get(_IN_ORDER) or []
    if case_id not in ids:
        ids = [case["id"] for case in todays_cases()]
        remember_order(ids)
    if case_id not in ids:
        return None, ids[0] if ids else None, ""
    at = ids.index(case_id)
    before = ids[at - 1] if at else None
    after = ids[at + 1] if at + 1 < len(ids) else None
    return before, after, f"{at + 1} de {len(ids)}"


def today() -> date:
    """Return the utility's local day, or raise ``ApiError``: only the API knows its zone."""
    yesterday: str = fetch("/api/casos/resumen")["hasta"]
    return date.fromisoformat(yesterday) + timedelta(days=1)


def todays_request(visits: int = VISITS, explored: float = EXPLORED) -> ApiRequest:
    """Return the question for the cases to be visited today."""
    return api_request("/api/casos/hoy", visitas=visits, explorar=explored)


def todays_cases(visits: int = VISITS, explored: float = EXPLORED) -> list[CaseRow]:
    """Return the cases to be visited today, most to recover first, or raise ``ApiError``."""
    rows: list[CaseRow] = fetch_asked(todays_request(visits, explored))["elementos"]
    st.session_state[_BY_LOT] = {case["id"] for case in rows if case["sorteo"]}
    return rows


def is_drawn_by_lot(case_id: str) -> bool:
    """Return whether today's list, as this session last saw it, has a case by its random draw."""
    return case_id in st.session_state.get(_BY_LOT, ())
