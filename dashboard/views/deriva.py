"""Deriva: whether what arrives still looks like what the model learned from."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from dashboard import charts_analisis, datos, textos
from dashboard.client import ApiError
from dashboard.componentes import Columna, cabecera, colores, figura, parte, problema, tabla, vacio

_INFORMES = 90
_ALTO_INFORME = 900
_LUCES = {
    "verde": ("bien", "Nada se ha movido: el modelo sigue conociendo lo que llega."),
    "ámbar": ("aviso", "Algún rasgo se ha movido: conviene mirarlo."),
    "rojo": ("mal", "Se han movido las puntuaciones o muchos rasgos: conviene reentrenar."),
}


def pagina() -> None:
    """Draw the page."""
    cabecera("Deriva", "Si las lecturas recientes aún se parecen a las que el modelo conoce.")
    try:
        informes = datos.elementos(
            datos.leer(datos.pedir("/api/deriva/historial", datos.NORMAL_S, limite=_INFORMES))
        )
    except ApiError as error:
        problema(error, "deriva")
        return
    if not informes:
        vacio(
            "Todavía no hay informes de deriva",
            "«consumo deriva» hace uno; necesita un modelo campeón con que comparar.",
        )
        return
    _luz(informes[0])
    st.subheader("En el tiempo", anchor=False)
    if len(informes) == 1:
        st.caption("Con más informes se verá aquí cómo cambia.")
    figura(charts_analisis.semaforo(informes[::-1], colores()), "semaforo",
           "Rasgos movidos en cada informe")  # fmt: skip
    _columnas(informes[0]["columnas"])
    st.subheader("Informe completo", anchor=False)
    with parte("informe"):
        _informe()


def _luz(informe: dict[str, Any]) -> None:
    """Draw the traffic light of a report."""
    clase, texto = _LUCES[informe["semaforo"]]
    st.html(
        f'<div class="luz"><i style="background: var(--c-{clase})"></i><div>'
        f"<strong>{html.escape(informe['semaforo'].capitalize())}</strong>"
        f"{html.escape(texto)}<br><span class='suave'>"
        f"Informe del {textos.fecha_hora(informe['fecha'])}, con lecturas del "
        f"{textos.fecha_hora_corta(informe['desde'])} al "
        f"{textos.fecha_hora_corta(informe['hasta'])}, "
        f"frente al modelo v{informe['version'] or textos.FALTA}.</span></div></div>"
    )


def _columnas(columnas: list[dict[str, Any]]) -> None:
    """Draw how far every column has moved, and which way those that did."""
    st.subheader("Rasgos", anchor=False)
    figura(charts_analisis.columnas_movidas(columnas, colores()), "columnas",
           "Distancia de cada rasgo y su umbral")  # fmt: skip
    movidas = [c for c in columnas if c.get("movida")]
    if not movidas:
        st.caption("Ninguno pasa de su umbral.")
        return
    st.markdown("**Los que se han movido**")
    tabla(
        movidas,
        [
            Columna("Rasgo", lambda c: textos.legible(c["nombre"])),
            Columna("Antes", lambda c: textos.numero(c.get("media_referencia"), 2), derecha=True),
            Columna("Ahora", lambda c: textos.numero(c.get("media_actual"), 2), derecha=True),
            Columna("Distancia", lambda c: textos.numero(c.get("estadistico"), 2), derecha=True),
        ],
    )


def _informe() -> None:
    """Draw Evidently's page, which is heavy, once it is asked for."""
    if not st.toggle("Ver el informe de Evidently (en inglés)", key="informe"):
        st.caption("Trae las distribuciones de cada rasgo; tarda unos segundos en abrirse.")
        return
    try:
        with st.spinner("Abriendo el informe…"):
            pagina_html = datos.informe_deriva()
    except ApiError as error:
        if error.clase != "no existe":
            raise
        vacio("Ese informe se guardó sin su página", "Está entera en MLflow.")
        return
    st.iframe(pagina_html, height=_ALTO_INFORME, alt="Informe de deriva de Evidently")
