"""Figures that set versions of the model, and drift reports, side by side. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from dashboard import texts
from dashboard.charts.base import SIMBOLOS, TIEMPO, Filas, base, escala, sin_desfase, transparente
from dashboard.charts.customer import barra_de_color
from dashboard.theme import Paleta

GRUPOS = {
    "hallados_clientes": "Clientes hallados, por ataque",
    "hallados_lecturas": "Lecturas halladas, por ataque",
    "falsas_alarmas": "Falsas alarmas por 1.000 clientes y día",
    "precision_sola": "Precisión de cada detector por sí solo",
    "precision_sin": "Precisión sin cada detector",
    "importancia": "Importancia de cada rasgo",
}
"""Metrics that come in groups, ``grupo.miembro``, in the order in which they are shown."""
MAXIMO_VERSIONES = 3
"""Versions in one figure: as many colours as stay apart."""
_ORDEN_ALARMAS = ("baja", "media", "alta", "critica")
_PARTES = frozenset({"hallados_clientes", "hallados_lecturas"})
"""Groups whose figures are shares, 0 to 1."""
_PRECISIONES = frozenset({"precision_sola", "precision_sin"})
"""Groups whose figures are average precisions: they mean little without what chance gives."""
_ATAQUES = {
    "cannabis": "Plantación",
    "congelado": "Contador congelado",
    "fraude_ceros": "Fraude: ceros",
    "fraude_escala": "Fraude: escala",
    "fraude_escala_aleatoria": "Fraude: escala al azar",
    "fraude_inversion": "Fraude: día al revés",
    "fraude_media": "Fraude: media",
    "fraude_media_aleatoria": "Fraude: media al azar",
    "picos": "Picos",
    "puente_nocturno": "Puente nocturno",
}
"""What the kinds of attack of ``detection.simulation.synthesis`` are called on the screen."""
_CON_HUECOS = 31
"""Reports up to which cells stand apart; more would be all gaps on a telephone."""
_LEJOS = 1.5
"""Distance over its threshold from which the heat map is darkest, at least."""


def miembros(versiones: Filas, grupo: str) -> list[str]:
    """Return the members of a group that some version was measured on, in their order.

    Parameters
    ----------
    versiones : sequence
        Rows of ``/api/modelos``.
    grupo : str
        One of ``GRUPOS``.

    Examples
    --------
    >>> miembros([{"metricas": {"falsas_alarmas.media": 3.0, "falsas_alarmas.baja": 9.0}}],
    ...          "falsas_alarmas")
    ['baja', 'media']
    """
    hallados = {
        nombre.partition(".")[2]
        for version in versiones
        for nombre, valor in version["metricas"].items()
        if valor is not None and nombre.startswith(f"{grupo}.")
    }
    if grupo == "falsas_alarmas":
        return [nombre for nombre in _ORDEN_ALARMAS if nombre in hallados]
    if grupo == "importancia":
        return sorted(hallados, key=lambda nombre: -(_suya(versiones[0], grupo, nombre) or 0.0))
    return sorted(hallados, key=nombre_miembro)


def nombre_miembro(nombre: str) -> str:
    """Return what a member of a group is called on the screen.

    Examples
    --------
    >>> nombre_miembro("fraude_ceros"), nombre_miembro("critica"), nombre_miembro("nivel_dia")
    ('Fraude: ceros', 'Crítica', 'Nivel del día')
    """
    return _ATAQUES.get(nombre) or texts.legible(nombre)


def frente_a_frente(versiones: Filas, grupo: str, paleta: Paleta) -> go.Figure:
    """Return a group of metrics as bars, one colour a version.

    Parameters
    ----------
    versiones : sequence
        Up to ``MAXIMO_VERSIONES`` rows of ``/api/modelos``; the first one in full colour.
    grupo : str
        One of ``GRUPOS``.
    """
    suyos = miembros(versiones, grupo)
    nombres = [nombre_miembro(nombre) for nombre in suyos]
    figura = base(paleta, 90 + (12 + 12 * len(versiones)) * max(len(suyos), 3))
    formato = ".0%" if grupo in _PARTES else ",.1f" if grupo == "falsas_alarmas" else ",.3f"
    colores = (paleta.principal, paleta.segunda, paleta.tercera)
    for version, color in zip(versiones, colores, strict=False):
        figura.add_bar(
            x=[_suya(version, grupo, nombre) for nombre in suyos], y=nombres, orientation="h",
            name=f"v{version['version']}", marker={"color": color},
            hovertemplate=f"%{{x:{formato}}}",
        )  # fmt: skip
        azar = version.get("precision_azar")
        if grupo in _PRECISIONES and azar is not None:
            figura.add_vline(
                x=azar, line={"dash": "dot", "color": color},
                annotation={"text": "al azar", "font": {"size": 11}},
            )  # fmt: skip
    figura.update_yaxes(autorange="reversed", showgrid=False, type="category")
    figura.update_xaxes(rangemode="tozero", tickformat=formato if grupo in _PARTES else None)
    figura.update_layout(barmode="group", hovermode="y unified", bargap=0.3)
    return figura


def _suya(version: Mapping[str, Any], grupo: str, nombre: str) -> float | None:
    valor: float | None = version["metricas"].get(f"{grupo}.{nombre}")
    return valor


def distancias(informes: Filas, paleta: Paleta) -> go.Figure:
    """Return how near its threshold each column was in each drift report, marked where beyond.

    Parameters
    ----------
    informes : sequence
        Rows of ``/api/deriva/historial``, oldest first. A column without a distance, or without
        a threshold, is a hole.
    """
    nombres = _por_distancia(informes)
    fechas = sin_desfase([informe["fecha"] for informe in informes])
    celdas: list[list[float | None]] = [[None] * len(informes) for _ in nombres]
    movidas: list[tuple[str, str]] = []
    for i, informe in enumerate(informes):
        for columna in informe["columnas"]:
            celdas[nombres.index(columna["nombre"])][i] = _relativa(columna)
            if columna.get("movida"):
                movidas.append((fechas[i], texts.legible(columna["nombre"])))
    visibles = [texts.legible(nombre) for nombre in nombres]
    techo = max([c for fila in celdas for c in fila if c is not None] + [_LEJOS])
    hueco = 1 if len(informes) <= _CON_HUECOS else 0
    figura = base(paleta, 170 + 22 * max(len(nombres), 3))
    figura.add_heatmap(
        x=fechas, y=visibles, z=celdas, zmin=0, zmax=techo, xgap=hueco, ygap=1, hoverongaps=False,
        colorscale=escala(paleta.rampa), colorbar=_debajo("Distancia sobre su umbral", paleta),
        hovertemplate="%{y}, %{x|%-d %b}: %{z:.0%} de su umbral<extra></extra>",
    )  # fmt: skip
    if movidas:
        figura.add_scatter(
            x=[fecha for fecha, _ in movidas], y=[nombre for _, nombre in movidas],
            mode="markers", name="Pasa de su umbral", hoverinfo="skip",
            marker={"symbol": "circle-open", "size": 8, "color": paleta.severidad["alta"],
                    "line": {"width": 2}},
        )  # fmt: skip
    figura.update_yaxes(autorange="reversed", showgrid=False, type="category")
    figura.update_xaxes(**TIEMPO, showgrid=False)
    figura.update_layout(hovermode="closest", showlegend=bool(movidas))
    return figura


def _debajo(titulo: str, paleta: Paleta) -> dict[str, Any]:
    """Return the key of a heat map of shares below it, where it takes no width on a telephone."""
    barra = barra_de_color(titulo, paleta)
    barra["title"]["side"] = "bottom"
    return barra | {"orientation": "h", "y": -0.1, "yanchor": "top", "tickformat": ".0%"}


def _relativa(columna: Mapping[str, Any]) -> float | None:
    """Return a column's distance over its threshold."""
    distancia, umbral = columna.get("estadistico"), columna.get("umbral")
    return distancia / umbral if distancia is not None and umbral else None


def _por_distancia(informes: Filas) -> list[str]:
    """Return the columns of some reports, those that came nearest to their threshold first."""
    maximas: dict[str, float] = {}
    for informe in informes:
        for columna in informe["columnas"]:
            nombre = columna["nombre"]
            maximas[nombre] = max(maximas.get(nombre, 0.0), _relativa(columna) or 0.0)
    return sorted(maximas, key=lambda nombre: (-maximas[nombre], nombre))


def sombra_puntos(elementos: Filas, paleta: Paleta) -> go.Figure:
    """Return readings by both scores, in the colour that the challenger gives them.

    Parameters
    ----------
    elementos : sequence
        Rows of ``/api/modelos/sombra``.
    """
    figura = base(paleta, 380)
    figura.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="Iguales", hoverinfo="skip",
        line={"color": paleta.tercera, "width": 1.2, "dash": "dash"},
    )  # fmt: skip
    for severidad in ("normal", *texts.SEVERIDADES):
        suyos = [fila for fila in elementos if fila["severidad_aspirante"] == severidad]
        if not suyos:
            continue
        figura.add_scatter(
            x=[fila["score_campeon"] for fila in suyos],
            y=[fila["score_aspirante"] for fila in suyos],
            text=[
                f"{fila['propietario_id']}, {texts.fecha_hora_corta(fila['timestamp_consumo'])}"
                for fila in suyos
            ],
            mode="markers", name=severidad.capitalize(),
            marker={
                "color": transparente(paleta.severidad[severidad], 0.85), "size": 8,
                "symbol": SIMBOLOS.get(severidad, "circle"),
                "line": {"color": paleta.fondo, "width": 1},
            },
            hovertemplate="%{text}<br>campeón %{x:.2f}, aspirante %{y:.2f}<extra></extra>",
        )  # fmt: skip
    figura.update_xaxes(range=[-0.03, 1.03], title_text="Puntuación del campeón")
    figura.update_yaxes(range=[-0.03, 1.03], title_text="Puntuación del aspirante")
    figura.update_layout(hovermode="closest")
    return figura
