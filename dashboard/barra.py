"""The side bar below the pages: the key, and whether the system is well."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from dashboard import datos, estado
from dashboard.client import ApiError

REFRESCO_S = 20
"""How often the state of the system is asked for; part of the 60 s within which a dead consumer is
said (serving/salud_consumidor.py)."""


def pedir_clave() -> None:
    """Draw where the key is typed."""
    with st.expander("Clave", icon=":material/key:"):
        st.text_input(
            "Clave de analista o de administración",
            type="password",
            key=estado.CLAVE,
            autocomplete="off",
        )
        if estado.clave():
            st.caption("Se enviará con cada cambio que pida; se olvida al cerrar la pestaña.")
        else:
            st.caption("Hace falta para dar veredictos y para promover modelos.")


@st.fragment(run_every=REFRESCO_S)
def salud_breve() -> None:
    """Draw one line on the state of the system."""
    try:
        salud = datos.leer(datos.pedir("/salud", datos.VIVO_S))
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
    if males:
        return "mal", ". ".join(males)
    if consumidor["gravedad"] != "bien":
        return "aviso", str(consumidor["texto"])
    return "bien", "Todo en orden"
