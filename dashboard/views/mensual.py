"""Consumo mensual: months compared, everybody's and one customer's."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import charts_analisis, datos, estado, textos
from dashboard.client import ApiError
from dashboard.componentes import (
    Columna,
    Kpi,
    cabecera,
    colores,
    exportar,
    figura,
    kpis,
    parte,
    problema,
    tabla,
    vacio,
)
from dashboard.navegacion import ir_a_cliente

_RANKING = 15
_MESES = 13
"""A year and the month it is compared with."""
_ORDENES = {"Consumo": "consumo_total", "Anomalías": "anomalias_detectadas"}


def pagina() -> None:
    """Draw the page."""
    cabecera("Consumo mensual", "Mes a mes, frente al año anterior, de noche y en punta.")
    try:
        meses = datos.elementos(
            datos.leer(datos.pedir("/api/consumos/meses", datos.LENTO_S, limite=_MESES))
        )
    except ApiError as error:
        problema(error, "mensual")
        return
    if not meses:
        vacio(
            "Todavía no hay meses sumados",
            "Súmelos con «consumo agregar»; cada noche conviene repetirlo.",
        )
        return
    _todos(meses)
    _ranking(meses)
    _cliente()


def _todos(meses: list[dict[str, Any]]) -> None:
    """Draw the months of all customers together, newest first in ``meses``."""
    ultimo = meses[0]
    antes = meses[1] if len(meses) > 1 else None
    cambio = (
        f"{textos.comparado(ultimo['consumo_total'] / antes['consumo_total'] - 1)} "
        f"que {textos.mes_corto(antes['mes_str'])}"
        if antes and antes["consumo_total"]
        else ""
    )
    st.subheader(textos.mes(ultimo["mes_str"]).capitalize(), anchor=False)
    kpis(
        [
            Kpi("Consumo", textos.kwh(ultimo["consumo_total"]), cambio),
            Kpi("Por cliente", textos.kwh(ultimo["consumo_promedio"]),
                textos.plural(ultimo["clientes"], "cliente", "clientes")),
            Kpi("Coste estimado", textos.euros(ultimo["coste_estimado_eur"])),
            Kpi("Anomalías", textos.numero(ultimo["anomalias_detectadas"]),
                textos.plural(ultimo["anomalias_criticas"], "crítica", "críticas")),
        ]
    )  # fmt: skip
    st.caption("El mes en curso solo lleva los días transcurridos.")
    figura(charts_analisis.meses_total(meses[::-1], colores()), "meses",
           "Consumo y anomalías de cada mes")  # fmt: skip


def _ranking(meses: list[dict[str, Any]]) -> None:
    """Draw who consumed most, or had most anomalies, in a month."""
    st.subheader("Clasificación del mes", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        mes = st.selectbox(
            "Mes", [m["mes_str"] for m in meses], format_func=textos.mes, key="mes", width=220,
            bind="query-params", filter_mode=None,
        )  # fmt: skip
        orden = st.segmented_control(
            "Por", list(_ORDENES), default="Consumo", required=True, key="por", bind="query-params"
        )
    ruta = f"/api/consumos/meses/{mes}"
    parametros = datos.pedir(
        ruta, datos.LENTO_S, orden=_ORDENES[orden or "Consumo"], limite=_RANKING
    )
    with parte("ranking"):
        filas = [
            {**fila, "puesto": i}
            for i, fila in enumerate(datos.elementos(datos.leer(parametros)), start=1)
        ]
        tabla(
            filas,
            [
                Columna("", lambda f: str(f["puesto"]), derecha=True),
                Columna("Cliente", lambda f: f["propietario_id"], entera=True),
                Columna("Consumo", lambda f: textos.kwh(f["consumo_total"]), derecha=True),
                Columna("Coste estimado", lambda f: textos.euros(f["coste_estimado_eur"]),
                        derecha=True, ancha=True),
                Columna("Noche", lambda f: textos.porcentaje(f["parte_noche"]), derecha=True),
                Columna("Punta", lambda f: textos.porcentaje(f["parte_punta"]), derecha=True,
                        ancha=True),
                Columna("Máximo", lambda f: textos.kwh(f["consumo_maximo"]), derecha=True,
                        ancha=True),
                Columna("Anomalías", lambda f: textos.numero(f["anomalias_detectadas"]),
                        derecha=True),
            ],
        )  # fmt: skip
        exportar(ruta, (("orden", _ORDENES[orden or "Consumo"]),), f"meses_{mes}",
                 "exportar_mes")  # fmt: skip


def _cliente() -> None:
    """Draw one customer's months."""
    st.subheader("Un cliente, mes a mes", anchor=False)
    nombre = st.text_input(
        "Cliente",
        key="de_mes",
        max_chars=estado.MAXIMO_ID,
        value=estado.cliente() or "",
        placeholder="Por ejemplo CLI_00001",
        bind="query-params",
        width=320,
    ).strip()
    if not nombre:
        vacio("Elija un cliente", "Escriba su identificador para comparar sus meses.")
        return
    with parte("mes_cliente"):
        try:
            dado = datos.leer(
                datos.pedir(datos.de_cliente("/api/estadisticas/mensuales/{}", nombre),
                            datos.LENTO_S, meses=_MESES)
            )  # fmt: skip
        except ApiError as error:
            if error.clase != "no existe":
                raise
            vacio(f"No hay meses de {nombre}", "Compruebe el identificador.")
            return
        _meses_de(nombre, dado)


def _meses_de(nombre: str, dado: dict[str, Any]) -> None:
    filas = dado["elementos"][::-1]
    puesto = (
        f"{dado['posicion']}.º de {textos.numero(dado['de'])}" if dado["posicion"] else textos.FALTA
    )
    kpis(
        [
            Kpi("Suma", textos.kwh(dado["consumo_total"]),
                textos.plural(len([f for f in filas if f["actual"]]), "mes", "meses")),
            Kpi("Media mensual", textos.kwh(dado["consumo_promedio_mensual"])),
            Kpi("Último mes completo", textos.comparado(dado["variacion_mensual"]),
                "frente al anterior"),
            Kpi("Puesto por consumo", puesto, "1.º = el que más"),
        ]
    )  # fmt: skip
    izquierda, derecha = st.columns(2, gap="large")
    with izquierda:
        st.markdown("**Frente al año anterior**")
        figura(charts_analisis.meses_interanual(filas, colores()), "interanual",
               f"Meses de {nombre} frente al año anterior")  # fmt: skip
        if not any(fila["anterior"] for fila in filas):
            st.caption("Aún no hay meses de hace un año con que comparar.")
    with derecha:
        st.markdown("**Parte de noche y de punta**")
        suyos = [fila["actual"] for fila in filas if fila["actual"]]
        figura(charts_analisis.partes(suyos, colores()), "partes",
               f"Parte de la energía de {nombre} de noche y en punta")  # fmt: skip
    with st.container(horizontal=True):
        exportar(datos.de_cliente("/api/consumos/mensuales/{}", nombre), (),
                 f"meses_{nombre}", "exportar_meses")  # fmt: skip
        if st.button(f"Ficha de {nombre}", icon=":material/person_search:"):
            ir_a_cliente(nombre)
