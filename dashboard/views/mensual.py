"""Consumo mensual: months compared, everybody's and one customer's."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.cases import today
from dashboard.charts import mensual as charts
from dashboard.client import ApiRequest, api_request, customer_path, fetch, fetch_all, fetch_rows
from dashboard.filters import choose_one
from dashboard.lists import shown_list
from dashboard.navigation import MAX_ID, address_of, chosen_customer, customer_button

_YEAR = 13
"""Months: a year and the month it is compared with."""
_THREE_YEARS = 37
"""Months: three years and the month they are compared with."""
_ORDERS = {"Consumo": "consumo_total", "Anomalías": "anomalias_detectadas"}
_RANKING_COLUMNS = (
    ui.TableColumn("", "puesto", "der"),
    ui.customer_column(),
    ui.TableColumn("Consumo", "consumo_total", "der", texts.energy),
    ui.TableColumn("Coste estimado", "coste_estimado_eur", "der ancha", texts.money),
    ui.TableColumn("Noche", "parte_noche", "der", texts.percent),
    ui.TableColumn("Punta", "parte_punta", "der ancha", texts.percent),
    ui.TableColumn("Máximo", "consumo_maximo", "der ancha", texts.energy),
    ui.number_column("Anomalías", "anomalias_detectadas"),
)


def draw_mensual() -> None:
    """Draw the page."""
    with ui.section("mensual"):
        _months(fetch_rows("/api/consumos/meses", limite=_THREE_YEARS))


def _months(months: list[dict[str, Any]]) -> None:
    if not months:
        ui.empty(
            "Todavía no hay meses sumados",
            "Súmelos con «consumo agregar»; cada noche conviene repetirlo.",
        )
        return
    _everybody(months)
    left, right = st.columns(2, gap="large")
    with ui.panel(left, "Un año sobre otro, por cliente", small=True):
        ui.figure(
            "Consumo medio por cliente de cada mes, un año sobre otro",
            charts.years,
            months,
            "consumo_promedio",
            "kWh por cliente",
        )
    with ui.panel(right, "De noche y en punta, por cliente", small=True):
        ui.figure(
            "Consumo de una hora de la noche y de una hora punta, mes a mes",
            charts.night_and_peak,
            months[:_YEAR][::-1],
        )
    _ranking(months)
    _customer()


def change_in_a_year(months: Sequence[Mapping[str, Any]], month: Mapping[str, Any]) -> float | None:
    """Return how much more each customer consumed in a month than a year before (0,05 = 5 %).

    Per customer: between years, customers come and go. None = cannot be said, as where one of
    the two months is missing or not whole.
    """
    name = month["mes_str"]
    year_before = f"{int(name[:4]) - 1}{name[4:]}"
    before = next((row for row in months if row["mes_str"] == year_before), None)
    if not (before and before["completo"] and month["completo"] and before["consumo_promedio"]):
        return None
    return float(month["consumo_promedio"] / before["consumo_promedio"] - 1)


def _everybody(months: list[dict[str, Any]]) -> None:
    """Draw the months of all customers together, newest first in ``months``."""
    latest = months[0]
    unfinished = latest["mes_str"] >= f"{today():%Y-%m}"
    finished = months[1] if unfinished and len(months) > 1 else latest
    change = change_in_a_year(months, finished)
    st.subheader(texts.month_name(latest["mes_str"]).capitalize(), anchor=False)
    ui.kpis(
        ui.Kpi("Consumo", texts.energy(latest["consumo_total"]), "hasta hoy" * unfinished),
        ui.Kpi(
            "Por cliente",
            texts.energy(latest["consumo_promedio"]),
            texts.count_of(latest["clientes"], "cliente", "clientes"),
        ),
        ui.Kpi("Coste estimado", texts.money(latest["coste_estimado_eur"])),
        ui.Kpi(
            "Anomalías",
            texts.number(latest["anomalias_detectadas"]),
            texts.count_of(latest["anomalias_criticas"], "crítica", "críticas"),
        ),
        ui.Kpi(
            f"{texts.short_month(finished['mes_str']).capitalize()}, en un año",
            texts.percent(change, sign=True),
            "sin dos años completos" if change is None else "por cliente",
        ),
    )
    shown = months[:_YEAR]
    ui.figure(
        "Consumo y anomalías de cada mes",
        charts.all_months,
        shown[::-1],
        opens=lambda point: address_of(
            "mensual", mes=texts.month_name(shown[::-1][point["point_index"]]["mes_str"])
        ),
    )
    if not all(month["completo"] for month in shown):
        st.caption(r"\* Mes sin terminar, o con huecos: no se compara con los demás.")


def _ranking(months: list[dict[str, Any]]) -> None:
    st.subheader("Clasificación del mes", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        month = st.selectbox(
            "Mes", [m["mes_str"] for m in months], format_func=texts.month_name, key="mes",
            width=220, bind="query-params", filter_mode=None,
        )  # fmt: skip
        order = choose_one("Por", _ORDERS, "por")
    path = f"/api/consumos/meses/{month}"
    params = {"orden": _ORDERS[order]}
    with ui.section("ranking"):
        shown = shown_list(path, params, f"mes_{month}")
        rows = [{**row, "puesto": i} for i, row in enumerate(shown.rows, start=shown.first)]
        ui.table(rows, _RANKING_COLUMNS)
        shown.draw_pager()
        ui.export(path, f"meses_{month}", "exportar_mes", **params)


def _customer() -> None:
    st.subheader("Un cliente, mes a mes", anchor=False)
    name = st.text_input(
        "Cliente",
        key="de_mes",
        max_chars=MAX_ID,
        value=chosen_customer() or "",
        placeholder="Por ejemplo CLI_00001",
        bind="query-params",
        width=320,
    ).strip()
    if not name:
        ui.empty("Elija un cliente", "Escriba su identificador para comparar sus meses.")
        return
    with ui.section("mes_cliente", (f"No hay meses de {name}", "Compruebe el identificador.")):
        path = customer_path("/api/estadisticas/mensuales/{}", name)
        _months_of(name, fetch(path, meses=_YEAR))


def _months_of(name: str, answer: dict[str, Any]) -> None:
    # Without the month of the year before, unless both are whole.
    months = [
        pair if pair["variacion"] is not None else {**pair, "anterior": None}
        for pair in answer["elementos"][::-1]
        if pair["actual"] or pair["anterior"]
    ]
    own = [month["actual"] for month in months if month["actual"]]
    _customer_figures(answer, len(own))
    left, right = st.columns(2, gap="large")
    with ui.panel(left, "Frente al año anterior", small=True):
        ui.figure(f"Meses de {name} frente al año anterior", charts.year_before, months)
        if not any(month["anterior"] for month in months):
            st.caption("Aún no hay meses completos de hace un año con que comparar.")
    with ui.panel(right, "Parte de noche y de punta", small=True):
        ui.figure(
            f"Parte de la energía de {name} de noche y en punta", charts.night_and_peak_shares, own
        )
    _day_by_day(name, [month["mes_str"] for month in own[::-1]])
    with st.container(horizontal=True):
        ui.export(
            customer_path("/api/consumos/mensuales/{}", name), f"meses_{name}", "exportar_meses"
        )
        customer_button(name, f"Ficha de {name}")


def _customer_figures(answer: dict[str, Any], months: int) -> None:
    place = texts.MISSING
    if answer["posicion"]:
        place = f"{answer['posicion']}.º de {texts.number(answer['de'])}"
    change = answer["variacion_mensual"]
    ui.kpis(
        ui.Kpi(
            "Suma", texts.energy(answer["consumo_total"]), texts.count_of(months, "mes", "meses")
        ),
        ui.Kpi(
            "Media mensual",
            texts.energy(answer["consumo_promedio_mensual"]),
            "de los meses completos",
        ),
        ui.Kpi(
            "Último mes completo",
            texts.compared(change),
            "sin mes anterior completo" if change is None else "por hora, frente al anterior",
        ),
        ui.Kpi("Puesto por consumo", place, "1.º = el que más"),
    )


def _day_by_day(name: str, months: list[str]) -> None:
    """Draw how chosen months of a customer add up, day by day.

    ``months``: those that can be chosen, newest first.
    """
    if not months:
        return
    st.markdown("**Mes sobre mes, día a día**")
    # The two newest ones, and that of a year before, if there is one.
    year_before = f"{int(months[0][:4]) - 1}{months[0][4:]}"
    chosen = st.multiselect(
        "Meses", months, default=[*months[:2], *(m for m in months[2:] if m == year_before)],
        format_func=texts.month_name, key="meses_dia", max_selections=charts.MAX_MONTHS,
        placeholder="Elija meses",
    )  # fmt: skip
    with ui.section("acumulado"):
        answers = fetch_all(*(_days_request(name, month) for month in chosen))
        days = [day for answer in answers for day in answer.rows()]
        if days:
            ui.figure(
                f"Consumo acumulado de {name} por día del mes", charts.running_total, days, chosen
            )
        else:
            ui.empty("Sin días que sumar", "Elija algún mes con lecturas guardadas.")


def _days_request(name: str, month: str) -> ApiRequest:
    last = monthrange(int(month[:4]), int(month[5:]))[1]
    return api_request(
        "/api/consumos/diarios", propietario_id=name, desde=f"{month}-01", hasta=f"{month}-{last}"
    )
