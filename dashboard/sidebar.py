"""The side bar below the pages: the key, and whether the system is well."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from dashboard import data, url_state
from dashboard.client import ApiError
from dashboard.session import ROLES, sesion

REFRESCO_S = 20
"""How often the state of the system is asked for; part of the 60 s within which a dead consumer is
said (serving/consumer_health.py)."""


def pedir_clave() -> None:
    """Draw where the key is typed."""
    with st.expander("Clave", icon=":material/key:"):
        st.text_input(
            "Clave de analista o de administración",
            type="password",
            key=url_state.CLAVE,
            autocomplete="off",
        )
        if url_state.clave():
            st.caption("Se enviará con cada cambio que pida; se olvida al cerrar la pestaña.")
        else:
            st.caption("Hace falta para dar veredictos y para promover modelos.")
    # Outside: it is to be seen with the key folded away, too.
    _decir_de_quien_es()


def _decir_de_quien_es() -> None:
    """Draw whose the typed key is, or that it is nobody's."""
    quien = sesion()
    if quien is None:
        return
    if quien.estado == "mala":
        st.error("Esa clave no es válida: la API no la conoce.", icon=":material/key_off:")
    elif quien.estado == "sin comprobar":
        st.warning(f"No se ha podido comprobar la clave: {quien.detalle}.", icon=":material/key:")
    else:
        nombre = f"{quien.nombre} · {ROLES.get(quien.rol, quien.rol)}"
        st.html(f'<div class="salud"><span class="bien">{html.escape(nombre)}</span></div>')
        if "analista" not in quien.puede:
            st.caption("Con esta clave se mira, pero no se cambia nada.")


@st.fragment(run_every=REFRESCO_S)
def salud_breve() -> None:
    """Draw one line on the state of the system."""
    try:
        salud = data.leer(data.pedir("/salud", data.VIVO_S))
    except ApiError:
        st.html('<div class="salud"><span class="mal">La API no responde</span></div>')
        return
    clase, texto = resumen_salud(salud)
    st.html(f'<div class="salud"><span class="{clase}">{html.escape(texto)}</span></div>')


def resumen_salud(salud: dict[str, Any]) -> tuple[str, str]:
    """Return how the system is, in a word for the style and in one for people."""
    consumidor = salud["consumidor"]
    caidas = [p["nombre"] for p in salud["partes"] if p["estado"] != "bien"]
    males = [consumidor["texto"]] if consumidor["gravedad"] == "mal" else []
    if caidas:
        males.append(f"No responde: {', '.join(caidas)}")
    modelo = salud["modelo"]
    if modelo["estado"] == "rechazado":
        males.append(f"Los consumidores rechazan el campeón, v{modelo['version']}")
    if males:
        return "mal", ". ".join(males)
    if consumidor["gravedad"] != "bien":
        return "aviso", str(consumidor["texto"])
    return "bien", "Todo en orden"
