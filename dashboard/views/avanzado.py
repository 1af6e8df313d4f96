"""Análisis avanzado: customers and detectors compared, what-if of thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.charts import avanzado as charts
from dashboard.charts.buscar_cliente import week_map
from dashboard.client import ApiRequest, api_request, customer_path, fetch, fetch_all, fetch_rows
from dashboard.filters import choose_one, last_day
from dashboard.navigation import customer_address

_VIEW = "analisis"
_MAX_CUSTOMERS = 8
_KNOWN = 500
_DAYS = 60
_POINTS = 1000
_VARIABLES = {
    "Consumo diario": ("consumo_kwh", "kWh al día"),
    "Anomalías al día": ("anomalias", "Anomalías al día"),
    "Lecturas al día": ("lecturas", "Lecturas al día"),
}
_EXPECTED = "Consumo y esperado"


def asked_first(query: Mapping[str, Any]) -> list[ApiRequest]:
    """Return what the page asks the API first, unless its address has another of its views."""
    if _VIEW in query:
        return []
    return [
        api_request("/api/clientes/ranking", limite=_MAX_CUSTOMERS),
        api_request("/api/clientes", limite=_KNOWN),
    ]


def draw_avanzado() -> None:
    """Draw the page."""
    views = {"Comparar clientes": _compare, "Detectores": _detectors, "Umbrales": _thresholds}
    view = choose_one("Vista", views, _VIEW)
    with ui.section(f"vista_{view}"):
        views[view]()


def _compare() -> None:
    ranking, others = fetch_all(*asked_first({}))
    suspects, known = ranking.rows(), others.rows()
    if not known:
        ui.empty("Todavía no hay clientes", "Envíe lecturas con «consumo producir».")
        return
    names = list(dict.fromkeys(row["propietario_id"] for row in [*suspects, *known]))
    chosen = st.multiselect(
        "Clientes", names, default=names[:3], max_selections=_MAX_CUSTOMERS, key="clientes",
        placeholder="Elija hasta ocho clientes", bind="query-params", select_all=False,
    )  # fmt: skip
    variable = choose_one("Variable", _VARIABLES, "variable")
    if not chosen:
        ui.empty("Elija algún cliente", "Los primeros de la lista son los más sospechosos.")
        return
    # The day that is still going on would look like a fall.
    last = max(last_day(row["ultima_lectura"]) for row in known) - timedelta(days=1)
    rows = fetch_rows(
            "/api/consumos/diarios", propietario_id=chosen, hasta=last,
            desde=last - timedelta(days=_DAYS - 1),
        )  # fmt: skip
    if not rows:
        ui.empty("Sin lecturas en 60 días", "Elija otros clientes.")
        return
    ui.kpis(*mean_days(rows, chosen, variable))
    _days(rows, variable)
    _weeks(chosen[:4])


def mean_days(
    rows: Sequence[Mapping[str, Any]], customers: Sequence[str], variable: str
) -> list[ui.Kpi]:
    """Return a card for each customer with its mean of a day, in the order in which they come.

    Examples
    --------
    >>> days = [{"propietario_id": "A", "consumo_kwh": kwh} for kwh in (8.0, 12.0)]
    >>> [(card.name, card.value, card.note) for card in mean_days(days, "AB", "Consumo diario")]
    [('A', '10,0', 'kWh al día, 2 días')]
    """
    field, unit = _VARIABLES[variable]
    cards = []
    for customer in customers:
        if own := [row[field] for row in rows if row["propietario_id"] == customer]:
            mean = texts.number(sum(own) / len(own), 1)
            days = texts.count_of(len(own), "día", "días")
            address = customer_address(customer)
            cards.append(ui.Kpi(customer, mean, f"{unit}, {days}", address=address))
    return cards


def _days(rows: list[dict[str, Any]], variable: str) -> None:
    field, title = _VARIABLES[variable]
    st.subheader(f"{variable}, últimos {_DAYS} días", anchor=False)
    ui.figure(f"{variable} de los clientes elegidos", charts.day_lines, rows, field, title)
    left, right = st.columns(2, gap="large")
    with ui.panel(left, "Distribución"):
        ui.figure(f"Distribución: {variable.lower()}", charts.spread, rows, field, title)
    with ui.panel(right, "Correlación entre ellos"):
        names, cells = correlation(rows, field)
        if len(names) > 1:
            ui.figure("Correlación entre los clientes elegidos", charts.correlations, names, cells)
        else:
            ui.empty("Hace falta más de un cliente", "Añada otro arriba.")


def correlation(
    rows: Sequence[Mapping[str, Any]], field: str
) -> tuple[list[str], list[list[float | None]]]:
    """Return the customers, and how alike their days are, -1 to 1; None = cannot be told."""
    import pandas as pd

    frame = pd.DataFrame(rows).pivot_table(index="fecha", columns="propietario_id", values=field)
    matrix = frame.corr(min_periods=3)
    cells = [[None if pd.isna(v) else float(v) for v in row] for row in matrix.to_numpy()]
    return list(matrix.columns), cells


def _weeks(customers: list[str]) -> None:
    """Draw the typical week of some customers, and how they go with their peers."""
    st.subheader("Semana típica y parecidos", anchor=False)
    paths = ("/api/consumos/semana/{}", "/api/clientes/{}/pares")
    answers = fetch_all(*(api_request(customer_path(p, c)) for c in customers for p in paths))
    columns = st.columns(2, gap="large")
    for i, name in enumerate(customers):
        week, peers = answers[2 * i : 2 * i + 2]
        with columns[i % 2], ui.section(f"semana_{name}"):
            alike = texts.number(peers.value()["correlacion"], 2)
            st.markdown(f"**{name}** · correlación con sus parecidos: {alike}")
            ui.figure(f"Semana típica de {name}", week_map, week.rows())


def _detectors() -> None:
    """Draw anomalies by what two detectors say, with the regions where they alarm."""
    left, right = st.columns(2)
    types = list(texts.TYPE_NAMES)
    one = left.selectbox(
        "Eje horizontal", [_EXPECTED, *types], key="x", bind="query-params", filter_mode=None,
        format_func=lambda name: name if name == _EXPECTED else texts.readable(name),
    )  # fmt: skip
    other = right.selectbox(
        "Eje vertical", types, index=len(types) - 1, format_func=texts.readable, key="y",
        bind="query-params", disabled=one == _EXPECTED, filter_mode=None,
    )  # fmt: skip
    listed = "últimas" if one == _EXPECTED else "puntuaciones"
    rows = fetch_rows(f"/api/anomalias/{listed}", limite=_POINTS)
    if not rows:
        ui.empty("Ninguna anomalía en 30 días", "Aparecerán aquí en cuanto se detecten.")
    elif one == _EXPECTED:
        ui.figure(
            "Consumo y consumo esperado de las últimas anomalías",
            charts.against_expected,
            rows,
            opens=_customer_of_point,
        )
        st.caption(
            "Cada punto es una anomalía. Por encima de la línea se consumió más de lo esperado; "
            "en la zona sombreada, más de un 150 % más: ahí dispara «Pico de consumo»."
        )
    elif not any(judged_by(row, str(one), str(other)) for row in rows):
        ui.empty(
            "Ninguna anomalía que los dos hayan juzgado",
            "Elija otro detector; los modelos no opinan hasta que se entrena uno.",
        )
    else:
        ui.figure(
            "Puntuación de dos detectores en las últimas anomalías",
            charts.detector_scores,
            rows,
            str(one),
            str(other),
            opens=_customer_of_point,
        )
        st.caption(
            "En las zonas sombreadas un detector empuja hacia la alarma (0,5 o más). Los que aún "
            "no podían opinar no aparecen."
        )


def _customer_of_point(point: Mapping[str, Any]) -> str | None:
    """Return where the customer is whose name a point says, and when it was."""
    customer = str(point.get("text") or "").rpartition(", ")[0].rpartition(", ")[0]
    return customer_address(customer) if customer else None


def judged_by(row: Mapping[str, Any], *detectors: str) -> bool:
    """Return whether all of some detectors were ready to say something of an anomaly.

    Examples
    --------
    >>> row = {"detectores": {"fraude": 0.4, "modelo_offline": None}}
    >>> judged_by(row, "fraude"), judged_by(row, "fraude", "modelo_offline")
    (True, False)
    """
    return all(row["detectores"].get(one) is not None for one in detectors)


def _thresholds() -> None:
    answer = fetch("/api/anomalias/histograma")
    days, today = answer["dias"], answer["umbrales"]
    alerts = alerts_by_threshold(answer["cuentas"])
    if not alerts[0]:
        ui.empty("Sin lecturas en 30 días", "Hace falta historia para poder decirlo.")
        return
    threshold = st.select_slider(
        "Umbral de alerta", [i / 100 for i in range(30, 100)], value=today["baja"],
        format_func=lambda value: texts.number(value, 2), key="umbral", bind="query-params",
    )  # fmt: skip
    current, new = (alerts[round(100 * value)] for value in (today["baja"], threshold))
    ui.kpis(
        ui.Kpi(f"Alertas con {texts.number(threshold, 2)}", texts.number(new), f"en {days} días"),
        ui.Kpi("Al día", texts.number(new / days, 1)),
        ui.Kpi(
            "Frente al umbral de hoy",
            texts.compared(new / current - 1 if current else None),
            f"{texts.number(current)} con {texts.number(today['baja'], 2)}",
        ),
        ui.Kpi(
            "De todas las lecturas",
            texts.percent(new / alerts[0], 2),
            f"{texts.number(alerts[0])} lecturas",
        ),
    )
    ui.figure("Alertas que habría dado cada umbral", charts.alert_curve, alerts, threshold, today)
    st.caption(
        "Es una simulación sobre lo ya puntuado: no cambia nada. Las líneas son los umbrales de "
        "hoy de cada severidad."
    )


def alerts_by_threshold(counts: Sequence[int]) -> list[int]:
    """Return the readings with at least each score, of those with just each.

    Examples
    --------
    >>> alerts_by_threshold([5, 3, 1])
    [9, 4, 1]
    """
    return list(accumulate(reversed(counts)))[::-1]
