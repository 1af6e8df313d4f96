"""Modelos: versions side by side, what the gate said, the shadow, promotion and the way back."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from dashboard import data, texts, url_state
from dashboard.charts import analysis, models
from dashboard.client import ApiError
from dashboard.components import (
    Columna,
    Kpi,
    cabecera,
    colores,
    figura,
    kpis,
    parte,
    severidad,
    tabla,
    vacio,
)
from dashboard.reviews import avisar
from dashboard.session import impedimento

_VERSIONES = 12
_EJECUCIONES = 20
_DIFERENCIAS = 300
_PRINCIPALES = ("precision_media", "precision_media_reglas")
_MOTIVO_MINIMO = 3
_RAZONES = "_razones_de_la_api"
"""Where the session keeps what the API has said against a change that is being confirmed."""
_FUERA, _A_LA_FUERZA = "fuera de la puerta", "a la fuerza"
"""How a champion came to be it, in the API's words."""
_ALIAS = {"champion": "Campeón", "challenger": "Aspirante"}


def pagina() -> None:
    """Draw the page."""
    cabecera("Modelos", "Qué versión puntúa, cómo de buena es, y cuál podría sustituirla.")
    avisar()
    versiones, historial, sombra = data.leer_todo(
        data.pedir("/api/modelos", limite=_VERSIONES),
        data.pedir("/api/modelos/historial", limite=_EJECUCIONES),
        data.pedir("/api/modelos/sombra", limite=_DIFERENCIAS),
    )
    arriba = st.container()
    # MLflow takes its time, or is away: what is below does not wait for it.
    st.subheader("Campeón y aspirante, en la sombra", anchor=False)
    with parte("sombra"):
        _sombra(sombra.valor())
    st.subheader("Reentrenamientos y lo que dijo el examen", anchor=False)
    with parte("historial"):
        _historial(historial.elementos())
    with arriba, parte("versiones"):
        _versiones(versiones.valor())


def _versiones(dado: dict[str, Any]) -> None:
    """Draw the versions, and what can be done with them."""
    filas = dado["elementos"]
    if not filas:
        vacio(
            "Todavía no hay modelos: deciden las reglas solas",
            "Entrene uno con «consumo entrenar»; con él podrá compararlo y promoverlo.",
        )
        return
    campeon = next((v for v in filas if v["version"] == dado["campeon"]), None)
    _avisos_campeon(campeon)
    _cifras(dado, campeon)
    st.subheader("Versiones", anchor=False)
    tabla(
        filas,
        [
            Columna("Versión", lambda v: f"v{v['version']}", entera=True),
            Columna("Papel", _papel),
            Columna("Registrada", lambda v: texts.fecha_hora(v["creada"]), entera=True),
            Columna("Precisión media", lambda v: texts.numero(_metrica(v, _PRINCIPALES[0]), 3),
                    derecha=True),
            Columna("Al azar", lambda v: texts.numero(v["precision_azar"], 3), derecha=True),
            Columna("Solo reglas", lambda v: texts.numero(_metrica(v, _PRINCIPALES[1]), 3),
                    derecha=True, ancha=True),
            Columna("Examen", _examen, ancha=True),
            Columna("Promovida por", _promovida, ancha=True),
        ],
    )  # fmt: skip
    with st.container(horizontal=True):
        for version in filas[:4]:
            st.link_button(
                f"v{version['version']} en MLflow", version["mlflow_url"],
                icon=":material/open_in_new:",
            )  # fmt: skip
    _comparar(filas[::-1])
    _frente_a_frente(dado)
    _cambiar(dado, campeon)


def _metrica(version: dict[str, Any], nombre: str) -> float | None:
    valor = version["metricas"].get(nombre)
    return None if valor is None or not math.isfinite(valor) else float(valor)


def _papel(version: dict[str, Any]) -> str:
    """Return what a version is: the champion is nobody's challenger any more."""
    alias = ["champion"] if "champion" in version["alias"] else version["alias"]
    return ", ".join(_ALIAS.get(uno, uno) for uno in alias)


def _promovida(version: dict[str, Any]) -> str:
    if not version["promociones"]:
        return texts.FALTA
    ultima = version["promociones"][-1]
    return f"{ultima.get('por') or texts.FALTA}: {ultima.get('motivo') or 'sin motivo'}"


def _examen(version: dict[str, Any]) -> str:
    """Return in a few words whether the gate lets a version pass now."""
    if version["rechazo"]:
        return "✗ rechazada por los consumidores"
    if version["puerta"]:
        return str(version["puerta"])
    examen = version["examen"]
    if examen is not None and examen["vigente"]:
        return "✓ la acepta" if examen["acepta"] else "✗ no la acepta"
    return "para volver atrás" if not version["razones"] else "sin examen frente al campeón"


def _avisos_campeon(campeon: dict[str, Any] | None) -> None:
    """Say of the champion what nobody may overlook."""
    if campeon is None:
        return
    cual = f"La campeona, v{campeon['version']},"
    if campeon["rechazo"]:
        st.error(
            f"{cual} está rechazada: un consumidor no la puede usar y puntúa con la anterior.",
            icon=":material/error:",
        )
        st.text(campeon["rechazo"])
    if campeon["puerta"] == _FUERA:
        st.warning(
            f"{cual} fue promovida fuera de la puerta: no consta que ningún examen la aceptara "
            "frente a la anterior (el alias se movió a mano, como en MLflow).",
            icon=":material/warning:",
        )
    if campeon["aviso"]:
        st.warning("Hay cambios en los pesos que no se usan.", icon=":material/tune:")
        st.text(campeon["aviso"])


def _cifras(dado: dict[str, Any], campeon: dict[str, Any] | None) -> None:
    precision = _metrica(campeon, _PRINCIPALES[0]) if campeon else None
    reglas = _metrica(campeon, _PRINCIPALES[1]) if campeon else None
    azar = texts.numero(campeon["precision_azar"] if campeon else None, 3)
    otro = dado["aspirante"] if dado["aspirante"] != dado["campeon"] else None
    kpis(
        [
            Kpi("Campeón", f"v{dado['campeon']}" if campeon else "Solo reglas",
                _desde(campeon)),
            Kpi("Precisión media", texts.numero(precision, 3),
                f"al azar, {azar}; en lo que no vio al aprender"),
            Kpi("Las reglas solas", texts.numero(reglas, 3),
                f"al azar, {azar}; en las mismas lecturas"),
            Kpi("Aspirante", f"v{otro}" if otro else "Ninguno",
                "" if otro else "«consumo entrenar» hace uno"),
        ]
    )  # fmt: skip


def _desde(campeon: dict[str, Any] | None) -> str:
    """Return since when the champion is one."""
    if not campeon or not campeon["promociones"]:
        return ""
    cuando = _cuando(campeon["promociones"][-1].get("en"), corta=True)
    return "" if cuando == texts.FALTA else f"desde {cuando}"


def _cuando(texto: str | None, corta: bool = False) -> str:
    """Return an instant out of a tag, which a person may have edited in MLflow."""
    try:
        return texts.fecha_hora_corta(texto) if corta else texts.fecha_hora(texto)
    except ValueError:
        return texts.FALTA


def _comparar(filas: list[dict[str, Any]]) -> None:
    """Draw a chosen metric of every version, oldest first."""
    nombres = sorted({n for v in filas for n, valor in v["metricas"].items() if valor is not None})
    if not nombres:
        return
    primero = nombres.index(_PRINCIPALES[0]) if _PRINCIPALES[0] in nombres else 0
    nombre = st.selectbox(
        "Medida", nombres, index=primero, format_func=texts.legible, key="medida",
        bind="query-params", placeholder="Elija una medida", filter_mode=None,
    )  # fmt: skip
    if nombre:
        figura(analysis.metricas(filas, nombre, colores()), "metrica",
               f"{texts.legible(nombre)} de cada versión")  # fmt: skip


def _frente_a_frente(dado: dict[str, Any]) -> None:
    """Draw a group of metrics of some versions beside each other, the champion first."""
    por_numero = {version["version"]: version for version in dado["elementos"]}
    primeras = [n for n in dict.fromkeys((dado["campeon"], dado["aspirante"])) if n in por_numero]
    otras = [n for n in por_numero if n not in primeras]
    st.subheader("Frente a frente", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        numeros = st.multiselect(
            "Versiones", primeras + otras, default=(primeras + otras)[:2],
            format_func=lambda n: f"v{n}", max_selections=models.MAXIMO_VERSIONES,
            key="frente", width=260, placeholder="Elija versiones",
        )  # fmt: skip
        elegidas = [por_numero[numero] for numero in numeros]
        grupos = [g for g in models.GRUPOS if models.miembros(elegidas, g)]
        grupo = st.selectbox(
            "Medidas", grupos, format_func=models.GRUPOS.__getitem__, key="grupo",
            width=360, placeholder="No se han medido", disabled=not grupos, filter_mode=None,
        )  # fmt: skip
    if not elegidas or grupo is None:
        vacio("Nada que comparar", "Elija una versión con medidas, al menos.")
        return
    figura(models.frente_a_frente(elegidas, grupo, colores()), "frente_a_frente",
           models.GRUPOS[grupo])  # fmt: skip
    if len({v["etiquetas"].get("evaluacion_sha256") for v in elegidas}) > 1:
        st.caption(
            "No se midieron con las mismas lecturas: las diferencias pueden venir de los datos. "
            "«consumo promover» las compara sobre las mismas."
        )
    st.caption("Las curvas de precisión están en MLflow, con los ficheros de cada versión.")


def _cambiar(dado: dict[str, Any], campeon: dict[str, Any] | None) -> None:
    """Draw promotion and the way back; both ask for a reason and a confirmation."""
    st.subheader("Cambiar de campeón", anchor=False)
    impedido = impedimento("administracion", "promover o volver atrás")
    if impedido is not None:
        st.info(impedido, icon=":material/key:")
    otras = [v["version"] for v in dado["elementos"] if v["version"] != dado["campeon"]]
    anterior = _anterior(campeon)
    por_numero = {v["version"]: v for v in dado["elementos"]}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        elegida = st.selectbox(
            "Versión", otras, format_func=lambda v: f"v{v}", key="promover", width=160,
            placeholder="No hay otra", disabled=not otras, filter_mode=None,
        )  # fmt: skip
        sin_clave = impedido is not None
        if st.button("Promover", icon=":material/trophy:", disabled=sin_clave or not otras):
            _preguntar(f"/api/modelos/{elegida}/promover", f"Promover la versión {elegida}",
                       dado["campeon"], por_numero.get(elegida))  # fmt: skip
        texto = f"Volver a la v{anterior}" if anterior else "Volver a la anterior"
        if st.button(texto, icon=":material/history:", disabled=sin_clave or not anterior):
            _preguntar("/api/modelos/volver", texto, dado["campeon"], por_numero.get(anterior))
    if elegida in por_numero:
        _lo_que_dice_el_examen(por_numero[elegida])
    st.caption("Los consumidores usan la nueva antes de 30 s, sin pararse. Queda anotado quién y "
               "por qué.")  # fmt: skip


def _anterior(campeon: dict[str, Any] | None) -> int | None:
    """Return the version that the champion took over from, if it was one."""
    if not campeon or not campeon["promociones"]:
        return None
    desde = campeon["promociones"][-1].get("desde") or ""
    return int(desde) if desde.isdecimal() else None


def _lo_que_dice_el_examen(version: dict[str, Any]) -> None:
    """Draw whether a version passes the gate now, and by which criteria it does not."""
    if version["razones"]:
        st.markdown(f":material/block: **La v{version['version']} no pasa la puerta:**")
        st.text(_lista(version["razones"]))
    else:
        st.markdown(f":material/check_circle: La v{version['version']} puede promoverse.")
    examen = version["examen"]
    if examen is not None and examen["criterios"]:
        frente = f"la v{examen['campeon']}" if examen["campeon"] else "las reglas solas"
        with st.expander(f"El examen del {_cuando(examen['cuando'])}, frente a {frente}"):
            st.text(examen["motivo"])
            tabla(examen["criterios"], _CRITERIOS)


def _preguntar(ruta: str, que: str, campeon: int | None, version: dict[str, Any] | None) -> None:
    """Open the dialog for a version; of one that is not among those shown, the API will say."""
    st.session_state.pop(_RAZONES, None)
    _confirmar(ruta, que, campeon, version["razones"] if version else [])


@st.dialog("Cambiar de campeón")
def _confirmar(ruta: str, que: str, campeon: int | None, razones: list[str]) -> None:
    """Ask why and whether it is meant, whatever speaks against it; then do it."""
    st.markdown(f"**{que}**")
    st.caption("Desde ese momento puntúa todas las lecturas.")
    razones = st.session_state.get(_RAZONES, razones)
    if razones:
        st.error("El examen no la acepta.", icon=":material/block:")
        st.text(_lista(razones))
    with st.form("cambio", border=False):
        motivo = (st.text_input("Motivo", max_chars=500) or "").strip()
        forzar = bool(razones) and st.checkbox("Promover a la fuerza; quedará anotado")
        hecho = st.form_submit_button("Sí, cambiar", type="primary", icon=":material/check:")
    if not hecho:
        return
    if len(motivo) < _MOTIVO_MINIMO:
        st.warning("Escriba el motivo, de 3 caracteres al menos.", icon=":material/edit:")
        return
    cuerpo: dict[str, Any] = {"motivo": motivo, "campeon": campeon or 0}
    if forzar:
        cuerpo["forzar"] = True
    try:
        nuevo = data.cambiar(ruta, cuerpo, url_state.clave())
    except ApiError as error:
        if error.razones and error.razones != razones:
            # Drawn again with them, and with the way to insist.
            st.session_state[_RAZONES] = error.razones
            st.rerun(scope="fragment")
        st.error(f"No se ha cambiado nada: {error}.", icon=":material/error:")
        return
    como = " (a la fuerza)" if nuevo["puerta"] == _A_LA_FUERZA else ""
    st.session_state["_aviso"] = f"La versión {nuevo['version']} es la campeona{como}."
    st.rerun()


def _lista(razones: list[str]) -> str:
    return "\n".join(f"– {razon}" for razon in razones)


def _sombra(dado: dict[str, Any]) -> None:
    """Draw what the challenger in shadow would have said."""
    if not dado["lecturas"]:
        vacio(
            "Ningún aspirante en la sombra",
            "Con MODELO_EN_SOMBRA=True el consumidor puntúa además con el aspirante, sin tocar "
            "los veredictos.",
        )
        return
    total = dado["lecturas"]
    kpis(
        [
            Kpi("Aspirante", f"v{dado['version_aspirante'].rpartition('-')[2]}"),
            Kpi("Comparadas", texts.numero(total), "anómalas para uno de los dos"),
            Kpi("Coinciden", texts.porcentaje(dado["coinciden"] / total)),
            Kpi("Más graves", texts.numero(dado["mas_graves"]), "para el aspirante"),
            Kpi("Menos graves", texts.numero(dado["menos_graves"]), "para el aspirante"),
        ]
    )
    izquierda, derecha = st.columns([1, 1.3], gap="large")
    with izquierda:
        st.markdown("**Severidades, campeón y aspirante**")
        figura(analysis.sombra(dado["pares"], colores()), "sombra",
               "Severidad del campeón y del aspirante")  # fmt: skip
        st.markdown("**Las que más difieren, por puntuación**")
        figura(models.sombra_puntos(dado["elementos"], colores()), "sombra_puntos",
               "Puntuación del campeón y del aspirante")  # fmt: skip
    with derecha:
        st.markdown("**Donde más difieren**")
        tabla(
            dado["elementos"][:12],
            [
                Columna("Cliente", lambda f: f["propietario_id"], entera=True),
                Columna("Hora", lambda f: texts.fecha_hora_corta(f["timestamp_consumo"]),
                        entera=True, ancha=True),
                Columna("Campeón", lambda f: severidad(f["severidad_campeon"]), es_html=True),
                Columna("Aspirante", lambda f: severidad(f["severidad_aspirante"]), es_html=True),
                Columna("Cambio", _cambio, derecha=True, ancha=True),
            ],
        )  # fmt: skip


def _cambio(fila: dict[str, Any]) -> str:
    """Return how much higher the challenger's score is."""
    cambio = fila["score_aspirante"] - fila["score_campeon"]
    return f"{'+' if cambio > 0 else '−' if cambio < 0 else ''}{texts.numero(abs(cambio), 2)}"


def _historial(filas: list[dict[str, Any]]) -> None:
    """Draw the runs of the retraining job."""
    if not filas:
        vacio(
            "Ningún reentrenamiento todavía",
            "«consumo reentrenar» mira si hace falta, y solo promueve lo que es mejor.",
        )
        return
    for i, fila in enumerate(filas):
        titulo = f"{texts.fecha_hora(fila['inicio'])} · {fila['resultado'] or 'en curso'}"
        with st.expander(titulo, expanded=i == 0):
            st.text(f"Motivo: {fila['motivo'] or texts.FALTA}")
            if fila["detalle"]:
                st.text(fila["detalle"])
            if fila["criterios"]:
                tabla(fila["criterios"], _CRITERIOS)


def _cifra(campo: str, fila: dict[str, Any]) -> str:
    valor = fila.get(campo)
    return texts.numero(valor, 3) if isinstance(valor, int | float) else texts.FALTA


def _criterio(fila: dict[str, Any]) -> str:
    """Return what was compared; an average precision with its chance level."""
    nombre = texts.legible(str(fila.get("nombre", "")))
    azar = fila.get("azar")
    return nombre if azar is None else f"{nombre} (al azar: {_cifra('azar', fila)})"


_CRITERIOS = (
    Columna("Criterio", _criterio),
    Columna("Campeón", lambda f: _cifra("campeon", f), derecha=True),
    Columna("Aspirante", lambda f: _cifra("aspirante", f), derecha=True),
    Columna("Se pide", lambda f: str(f.get("limite", "")), ancha=True),
    Columna("", lambda f: "✓ cumple" if f.get("cumple") else "✗ no cumple", entera=True),
)
