"""Dashboard principal: how things are this morning."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from dashboard import data, texts
from dashboard.charts import base
from dashboard.components import (
    Kpi,
    cabecera,
    colores,
    figura,
    kpis,
    motivos,
    parte,
    problema,
    severidad,
    vacio,
    variacion,
)
from dashboard.navigation import ir_a_cliente
from dashboard.sidebar import resumen_salud

_TOP = 10
_EN_VIVO = 12
_VIVO_S = 10
"""How often the live parts ask again. By hand, 2026-11-24."""
_ALTO_VIVO = 310
"""Five of them to the pixel; the others by scrolling."""
_VIVAS = data.pedir("/api/anomalias/últimas", data.VIVO_S, limite=_EN_VIVO)
_SALUD = data.pedir("/salud", data.VIVO_S)


def pagina() -> None:
    """Draw the page."""
    cabecera("Dashboard principal", "La última semana frente a la anterior, y lo que llega ahora.")
    resumen, serie, _, top, _ = data.leer_todo(
        data.pedir("/api/dashboard/resumen"),
        data.pedir("/api/anomalias/serie"),
        _VIVAS,
        data.pedir("/api/dashboard/top-anomalias", limite=_TOP),
        _SALUD,
    )
    if (error := resumen.error()) is not None and error.clase == "sin conexión":
        problema(error, "principal")
        return
    with parte("kpis"):
        _cifras(resumen.valor())
    ancha, estrecha = st.columns([1.9, 1], gap="large")
    with ancha:
        st.subheader("Anomalías de los últimos 30 días", anchor=False)
        grafica = st.container()
    with estrecha:
        st.subheader("En vivo", anchor=False)
        _en_vivo()
    st.subheader("Los diez clientes más sospechosos", anchor=False)
    with parte("top"):
        if top.valor()["truncado"]:
            st.caption("Hay más anomalías de las que se pueden mirar: cuentan las últimas.")
        _top(top.elementos())
    st.subheader("Salud del sistema", anchor=False)
    _salud()
    # Last: while a browser reads in what draws figures it shows nothing else that has come.
    with grafica, parte("serie"):
        _serie(serie.elementos())


def _cifras(resumen: dict[str, Any]) -> None:
    """Draw the figures of the week."""
    if resumen["ultima_lectura"] is None:
        vacio(
            "Todavía no hay lecturas",
            "Envíelas con «consumo producir» y póngalas a puntuar con «consumo consumir»; o vea "
            "una demostración completa con «consumo demo».",
        )
        return
    if not resumen["completo"]:
        st.warning("Hay más anomalías de las que se pueden mirar: estas cifras son de las últimas.")
    abiertas = resumen["por_estado"]["abierta"]
    cartas = (
        ("Anomalías", "anomalias", texts.numero, True),
        ("Críticas", "criticas", texts.numero, True),
        ("Clientes sospechosos", "sospechosos", texts.numero, True),
        ("En juego (estimado)", "energia_en_juego_eur", texts.euros, True),
        ("Consumo", "consumo_kwh", texts.kwh, False),
    )
    kpis(
        [
            *(
                variacion(nombre, resumen[campo], escribir(resumen[campo]["valor"]), peor)
                for nombre, campo, escribir, peor in cartas
            ),
            Kpi("Por revisar", texts.numero(abiertas), "abiertas en 30 días"),
        ]
    )
    st.caption(
        f"Última lectura: {texts.fecha_hora(resumen['ultima_lectura'])}. "
        f"Los euros estiman {texts.numero(resumen['precio_kwh_eur'], 2)} € por kWh de diferencia "
        "con lo esperado en las horas anómalas; no son una pérdida probada."
    )


def _serie(elementos: list[dict[str, Any]]) -> None:
    if not any(fila["total"] for fila in elementos):
        vacio("Ninguna anomalía en 30 días", "Si esperaba alguna, mire si llegan lecturas.")
        return
    figura(
        base.serie_severidad(elementos, "dia", colores()),
        "serie_severidad",
        "Barras apiladas de anomalías por día y severidad",
    )


@st.fragment(run_every=_VIVO_S)
def _en_vivo() -> None:
    """Draw the newest anomalies, asked for again by itself."""
    with parte("vivo"):
        filas = data.elementos(data.leer(_VIVAS))
        if not filas:
            vacio("Sin anomalías todavía", "Aparecerán aquí en cuanto se detecten.")
            return
        lineas = "".join(
            f"<div>{severidad(fila['severidad'])}"
            f"<b>{html.escape(fila['propietario_id'])}</b>"
            f"<time>{texts.fecha_hora_corta(fila['timestamp_consumo'])}</time>"
            f'<span class="que">{html.escape(texts.tipos(fila["tipos_anomalia"]))}</span></div>'
            for fila in filas
        )
        with st.container(height=_ALTO_VIVO, border=False):
            st.html(f'<div class="feed">{lineas}</div>')


def _top(filas: list[dict[str, Any]]) -> None:
    """Draw the customers under most suspicion, each with its reasons."""
    if not filas:
        vacio("Ningún cliente bajo sospecha", "Es una buena noticia: nadie acumula indicios.")
        return
    for fila in filas:
        with st.container(border=True):
            nombre, cuerpo, cifras = st.columns([1.1, 3, 1.2], vertical_alignment="top")
            with nombre:
                st.button(
                    fila["propietario_id"],
                    key=f"top_{fila['propietario_id']}",
                    icon=":material/person_search:",
                    help="Abrir su ficha",
                    on_click=_recordar,
                    args=(fila["propietario_id"],),
                )
                st.html(severidad(fila["severidad"]))
            with cuerpo:
                st.html(f"<b>{html.escape(texts.tipos(fila['tipos_anomalia'][:3]))}</b>")
                motivos(fila["motivos"] or ["Sin motivos guardados."])
            with cifras:
                st.html(_cifras_de(fila))
    if abrir := st.session_state.pop("_abrir", None):
        ir_a_cliente(abrir)


def _recordar(cliente: str) -> None:
    st.session_state["_abrir"] = cliente


def _cifras_de(fila: dict[str, Any]) -> str:
    confirmadas = (
        f"<br>{texts.plural(fila['confirmadas'], 'confirmada', 'confirmadas')}"
        if fila["confirmadas"]
        else ""
    )
    return (
        f"<b>{texts.euros(fila['energia_en_juego_eur'])}</b> <span class='suave'>estimados</span>"
        f"<br><span class='suave'>{texts.kwh(fila['energia_en_juego_kwh'])} en 28 días<br>"
        f"{texts.porcentaje(fila['probabilidad'])} de que haya algo<br>"
        f"{texts.plural(fila['anomalias'], 'anomalía', 'anomalías')}, "
        f"{texts.plural(fila['criticas'], 'crítica', 'críticas')}{confirmadas}</span>"
    )


@st.fragment(run_every=_VIVO_S)
def _salud() -> None:
    """Draw how every part of the system is, asked for again by itself."""
    with parte("salud"):
        salud = data.leer(_SALUD)
        clase, texto = resumen_salud(salud)
        trozos = [f'<span class="{clase}"><b>{html.escape(texto)}</b></span>']
        for una in salud["partes"]:
            detalle = (
                f"{texts.numero(una['ms'], 0)} ms" if una["estado"] == "bien" else "no responde"
            )
            trozos.append(
                f'<span class="{una["estado"]}">{html.escape(una["nombre"])} '
                f'<span class="suave">{html.escape(detalle)}</span></span>'
            )
        consumidor = salud["consumidor"]
        quien = html.escape(consumidor["gravedad"])
        antiguedad = texts.hace(consumidor["antiguedad_s"])
        trozos.append(
            f'<span class="{quien}">Consumidor {html.escape(consumidor["estado"])} '
            f'<span class="suave">{antiguedad}</span></span>'
        )
        version = texts.version_modelo(consumidor["version_modelo"])
        trozos.append(f'<span class="bien"><span class="suave">{version}</span></span>')
        st.html(f'<div class="salud">{"".join(trozos)}</div>')
