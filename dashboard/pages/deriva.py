"""Deriva: whether what arrives still looks like what the model learned from."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from dashboard import data, texts
from dashboard.charts import analysis, models
from dashboard.client import ApiError
from dashboard.components import Columna, cabecera, colores, figura, parte, problema, tabla, vacio

_INFORMES = 90
_ALTO_INFORME = 900
_AISLADO = """\
<!doctype html><html lang="es"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'
 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:">
<style>html, body, iframe {{ margin: 0; border: 0; width: 100%; height: 100%; }}</style></head>
<body><iframe sandbox="allow-scripts" title="Informe de deriva" srcdoc="{}"></iframe></body></html>
"""
"""A frame without an origin, from which scripts reach neither this page (the administrator's key is
in it) nor the network; Streamlit's own frame shares the page's origin."""
_LUCES = {
    "verde": ("bien", "Nada se ha movido: el modelo sigue conociendo lo que llega."),
    "ámbar": ("aviso", "Algún rasgo se ha movido: conviene mirarlo."),
    "rojo": ("mal", "Se han movido las puntuaciones o muchos rasgos: conviene reentrenar."),
}


def pagina() -> None:
    """Draw the page."""
    cabecera("Deriva", "Si las lecturas recientes aún se parecen a las que el modelo conoce.")
    try:
        informes = data.elementos(data.leer(data.pedir("/api/deriva/historial", limite=_INFORMES)))
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
    figura(analysis.semaforo(informes[::-1], colores()), "semaforo",
           "Rasgos movidos en cada informe")  # fmt: skip
    if len(informes) > 1:
        figura(models.distancias(informes[::-1], colores()), "distancias",
               "Distancia de cada rasgo a su umbral en cada informe")  # fmt: skip
    _columnas(informes[0]["columnas"])
    _comparadas(informes[0]["resumen"])
    st.subheader("Informe completo", anchor=False)
    with parte("informe"):
        _informe(str(informes[0]["id"]))


def _luz(informe: dict[str, Any]) -> None:
    """Draw the traffic light of a report."""
    clase, texto = _LUCES[informe["semaforo"]]
    st.html(
        f'<div class="luz"><i style="background: var(--c-{clase})"></i><div>'
        f"<strong>{html.escape(informe['semaforo'].capitalize())}</strong>"
        f"{html.escape(texto)}<br><span class='suave'>"
        f"Informe del {texts.fecha_hora(informe['fecha'])}, con lecturas del "
        f"{texts.fecha_hora_corta(informe['desde'])} al "
        f"{texts.fecha_hora_corta(informe['hasta'])}, "
        f"frente al modelo v{informe['version'] or texts.FALTA}.</span></div></div>"
    )


def _columnas(columnas: list[dict[str, Any]]) -> None:
    """Draw how far every column has moved, and which way those that did."""
    st.subheader("Rasgos", anchor=False)
    figura(analysis.columnas_movidas(columnas, colores()), "columnas",
           "Distancia de cada rasgo y su umbral")  # fmt: skip
    movidas = [c for c in columnas if c.get("movida")]
    if not movidas:
        st.caption("Ninguno pasa de su umbral.")
        return
    st.markdown("**Los que se han movido**")
    tabla(
        movidas,
        [
            Columna("Rasgo", lambda c: texts.legible(c["nombre"])),
            Columna("Antes", lambda c: texts.numero(c.get("media_referencia"), 2), derecha=True),
            Columna("Ahora", lambda c: texts.numero(c.get("media_actual"), 2), derecha=True),
            Columna("Distancia", lambda c: texts.numero(c.get("estadistico"), 2), derecha=True),
        ],
    )


def _comparadas(resumen: dict[str, Any]) -> None:
    """Draw how many readings were compared, and what could not be."""
    frases = []
    if resumen.get("filas_actual") and resumen.get("filas_referencia"):
        frases.append(
            f"{texts.numero(resumen['filas_actual'])} lecturas recientes frente a "
            f"{texts.numero(resumen['filas_referencia'])} de la referencia, con la misma mezcla "
            "de horas y de días."
        )
    if sin_comparar := resumen.get("sin_comparar"):
        nombres = ", ".join(texts.legible(nombre).lower() for nombre in sin_comparar)
        frases.append(f"Sin valores bastantes que comparar: {nombres}.")
    if frases:
        st.caption(" ".join(frases))


def _informe(id_informe: str) -> None:
    """Draw Evidently's page, which is heavy, once it is asked for."""
    if not st.toggle("Ver el informe de Evidently (en inglés)", key="informe"):
        st.caption("Trae las distribuciones de cada rasgo; tarda unos segundos en abrirse.")
        return
    try:
        with st.spinner("Abriendo el informe…"):
            pagina_html = data.informe_deriva(id_informe)
    except ApiError as error:
        if error.clase != "no existe":
            raise
        vacio("Ese informe se guardó sin su página", "Está entera en MLflow.")
        return
    aislada = _AISLADO.format(html.escape(pagina_html))
    st.iframe(aislada, height=_ALTO_INFORME, alt="Informe de deriva de Evidently")
