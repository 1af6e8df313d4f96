"""What several pages draw: figures, tables, cards, empty and broken states."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import data, texts
from dashboard.charts.base import CONFIG, Figura
from dashboard.client import ApiError, Parametros
from dashboard.theme import Paleta, paleta

_SIN_CONEXION = (
    "Compruebe que la API está en marcha («consumo api», o «consumo salud» para ver qué falta) y "
    "que la variable API_URL lleva hasta ella."
)
_CONSEJOS = {
    "sin conexión": ("La API no responde", _SIN_CONEXION),
    "ocupada": ("Falta una parte del sistema", "Volverá sola cuando responda; puede reintentarlo."),
    "permiso": ("Hace falta una clave", "Escríbala en «Clave», en la barra lateral."),
    "no existe": ("No se encuentra", ""),
    "conflicto": ("Ya ha cambiado", "Vuelva a mirar y repita si sigue haciendo falta."),
    "no válida": ("No se puede mostrar", "Cambie los filtros."),
    "fallo": ("Algo ha fallado en la API", "Su registro dice qué ha sido."),
}


def colores() -> Paleta:
    """Return the colours of the theme that the browser shows."""
    return paleta(st.context.theme.type)


def cabecera(titulo: str, texto: str) -> None:
    """Draw the head of a page."""
    st.title(titulo, anchor=False)
    st.caption(texto)


def figura(fig: Figura, clave: str, descripcion: str) -> None:
    """Draw a figure; its description is what who cannot see it is told."""
    st.plotly_chart(fig, theme=None, config=CONFIG, key=clave, alt=descripcion)


@contextmanager
def parte(clave: str) -> Iterator[None]:
    """Draw a part of a page; if the API does not give it, say why, and offer another try."""
    try:
        yield
    except ApiError as error:
        problema(error, clave)


def problema(error: ApiError, clave: str) -> None:
    """Draw what is away and what to do about it."""
    titulo, consejo = _CONSEJOS[error.clase]
    detalle = str(error)
    icono = ":material/cloud_off:" if error.pasajero else ":material/info:"
    with st.container(border=True):
        st.markdown(f"{icono} **{titulo}**")
        st.text(f"{detalle[:1].upper()}{detalle[1:]}{'' if detalle.endswith('.') else '.'}")
        if consejo:
            st.caption(consejo)
        if error.pasajero and st.button(
            "Reintentar", key=f"reintentar_{clave}", icon=":material/refresh:"
        ):
            data.olvidar()
            st.rerun()


def vacio(titulo: str, consejo: str) -> None:
    """Draw an empty state: what is not there, and what to do next."""
    st.html(f'<div class="vacio"><b>{html.escape(titulo)}</b>{html.escape(consejo)}</div>')


@dataclass(frozen=True, slots=True)
class Kpi:
    """A figure of a card.

    Parameters
    ----------
    nombre, valor, nota : str
        What, how much, and a note below.
    signo : int
        How the note is meant: 1 better, -1 worse, 0 neither.
    """

    nombre: str
    valor: str
    nota: str = ""
    signo: int = 0


def kpis(cifras: Sequence[Kpi]) -> None:
    """Draw cards that share the width and break into rows of their own."""
    clases = {1: "mejor", -1: "peor", 0: ""}
    con_nota = any(k.nota for k in cifras)
    cartas = []
    for k in cifras:
        nota = f'<small class="{clases[k.signo]}">{html.escape(k.nota) or "&nbsp;"}</small>'
        cartas.append(
            f'<div class="kpi"><b>{html.escape(k.nombre)}</b>'
            f"<strong>{html.escape(k.valor)}</strong>{nota if con_nota else ''}</div>"
        )
    cuerpo = "".join(cartas)
    # Six would leave one alone in a second row.
    st.html(f'<div class="kpis{" de-tres" if len(cifras) == 6 else ""}">{cuerpo}</div>')


def variacion(nombre: str, dato: dict[str, Any], texto: str, mas_es_peor: bool) -> Kpi:
    """Return a card with its change against the week before.

    Parameters
    ----------
    dato : mapping
        A ``Variacion`` of the API.
    texto : str
        Its value as it is shown.
    mas_es_peor : bool
        Whether a rise is bad news; otherwise it is no news at all.
    """
    cambio = dato["variacion"]
    if cambio is None:
        return Kpi(nombre, texto, "sin semana anterior completa" if not dato["anterior"] else "")
    if round(cambio, 2) == 0:
        return Kpi(nombre, texto, "como la semana anterior")
    flecha = "▲" if cambio > 0 else "▼"
    signo = 0 if not mas_es_peor else -1 if cambio > 0 else 1
    return Kpi(nombre, texto, f"{flecha} {texts.porcentaje(abs(cambio))} en una semana", signo)


def severidad(nombre: str | None) -> str:
    """Return a severity as HTML: its mark and its name."""
    if nombre is None:
        return texts.FALTA
    color = colores().severidad.get(nombre, "#888888")
    clase = nombre.replace("í", "i")
    return (
        f'<span class="sev"><i class="s-{html.escape(clase)}" style="background:{color}"></i>'
        f"{html.escape(nombre.capitalize())}</span>"
    )


def rotulo(estado: str) -> str:
    """Return the state of an anomaly as HTML."""
    return f'<span class="rotulo {html.escape(estado)}">{html.escape(estado.capitalize())}</span>'


@dataclass(frozen=True, slots=True)
class Columna:
    """A column of a table.

    Parameters
    ----------
    nombre : str
        Its head.
    valor : callable
        From a row to its text, or to HTML if ``es_html``.
    derecha, ancha, entera : bool
        A number, to the right; left out on a telephone; never broken into lines.
    """

    nombre: str
    valor: Callable[[dict[str, Any]], str]
    es_html: bool = False
    derecha: bool = False
    ancha: bool = False
    entera: bool = False

    @property
    def clase(self) -> str:
        """Return its CSS classes."""
        pares = ((self.derecha, "der"), (self.ancha, "ancha"), (self.entera, "no-partir"))
        return " ".join(clase for si, clase in pares if si)


def tabla(filas: Sequence[dict[str, Any]], columnas: Sequence[Columna]) -> None:
    """Draw a table to read; every text in it is escaped."""
    cabezas = "".join(f'<th class="{c.clase}">{html.escape(c.nombre)}</th>' for c in columnas)
    lineas = []
    for fila in filas:
        celdas = []
        for columna in columnas:
            valor = columna.valor(fila)
            texto = valor if columna.es_html else html.escape(valor)
            celdas.append(f'<td class="{columna.clase}">{texto}</td>')
        lineas.append(f"<tr>{''.join(celdas)}</tr>")
    st.html(
        f'<div class="tabla"><table><thead><tr>{cabezas}</tr></thead>'
        f"<tbody>{''.join(lineas)}</tbody></table></div>"
    )


def motivos(frases: Sequence[str]) -> None:
    """Draw sentences as a list."""
    st.html(f'<ul class="motivos">{"".join(f"<li>{html.escape(f)}</li>" for f in frases)}</ul>')


def exportar(ruta: str, parametros: Parametros, nombre: str, clave: str) -> None:
    """Draw the button that downloads a whole list for a Spanish spreadsheet.

    The list is fetched when the button is pressed, not before.
    """

    def traer() -> bytes:
        return data.download(ruta, (*parametros, ("formato", "excel")))

    st.download_button(
        "Descargar CSV",
        data=traer,
        file_name=f"{nombre}.csv",
        mime="text/csv",
        key=clave,
        icon=":material/download:",
        on_click="ignore",
    )
