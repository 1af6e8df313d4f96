"""Lists that the API cuts into pages, and the table of anomalies, in which rows are chosen.

A page of anomalies that has been shown stays as it is until its reader asks for another one:
readings that arrive meanwhile are announced, not slipped in. Streamlit keeps the numbers of chosen
rows, so every page that is shown has a table of its own: a number never meets another list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.charts.shared import translucent
from dashboard.client import ApiError, fetch

PAGE_SIZE = 50
_NEWS_EVERY_S = 20
"""How often it is asked whether a list has changed. By hand, 2026-11-30."""
_ROW_HEIGHT = 35
_KEPT = "_listas"
_LATEST = "_ultima_pagina"
_START = ""
"""Cursor of the first page."""

Row = dict[str, Any]


@dataclass(slots=True)
class ShownList:
    """A page of a list as it is shown."""

    # path, params: what the API is asked for.
    path: str
    params: Mapping[str, Any]
    key: str  # tells the lists of a session apart
    cursors: list[str] = field(default_factory=lambda: [_START])  # of the pages down to this one
    rows: list[Row] = field(default_factory=list)  # what is shown
    following: str | None = None  # cursor of the next page; None = this is the last one
    # Another one for each page that this session has shown; 0 = nothing has been read yet.
    number: int = 0

    @property
    def table_key(self) -> str:
        """Return the name of the table that shows this page, and of no other one."""
        return f"{self.key}_{self.number}"

    @property
    def first(self) -> int:
        """Return the place of the page's first row in its list, 1 = the first of all."""
        return PAGE_SIZE * (len(self.cursors) - 1) + 1

    def read(self) -> None:
        """Read the page, or raise ``ApiError``; what was chosen in it before is chosen no more."""
        answer = self._ask()
        self.rows, self.following = answer["elementos"], answer["siguiente"]
        self.number = st.session_state[_LATEST] = st.session_state.get(_LATEST, 0) + 1

    def _ask(self) -> Any:
        return fetch(self.path, **self.params, limite=PAGE_SIZE, cursor=self.cursors[-1])

    def news(self) -> str:
        """Return what the API gives by now that is not shown; '' = nothing, or it is away."""
        try:
            now = {row["id"]: row["revision"] for row in self._ask()["elementos"]}
        except ApiError:
            return ""
        shown = {row["id"]: row["revision"] for row in self.rows}
        new = len(now.keys() - shown.keys())
        # As many as are new have been pushed onto the next page; more than that are gone.
        gone = max(0, len(shown.keys() - now.keys()) - new)
        changed = gone + sum(now.get(one, seen) != seen for one, seen in shown.items())
        parts = [f"hay {texts.count_of(new, 'nueva', 'nuevas')}"] * bool(new)
        verb = "ha" if changed == 1 else "han"
        parts += [f"{texts.number(changed)} {verb} cambiado"] * bool(changed)
        return " y ".join(parts)

    def draw_pager(self) -> None:
        """Draw where one is in the list, and the ways back and forth."""
        if len(self.cursors) == 1 and self.following is None:
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                "Anteriores", key=f"{self.key}_antes", icon=":material/chevron_left:",
                disabled=len(self.cursors) == 1,
            ):  # fmt: skip
                self.cursors.pop()
                self._leave()
            if st.button(
                "Siguientes", key=f"{self.key}_despues", icon=":material/chevron_right:",
                disabled=self.following is None,
            ):  # fmt: skip
                self.cursors.append(self.following or _START)
                self._leave()
            last = texts.number(self.first + len(self.rows) - 1)
            st.caption(f"De la {texts.number(self.first)} a la {last}")

    def _leave(self) -> None:
        self.leave()
        st.rerun()

    def leave(self) -> None:
        """Make the page be read again."""
        self.number = 0


@st.fragment(run_every=_NEWS_EVERY_S)
def _draw_news(shown: ShownList) -> None:
    """Draw, as soon as it is so, that there is more than what is shown, and the way to see it."""
    if text := shown.news():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Desde que se muestra esta lista {text}.")
            if st.button("Actualizar", key=f"{shown.key}_actualizar", icon=":material/refresh:"):
                shown.leave()
                st.rerun()


def shown_list(
    path: str, params: Mapping[str, Any], key: str, choice: object = None, *, fixed: bool = False
) -> ShownList:
    """Return the page of a list that is shown, or raise ``ApiError``.

    Which page it is, is remembered by the filters.

    Parameters
    ----------
    choice : object, optional
        What the reader has chosen, if that is not all of ``params``: days that move on with the
        readings are no other choice.
    fixed : bool
        Whether it stays as it was shown, for as long as its table is on the screen.
    """
    wanted = repr(sorted(params.items()) if choice is None else choice)
    kept: dict[str, tuple[str, ShownList]] = st.session_state.setdefault(_KEPT, {})
    chosen, shown = kept.get(key, ("", None))
    if shown is None or chosen != wanted:
        shown = ShownList(path, params, key)
        kept[key] = (wanted, shown)
    if len(shown.cursors) == 1:  # Elsewhere the cursor goes on with what it was given for.
        shown.params = params
    if not (fixed and shown.number and shown.table_key in st.session_state):
        shown.read()
    return shown


def refresh_lists() -> None:
    """Make every list of this session be read again: something in them has been changed."""
    for _, shown in st.session_state.get(_KEPT, {}).values():
        shown.number = 0


def choose_anomalies(shown: ShownList, with_customer: bool = True) -> list[Row]:
    """Draw a page of anomalies as a table, with its pager, and return the chosen ones."""
    st.caption("Elija una fila para ver por qué, o varias para darles el mismo veredicto.")
    chosen = _anomaly_table(shown, with_customer)
    _draw_news(shown)
    shown.draw_pager()
    return [shown.rows[i] for i in chosen]


def _anomaly_table(shown: ShownList, with_customer: bool) -> Sequence[int]:
    import pandas as pd

    of = st.column_config
    columns: dict[str, tuple[Any, Any]] = {
        "Cuándo": (lambda row: _table_instant(row["timestamp_consumo"]), of.TextColumn(width=130)),
        "Cliente": (lambda row: row["propietario_id"], of.TextColumn(width=100)),
        "Severidad": (lambda row: row["severidad"].capitalize(), of.TextColumn(width=80)),
        "Puntos": (lambda row: row["score_anomalia"], of.NumberColumn(width=70)),
        "kWh": (lambda row: row["consumo_kwh"], of.NumberColumn(width=80)),
        "Esperado": (lambda row: row["consumo_esperado_kwh"], of.NumberColumn(width=80)),
        "Estado": (lambda row: row["estado"].capitalize(), of.TextColumn(width=95)),
        "Tipos": (
            lambda row: texts.type_names(row["tipos_anomalia"]), of.TextColumn(width="large")
        ),
    }  # fmt: skip
    if not with_customer:
        del columns["Cliente"]
    frame = pd.DataFrame({n: [cell(r) for r in shown.rows] for n, (cell, _) in columns.items()})
    colours = ui.palette().severity
    two_decimals: dict[Any, Any] = dict.fromkeys(
        ("Puntos", "kWh", "Esperado"), lambda value: texts.number(value, 2)
    )
    style = frame.style.format(two_decimals).map(
        lambda name: f"background-color: {translucent(colours[str(name).lower()], 0.26)}",
        subset=["Severidad"],
    )
    rows: Sequence[int] = st.dataframe(
        style,
        hide_index=True,
        key=shown.table_key,
        on_select="rerun",
        selection_mode="multi-row",
        height=min(_ROW_HEIGHT * (len(shown.rows) + 1) + 3, 520),
        column_config={name: config for name, (_, config) in columns.items()},
        alt="Tabla de anomalías",
    )["selection"]["rows"]
    return rows


def _table_instant(text: str) -> str:
    """Return an instant that sorts and lines up in a column."""
    instant = texts.parse_instant(text)
    return texts.MISSING if instant is None else f"{instant:%d/%m/%Y %H:%M}"
