"""Caso: one case, from its story to what people have done with it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import case_texts, texts, ui
from dashboard.browser import key_name, link
from dashboard.case_actions import draw_actions, draw_case_outcome, draw_comment_form, why_not
from dashboard.case_texts import CaseRow
from dashboard.cases import neighbours_in_list, state_badge
from dashboard.charts import caso as charts
from dashboard.client import ApiError, ApiRequest, api_request, customer_path, download, fetch_all
from dashboard.known_context import known_of
from dashboard.navigation import (
    CASE,
    address_of,
    case_address,
    customer_address,
    open_address,
)

_MAX_ID = 40
"""Characters of a case's name: those of its customer and of a day."""
_NAMED = 10
"""Of those with a case in a group, how many are named."""
_GROUPS = {
    "tarifa_y_potencia": "Misma tarifa y una potencia parecida",
    "transformador": "Mismo transformador",
}
_UNDONE = " (ya deshecho)"
_FITS = '<span class="rotulo">Sin descartar</span> '
_MOVEMENTS = {
    "asignacion": "asignación",
    "comentario": "comentario",
    "visita": "visita",
    "veredicto": "veredicto",
    "resultado": "resultado",
    "deshacer": "deshecho",
}


def asked_first(query: Mapping[str, Sequence[str]]) -> list[ApiRequest]:
    """Return what the page asks the API of the case that its address names."""
    return [
        api_request(customer_path(path, case_id))
        for case_id in query.get(CASE, ())[:1]
        for path in ("/api/casos/{}", "/api/casos/{}/dias", "/api/casos/{}/vecinos")
    ]


def draw_caso() -> None:
    """Draw the page."""
    case_id = st.query_params.get(CASE, "")
    if not 0 < len(case_id) <= _MAX_ID or not case_id.isprintable():
        ui.empty("Elija un caso", "Se abren desde «Mi lista de hoy» o desde «Todos los casos».")
        return
    draw_case_outcome(with_way_back=False)
    detail, days, neighbours = fetch_all(*asked_first({CASE: [case_id]}))
    with ui.section("caso", (f"No existe el caso {case_id}", "Ábralo desde una lista.")):
        case = detail.value()
        _story(case)
        _context(case)
        with st.container(horizontal=True, vertical_alignment="center", key="acciones"):
            _through_the_list(case_id)
            draw_actions(case)
            st.download_button(
                "Informe PDF",
                data=lambda: download(customer_path("/api/casos/{}/informe.pdf", case_id)),
                file_name=f"caso_{case_id}.pdf",
                mime="application/pdf",
                key="informe_pdf",
                icon=":material/picture_as_pdf:",
                on_click="ignore",
            )
        if forbidden := why_not():
            st.caption(f":material/key: {forbidden}")
        with ui.section("dias_caso"):
            _days(case, days.rows())
        ui.kpis(*(ui.Kpi(*figure) for figure in case_texts.figures(case)))
        _reasons(case)
        with ui.section("vecinos_caso"):
            _neighbours(case, neighbours.value())
        _history(case)


def _story(case: CaseRow) -> None:
    customer = case["propietario_id"]
    name = link(customer_address(customer), html.escape(customer))
    st.html(
        f"<b style='font-size:1.1rem'>{name}</b> &nbsp; {state_badge(case)} &nbsp; "
        f"<span class='suave'>{html.escape(' · '.join(case_texts.details(case)))}</span>"
        f"<p class='historia'>{html.escape(case_texts.sentence(case))}</p>"
    )


def _context(case: CaseRow) -> None:
    """Draw what the utility knows of the customer; nothing where it knows nothing."""
    known = case["contexto"] or {}
    said = known_of(case["propietario_id"], known)
    if excess := case["exceso_potencia"]:
        hours = texts.count_of(excess["horas"], "hora", "horas")
        power = texts.number(known.get("potencia_contratada_kw"), 2)
        said += (
            f"<br>En {hours} del caso gastó más de los {power} kW contratados: la que más, "
            f"{texts.number(excess['maximo_kw'], 1)} kW de media."
        )
    if said:
        st.html(f'<p class="suave">{said}</p>')


def _through_the_list(case_id: str) -> None:
    """Draw the ways to the case before this one and to the one after it."""
    try:
        before, after, place = neighbours_in_list(case_id)
    except ApiError:  # Today's list is away: this case is still to be read.
        return
    for letter, name, icon, other in (
        ("k", "Anterior", ":material/chevron_left:", before),
        ("j", "Siguiente", ":material/chevron_right:", after),
    ):
        if st.button(name, key=key_name(letter), icon=icon, disabled=other is None) and other:
            open_address(case_address(other))
    if place:
        st.caption(place, width="content")


def _days(case: CaseRow, days: Sequence[Mapping[str, Any]]) -> None:
    if not days:
        ui.empty("Sin días que enseñar", "De este cliente ya no se guarda esa época.")
        return
    ui.figure(
        f"Consumo diario de {case['propietario_id']} frente a como gastaba antes",
        charts.days_of_case,
        days,
        case["fecha_inicio"],
        case_texts.marks(case),
    )


def _detector_address(case: CaseRow, detector: str) -> str:
    return address_of(
        "anomalias", de=case["propietario_id"], tipo=texts.readable(detector),
        periodo="A medida", desde=case["fecha_inicio"], hasta=case["hasta"],
    )  # fmt: skip


def _reasons(case: CaseRow) -> None:
    """Draw what speaks for the case, by detector and by day, and what speaks against it."""
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        st.subheader("Por qué", anchor=False)
        columns = (
            ui.TableColumn(
                "Detector", "detector", "no-partir", texts.readable,
                address=lambda row: _detector_address(case, row["detector"]),
            ),
            ui.number_column("Horas", "horas"),
            ui.number_column("Puntos", "score_medio", 2),
            ui.TableColumn("Lo más fuerte que dijo", lambda row: row["frase"] or texts.MISSING),
        )  # fmt: skip
        if case["detectores"]:
            ui.table(case["detectores"], columns)
        else:
            st.caption("Ninguna hora es anómala por sí sola: lo que ha cambiado es el día entero.")
        if case["evidencia"]:
            st.markdown("**Probabilidad al acabar cada día**")
            ui.figure("Probabilidad del caso día a día", charts.evidence_line, case["evidencia"])
    with right:
        st.subheader("En contra", anchor=False)
        _against(case["contra"])
        st.caption(f"Lo juzgó: {texts.model_name(case['version_modelo'])}.")


def _against(explanations: Sequence[Mapping[str, Any]] | None) -> None:
    """Draw the innocent explanations that were weighed; None = they could not be."""
    if explanations is None:
        st.caption("Ahora no se puede mirar: el histórico no responde.")
        return
    if not explanations:
        st.caption("No se ha hallado ninguna explicación inocente que lo parezca.")
        return
    st.caption("Qué explicación inocente se ha pensado, y por qué basta o no.")
    items = "".join(
        f"<li>{'' if one['apartada'] else _FITS}{html.escape(one['frase'])}</li>"
        for one in explanations
    )
    st.html(f'<ul class="motivos">{items}</ul>')


def _neighbours(case: CaseRow, answer: Mapping[str, Any]) -> None:
    st.subheader("Sus vecinos, en los mismos días", anchor=False)
    own, others = answer["propio"], answer["elementos"]
    if answer["grupos"]:
        items = "".join(f"<li>{_group(group)}</li>" for group in answer["grupos"])
        st.html(f'<ul class="motivos">{items}</ul>')
    if own is None or not others:
        st.caption("No hay clientes parecidos con que compararlo.")
        return
    st.markdown("**Los que gastaban lo más parecido**")
    ui.figure(
        "Consumo diario del cliente y de sus parecidos, antes y después",
        charts.before_and_after,
        own,
        others,
        case["propietario_id"],
        opens=lambda point: customer_address(str(point["y"])),
    )
    if answer["con_caso"]:
        st.html(f'<p class="suave">{_with_case(answer["con_caso"])}</p>')


def _group(group: Mapping[str, Any]) -> str:
    """Return how those who share something with the customer changed, as HTML."""
    people = texts.count_of(group["clientes"], "cliente", "clientes")
    usual = "sin lecturas con que compararlo"
    if group["antes_kwh"] is not None:
        usual = (
            f"lo usual, de {texts.number(group['antes_kwh'], 1)} a "
            f"{texts.number(group['despues_kwh'], 1)} kWh al día"
        )
    return f"<b>{_GROUPS[group['clase']]}</b>: {people}; {usual}. {_with_case(group['con_caso'])}"


def _with_case(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return who also has an open case, each of which opens its own, as HTML."""
    if not rows:
        return "Ninguno tiene un caso abierto."
    shown = ", ".join(
        link(case_address(row["caso_id"]), html.escape(row["propietario_id"]))
        for row in rows[:_NAMED]
    )
    more = f" y {len(rows) - _NAMED} más" if len(rows) > _NAMED else ""
    return f"Con un caso abierto: {shown}{more}."


def _history(case: CaseRow) -> None:
    st.subheader("Historia", anchor=False)
    if case["historial"]:
        undone = {entry["deshace"] for entry in case["historial"]}
        lines = "".join(
            f"<div><time>{texts.date_time(entry['cuando'])}</time>"
            f"<b>{html.escape(entry['quien'])}</b>"
            f'<span class="que">{html.escape(_movement(entry))}'
            f"{_UNDONE * (entry['anotacion'] in undone)}</span></div>"
            for entry in reversed(case["historial"])
        )
        st.html(f'<div class="feed">{lines}</div>')
    else:
        st.caption(f"Se halló el {texts.day(case['fecha_apertura'])}; nadie lo ha tocado aún.")
    draw_comment_form(case)


def _movement(entry: Mapping[str, Any]) -> str:
    """Return what a person did with the case, and what it is since."""
    after = entry["despues"]
    text = entry["texto"] or ""
    if "asignado_a" in after:
        text = f"a {after['asignado_a']}" if after["asignado_a"] else "a nadie"
    elif entry["accion"] == "visita":
        text = texts.day((after.get("visita") or {}).get("fecha"))
    what = _MOVEMENTS.get(entry["accion"], entry["accion"])
    state = f" (queda {after['estado']})" if "estado" in after else ""
    return f"{what}{f': {text}' if text else ''}{state}"
