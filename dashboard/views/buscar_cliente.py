"""Buscar cliente: everything about one customer."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.browser import link
from dashboard.charts import buscar_cliente as charts
from dashboard.client import (
    ApiError,
    ApiRequest,
    PendingAnswer,
    api_request,
    customer_path,
    fetch_all,
    fetch_asked,
    fetch_rows,
)
from dashboard.filters import DayRange, choose_one, choose_range, last_day
from dashboard.known_context import known_of
from dashboard.lists import choose_anomalies, shown_list
from dashboard.navigation import (
    CUSTOMER,
    MAX_ID,
    case_address,
    choose_customer,
    chosen_customer,
    customer_address,
    forget_customer,
)
from dashboard.reviews import draw_anomaly, draw_outcome, judge_chosen

_RESULTS = 12
_LIVE_EVERY_S = 30
"""How often the customer's figures are asked for again. By hand, 2026-11-30."""
_MAX_DAYS_WITH_BAND = 35
_MAP_DAYS = 60
_HOURS = "/api/consumos/rango"
_VERDICT_COLUMNS = (
    ui.TableColumn("Cuándo", lambda r: r["veredicto"]["cuando"], "no-partir", texts.date_time),
    ui.TableColumn("Veredicto", lambda r: r["veredicto"]["estado"], "", ui.state_badge, True),
    ui.TableColumn(
        "Anomalía", lambda r: r["anomalia"]["timestamp_consumo"], "no-partir", texts.date_time
    ),
    ui.TableColumn("Severidad", lambda r: r["anomalia"]["severidad"], "", ui.severity_badge, True),
    ui.TableColumn("Quién", lambda r: r["veredicto"]["quien"], "ancha"),
    ui.TableColumn("Motivo", lambda r: r["veredicto"]["motivo"]),
)


def asked_first(query: Mapping[str, Sequence[str]]) -> list[ApiRequest]:
    """Return what the page asks the API of the customer that its address names, or of all."""
    if not (customer := "".join(query.get(CUSTOMER, ())[:1])):
        return [_ranking()]
    return [
        api_request(customer_path("/api/estadisticas/cliente/{}", customer)),
        api_request("/api/clientes", buscar=customer, limite=_RESULTS),
        api_request("/api/casos", propietario_id=customer),
        api_request(customer_path("/api/clientes/{}/contexto", customer)),
    ]


def _ranking() -> ApiRequest:
    return api_request("/api/clientes/ranking", limite=_RESULTS)


def draw_buscar_cliente() -> None:
    """Draw the page."""
    draw_outcome()
    _search()
    customer = chosen_customer()
    if customer is None:
        ui.empty("Elija un cliente", "Escriba parte de su identificador, o pulse uno de la lista.")
        return
    with ui.section("cliente", (f"No existe el cliente {customer}", "Busque otro arriba.")):
        _customer(customer)


@st.fragment
def _search() -> None:
    """Draw the search, which answers as one types."""
    text = st.text_input(
        "Cliente",
        key="buscar",
        type="search",
        live="300ms",
        max_chars=MAX_ID,
        placeholder="Escriba parte del identificador: CLI_0004…",
        label_visibility="collapsed",
    )
    chosen = chosen_customer()
    if chosen and not text:
        return
    with ui.section("buscador"):
        if text:
            rows = fetch_rows("/api/clientes", buscar=text, limite=_RESULTS)
        else:
            rows = fetch_asked(_ranking())["elementos"]
        _results(rows, "Resultados:" if text else "Los más sospechosos:", chosen)


def _results(rows: list[dict[str, Any]], title: str, chosen: str | None) -> None:
    if not rows:
        ui.empty("Ningún cliente se llama así", "Pruebe con menos letras.")
        return
    st.caption(title)
    with st.container(horizontal=True, gap="small"):
        for row in rows:
            name = row["propietario_id"]
            if st.button(
                name, key=f"elegir_{name}",
                icon=":material/warning:" if row["es_sospechoso"] else None,
                type="primary" if name == chosen else "secondary",
            ):  # fmt: skip
                choose_customer(name)
                st.rerun()


def _customer(customer: str) -> None:
    summary, own, _, _ = _asked(customer)
    _head(customer)
    latest = summary["ultima_lectura"] or own.get("ultima_lectura")
    views: dict[str, Callable[[str], None]] = {
        "Consumo": partial(_consumption, latest=latest),
        "Perfil": _profile,
        "Anomalías": _anomalies,
        "Veredictos": _verdicts,
    }
    view = choose_one("Vista", views, "vista")
    with ui.section(f"vista_{view}"):
        views[view](customer)


def _asked(
    customer: str,
) -> tuple[dict[str, Any], dict[str, Any], PendingAnswer, PendingAnswer]:
    """Return a customer's figures, what the list of all says of it, its cases and its context."""
    figures, known, cases, context = fetch_all(*asked_first({CUSTOMER: [customer]}))
    own = next((c for c in known.rows() if c["propietario_id"] == customer), {})
    return figures.value(), own, cases, context


@st.fragment(run_every=_LIVE_EVERY_S)
def _head(customer: str) -> None:
    """Draw how the customer is now."""
    with ui.section("cabecera"):
        summary, own, cases, context = _asked(customer)
        _title(customer, summary, own.get("severidad"))
        with ui.section("caso"):
            for case in cases.rows():
                _case(case)
        _known(customer, context)
        _figures(customer, summary)


def _known(customer: str, context: PendingAnswer) -> None:
    """Draw what the utility knows of the customer; where it cannot be asked, all else is there."""
    try:
        said = known_of(customer, context.value())
    except ApiError:
        return
    if said:
        st.html(f'<p class="suave">{said}</p>')


def _title(customer: str, summary: dict[str, Any], severity: str | None) -> None:
    suspicion = (
        '<span class="rotulo confirmada">Sospechoso</span>'
        if summary["es_sospechoso"]
        else '<span class="rotulo">Sin sospecha</span>'
    )
    latest = texts.date_time(summary["ultima_lectura"])
    level = f"Última hora: {ui.severity_badge(severity)}" if severity else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(
            f"<b style='font-size:1.35rem'>{html.escape(customer)}</b> &nbsp; {suspicion} &nbsp; "
            f"<span class='suave'>{level} &nbsp; Última lectura: {latest}</span>"
        )
        if st.button("Otro cliente", icon=":material/close:", type="tertiary"):
            forget_customer()
            st.rerun()


def _case(case: dict[str, Any]) -> None:
    """Draw what has changed at the customer and goes on."""
    stake, money = texts.energy(case["energia_en_juego_kwh"]), case["energia_en_juego_eur"]
    details = (
        f"{texts.probability(case['probabilidad'])} de que haya algo",
        f"{stake} en juego (≈ {texts.money(money)})",
        texts.type_names([case["tipo"]]),
        case["estado"],
    )
    with st.container(border=True):
        name = f"Caso abierto desde el {texts.day(case['fecha_inicio'])}"
        st.html(
            f"<b>{link(case_address(case['id']), name)}</b> &nbsp; "
            f"<span class='suave'>{html.escape(' · '.join(details))}</span>"
            f"<br>{html.escape(case['frase'])}"
        )


def _figures(customer: str, summary: dict[str, Any]) -> None:
    week, discarded = summary["semana"], summary["descartadas"] or 0
    change = "sin semana anterior completa"
    if week["variacion"] is not None:
        change = f"{texts.compared(week['variacion'])} que antes"
    anomalies = texts.count_of(summary["anomalias"]["crítica"], "crítica", "críticas")
    if discarded:
        anomalies += f", {texts.count_of(discarded, 'descartada', 'descartadas')}"
    read, possible = (texts.number(summary[f]) for f in ("lecturas", "lecturas_posibles"))
    ui.kpis(
        ui.Kpi("Última semana", texts.energy(week["valor"]), change),
        ui.Kpi(
            "28 días",
            texts.energy(summary["consumo_total_kwh"]),
            f"≈ {texts.money(summary['coste_estimado_eur'])}",
        ),
        ui.Kpi(
            "Anomalías",
            texts.number(summary["anomalias_total"]),
            anomalies,
            address=customer_address(customer, vista="Anomalías"),
        ),
        ui.stake_card(summary),
        ui.Kpi("Lecturas", texts.percent(summary["cobertura"]), f"{read} de {possible} horas"),
    )


def _consumption(customer: str, latest: str | None) -> None:
    last = last_day(latest)
    days = choose_range("c_", latest, _MAX_DAYS_WITH_BAND)
    behind = st.toggle(
        "Periodo anterior por detrás", value=True, key="anterior", bind="query-params"
    )
    (first, end), (first_before, end_before) = days.bounds, days.before().bounds
    of_customer = partial(api_request, _HOURS, propietario_id=customer, limite=5000)
    points, previous, cells = fetch_all(
        of_customer(desde=first, hasta=end, con_banda=True),
        of_customer(desde=first_before, hasta=end_before),
        api_request(
            customer_path("/api/consumos/mapa-calor/{}", customer),
            desde=last - timedelta(days=_MAP_DAYS - 1),
            hasta=last,
        ),
    )
    with ui.section("consumo"):
        _hours(customer, days, points.rows(), previous.rows() if behind else [])
    st.subheader("Hora a hora, día a día", anchor=False)
    with ui.section("mapa"):
        if rows := cells.rows():
            ui.figure(f"Mapa de calor de {_MAP_DAYS} días por hora", charts.day_map, rows)
        else:
            ui.empty("Sin lecturas en 60 días", "No hay nada que pintar todavía.")


def _hours(
    customer: str, days: DayRange, hours: list[dict[str, Any]], previous: list[dict[str, Any]]
) -> None:
    if not hours:
        ui.empty("Sin lecturas en esos días", "Elija otro periodo.")
        return
    ui.figure(
        f"Consumo por hora de {customer} con su banda esperada y sus anomalías",
        charts.consumption,
        hours,
        previous,
        days.days,
    )
    st.caption("Arrastre sobre la gráfica para ampliar; doble clic para volver.")
    ui.export(
        _HOURS, f"consumo_{customer}", "exportar_consumo",
        propietario_id=customer, desde=days.bounds[0], hasta=days.bounds[1],
    )  # fmt: skip


def _profile(customer: str) -> None:
    """Draw the load profile against its own past and its peers, and the typical week."""
    paths = ("/api/clientes/{}/perfil", "/api/consumos/semana/{}", "/api/clientes/{}/pares")
    profile, week, peers = fetch_all(*(api_request(customer_path(p, customer)) for p in paths))
    own = profile.value()
    classes = {"laborable": "Días laborables", "fin_de_semana": "Fines de semana"}
    for box, (day_class, title) in zip(st.columns(2, gap="large"), classes.items(), strict=True):
        with ui.panel(box, title):
            if any(row["clase"] == day_class for row in own["ahora"] + own["antes"]):
                ui.figure(f"Perfil de carga: {title.lower()}", charts.load_profile, own, day_class)
            else:
                ui.empty("Sin lecturas bastantes", "Hacen falta unos días de historia.")
    count = texts.number(own["clientes_pares"])
    st.caption(f"Clientes parecidos: {count}, llevados al nivel de este.")
    left, right = st.columns(2, gap="large")
    with ui.panel(left, "Su semana típica"):
        ui.figure("Mapa de calor por día de la semana y hora", charts.week_map, week.rows())
    with ui.panel(right, "La última semana y sus parecidos"):
        ui.figure("Consumo del cliente y de sus parecidos", charts.beside_peers, peers.rows())
        if (correlation := peers.value()["correlacion"]) is not None:
            st.caption(f"Correlación: {texts.number(correlation, 2)} (de −1 a 1).")


def _anomalies(customer: str) -> None:
    """Draw the customer's anomalies; the chosen one in full."""
    path = customer_path("/api/anomalias/cliente/{}", customer)
    shown = shown_list(path, {"orden": "consumo"}, f"cliente_{customer}", fixed=True)
    if not shown.rows:
        ui.empty("Ninguna anomalía", "Este cliente consume como se espera de él.")
        return
    chosen = choose_anomalies(shown, with_customer=False)
    if len(chosen) > 1:
        judge_chosen(chosen, shown.key)
    else:
        draw_anomaly((chosen or shown.rows)[0]["id"], shown.key)


def _verdicts(customer: str) -> None:
    rows = fetch_rows("/api/anomalias/veredictos", propietario_id=customer)
    if rows:
        ui.table(rows, _VERDICT_COLUMNS)
    else:
        ui.empty(
            "Nadie ha dado veredictos",
            "En «Anomalías» se confirma o se descarta cada una; el entrenamiento aprende de ello.",
        )
