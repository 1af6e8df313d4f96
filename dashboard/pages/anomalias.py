"""Anomalías: the whole list under filters, its shape, incidents, verdicts for many."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import data, texts, url_state
from dashboard.charts import base
from dashboard.client import ApiError
from dashboard.components import (
    Columna,
    Kpi,
    cabecera,
    colores,
    exportar,
    figura,
    kpis,
    parte,
    problema,
    severidad,
    tabla,
    vacio,
)
from dashboard.lists import pagina_de_lista, tabla_anomalias
from dashboard.navigation import ir_a_cliente
from dashboard.reviews import avisar, detalle, elegidas, formulario

_VISTAS = ("Lista", "Distribuciones", "Incidencias")
_ORDENES = {
    "Más recientes": "consumo",
    "Mayor puntuación": "score",
    "Detectadas ahora": "deteccion",
}
_MAXIMO_DIAS = 400
_MAXIMO_DIAS_SUMAS = 92
_ULTIMAS = "/api/anomalias/últimas"


def pagina() -> None:
    """Draw the page."""
    cabecera("Anomalías", "Los filtros van en la dirección: cópiela y un compañero verá lo mismo.")
    avisar()
    try:
        resumen = data.leer(data.pedir("/api/dashboard/resumen"))
    except ApiError as error:
        problema(error, "anomalias")
        return
    filtros = url_state.elegir_filtros(url_state.hoy(resumen["ultima_lectura"]), _MAXIMO_DIAS)
    parametros = filtros.parametros()
    vista = st.segmented_control(
        "Vista", _VISTAS, default=_VISTAS[0], required=True, key="ver", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    with parte(f"vista_{vista}"):
        if vista == "Distribuciones":
            _distribuciones(parametros)
        elif vista == "Incidencias":
            _incidencias(filtros)
        else:
            _lista(filtros)


def _lista(filtros: url_state.Filtros) -> None:
    """Draw the list, and what is chosen in it."""
    parametros = filtros.parametros()
    nombre = st.segmented_control(
        "Orden", list(_ORDENES), default="Más recientes", required=True, key="orden",
        bind="query-params",
    )  # fmt: skip
    completos = {**parametros, "orden": _ORDENES[nombre or "Más recientes"]}
    if filtros.rango.dias <= _maximo_de_sumas(filtros):
        reparto = data.leer(data.pedir("/api/anomalias/distribuciones", **parametros))
        if reparto["total"]:
            kpis(_cuantas(reparto))
    lista = pagina_de_lista(_ULTIMAS, completos, "lista", (filtros.elegido(), nombre), fija=True)
    if not lista.filas:
        vacio("Ninguna anomalía con esos filtros", "Quite alguno, o alargue el periodo.")
        return
    st.caption("Elija una fila para ver por qué, o varias para darles el mismo veredicto.")
    escogidas = tabla_anomalias(lista)
    lista.novedades()
    lista.paginador()
    exportar(_ULTIMAS, data.pedir("", **completos).parametros, "anomalias", "exportar_lista")
    if len(escogidas) > 1:
        with st.container(border=True):
            elegidas(escogidas)
            formulario(escogidas, "lista")
    elif escogidas:
        suyo = escogidas[0]["propietario_id"]
        if st.button(f"Ficha de {suyo}", icon=":material/person_search:"):
            ir_a_cliente(suyo)
        detalle(escogidas[0]["id"], "lista")


def _maximo_de_sumas(filtros: url_state.Filtros) -> int:
    """Return of how many days the API adds anomalies up."""
    return _MAXIMO_DIAS if filtros.propietario_id else _MAXIMO_DIAS_SUMAS


def _cuantas(reparto: dict[str, Any]) -> list[Kpi]:
    """Return the cards of what the filters let through."""
    return [
        Kpi("Anomalías", texts.numero(reparto["total"])),
        *(
            Kpi(nombre, texts.numero(reparto["por_severidad"][severidad]))
            for nombre, severidad in (("Críticas", "crítica"), ("Altas", "alta"))
        ),
        Kpi("Por revisar", texts.numero(reparto["por_estado"]["abierta"])),
    ]


def _distribuciones(parametros: dict[str, Any]) -> None:
    """Draw how the anomalies are spread."""
    reparto, serie = data.leer_todo(
        data.pedir("/api/anomalias/distribuciones", **parametros),
        data.pedir("/api/anomalias/serie", **parametros),
    )
    dado = reparto.valor()
    if not dado["total"]:
        vacio("Ninguna anomalía con esos filtros", "Quite alguno, o alargue el periodo.")
        return
    estados = dado["por_estado"]
    kpis(
        [
            Kpi("Anomalías", texts.numero(dado["total"])),
            *(Kpi(f"{e.capitalize()}s", texts.numero(estados[e])) for e in texts.ESTADOS),
        ]
    )
    with parte("serie"):
        figura(base.serie_severidad(serie.elementos(), "dia", colores()), "serie",
               "Anomalías por día y severidad")  # fmt: skip
    _repartos(dado)


def _repartos(dado: dict[str, Any]) -> None:
    """Draw the anomalies by type, severity, hour and weekday."""
    izquierda, derecha = st.columns(2, gap="large")
    paleta = colores()
    with izquierda:
        st.subheader("Por tipo", anchor=False)
        tipos = sorted(dado["por_tipo"].items(), key=lambda par: -par[1])
        figura(
            base.barras([texts.tipo(t) for t, _ in tipos], [n for _, n in tipos], paleta,
                          horizontal=True, alto=300),
            "por_tipo", "Anomalías por tipo",
        )  # fmt: skip
        st.caption("Una anomalía puede ser de varios tipos.")
    with derecha:
        st.subheader("Por severidad", anchor=False)
        figura(
            base.barras(
                [s.capitalize() for s in texts.SEVERIDADES],
                [dado["por_severidad"][s] for s in texts.SEVERIDADES], paleta,
                colores=[paleta.severidad[s] for s in texts.SEVERIDADES], horizontal=True,
                alto=300,
            ),
            "por_severidad", "Anomalías por severidad",
        )  # fmt: skip
    izquierda, derecha = st.columns(2, gap="large")
    with izquierda:
        st.subheader("Por hora del día", anchor=False)
        figura(base.barras([f"{h} h" for h in range(24)], dado["por_hora"], paleta), "por_hora",
               "Anomalías por hora")  # fmt: skip
    with derecha:
        st.subheader("Por día de la semana", anchor=False)
        figura(
            base.barras(
                [d[:3].capitalize() for d in texts.DIAS], dado["por_dia_semana"], paleta
            ),
            "por_dia", "Anomalías por día de la semana",
        )  # fmt: skip


def _incidencias(filtros: url_state.Filtros) -> None:
    """Draw anomalies in a row as one incident."""
    limite = _maximo_de_sumas(filtros)
    if filtros.rango.dias > limite:
        vacio("Son demasiados días", f"Las incidencias se ven de {limite} días como mucho.")
        return
    parametros = filtros.parametros()
    lista = pagina_de_lista("/api/incidencias", parametros, "incidencias", filtros.elegido())
    filas = lista.filas
    if not filas:
        vacio("Ninguna incidencia con esos filtros", "Quite alguno, o alargue el periodo.")
        return
    st.caption("Horas anómalas seguidas de un cliente, con huecos de 3 h como mucho, juntas.")
    tabla(
        filas,
        [
            Columna("Cliente", lambda f: f["propietario_id"], entera=True),
            Columna("Severidad", lambda f: severidad(f["severidad"]), es_html=True),
            Columna("Comienzo", lambda f: texts.fecha_hora_corta(f["inicio"]), entera=True),
            Columna("Horas", lambda f: texts.numero(f["horas"]), derecha=True, ancha=True),
            Columna("kWh", lambda f: texts.numero(f["consumo_kwh"], 1), derecha=True, ancha=True),
            Columna(
                "Esperado", lambda f: texts.numero(f["consumo_esperado_kwh"], 1), derecha=True,
                ancha=True,
            ),
            Columna("Estimado", lambda f: texts.euros(f["energia_en_juego_eur"]), derecha=True),
            Columna("Qué", lambda f: texts.tipos(f["tipos_anomalia"]), ancha=True),
            Columna("Por revisar", lambda f: texts.numero(f["estados"]["abierta"]), derecha=True,
                    ancha=True),
        ],
    )  # fmt: skip
    lista.paginador()
    exportar("/api/incidencias", data.pedir("", **parametros).parametros, "incidencias",
             "exportar_incidencias")  # fmt: skip
    opciones = list(dict.fromkeys(f["propietario_id"] for f in filas))
    with st.container(horizontal=True):
        for nombre in opciones[:8]:
            if st.button(nombre, key=f"incidencia_{nombre}", icon=":material/person_search:"):
                ir_a_cliente(nombre)
