"""Deriva: whether what arrives still looks like what the model learned from."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.charts import deriva as charts
from dashboard.client import drift_report, fetch_rows

_REPORTS = 90
_LIGHTS = {
    "verde": ("bien", "Nada se ha movido: el modelo sigue conociendo lo que llega."),
    "ámbar": ("aviso", "Algún rasgo se ha movido: conviene mirarlo."),
    "rojo": ("mal", "Se han movido las puntuaciones o muchos rasgos: conviene reentrenar."),
}


def _two_decimals(field: str) -> Any:
    return lambda moved: texts.number(moved.get(field), 2)


_MOVED_COLUMNS = (
    ui.TableColumn("Rasgo", "nombre", shown=texts.readable),
    ui.TableColumn("Antes", _two_decimals("media_referencia"), "der"),
    ui.TableColumn("Ahora", _two_decimals("media_actual"), "der"),
    ui.TableColumn("Distancia", _two_decimals("estadistico"), "der"),
)


def draw_deriva() -> None:
    """Draw the page."""
    with ui.section("deriva"):
        _reports(fetch_rows("/api/deriva/historial", limite=_REPORTS))


def _reports(reports: Sequence[Mapping[str, Any]]) -> None:
    if not reports:
        ui.empty(
            "Todavía no hay informes de deriva",
            "«consumo deriva» hace uno; necesita un modelo campeón con que comparar.",
        )
        return
    latest, oldest_first = reports[0], reports[::-1]
    _traffic_light(latest)
    st.subheader("En el tiempo", anchor=False)
    if len(reports) == 1:
        st.caption("Con más informes se verá aquí cómo cambia.")
    ui.figure("Rasgos movidos en cada informe", charts.traffic_lights, oldest_first)
    if len(reports) > 1:
        ui.figure(
            "Distancia de cada rasgo a su umbral en cada informe",
            charts.distances_over_time,
            oldest_first,
        )
    _columns(latest["columnas"])
    _compared(latest["resumen"])
    st.subheader("Informe completo", anchor=False)
    with ui.section("informe", ("Ese informe se guardó sin su página", "Está entera en MLflow.")):
        _whole_report(str(latest["id"]))


def _traffic_light(report: Mapping[str, Any]) -> None:
    css, text = _LIGHTS[report["semaforo"]]
    st.html(
        f'<div class="luz"><i style="background: var(--c-{css})"></i><div>'
        f"<strong>{html.escape(report['semaforo'].capitalize())}</strong>"
        f"{html.escape(text)}<br><span class='suave'>"
        f"Informe del {texts.date_time(report['fecha'])}, con lecturas del "
        f"{texts.short_date_time(report['desde'])} al {texts.short_date_time(report['hasta'])}, "
        f"frente al modelo v{report['version'] or texts.MISSING}.</span></div></div>"
    )


def _columns(columns: Sequence[Mapping[str, Any]]) -> None:
    left, right = st.columns(2, gap="large")
    with ui.panel(left, "Cuánto se ha movido cada rasgo"):
        ui.figure("Distancia de cada rasgo y su umbral", charts.distances, columns)
    with ui.panel(right, "Su media, antes y ahora"):
        if any(charts.mean_change(column) is not None for column in columns):
            ui.figure("Cambio de la media de cada rasgo", charts.mean_changes, columns)
        else:
            st.caption("Este informe no guardó las medias.")
    moved = [column for column in columns if column.get("movida")]
    if not moved:
        st.caption("Ninguno pasa de su umbral.")
        return
    st.markdown("**Los que se han movido**")
    ui.table(moved, _MOVED_COLUMNS)


def _compared(summary: Mapping[str, Any]) -> None:
    sentences = []
    if summary.get("filas_actual") and summary.get("filas_referencia"):
        sentences.append(
            f"{texts.number(summary['filas_actual'])} lecturas recientes frente a "
            f"{texts.number(summary['filas_referencia'])} de la referencia, con la misma "
            "mezcla de horas y de días."
        )
    if not_compared := summary.get("sin_comparar"):
        names = ", ".join(texts.readable(name).lower() for name in not_compared)
        sentences.append(f"Sin valores bastantes que comparar: {names}.")
    if sentences:
        st.caption(" ".join(sentences))


def _whole_report(report_id: str) -> None:
    """Draw the way to Evidently's page, which is fetched when it is asked for.

    It is a file to open, and not a part of this page: its scripts would reach the key.
    """
    st.download_button(
        "Informe completo de Evidently (en inglés)",
        data=lambda: drift_report(report_id),
        file_name=f"deriva_{report_id}.html",
        mime="text/html",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption("Trae las distribuciones de cada rasgo: se descarga y se abre en el navegador.")
