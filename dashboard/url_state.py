"""What a view is made of: filters live in the URL, the key in the session only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import streamlit as st

from dashboard import texts

CLAVE = "_clave"
"""Where the session keeps the key; never in the URL, never on a disk."""
_CLIENTE = "cliente"
MAXIMO_ID = 20
"""Characters of a customer's name, by contract."""
PERIODOS = {"24 h": 1, "7 días": 7, "30 días": 30, "90 días": 90}
A_MEDIDA = "A medida"


def clave() -> str:
    """Return the key that the analyst has typed; '' = none."""
    return str(st.session_state.get(CLAVE) or "").strip()


def cliente() -> str | None:
    """Return the chosen customer: that of the URL, or else the last one of this session."""
    de_url = st.query_params.get(_CLIENTE, "")
    if not 0 < len(de_url) <= MAXIMO_ID or not de_url.isprintable():
        recordado: str | None = st.session_state.get("_cliente")
        if recordado:
            st.query_params[_CLIENTE] = recordado
        return recordado
    st.session_state["_cliente"] = de_url
    return de_url


def elegir_cliente(nombre: str) -> None:
    """Choose a customer."""
    st.session_state["_cliente"] = nombre
    st.query_params[_CLIENTE] = nombre


def olvidar_cliente() -> None:
    """Choose none."""
    st.session_state.pop("_cliente", None)
    st.query_params.pop(_CLIENTE, None)


@dataclass(frozen=True, slots=True)
class Rango:
    """Some days, both included; ``periodo`` = the ready-made choice that they come from, if any."""

    desde: date
    hasta: date
    periodo: str = ""

    @property
    def dias(self) -> int:
        """Return how many days they are."""
        return (self.hasta - self.desde).days + 1

    def anterior(self) -> Rango:
        """Return as many days just before these."""
        ultimo = self.desde - timedelta(days=1)
        return Rango(ultimo - timedelta(days=self.dias - 1), ultimo)


def hoy(ultima: str | None) -> date:
    """Return the day that views end with: that of the newest reading, or today without any.

    Parameters
    ----------
    ultima : str or None
        ISO 8601 instant of the newest reading.
    """
    cuando = texts.momento(ultima)
    return (cuando or datetime.now()).date()


def elegir_rango(prefijo: str, ultimo: date, defecto: str, maximo_dias: int) -> Rango:
    """Draw the choice of days and return them; it lives in the URL.

    Parameters
    ----------
    prefijo : str
        Start of the names of its parameters in the URL, so that pages do not share them.
    ultimo : date
        Last day of the ready-made periods.
    defecto : str
        One of ``PERIODOS``.
    maximo_dias : int
        Longest range that the API gives.
    """
    opciones = [nombre for nombre, dias in PERIODOS.items() if dias <= maximo_dias]
    elegido = st.segmented_control(
        "Periodo",
        [*opciones, A_MEDIDA],
        default=defecto,
        required=True,
        key=f"{prefijo}periodo",
        bind="query-params",
    )
    if elegido != A_MEDIDA:
        periodo = elegido or defecto
        return Rango(ultimo - timedelta(days=PERIODOS[periodo] - 1), ultimo, periodo)
    caja = st.container(horizontal=True)
    desde = _dia(caja, "Desde", f"{prefijo}desde", ultimo - timedelta(days=6))
    hasta = _dia(caja, "Hasta", f"{prefijo}hasta", ultimo)
    if desde > hasta:
        st.warning("«Desde» es posterior a «Hasta»: se muestran al revés.", icon=":material/info:")
        desde, hasta = hasta, desde
    if (hasta - desde).days >= maximo_dias:
        st.info(
            f"Son como mucho {maximo_dias} días: se muestran los últimos.", icon=":material/info:"
        )
        desde = hasta - timedelta(days=maximo_dias - 1)
    return Rango(desde, hasta)


def _dia(caja: Any, nombre: str, en_url: str, defecto: date) -> date:
    elegido = caja.date_input(
        nombre,
        value=defecto,
        min_value=date(2000, 1, 1),
        max_value=date(2100, 12, 31),
        format="DD/MM/YYYY",
        key=en_url,
        width=160,
        bind="query-params",
    )
    return elegido if isinstance(elegido, date) else defecto


@dataclass(frozen=True, slots=True)
class Filtros:
    """Which anomalies a view shows."""

    rango: Rango
    severidad: list[str]
    tipo: list[str]
    estado: list[str]
    propietario_id: str

    def parametros(self) -> dict[str, Any]:
        """Return them as the API's parameters."""
        return {
            "desde": self.rango.desde,
            "hasta": self.rango.hasta,
            "severidad": self.severidad,
            "tipo": self.tipo,
            "estado": self.estado,
            "propietario_id": self.propietario_id or None,
        }

    def elegido(self) -> tuple[object, ...]:
        """Return what was chosen: «7 días» stays the same choice when a day goes by."""
        dias = self.rango.periodo or (self.rango.desde, self.rango.hasta)
        return (dias, self.severidad, self.tipo, self.estado, self.propietario_id)


def elegir_filtros(ultimo: date, maximo_dias: int) -> Filtros:
    """Draw the filters of the anomalies and return them; all live in the URL."""
    with st.container(border=True):
        rango = elegir_rango("", ultimo, "7 días", maximo_dias)
        izquierda, derecha = st.columns(2)
        severidad = izquierda.pills(
            "Severidad",
            list(texts.SEVERIDADES),
            selection_mode="multi",
            format_func=str.capitalize,
            key="severidad",
            bind="query-params",
        )
        estado = derecha.pills(
            "Estado",
            list(texts.ESTADOS),
            selection_mode="multi",
            format_func=str.capitalize,
            key="estado",
            bind="query-params",
        )
        with st.expander("Más filtros", icon=":material/tune:"):
            tipo = st.pills(
                "Tipo",
                list(texts.NOMBRES_TIPO),
                selection_mode="multi",
                format_func=texts.tipo,
                key="tipo",
                bind="query-params",
            )
            propietario = st.text_input(
                "Cliente",
                key="de",
                max_chars=MAXIMO_ID,
                placeholder="Todos; por ejemplo CLI_00001",
                bind="query-params",
            )
    return Filtros(rango, list(severidad), list(tipo), list(estado), (propietario or "").strip())
