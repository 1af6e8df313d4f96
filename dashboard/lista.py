"""The table of anomalies: pages that the API cuts, rows to choose."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import datos, textos
from dashboard.charts import transparente
from dashboard.componentes import colores

POR_PAGINA = 50
_ALTO_FILA = 35


def tabla_anomalias(
    filas: list[dict[str, Any]], clave: str, con_cliente: bool = True
) -> list[dict[str, Any]]:
    """Draw anomalies as a table and return the chosen ones."""
    import pandas as pd

    marco = pd.DataFrame(
        {
            "Cuándo": [textos.momento(f["timestamp_consumo"]) for f in filas],
            "Cliente": [f["propietario_id"] for f in filas],
            "Severidad": [f["severidad"].capitalize() for f in filas],
            "Puntos": [f["score_anomalia"] for f in filas],
            "kWh": [f["consumo_kwh"] for f in filas],
            "Esperado": [f["consumo_esperado_kwh"] for f in filas],
            "Estado": [f["estado"].capitalize() for f in filas],
            "Tipos": [textos.tipos(f["tipos_anomalia"]) for f in filas],
        }
    )
    marco["Cuándo"] = [
        textos.FALTA if c is None else f"{c:%d/%m/%Y %H:%M}" for c in marco["Cuándo"]
    ]
    if not con_cliente:
        marco = marco.drop(columns="Cliente")
    severidades = colores().severidad
    estilo = marco.style.format(dict.fromkeys(("Puntos", "kWh", "Esperado"), _dos_decimales)).map(
        lambda s: f"background-color: {transparente(severidades[str(s).lower()], 0.26)}",
        subset=["Severidad"],
    )
    elegidas = st.dataframe(
        estilo,
        hide_index=True,
        key=clave,
        on_select="rerun",
        selection_mode="multi-row",
        height=min(_ALTO_FILA * (len(filas) + 1) + 3, 520),
        column_config=_columnas(),
        alt="Tabla de anomalías",
    )
    return [filas[i] for i in elegidas["selection"]["rows"] if i < len(filas)]


def _dos_decimales(valor: Any) -> str:
    return textos.numero(valor, 2)


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


def pagina_de_lista(
    ruta: str, parametros: dict[str, Any], clave: str
) -> tuple[list[dict[str, Any]], str | None]:
    """Return one page of a list and the cursor of the next; the page is remembered by filters.

    Raises
    ------
    ApiError
        The API is away, or it refused.
    """
    cursores = _cursores(clave, parametros)
    respuesta = datos.leer(
        datos.pedir(
            ruta, datos.VIVO_S, **parametros, limite=POR_PAGINA, cursor=cursores[-1] or None
        )
    )
    return respuesta["elementos"], respuesta["siguiente"]


def _cursores(clave: str, parametros: dict[str, Any]) -> list[str]:
    """Return the cursors of the pages down to this one; other filters begin anew."""
    huella = repr(sorted(parametros.items()))
    guardado = st.session_state.get(f"_paginas_{clave}")
    if guardado is None or guardado[0] != huella:
        guardado = (huella, [""])
        st.session_state[f"_paginas_{clave}"] = guardado
    cursores: list[str] = guardado[1]
    return cursores


def primera_de_lista(clave: str, parametros: dict[str, Any]) -> int:
    """Return the place of a page's first row in its list, 1 = the first of all."""
    return POR_PAGINA * (len(_cursores(clave, parametros)) - 1) + 1


def paginador(clave: str, parametros: dict[str, Any], siguiente: str | None, n: int) -> None:
    """Draw where one is in a list, and the ways back and forth."""
    cursores = _cursores(clave, parametros)
    if len(cursores) == 1 and siguiente is None:
        return
    desde = primera_de_lista(clave, parametros)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Anteriores", key=f"{clave}_antes", icon=":material/chevron_left:",
            disabled=len(cursores) == 1,
        ):  # fmt: skip
            cursores.pop()
            st.rerun()
        if st.button(
            "Siguientes", key=f"{clave}_despues", icon=":material/chevron_right:",
            disabled=siguiente is None,
        ):  # fmt: skip
            cursores.append(siguiente or "")
            st.rerun()
        st.caption(f"De la {textos.numero(desde)} a la {textos.numero(desde + n - 1)}")
