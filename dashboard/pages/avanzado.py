"""Análisis avanzado: customers and detectors compared, what-if of thresholds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from dashboard import data, texts, url_state
from dashboard.charts import analysis, customer
from dashboard.client import ApiError
from dashboard.components import Kpi, cabecera, colores, figura, kpis, parte, problema, vacio

_VISTAS = ("Comparar clientes", "Detectores", "Umbrales")
_MAXIMO_CLIENTES = 8
_CONOCIDOS = 500
_DIAS = 60
_PUNTOS = 1000
_VARIABLES = {
    "Consumo diario": ("consumo_kwh", "kWh al día"),
    "Anomalías al día": ("anomalias", "Anomalías al día"),
    "Lecturas al día": ("lecturas", "Lecturas al día"),
}
_ESPERADO = "Consumo y esperado"


def pagina() -> None:
    """Draw the page."""
    cabecera("Análisis avanzado", "Compare clientes, detectores y umbrales.")
    vista = st.segmented_control(
        "Vista", _VISTAS, default=_VISTAS[0], required=True, key="analisis", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    with parte(f"vista_{vista}"):
        if vista == "Detectores":
            _detectores()
        elif vista == "Umbrales":
            _umbrales()
        else:
            _comparar()


def _comparar() -> None:
    """Draw some customers side by side."""
    ranking, otros = data.leer_todo(
        data.pedir("/api/clientes/ranking", limite=_MAXIMO_CLIENTES),
        data.pedir("/api/clientes", limite=_CONOCIDOS),
    )
    sospechosos = [f["propietario_id"] for f in ranking.elementos()]
    fichas = otros.elementos()
    if not fichas:
        vacio("Todavía no hay clientes", "Envíe lecturas con «consumo producir».")
        return
    todos = list(dict.fromkeys([*sospechosos, *(f["propietario_id"] for f in fichas)]))
    elegidos = st.multiselect(
        "Clientes", todos, default=todos[:3], max_selections=_MAXIMO_CLIENTES, key="clientes",
        placeholder="Elija hasta ocho clientes", bind="query-params", select_all=False,
    )  # fmt: skip
    variable = st.segmented_control(
        "Variable", list(_VARIABLES), default="Consumo diario", required=True, key="variable",
        bind="query-params",
    )  # fmt: skip
    if not elegidos:
        vacio("Elija algún cliente", "Los primeros de la lista son los más sospechosos.")
        return
    # The day that is still going on would look like a fall.
    ultimo = max(url_state.hoy(f["ultima_lectura"]) for f in fichas) - timedelta(days=1)
    filas = data.elementos(
        data.leer(
            data.pedir("/api/consumos/diarios", propietario_id=elegidos, hasta=ultimo,
                        desde=ultimo - timedelta(days=_DIAS - 1))
        )
    )  # fmt: skip
    if not filas:
        vacio("Sin lecturas en 60 días", "Elija otros clientes.")
        return
    kpis(medias(filas, elegidos, variable or "Consumo diario"))
    _figuras(filas, variable or "Consumo diario")
    _semana_de(elegidos)


def medias(filas: list[dict[str, Any]], elegidos: list[str], variable: str) -> list[Kpi]:
    """Return a card for each customer with its mean of a day, in the order in which they come.

    Examples
    --------
    >>> dias = [{"propietario_id": "A", "consumo_kwh": kwh} for kwh in (8.0, 12.0)]
    >>> medias(dias, ["A", "B"], "Consumo diario")
    [Kpi(nombre='A', valor='10,0', nota='kWh al día, 2 días', signo=0)]
    """
    campo, unidad = _VARIABLES[variable]
    de_cada: dict[str, list[float]] = {}
    for fila in filas:
        de_cada.setdefault(fila["propietario_id"], []).append(fila[campo])
    return [
        Kpi(
            nombre,
            texts.numero(sum(suyos) / len(suyos), 1),
            f"{unidad}, {texts.plural(len(suyos), 'día', 'días')}",
        )
        for nombre, suyos in ((nombre, de_cada.get(nombre, [])) for nombre in elegidos)
        if suyos
    ]


def _figuras(filas: list[dict[str, Any]], variable: str) -> None:
    """Draw days, spread and likeness of the chosen customers."""
    campo, titulo = _VARIABLES[variable]
    paleta = colores()
    st.subheader(f"{variable}, últimos {_DIAS} días", anchor=False)
    figura(analysis.diario(filas, campo, titulo, paleta), "diario",
           f"{variable} de los clientes elegidos")  # fmt: skip
    izquierda, derecha = st.columns(2, gap="large")
    with izquierda:
        st.subheader("Distribución", anchor=False)
        figura(analysis.cajas(filas, campo, titulo, paleta), "cajas",
               f"Distribución: {variable.lower()}")  # fmt: skip
    with derecha:
        st.subheader("Correlación entre ellos", anchor=False)
        nombres, celdas = correlacion(filas, campo)
        if len(nombres) > 1:
            figura(analysis.correlaciones(nombres, celdas, paleta), "correlaciones",
                   "Correlación entre los clientes elegidos")  # fmt: skip
        else:
            vacio("Hace falta más de un cliente", "Añada otro arriba.")


def correlacion(
    filas: list[dict[str, Any]], campo: str
) -> tuple[list[str], list[list[float | None]]]:
    """Return the customers, and how alike their days are, -1 to 1; None = cannot be told."""
    import pandas as pd

    marco = pd.DataFrame(filas).pivot_table(index="fecha", columns="propietario_id", values=campo)
    matriz = marco.corr(min_periods=3)
    celdas = [[None if pd.isna(v) else float(v) for v in fila] for fila in matriz.to_numpy()]
    return list(matriz.columns), celdas


def _semana_de(elegidos: list[str]) -> None:
    """Draw the typical week of the first ones, and how they go with their peers."""
    st.subheader("Semana típica y parecidos", anchor=False)
    primeros = elegidos[:4]
    semanas = data.leer_todo(
        *(data.pedir(data.de_cliente("/api/consumos/semana/{}", c))
          for c in primeros),
        *(data.pedir(data.de_cliente("/api/clientes/{}/pares", c))
          for c in primeros),
    )  # fmt: skip
    columnas = st.columns(2, gap="large")
    for i, nombre in enumerate(primeros):
        with columnas[i % 2], parte(f"semana_{nombre}"):
            pares = semanas[len(primeros) + i].valor()
            parecido = texts.numero(pares["correlacion"], 2)
            st.markdown(f"**{nombre}** · correlación con sus parecidos: {parecido}")
            figura(customer.mapa_semana(semanas[i].elementos(), colores()),
                   f"semana_{nombre}", f"Semana típica de {nombre}")  # fmt: skip


def _detectores() -> None:
    """Draw anomalies by what two detectors say, with the regions where they alarm."""
    izquierda, derecha = st.columns(2)
    opciones = [_ESPERADO, *texts.NOMBRES_TIPO]
    uno = izquierda.selectbox(
        "Eje horizontal", opciones, format_func=_eje, key="x", bind="query-params",
        filter_mode=None,
    )  # fmt: skip
    otro = derecha.selectbox(
        "Eje vertical", list(texts.NOMBRES_TIPO), index=len(texts.NOMBRES_TIPO) - 1,
        format_func=texts.tipo, key="y", bind="query-params", disabled=uno == _ESPERADO,
        filter_mode=None,
    )  # fmt: skip
    if uno == _ESPERADO:
        filas = data.elementos(data.leer(data.pedir("/api/anomalias/últimas", limite=_PUNTOS)))
    else:
        filas = data.elementos(data.leer(data.pedir("/api/anomalias/puntuaciones", limite=_PUNTOS)))
    if not filas:
        vacio("Ninguna anomalía en 30 días", "Aparecerán aquí en cuanto se detecten.")
        return
    if uno == _ESPERADO:
        figura(analysis.dispersion_esperado(filas, colores()), "dispersion",
               "Consumo y consumo esperado de las últimas anomalías")  # fmt: skip
        st.caption(
            "Cada punto es una anomalía. Por encima de la línea se consumió más de lo esperado; "
            "en la zona sombreada, más de un 150 % más: ahí dispara «Pico de consumo»."
        )
    elif not any(juzgada(fila, str(uno), str(otro)) for fila in filas):
        vacio("Ninguna anomalía que los dos hayan juzgado",
              "Elija otro detector; los modelos no opinan hasta que se entrena uno.")  # fmt: skip
    else:
        figura(analysis.dispersion_detectores(filas, str(uno), str(otro), colores()),
               "dispersion", "Puntuación de dos detectores en las últimas anomalías")  # fmt: skip
        st.caption(
            "En las zonas sombreadas un detector empuja hacia la alarma (0,5 o más). Los que aún "
            "no podían opinar no aparecen."
        )


def juzgada(fila: dict[str, Any], *detectores: str) -> bool:
    """Return whether all of some detectors were ready to say something of an anomaly.

    Examples
    --------
    >>> fila = {"detectores": {"fraude": 0.4, "modelo_offline": None}}
    >>> juzgada(fila, "fraude"), juzgada(fila, "fraude", "modelo_offline")
    (True, False)
    """
    return all(fila["detectores"].get(uno) is not None for uno in detectores)


def _eje(nombre: str) -> str:
    return nombre if nombre == _ESPERADO else texts.tipo(nombre)


def _umbrales() -> None:
    """Draw how many alerts another threshold would have given."""
    try:
        dado = data.leer(data.pedir("/api/anomalias/histograma"))
    except ApiError as error:
        problema(error, "umbrales")
        return
    alertas = por_umbral(dado["cuentas"])
    if not alertas[0]:
        vacio("Sin lecturas en 30 días", "Hace falta historia para poder decirlo.")
        return
    umbral = st.select_slider(
        "Umbral de alerta", [i / 100 for i in range(30, 100)], value=dado["umbrales"]["baja"],
        format_func=_con_coma, key="umbral", bind="query-params",
    )  # fmt: skip
    actual = alertas[round(100 * dado["umbrales"]["baja"])]
    nuevas = alertas[round(100 * umbral)]
    cambio = texts.comparado(nuevas / actual - 1) if actual else texts.FALTA
    kpis(
        [
            Kpi(f"Alertas con {texts.numero(umbral, 2)}", texts.numero(nuevas),
                f"en {dado['dias']} días"),
            Kpi("Al día", texts.numero(nuevas / dado["dias"], 1)),
            Kpi("Frente al umbral de hoy", cambio,
                f"{texts.numero(actual)} con {texts.numero(dado['umbrales']['baja'], 2)}"),
            Kpi("De todas las lecturas", texts.porcentaje(nuevas / alertas[0], 2),
                f"{texts.numero(alertas[0])} lecturas"),
        ]
    )  # fmt: skip
    figura(analysis.umbrales(alertas, umbral, dado["umbrales"], colores()), "umbrales",
           "Alertas que habría dado cada umbral")  # fmt: skip
    st.caption(
        "Es una simulación sobre lo ya puntuado: no cambia nada. Las líneas son los umbrales de "
        "hoy de cada severidad."
    )


def _con_coma(valor: float) -> str:
    return texts.numero(valor, 2)


def por_umbral(cuentas: list[int]) -> list[int]:
    """Return the readings with at least each score, of those with just each.

    Examples
    --------
    >>> por_umbral([5, 3, 1])
    [9, 4, 1]
    """
    quedan, alertas = sum(cuentas), []
    for cuenta in cuentas:
        alertas.append(quedan)
        quedan -= cuenta
    return alertas
