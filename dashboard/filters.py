"""Choices that live in the URL: a view, some days, which anomalies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import streamlit as st

from dashboard import texts
from dashboard.cases import CASE_CLASSES, STATES, today
from dashboard.navigation import MAX_ID

_DAY = "24 h"
PERIODS = {_DAY: 1, "7 días": 7, "30 días": 30, "90 días": 90}
_CUSTOM = "A medida"
_OPEN = ("nuevo", "asignado", "visitado")
_MAX_VERSION = 200
"""Characters, as the API takes them."""
_MAX_VERSION = 200
"""Characters, as the API takes them."""
"""The states of a case that is still to be dealt with."""


@dataclass(frozen=True, slots=True)
class DayRange:
    """Some days, both included; ``period`` = the ready-made choice that they come from, if any.

    The last 24 hours end with the newest reading, which is seldom the last one of its day.
    """

    first: date
    last: date
    period: str = ""
    end: datetime | None = None  # of the last 24 hours, if it is they that are meant

    @property
    def days(self) -> int:
        """Return how many days they are."""
        return 1 if self.end is not None else (self.last - self.first).days + 1

    @property
    def bounds(self) -> tuple[date, date] | tuple[str, str]:
        """Return from when to when, as the API is asked: days, or instants without the last."""
        if self.end is None:
            return self.first, self.last
        return (self.end - timedelta(days=1)).isoformat(), self.end.isoformat()

    def before(self) -> DayRange:
        """Return as many days just before these."""
        if self.end is not None:
            earlier = self.end - timedelta(days=1)
            return DayRange(self.first - timedelta(days=1), self.first, self.period, earlier)
        return DayRange(self.first - timedelta(days=self.days), self.first - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class AnomalyFilters:
    """Which anomalies a view shows."""

    range: DayRange
    severidad: list[str]
    tipo: list[str]
    estado: list[str]
    propietario_id: str

    def params(self) -> dict[str, Any]:
        """Return them as the API's parameters."""
        first, last = self.range.bounds
        return {
            "desde": first,
            "hasta": last,
            "severidad": self.severidad,
            "tipo": self.tipo,
            "estado": self.estado,
            "propietario_id": self.propietario_id or None,
        }

    def address(self) -> dict[str, Any]:
        """Return the days and the customer as the address of the page of anomalies has them."""
        days: dict[str, Any] = {"periodo": self.range.period}
        if not self.range.period:
            days = {"periodo": _CUSTOM, "desde": self.range.first, "hasta": self.range.last}
        return days | {"de": self.propietario_id or None}

    def choice(self) -> tuple[object, ...]:
        """Return what was chosen: «7 días» stays the same choice when a day goes by."""
        days = self.range.period or (self.range.first, self.range.last)
        return (days, self.severidad, self.tipo, self.estado, self.propietario_id)


def last_day(latest: str | None) -> date:
    """Return the day that views end with: that of the newest reading, or the utility's without any.

    ``latest``: ISO 8601 instant of the newest reading. ``ApiError``: there is none, and the API is
    away.
    """
    instant = texts.parse_instant(latest)
    return instant.date() if instant else today()


def choose_one(name: str, options: Iterable[str], key: str, default: str = "") -> str:
    """Draw the choice of one of some options and return it; the first one, if not ``default``."""
    all_of_them = list(options)
    chosen = st.segmented_control(
        name, all_of_them, default=default or all_of_them[0], required=True, key=key,
        bind="query-params", label_visibility="collapsed" if name == "Vista" else "visible",
    )  # fmt: skip
    return chosen or default or all_of_them[0]


def choose_range(prefix: str, latest: str | None, max_days: int) -> DayRange:
    """Draw the choice of days and return them.

    Parameters
    ----------
    prefix : str
        Start of the names of its parameters in the URL, so that pages do not share them.
    latest : str or None
        ISO 8601 instant of the newest reading, with which the ready-made periods end.
    max_days : int
        Longest range that the API gives.
    """
    last, end = last_day(latest), texts.parse_instant(latest)
    periods = [name for name, days in PERIODS.items() if days <= max_days]
    period = choose_one("Periodo", [*periods, _CUSTOM], f"{prefix}periodo", "7 días")
    if period == _DAY and end is not None:
        return DayRange(last - timedelta(days=1), last, period, end + timedelta(hours=1))
    if period != _CUSTOM:
        return DayRange(last - timedelta(days=PERIODS[period] - 1), last, period)
    with st.container(horizontal=True):
        first = _choose_day("Desde", f"{prefix}desde", last - timedelta(days=6))
        last = _choose_day("Hasta", f"{prefix}hasta", last)
    if first > last:
        st.warning("«Desde» es posterior a «Hasta»: se muestran al revés.", icon=":material/info:")
        first, last = last, first
    if (last - first).days >= max_days:
        st.info(f"Son como mucho {max_days} días: se muestran los últimos.", icon=":material/info:")
        first = last - timedelta(days=max_days - 1)
    return DayRange(first, last)


def _choose_day(name: str, key: str, default: date) -> date:
    chosen = st.date_input(
        name, value=default, min_value=date(2000, 1, 1), max_value=date(2100, 12, 31),
        format="DD/MM/YYYY", key=key, width=160, bind="query-params",
    )  # fmt: skip
    return chosen if isinstance(chosen, date) else default


def choose_some(box: Any, name: str, options: Iterable[str], readable: Any) -> list[str]:
    """Draw a choice of any of some options, none at first, and return it; it is in the URL."""
    return list(
        box.pills(
            name, list(options), selection_mode="multi", format_func=readable, key=name.lower(),
            bind="query-params",
        )
    )  # fmt: skip


def choose_filters(latest: str | None, max_days: int) -> AnomalyFilters:
    """Draw the filters of the anomalies and return them."""
    with st.container(border=True):
        days = choose_range("", latest, max_days)
        left, right = st.columns(2)
        severities = choose_some(left, "Severidad", texts.ANOMALY_SEVERITIES, str.capitalize)
        states = choose_some(right, "Estado", texts.REVIEW_STATES, str.capitalize)
        with st.expander("Más filtros", icon=":material/tune:"):
            types = choose_some(st, "Tipo", texts.TYPE_NAMES, texts.readable)
            customer = st.text_input(
                "Cliente", key="de", max_chars=MAX_ID, bind="query-params",
                placeholder="Todos; por ejemplo CLI_00001",
            )  # fmt: skip
    return AnomalyFilters(days, severities, types, states, (customer or "").strip())


def choose_case_filters() -> dict[str, Any]:
    """Draw the filters of the cases and return them as the API's parameters."""
    with st.container(border=True):
        left, right = st.columns([2.4, 1])
        states = choose_some(left, "Estado", STATES, str.capitalize)
        owner = right.text_input(
            "Lo lleva", key="quien", bind="query-params", max_chars=40, placeholder="Cualquiera"
        )
        with st.expander("Más filtros", icon=":material/tune:"):
            shown = choose_one("Casos", CASE_CLASSES, "clase")
            kinds = choose_some(st, "Tipo", texts.CASE_TYPES, texts.readable)
            with st.container(horizontal=True):
                customer = st.text_input(
                    "Cliente", key="de", max_chars=MAX_ID, bind="query-params", width=220,
                    placeholder="Todos",
                )  # fmt: skip
                first = _choose_opened("Hallados desde", "desde")
                last = _choose_opened("Hallados hasta", "hasta")
            with st.container(horizontal=True, vertical_alignment="bottom"):
                version = st.text_input(
                    "Versión que lo juzgó", key="version", max_chars=_MAX_VERSION,
                    bind="query-params", width=220, placeholder="Todas",
                )  # fmt: skip
                visited_first = _choose_opened("Visitados desde", "visita_desde")
                visited_last = _choose_opened("Visitados hasta", "visita_hasta")
                known = st.checkbox(
                    "Solo visitas con resultado", key="con_resultado", bind="query-params"
                )
    return {
        "estado": states,
        "tipo": kinds,
        # Unsaid they are the suspicious ones, and also those of an innocent type that is chosen.
        "clase": None if shown == next(iter(CASE_CLASSES)) else CASE_CLASSES[shown],
        "asignado_a": (owner or "").strip() or None,
        "propietario_id": (customer or "").strip() or None,
        "desde": first,
        "hasta": last,
        "version_modelo": (version or "").strip() or None,
        "visita_desde": visited_first,
        "visita_hasta": visited_last,
        "con_resultado": known,
        # Of a state that is chosen, all; otherwise those that are still to be dealt with.
        "abiertos": not known and (not states or set(states) <= set(_OPEN)),
    }


def _choose_opened(name: str, key: str) -> date | None:
    chosen = st.date_input(
        name, value=None, min_value=date(2000, 1, 1), max_value=date(2100, 12, 31), key=key,
        format="DD/MM/YYYY", width=170, bind="query-params",
    )  # fmt: skip
    return chosen if isinstance(chosen, date) else None
