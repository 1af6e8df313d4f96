"""Aciertos: what the visits found, against visits drawn at random."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.cases import today
from dashboard.charts import aciertos as charts
from dashboard.client import fetch
from dashboard.filters import choose_one
from dashboard.navigation import address_of

_PERIODS = {"90 días": 90, "Un año": 365, "Todo": 0}
_GROUPS: dict[str, tuple[str, str, Callable[[Any], str]]] = {
    "Tipo": ("por_tipo", "tipo", texts.readable),
    "Mes": ("por_mes", "mes", texts.month_name),
    "Versión": ("por_version", "version_modelo", texts.model_name),
}
"""What visits are told apart by: the API's list, its field, and from it to what it is called."""


def draw_aciertos() -> None:
    """Draw the page."""
    with ui.section("aciertos"):
        days = _PERIODS[choose_one("Periodo", _PERIODS, "periodo", "Un año")]
        first = today() - timedelta(days=days) if days else None
        _outcomes(fetch("/api/casos/aciertos", desde=first), first)


def _outcomes(answer: Mapping[str, Any], first: date | None) -> None:
    total = answer["total"]
    if not total["visitas"]:
        ui.empty(
            "Todavía no hay ninguna visita con resultado",
            "Abra un caso de «Mi lista de hoy» y diga con «Resultado» qué se halló: aquí se verá "
            "cuánto se acierta y cuánto se recupera.",
        )
        return
    ui.kpis(
        ui.Kpi(
            "Visitas con resultado",
            texts.number(total["visitas"]),
            texts.count_of(total["hallados"], "con hallazgo", "con hallazgo"),
        ),
        ui.Kpi("Aciertos", texts.percent(total["tasa"]), _interval(total)),
        ui.Kpi("Recuperado", texts.money(total["recuperado_eur"]),
               texts.energy(total["energia_recuperada_kwh"])),
        ui.Kpi("Por visita", texts.money(total["eur_por_visita"])),
    )  # fmt: skip
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("La lista y el azar", anchor=False)
        _against_chance(answer["por_lista"], answer["por_sorteo"])
    with right:
        st.subheader("Lo que aprende el entrenamiento", anchor=False)
        _learned(total)
    _by_group(answer, first)


def _interval(group: Mapping[str, Any]) -> str:
    """Return between what the share of hits lies."""
    if not group["visitas"]:
        return ""
    least, most = (texts.percent(group[end]) for end in ("tasa_minima", "tasa_maxima"))
    return f"entre {least} y {most}, con el 95 %"


def _against_chance(listed: Mapping[str, Any], drawn: Mapping[str, Any]) -> None:
    rows, names = [listed, drawn], ["Por la lista", "Al azar"]
    ui.figure("Aciertos de la lista y de las visitas al azar", charts.hit_rates, rows, names)
    if not drawn["visitas"]:
        st.caption(
            "Ninguna visita salió aún del sorteo: sin ellas no se sabe cuánto hay donde la lista "
            "no mira. La parte al azar se elige en «Cartera de visitas»."
        )
        return
    st.caption(
        "Las visitas al azar salen del sorteo entre todos los casos abiertos: lo que aciertan es "
        "lo que se acertaría sin la lista."
    )


def _learned(total: Mapping[str, Any]) -> None:
    nothing = total["visitas"] - total["hallados"]
    ui.bullets([
        f"{texts.count_of(total['hallados'], 'caso confirmado', 'casos confirmados')}: sus horas, "
        "las 96 últimas de cada cliente, son ejemplos de lo que hay que hallar.",
        f"{texts.count_of(nothing, 'caso descartado', 'casos descartados')}: sus horas son "
        "ejemplos de lo que no, y su nivel nuevo es desde entonces el habitual.",
        "El próximo reentrenamiento usa unos y otros, y el examen de cada versión los cuenta.",
    ])  # fmt: skip
    st.html(
        f"<span class='suave'>{ui.page_link('modelos', 'Qué dijo el examen de cada versión')}"
        "</span>"
    )


def _by_group(answer: Mapping[str, Any], first: date | None) -> None:
    name = choose_one("Por", _GROUPS, "por")
    listed, field, readable = _GROUPS[name]
    rows: Sequence[Mapping[str, Any]] = answer[listed]
    names = [readable(row[field]) for row in rows]
    left, right = st.columns(2, gap="large")
    with ui.panel(left, "Aciertos", small=True):
        ui.figure(f"Aciertos por {name.lower()}", charts.hit_rates, rows, names)
    with ui.panel(right, "Euros por visita", small=True):
        ui.figure(f"Euros por visita, por {name.lower()}", charts.euros_per_visit, rows, names)
    ui.table(rows, (
        ui.TableColumn(name, field, "no-partir", readable, address=_cases_of(field, first)),
        ui.number_column("Visitas", "visitas"),
        ui.number_column("Hallazgos", "hallados"),
        ui.TableColumn("Aciertos", "tasa", "der", texts.percent),
        ui.TableColumn("Intervalo del 95 %", _interval, "ancha"),
        ui.TableColumn("Recuperado", "recuperado_eur", "der", texts.money),
        ui.TableColumn("Por visita", "eur_por_visita", "der", texts.money),
    ))  # fmt: skip


def _cases_of(field: str, first: date | None) -> Callable[[Mapping[str, Any]], str]:
    """Return from a group of visits to where their cases are: as many as the group has.

    ``first``: from when on visits are counted; None = since ever.
    """

    def address(row: Mapping[str, Any]) -> str:
        since, until = first, None
        if field == "mes":
            year, month = (int(part) for part in row["mes"].split("-"))
            begins, until = date(year, month, 1), date(year, month, monthrange(year, month)[1])
            since = max(begins, first or begins)
        return address_of(
            "casos", clase="Todos", con_resultado="true", visita_desde=since, visita_hasta=until,
            tipo=texts.readable(row["tipo"]) if field == "tipo" else None,
            version=row.get("version_modelo"),
        )  # fmt: skip

    return address
