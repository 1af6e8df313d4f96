"""Whose the typed key is and what it may do: asked of the API as soon as it is typed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from dashboard import data, url_state
from dashboard.client import ApiError

_GUARDADA = "_sesion"
VALE_S = 60.0
"""How long what the API said of a key is believed: a key may be withdrawn. By hand, 2026-11-30."""
REINTENTO_S = 5.0
"""The same where it could not say."""
ROLES = {"lectura": "lectura", "analista": "analista", "administracion": "administración"}
"""Roles of the API -> what they are called on the screen."""


@dataclass(frozen=True, slots=True)
class Sesion:
    """What is known of a key.

    Parameters
    ----------
    estado : {"buena", "mala", "sin comprobar"}
        "sin comprobar": the API could not be asked; whoever uses it will be told then.
    nombre, rol : str
        Whose it is; '' = not known.
    puede : tuple of str
        Roles that it includes.
    detalle : str
        Why it is not known.
    """

    estado: Literal["buena", "mala", "sin comprobar"]
    nombre: str = ""
    rol: str = ""
    puede: tuple[str, ...] = ()
    detalle: str = ""


def sesion() -> Sesion | None:
    """Return what the API says of the typed key; None = none has been typed."""
    clave = url_state.clave()
    if not clave:
        st.session_state.pop(_GUARDADA, None)
        return None
    guardada = st.session_state.get(_GUARDADA)
    # Another API knows other keys.
    de_que = (data.cliente().url, clave)
    if guardada is None or guardada[0] != de_que or guardada[1] < time.monotonic():
        hallada = _ask(clave)
        vale = REINTENTO_S if hallada.estado == "sin comprobar" else VALE_S
        guardada = (de_que, time.monotonic() + vale, hallada)
        st.session_state[_GUARDADA] = guardada
    dicha: Sesion = guardada[2]
    return dicha


def _ask(clave: str) -> Sesion:
    try:
        dado = data.cliente().get("/api/clave", clave=clave)
    except ApiError as error:
        return Sesion("mala" if error.clase == "permiso" else "sin comprobar", detalle=str(error))
    return Sesion("buena", dado["nombre"], dado["rol"], tuple(dado["puede"]))


def impedimento(rol: str, para: str) -> str | None:
    """Return why the typed key does not let its owner do something; None = it does.

    Parameters
    ----------
    rol : str
        The role that it takes, one of ``ROLES``.
    para : str
        What for, as in "Para ``dar veredictos``".
    """
    quien = sesion()
    if quien is None:
        return f"Para {para}, escriba su clave de {ROLES[rol]} en «Clave», en la barra lateral."
    if quien.estado == "mala":
        return "La clave escrita no es válida: corríjala en «Clave», en la barra lateral."
    if quien.estado == "buena" and rol not in quien.puede:
        return (
            f"La clave de {quien.nombre} es de {ROLES.get(quien.rol, quien.rol)}: para {para} hace "
            f"falta una de {ROLES[rol]}."
        )
    return None
