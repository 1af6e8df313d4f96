"""Buscar cliente: everything about one customer."""

from __future__ import annotations

import html
from datetime import date, timedelta
from typing import Any

import streamlit as st

from dashboard import data, texts, url_state
from dashboard.charts import customer
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
    rotulo,
    severidad,
    tabla,
    vacio,
)
from dashboard.lists import pagina_de_lista, tabla_anomalias
from dashboard.reviews import avisar, detalle, elegidas, formulario

_RESULTADOS = 12
_VISTAS = ("Consumo", "Perfil", "Anomalías", "Veredictos")
_MAXIMO_BANDA_DIAS = 35
_DIAS_MAPA = 60


def pagina() -> None:
    """Draw the page."""
    cabecera("Buscar cliente", "Su consumo frente a lo esperado, sus anomalías y por qué lo son.")
    avisar()
    _buscador()
    elegido = url_state.cliente()
    if elegido is None:
        vacio("Elija un cliente", "Escriba parte de su identificador, o pulse uno de la lista.")
        return
    with parte("cliente"):
        _ficha(elegido)


@st.fragment
def _buscador() -> None:
    """Draw the search, which answers as one types."""
    texto = st.text_input(
        "Cliente",
        key="buscar",
        type="search",
        live="300ms",
        max_chars=url_state.MAXIMO_ID,
        placeholder="Escriba parte del identificador: CLI_0004…",
        label_visibility="collapsed",
    )
    elegido = url_state.cliente()
    if elegido and not texto:
        return
    try:
        if texto:
            busqueda = data.pedir("/api/clientes", buscar=texto, limite=_RESULTADOS)
        else:
            busqueda = data.pedir("/api/clientes/ranking", limite=_RESULTADOS)
        filas = data.elementos(data.leer(busqueda))
    except ApiError as error:
        problema(error, "buscador")
        return
    if not filas:
        vacio("Ningún cliente se llama así", "Pruebe con menos letras.")
        return
    st.caption("Los más sospechosos:" if not texto else "Resultados:")
    with st.container(horizontal=True, gap="small"):
        for fila in filas:
            nombre = fila["propietario_id"]
            icono = ":material/warning:" if fila["es_sospechoso"] else None
            if st.button(
                nombre, key=f"elegir_{nombre}", icon=icono,
                type="primary" if nombre == elegido else "secondary",
            ):  # fmt: skip
                url_state.elegir_cliente(nombre)
                st.rerun()


def _ficha(cliente: str) -> None:
    """Draw one customer."""
    cifras, conocidos = data.leer_todo(
        data.pedir(data.de_cliente("/api/estadisticas/cliente/{}", cliente)),
        data.pedir("/api/clientes", buscar=cliente, limite=_RESULTADOS),
    )
    if (error := cifras.error()) is not None and error.clase == "no existe":
        vacio(f"No existe el cliente {cliente}", "Busque otro arriba.")
        return
    resumen = cifras.valor()
    suyo = next((c for c in conocidos.elementos() if c["propietario_id"] == cliente), {})
    _titulo(cliente, resumen, suyo)
    kpis(_kpis(resumen))
    vista = st.segmented_control(
        "Vista", _VISTAS, default=_VISTAS[0], required=True, key="vista", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    ultimo = url_state.hoy(resumen["ultima_lectura"] or suyo.get("ultima_lectura"))
    with parte(f"vista_{vista}"):
        if vista == "Perfil":
            _perfil(cliente)
        elif vista == "Anomalías":
            _anomalias(cliente)
        elif vista == "Veredictos":
            _veredictos(cliente)
        else:
            _consumo(cliente, ultimo)


def _titulo(cliente: str, resumen: dict[str, Any], suyo: dict[str, Any]) -> None:
    sospecha = (
        '<span class="rotulo confirmada">Sospechoso</span>'
        if resumen["es_sospechoso"]
        else '<span class="rotulo">Sin sospecha</span>'
    )
    ultima = texts.fecha_hora(resumen["ultima_lectura"])
    nivel = f"Última hora: {severidad(suyo['severidad'])}" if suyo.get("severidad") else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(
            f"<b style='font-size:1.35rem'>{html.escape(cliente)}</b> &nbsp; {sospecha} &nbsp; "
            f"<span class='suave'>{nivel} &nbsp; Última lectura: {ultima}</span>"
        )
        if st.button("Otro cliente", icon=":material/close:", type="tertiary"):
            url_state.olvidar_cliente()
            st.rerun()


def _kpis(resumen: dict[str, Any]) -> list[Kpi]:
    semana = resumen["semana"]
    cambio = texts.comparado(semana["variacion"])
    graves, descartadas = resumen["anomalias"]["crítica"], resumen["descartadas"] or 0
    return [
        Kpi(
            "Última semana",
            texts.kwh(semana["valor"]),
            f"{cambio} que antes"
            if semana["variacion"] is not None
            else "sin semana anterior completa",
        ),
        Kpi(
            "28 días",
            texts.kwh(resumen["consumo_total_kwh"]),
            f"≈ {texts.euros(resumen['coste_estimado_eur'])}",
        ),
        Kpi(
            "Anomalías",
            texts.numero(resumen["anomalias_total"]),
            texts.plural(graves, "crítica", "críticas")
            + (f", {texts.plural(descartadas, 'descartada', 'descartadas')}" * bool(descartadas)),
        ),
        Kpi(
            "En juego (estimado)",
            texts.euros(resumen["energia_en_juego_eur"]),
            texts.kwh(resumen["energia_en_juego_kwh"]),
        ),
        Kpi(
            "Lecturas",
            texts.porcentaje(resumen["cobertura"]),
            f"{texts.numero(resumen['lecturas'])} de "
            f"{texts.numero(resumen['lecturas_posibles'])} horas",
        ),
    ]


def _consumo(cliente: str, ultimo: date) -> None:
    """Draw consumption with its band, and hour × day."""
    rango = url_state.elegir_rango("c_", ultimo, "7 días", _MAXIMO_BANDA_DIAS)
    detras = st.toggle(
        "Periodo anterior por detrás", value=True, key="anterior", bind="query-params"
    )
    antes = rango.anterior()
    comunes: dict[str, Any] = {"propietario_id": cliente, "limite": 5000}
    rangos = "/api/consumos/rango"
    puntos, previos, mapa = data.leer_todo(
        data.pedir(rangos, desde=rango.desde, hasta=rango.hasta, con_banda=True, **comunes),
        data.pedir(rangos, desde=antes.desde, hasta=antes.hasta, **comunes),
        data.pedir(
            data.de_cliente("/api/consumos/mapa-calor/{}", cliente),
            desde=ultimo - timedelta(days=_DIAS_MAPA - 1),
            hasta=ultimo,
        ),
    )
    with parte("consumo"):
        _serie(cliente, rango, puntos.elementos(), previos.elementos() if detras else [])
    st.subheader("Hora a hora, día a día", anchor=False)
    with parte("mapa"):
        celdas = mapa.elementos()
        if celdas:
            figura(
                customer.mapa_dias(celdas, colores()),
                "mapa",
                f"Mapa de calor de {_DIAS_MAPA} días por hora",
            )
        else:
            vacio("Sin lecturas en 60 días", "No hay nada que pintar todavía.")


def _serie(
    cliente: str, rango: url_state.Rango, horas: list[dict[str, Any]], previas: list[dict[str, Any]]
) -> None:
    """Draw consumption hour by hour."""
    if not horas:
        vacio("Sin lecturas en esos días", "Elija otro periodo.")
        return
    figura(
        customer.consumo(horas, previas, rango.dias, colores()),
        "consumo",
        f"Consumo por hora de {cliente} con su banda esperada y sus anomalías",
    )
    st.caption("Arrastre sobre la gráfica para ampliar; doble clic para volver.")
    pedido = data.pedir("", propietario_id=cliente, desde=rango.desde, hasta=rango.hasta)
    exportar("/api/consumos/rango", pedido.parametros, f"consumo_{cliente}", "exportar_consumo")


def _perfil(cliente: str) -> None:
    """Draw the load profile against its own past and its peers, and the typical week."""
    perfil, semana, pares = data.leer_todo(
        data.pedir(data.de_cliente("/api/clientes/{}/perfil", cliente)),
        data.pedir(data.de_cliente("/api/consumos/semana/{}", cliente)),
        data.pedir(data.de_cliente("/api/clientes/{}/pares", cliente)),
    )
    suyo = perfil.valor()
    izquierda, derecha = st.columns(2, gap="large")
    for caja, clase, nombre in (
        (izquierda, "laborable", "Días laborables"),
        (derecha, "fin_de_semana", "Fines de semana"),
    ):
        with caja:
            st.subheader(nombre, anchor=False)
            if any(f["clase"] == clase for f in suyo["ahora"] + suyo["antes"]):
                figura(
                    customer.perfil(suyo, clase, colores()), f"perfil_{clase}",
                    f"Perfil de carga: {nombre.lower()}",
                )  # fmt: skip
            else:
                vacio("Sin lecturas bastantes", "Hacen falta unos días de historia.")
    st.caption(
        f"Clientes parecidos: {texts.numero(suyo['clientes_pares'])}, llevados al nivel de este."
    )
    izquierda, derecha = st.columns(2, gap="large")
    with izquierda:
        st.subheader("Su semana típica", anchor=False)
        with parte("semana"):
            figura(
                customer.mapa_semana(semana.elementos(), colores()), "semana",
                "Mapa de calor por día de la semana y hora",
            )  # fmt: skip
    with derecha:
        st.subheader("La última semana y sus parecidos", anchor=False)
        with parte("pares"):
            juntos = pares.valor()
            figura(customer.pares(juntos["elementos"], colores()), "pares",
                   "Consumo del cliente y de sus parecidos")  # fmt: skip
            if juntos["correlacion"] is not None:
                st.caption(f"Correlación: {texts.numero(juntos['correlacion'], 2)} (de −1 a 1).")


def _anomalias(cliente: str) -> None:
    """Draw the customer's anomalies; the chosen one in full."""
    ruta = data.de_cliente("/api/anomalias/cliente/{}", cliente)
    lista = pagina_de_lista(ruta, {"orden": "consumo"}, f"cliente_{cliente}", fija=True)
    if not lista.filas:
        vacio("Ninguna anomalía", "Este cliente consume como se espera de él.")
        return
    st.caption("Elija una fila para ver por qué, o varias para darles el mismo veredicto.")
    escogidas = tabla_anomalias(lista, con_cliente=False)
    lista.novedades()
    lista.paginador()
    if len(escogidas) > 1:
        elegidas(escogidas)
        formulario(escogidas, lista.clave)
    else:
        detalle((escogidas or lista.filas)[0]["id"], lista.clave)


def _veredictos(cliente: str) -> None:
    """Draw what people have said of the customer's anomalies."""
    filas = data.elementos(
        data.leer(data.pedir("/api/anomalias/veredictos", data.VIVO_S, propietario_id=cliente))
    )
    if not filas:
        vacio(
            "Nadie ha dado veredictos",
            "En «Anomalías» se confirma o se descarta cada una; el entrenamiento aprende de ello.",
        )
        return
    tabla(
        filas,
        [
            Columna("Cuándo", lambda f: texts.fecha_hora(f["veredicto"]["cuando"]), entera=True),
            Columna("Veredicto", lambda f: rotulo(f["veredicto"]["estado"]), es_html=True),
            Columna(
                "Anomalía", lambda f: texts.fecha_hora(f["anomalia"]["timestamp_consumo"]),
                entera=True,
            ),
            Columna("Severidad", lambda f: severidad(f["anomalia"]["severidad"]), es_html=True),
            Columna("Quién", lambda f: f["veredicto"]["quien"], ancha=True),
            Columna("Motivo", lambda f: f["veredicto"]["motivo"]),
        ],
    )  # fmt: skip
