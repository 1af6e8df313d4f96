"""Consumo mensual: months compared, everybody's and one customer's."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from typing import Any

import streamlit as st

from dashboard import data, texts, url_state
from dashboard.charts import analysis, monthly
from dashboard.client import ApiError
from dashboard.components import (
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
from dashboard.lists import pagina_de_lista
from dashboard.navigation import ir_a_cliente

_MESES = 13
"""A year and the month it is compared with."""
_MESES_TODOS = 37
"""Three years and the month they are compared with."""
_ORDENES = {"Consumo": "consumo_total", "Anomalías": "anomalias_detectadas"}


def pagina() -> None:
    """Draw the page."""
    cabecera("Consumo mensual", "Mes a mes, frente al año anterior, de noche y en punta.")
    try:
        meses = data.elementos(data.leer(data.pedir("/api/consumos/meses", limite=_MESES_TODOS)))
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
    _anos(meses)
    _ranking(meses)
    _cliente()


def _todos(meses: list[dict[str, Any]]) -> None:
    """Draw the months of all customers together, newest first in ``meses``."""
    ultimo = meses[0]
    en_curso = ultimo["mes_str"] >= f"{date.today():%Y-%m}"
    cerrado = meses[1] if en_curso and len(meses) > 1 else ultimo
    par = next(p for p in monthly.interanual(meses) if p["mes_str"] == cerrado["mes_str"])
    interanual = texts.porcentaje(par["variacion"], signo=True)
    st.subheader(texts.mes(ultimo["mes_str"]).capitalize(), anchor=False)
    kpis(
        [
            Kpi("Consumo", texts.kwh(ultimo["consumo_total"]),
                "hasta hoy" if en_curso else ""),
            Kpi("Por cliente", texts.kwh(ultimo["consumo_promedio"]),
                texts.plural(ultimo["clientes"], "cliente", "clientes")),
            Kpi("Coste estimado", texts.euros(ultimo["coste_estimado_eur"])),
            Kpi("Anomalías", texts.numero(ultimo["anomalias_detectadas"]),
                texts.plural(ultimo["anomalias_criticas"], "crítica", "críticas")),
            Kpi(f"{texts.mes_corto(cerrado['mes_str']).capitalize()}, en un año", interanual,
                "por cliente" if par["variacion"] is not None else "sin dos años completos"),
        ]
    )  # fmt: skip
    figura(analysis.meses_total(meses[:_MESES][::-1], colores()), "meses",
           "Consumo y anomalías de cada mes")  # fmt: skip
    if not all(mes["completo"] for mes in meses[:_MESES]):
        st.caption("* Mes sin terminar, o con huecos: no se compara con los demás.")


def _anos(meses: list[dict[str, Any]]) -> None:
    """Draw years over each other, and what an hour of the night and of the peak takes."""
    izquierda, derecha = st.columns(2, gap="large")
    with izquierda:
        st.markdown("**Un año sobre otro, por cliente**")
        figura(
            monthly.por_anos(meses, "consumo_promedio", "kWh por cliente", colores()),
            "por_anos", "Consumo medio por cliente de cada mes, un año sobre otro",
        )  # fmt: skip
    with derecha:
        st.markdown("**De noche y en punta, por cliente**")
        figura(monthly.noche_y_punta(meses[:_MESES][::-1], colores()), "noche_y_punta",
               "Consumo de una hora de la noche y de una hora punta, mes a mes")  # fmt: skip


def _ranking(meses: list[dict[str, Any]]) -> None:
    """Draw who consumed most, or had most anomalies, in a month."""
    st.subheader("Clasificación del mes", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        mes = st.selectbox(
            "Mes", [m["mes_str"] for m in meses], format_func=texts.mes, key="mes", width=220,
            bind="query-params", filter_mode=None,
        )  # fmt: skip
        orden = st.segmented_control(
            "Por", list(_ORDENES), default="Consumo", required=True, key="por", bind="query-params"
        )
    ruta = f"/api/consumos/meses/{mes}"
    parametros = {"orden": _ORDENES[orden or "Consumo"]}
    with parte("ranking"):
        clave = f"mes_{mes}"
        lista = pagina_de_lista(ruta, parametros, clave)
        filas = [{**fila, "puesto": i} for i, fila in enumerate(lista.filas, start=lista.primera)]
        tabla(
            filas,
            [
                Columna("", lambda f: str(f["puesto"]), derecha=True),
                Columna("Cliente", lambda f: f["propietario_id"], entera=True),
                Columna("Consumo", lambda f: texts.kwh(f["consumo_total"]), derecha=True),
                Columna("Coste estimado", lambda f: texts.euros(f["coste_estimado_eur"]),
                        derecha=True, ancha=True),
                Columna("Noche", lambda f: texts.porcentaje(f["parte_noche"]), derecha=True),
                Columna("Punta", lambda f: texts.porcentaje(f["parte_punta"]), derecha=True,
                        ancha=True),
                Columna("Máximo", lambda f: texts.kwh(f["consumo_maximo"]), derecha=True,
                        ancha=True),
                Columna("Anomalías", lambda f: texts.numero(f["anomalias_detectadas"]),
                        derecha=True),
            ],
        )  # fmt: skip
        lista.paginador()
        exportar(ruta, tuple(parametros.items()), f"meses_{mes}", "exportar_mes")


def _cliente() -> None:
    """Draw one customer's months."""
    st.subheader("Un cliente, mes a mes", anchor=False)
    nombre = st.text_input(
        "Cliente",
        key="de_mes",
        max_chars=url_state.MAXIMO_ID,
        value=url_state.cliente() or "",
        placeholder="Por ejemplo CLI_00001",
        bind="query-params",
        width=320,
    ).strip()
    if not nombre:
        vacio("Elija un cliente", "Escriba su identificador para comparar sus meses.")
        return
    with parte("mes_cliente"):
        try:
            dado = data.leer(
                data.pedir(data.de_cliente("/api/estadisticas/mensuales/{}", nombre), meses=_MESES)
            )
        except ApiError as error:
            if error.clase != "no existe":
                raise
            vacio(f"No hay meses de {nombre}", "Compruebe el identificador.")
            return
        _meses_de(nombre, dado)


def _meses_de(nombre: str, dado: dict[str, Any]) -> None:
    filas = [_comparable(f) for f in dado["elementos"][::-1] if f["actual"] or f["anterior"]]
    puesto = (
        f"{dado['posicion']}.º de {texts.numero(dado['de'])}" if dado["posicion"] else texts.FALTA
    )
    kpis(
        [
            Kpi("Suma", texts.kwh(dado["consumo_total"]),
                texts.plural(len([f for f in filas if f["actual"]]), "mes", "meses")),
            Kpi("Media mensual", texts.kwh(dado["consumo_promedio_mensual"]),
                "de los meses completos"),
            Kpi("Último mes completo", texts.comparado(dado["variacion_mensual"]),
                "por hora, frente al anterior" if dado["variacion_mensual"] is not None
                else "sin mes anterior completo"),
            Kpi("Puesto por consumo", puesto, "1.º = el que más"),
        ]
    )  # fmt: skip
    izquierda, derecha = st.columns(2, gap="large")
    with izquierda:
        st.markdown("**Frente al año anterior**")
        figura(analysis.meses_interanual(filas, colores()), "interanual",
               f"Meses de {nombre} frente al año anterior")  # fmt: skip
        if not any(fila["anterior"] for fila in filas):
            st.caption("Aún no hay meses completos de hace un año con que comparar.")
    with derecha:
        st.markdown("**Parte de noche y de punta**")
        suyos = [fila["actual"] for fila in filas if fila["actual"]]
        figura(analysis.partes(suyos, colores()), "partes",
               f"Parte de la energía de {nombre} de noche y en punta")  # fmt: skip
    _acumulado(nombre, [fila["mes_str"] for fila in suyos[::-1]])
    with st.container(horizontal=True):
        exportar(data.de_cliente("/api/consumos/mensuales/{}", nombre), (),
                 f"meses_{nombre}", "exportar_meses")  # fmt: skip
        if st.button(f"Ficha de {nombre}", icon=":material/person_search:"):
            ir_a_cliente(nombre)


def _comparable(par: dict[str, Any]) -> dict[str, Any]:
    """Return a month without that of the year before, unless both are whole."""
    return par if par["variacion"] is not None else {**par, "anterior": None}


def _acumulado(nombre: str, meses: list[str]) -> None:
    """Draw how chosen months of a customer add up, day by day.

    Parameters
    ----------
    meses : list of str
        Those that can be chosen, newest first.
    """
    if not meses:
        return
    st.markdown("**Mes sobre mes, día a día**")
    elegidos = st.multiselect(
        "Meses", meses, default=_de_partida(meses), format_func=texts.mes, key="meses_dia",
        max_selections=monthly.MAXIMO_MESES, placeholder="Elija meses",
    )  # fmt: skip
    with parte("acumulado"):
        respuestas = data.leer_todo(
            *(
                data.pedir(
                    "/api/consumos/diarios", propietario_id=nombre,
                    desde=f"{mes}-01", hasta=f"{mes}-{monthrange(int(mes[:4]), int(mes[5:]))[1]}",
                )
                for mes in elegidos
            )
        )  # fmt: skip
        dias = [dia for respuesta in respuestas for dia in respuesta.elementos()]
        if dias:
            figura(monthly.acumulado(dias, elegidos, colores()), "acumulado",
                   f"Consumo acumulado de {nombre} por día del mes")  # fmt: skip
        else:
            vacio("Sin días que sumar", "Elija algún mes con lecturas guardadas.")


def _de_partida(meses: list[str]) -> list[str]:
    """Return the two newest months, and that of a year before, if there is one."""
    un_ano_antes = f"{int(meses[0][:4]) - 1}{meses[0][4:]}"
    return [*meses[:2], *(mes for mes in meses[2:] if mes == un_ano_antes)]
