"""Lists that the API cuts into pages, and the table of anomalies, in which rows are chosen.

A page of anomalies that has been shown stays as it is until its reader asks for another one:
readings that arrive meanwhile are announced, not slipped in. Streamlit keeps the numbers of chosen
rows, so every page that is shown has a table of its own: a number never meets another list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from dashboard import data, texts
from dashboard.charts.base import transparente
from dashboard.client import ApiError
from dashboard.components import colores

POR_PAGINA = 50
_ALTO_FILA = 35
_GUARDADAS = "_listas"
_ULTIMA = "_ultima_pagina"
_PRINCIPIO = ""
"""Cursor of the first page."""

Fila = dict[str, Any]


@dataclass(slots=True)
class Lista:
    """A page of a list as it is shown.

    Parameters
    ----------
    ruta, parametros : str, mapping
        What the API is asked for.
    clave : str
        Tells the lists of a session apart.
    cursores : list of str
        Of the pages down to this one.
    filas : list
        What is shown.
    siguiente : str or None
        Cursor of the next page; None = this is the last one.
    truncado : bool
        There is more than the API could look at, and the oldest is missing.
    numero : int
        Another one for each page that this session has shown; 0 = nothing has been read yet.
    """

    ruta: str
    parametros: Mapping[str, Any]
    clave: str
    cursores: list[str] = field(default_factory=lambda: [_PRINCIPIO])
    filas: list[Fila] = field(default_factory=list)
    siguiente: str | None = None
    truncado: bool = False
    numero: int = 0

    @property
    def clave_tabla(self) -> str:
        """Return the name of the table that shows this page, and of no other one."""
        return f"{self.clave}_{self.numero}"

    @property
    def primera(self) -> int:
        """Return the place of the page's first row in its list, 1 = the first of all."""
        return POR_PAGINA * (len(self.cursores) - 1) + 1

    def read(self) -> None:
        """Read the page from the API; what was chosen in it before is chosen no more.

        Raises
        ------
        ApiError
            The API is away, or it refused.
        """
        respuesta = self._ask()
        self.filas, self.siguiente = respuesta["elementos"], respuesta["siguiente"]
        self.truncado = bool(respuesta.get("truncado"))
        self.numero = st.session_state[_ULTIMA] = st.session_state.get(_ULTIMA, 0) + 1

    def _ask(self) -> Any:
        return data.leer(
            data.pedir(
                self.ruta, data.VIVO_S, **self.parametros, limite=POR_PAGINA,
                cursor=self.cursores[-1] or None,
            )
        )  # fmt: skip

    def news(self) -> str:
        """Return what the API gives by now that is not shown; '' = nothing, or it is away."""
        try:
            ahora = {fila["id"]: fila["revision"] for fila in self._ask()["elementos"]}
        except ApiError:
            return ""
        vistas = {fila["id"]: fila["revision"] for fila in self.filas}
        nuevas = len(ahora.keys() - vistas.keys())
        # As many as are new have been pushed onto the next page; more than that are gone.
        idas = max(0, len(vistas.keys() - ahora.keys()) - nuevas)
        otras = idas + sum(ahora.get(uno, vista) != vista for uno, vista in vistas.items())
        partes = [f"hay {texts.plural(nuevas, 'nueva', 'nuevas')}"] * bool(nuevas)
        partes += [f"{texts.numero(otras)} {'ha' if otras == 1 else 'han'} cambiado"] * bool(otras)
        return " y ".join(partes)

    def paginador(self) -> None:
        """Draw where one is in the list, and the ways back and forth."""
        if len(self.cursores) == 1 and self.siguiente is None:
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(
                "Anteriores", key=f"{self.clave}_antes", icon=":material/chevron_left:",
                disabled=len(self.cursores) == 1,
            ):  # fmt: skip
                self.cursores.pop()
                self._leave()
            if st.button(
                "Siguientes", key=f"{self.clave}_despues", icon=":material/chevron_right:",
                disabled=self.siguiente is None,
            ):  # fmt: skip
                self.cursores.append(self.siguiente or _PRINCIPIO)
                self._leave()
            ultima = self.primera + len(self.filas) - 1
            st.caption(f"De la {texts.numero(self.primera)} a la {texts.numero(ultima)}")

    def novedades(self) -> None:
        """Draw that there is more than what is shown, and the way to see it."""
        if texto := self.news():
            with st.container(horizontal=True, vertical_alignment="center"):
                st.caption(f"Desde que se muestra esta lista {texto}.")
                if st.button(
                    "Actualizar", key=f"{self.clave}_actualizar", icon=":material/refresh:"
                ):
                    self._leave()

    def _leave(self) -> None:
        self.numero = 0
        st.rerun()


def pagina_de_lista(
    ruta: str,
    parametros: Mapping[str, Any],
    clave: str,
    huella: object = None,
    *,
    fija: bool = False,
) -> Lista:
    """Return the page of a list that is shown; which page it is, is remembered by the filters.

    Parameters
    ----------
    huella : object, optional
        What the reader has chosen, if that is not all of ``parametros``: days that move on with
        the readings are no other choice.
    fija : bool
        Whether it stays as it was shown, for as long as its table is on the screen.

    Raises
    ------
    ApiError
        The API is away, or it refused.
    """
    quien = repr(sorted(parametros.items()) if huella is None else huella)
    guardadas: dict[str, tuple[str, Lista]] = st.session_state.setdefault(_GUARDADAS, {})
    elegido, lista = guardadas.get(clave, ("", None))
    if lista is None or elegido != quien:
        lista = Lista(ruta, parametros, clave)
        guardadas[clave] = (quien, lista)
    if len(lista.cursores) == 1:  # Elsewhere the cursor goes on with what it was given for.
        lista.parametros = parametros
    if not (fija and lista.numero and lista.clave_tabla in st.session_state):
        lista.read()
    if lista.truncado:
        st.warning("Hay más de lo que se puede mirar y falta lo más antiguo: acote las fechas.")
    return lista


def renovar_listas() -> None:
    """Make every list of this session be read again: something in them has been changed."""
    for _, lista in st.session_state.get(_GUARDADAS, {}).values():
        lista.numero = 0


def nombre_de(fila: Mapping[str, Any]) -> str:
    """Return an anomaly as a person would name it."""
    return f"{fila['propietario_id']} del {texts.fecha_hora_corta(fila['timestamp_consumo'])}"


def tabla_anomalias(lista: Lista, con_cliente: bool = True) -> list[Fila]:
    """Draw a page of anomalies as a table and return the chosen ones."""
    import pandas as pd

    filas = lista.filas
    marco = pd.DataFrame(
        {
            "Cuándo": [_cuando(f) for f in filas],
            "Cliente": [f["propietario_id"] for f in filas],
            "Severidad": [f["severidad"].capitalize() for f in filas],
            "Puntos": [f["score_anomalia"] for f in filas],
            "kWh": [f["consumo_kwh"] for f in filas],
            "Esperado": [f["consumo_esperado_kwh"] for f in filas],
            "Estado": [f["estado"].capitalize() for f in filas],
            "Tipos": [texts.tipos(f["tipos_anomalia"]) for f in filas],
        }
    )
    if not con_cliente:
        marco = marco.drop(columns="Cliente")
    severidades = colores().severidad
    estilo = marco.style.format(dict.fromkeys(("Puntos", "kWh", "Esperado"), _dos_decimales)).map(
        lambda s: f"background-color: {transparente(severidades[str(s).lower()], 0.26)}",
        subset=["Severidad"],
    )
    elegidas: Sequence[int] = st.dataframe(
        estilo,
        hide_index=True,
        key=lista.clave_tabla,
        on_select="rerun",
        selection_mode="multi-row",
        height=min(_ALTO_FILA * (len(filas) + 1) + 3, 520),
        column_config=_columnas(),
        alt="Tabla de anomalías",
    )["selection"]["rows"]
    return [filas[i] for i in elegidas]


def _cuando(fila: Mapping[str, Any]) -> str:
    cuando = texts.momento(fila["timestamp_consumo"])
    return texts.FALTA if cuando is None else f"{cuando:%d/%m/%Y %H:%M}"


def _dos_decimales(valor: Any) -> str:
    return texts.numero(valor, 2)


def _columnas() -> dict[str, Any]:
    de = st.column_config
    return {
        "Cuándo": de.TextColumn(width=130),
        "Cliente": de.TextColumn(width=100),
        "Severidad": de.TextColumn(width=80),
        "Puntos": de.NumberColumn(width=70),
        "kWh": de.NumberColumn(width=80),
        "Esperado": de.NumberColumn(width=80),
        "Tipos": de.TextColumn(width="large"),
        "Estado": de.TextColumn(width=95),
    }
