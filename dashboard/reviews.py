"""One anomaly as people judge it: why it was flagged, what was said of it, what to say now."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import streamlit as st

from dashboard import data, texts, url_state
from dashboard.charts import customer
from dashboard.client import ApiError
from dashboard.components import (
    Columna,
    Kpi,
    colores,
    figura,
    kpis,
    motivos,
    parte,
    rotulo,
    severidad,
    tabla,
)
from dashboard.lists import nombre_de, renovar_listas
from dashboard.session import impedimento

_MOTIVO_MINIMO, _MOTIVO_MAXIMO = 3, 500
"""Characters, by contract."""
_BOTONES = (
    ("confirmada", "Confirmar", ":material/check_circle:"),
    ("descartada", "Descartar", ":material/cancel:"),
    ("abierta", "Reabrir", ":material/undo:"),
)
DESHACER_S = 60.0
"""How long the way back stays in reach."""
_NOMBRADAS = 6
"""Anomalies named in a line; of more their number."""
_DADOS, _BORRADOR, _FALLO = "_veredictos_dados", "_borrador", "_fallo_veredicto"
_NO_TOCADAS, _DESHACER, _FALLO_DESHACER = "_no_tocadas", "_deshacer", "_fallo_deshacer"
"""What a session keeps: verdicts given, a reason not yet given, and what came of the last one."""
_POR_QUE = {
    "rechazadas": "No se ha tocado, porque ha cambiado desde que se mostró",
    "no_encontradas": "Ya no existe",
    "sin_hacer": "Falta por hacer, porque el almacén ha dejado de responder; repítalo",
}
"""The lists of an answer with what a change did not touch, and why not."""
_HECHO = {"confirmada": "Confirmada", "descartada": "Descartada", "abierta": "Reabierta"}


def detalle(identificador: str, clave: str) -> None:
    """Draw an anomaly: figures, contributions of the detectors, sentences, verdicts, the form.

    Parameters
    ----------
    clave : str
        Of the page's ``formulario``.
    """
    with parte(f"detalle_{identificador}"):
        una = data.leer(data.pedir(f"/api/anomalias/{identificador}", data.VIVO_S))
        with st.container(border=True, key="detalle"):
            st.html(
                f"<b style='font-size:1.1rem'>{_titulo(una)}</b> &nbsp; "
                f"{severidad(una['severidad'])} &nbsp; {rotulo(una['estado'])}"
            )
            kpis(_cifras(una))
            _explicacion(una)
            _historia(una["veredictos"])
            formulario([una], clave)


def _titulo(una: dict[str, Any]) -> str:
    from html import escape

    return f"{escape(una['propietario_id'])} · {texts.fecha_hora(una['timestamp_consumo'])}"


def _cifras(una: dict[str, Any]) -> list[Kpi]:
    diferencia = una["diferencia_kwh"]
    return [
        Kpi("Consumo", texts.kwh(una["consumo_kwh"]), f"a las {una['hora']} h"),
        Kpi("Esperado", texts.kwh(una["consumo_esperado_kwh"]), _diferencia(diferencia)),
        Kpi("Puntuación", texts.numero(una["score_anomalia"], 2), "de 0 a 1"),
        Kpi(
            "En juego (estimado)",
            texts.euros(una["energia_en_juego_eur"]),
            texts.kwh(una["energia_en_juego_kwh"]),
        ),
    ]


def _diferencia(kwh: float | None) -> str:
    if kwh is None:
        return "aún sin historia bastante"
    return f"{texts.kwh(abs(kwh))} {'más' if kwh >= 0 else 'menos'}"


def _explicacion(una: dict[str, Any]) -> None:
    """Draw what each detector contributed and said."""
    explicacion = una["explicacion"]
    izquierda, derecha = st.columns([1, 1.1], gap="medium")
    with izquierda:
        st.markdown("**De dónde sale la alarma**")
        if any((fila["aporte"] or 0) > 0 for fila in explicacion):
            figura(
                customer.cascada(explicacion, una["score_anomalia"], colores()),
                f"cascada_{una['id']}",
                "Cascada con lo que aporta cada detector",
            )
        else:
            st.caption("No se guardó lo que aportó cada detector.")
    with derecha:
        st.markdown("**Por qué**")
        frases = [fila["frase"] for fila in explicacion if fila["dispara"] and fila["frase"]]
        if frases:
            motivos(frases)
        else:
            st.caption("Ningún detector llega solo a su definición: la suma de señales leves sí.")
        otras = [fila for fila in explicacion if not fila["dispara"]]
        if otras:
            with st.expander("Lo que dicen los demás detectores"):
                tabla(
                    otras,
                    [
                        Columna("Detector", lambda f: texts.tipo(f["detector"])),
                        Columna("Puntos", _puntos, derecha=True),
                        Columna("Qué dice", lambda f: f["frase"] or "Aún no puede opinar."),
                    ],
                )
        st.caption(f"Puntuado con: {texts.version_modelo(una['version_modelo'])}.")


def _puntos(fila: dict[str, Any]) -> str:
    return texts.numero(fila["score"], 2)


def _historia(veredictos: list[dict[str, Any]]) -> None:
    """Draw what people have said of it, the latest first."""
    if not veredictos:
        return
    st.markdown("**Veredictos**")
    tabla(
        veredictos[::-1],
        [
            Columna("Cuándo", lambda v: texts.fecha_hora(v["cuando"]), entera=True),
            Columna("Veredicto", lambda v: rotulo(v["estado"]), es_html=True),
            Columna("Quién", lambda v: v["quien"]),
            Columna("Motivo", lambda v: v["motivo"]),
        ],
    )


@dataclass(frozen=True, slots=True)
class Vista:
    """An anomaly as it stands on the screen: a verdict is given on this, and on nothing else."""

    id: str
    revision: str
    nombre: str

    @classmethod
    def of(cls, fila: Mapping[str, Any]) -> Vista:
        """Return a row of the API as it is shown."""
        return cls(fila["id"], fila["revision"], nombre_de(fila))


def formulario(filas: list[dict[str, Any]], clave: str) -> None:
    """Draw the form that confirms, discards or reopens one or many anomalies.

    Each button judges the anomalies that it was drawn for, as they were then. What is typed stays
    until a verdict has been given.

    Parameters
    ----------
    clave : str
        Tells the forms of a page apart.
    """
    impedido = impedimento("analista", "dar veredictos")
    if impedido is not None:
        st.info(impedido, icon=":material/key:")
        if not url_state.clave():
            return
    vistas = tuple(Vista.of(fila) for fila in filas)
    huella = blake2b(repr(vistas).encode(), digest_size=8).hexdigest()
    estados = {fila["estado"] for fila in filas}
    motivo = f"motivo_{clave}_{st.session_state.get(_DADOS, 0)}"
    with st.form(f"veredicto_{clave}", border=False, enter_to_submit=False):
        st.text_input(
            "Motivo",
            value=st.session_state.get(_BORRADOR, {}).get(motivo, ""),
            max_chars=_MOTIVO_MAXIMO,
            placeholder="Por ejemplo: inspección del 20/11, contador manipulado",
            key=motivo,
        )
        with st.container(horizontal=True):
            for valor, texto, icono in _BOTONES:
                if estados == {valor} or (valor == "abierta" and "abierta" in estados):
                    continue
                st.form_submit_button(
                    texto,
                    key=f"{valor}_{clave}_{huella}",
                    icon=icono,
                    type="primary" if valor == "confirmada" else "secondary",
                    disabled=impedido is not None,
                    on_click=_dar,
                    args=(vistas, valor, motivo),
                )
    if fallo := st.session_state.pop(_FALLO, None):
        st.error(fallo, icon=":material/error:")


def _dar(vistas: tuple[Vista, ...], veredicto: str, clave_motivo: str) -> None:
    """Send a verdict on what was on the screen when its button was drawn."""
    motivo = str(st.session_state.get(clave_motivo) or "").strip()
    st.session_state[_BORRADOR] = {clave_motivo: motivo}
    if len(motivo) < _MOTIVO_MINIMO:
        st.session_state[_FALLO] = f"Escriba el motivo, de {_MOTIVO_MINIMO} caracteres al menos."
        return
    if len(vistas) == 1:
        ruta = f"/api/anomalias/{vistas[0].id}/veredicto"
        cuerpo: dict[str, Any] = {"revision": vistas[0].revision}
    else:
        ruta = "/api/anomalias/veredictos"
        cuerpo = {"ids": [v.id for v in vistas], "revisiones": [v.revision for v in vistas]}
    try:
        dado = data.cambiar(
            ruta, {**cuerpo, "veredicto": veredicto, "motivo": motivo}, url_state.clave()
        )
    except ApiError as error:
        st.session_state[_FALLO] = f"No se ha guardado: {error}.".replace("..", ".")
        return
    st.session_state[_DADOS] = st.session_state.get(_DADOS, 0) + 1
    st.session_state.pop(_BORRADOR, None)
    renovar_listas()
    por_que = left_out(vistas, dado)
    if juzgadas := [v for v in vistas if v.id not in por_que]:
        hecho = f"{_HECHO[veredicto]}: {_names(juzgadas)}. Motivo: {motivo}"
        st.session_state[_DESHACER] = (dado["anotacion"], time.monotonic() + DESHACER_S, hecho)
    else:
        hecho = ""
    _tell(
        hecho,
        [
            f"{texto}: {_names(suyas)}."
            for lista, texto in _POR_QUE.items()
            if (suyas := [v for v in vistas if por_que.get(v.id) == lista])
        ],
    )


def left_out(vistas: Sequence[Vista], dado: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids that a verdict was not given to, with the list of the answer they are in."""
    de_una = {"rechazadas": [a["id"] for a in dado.get("rechazadas", ())]}
    listas = {nombre: de_una.get(nombre, dado.get(nombre, ())) for nombre in _POR_QUE}
    fuera = {uno: nombre for nombre, ids in listas.items() for uno in ids}
    return {v.id: fuera[v.id] for v in vistas if v.id in fuera}


def _names(vistas: Sequence[Vista]) -> str:
    """Return which anomalies they are, for people."""
    primeras = ", ".join(vista.nombre for vista in vistas[:_NOMBRADAS])
    mas = len(vistas) - _NOMBRADAS
    return f"{primeras} y {texts.numero(mas)} más" if mas > 0 else primeras


def _tell(hecho: str, avisos: Sequence[str]) -> None:
    """Keep what a change did, and what not, for the page that is drawn next."""
    st.session_state["_aviso"] = hecho
    st.session_state[_NO_TOCADAS] = "\n\n".join(avisos)


def elegidas(filas: Sequence[Mapping[str, Any]]) -> None:
    """Draw which anomalies are about to be judged, by their names."""
    st.markdown(f"**{texts.plural(len(filas), 'elegida', 'elegidas')}**")
    st.text(", ".join(nombre_de(fila) for fila in filas))


def _deshacer(anotacion: int) -> None:
    """Take the last verdict back."""
    deshacer = st.session_state.pop(_DESHACER, None)
    try:
        ruta = f"/api/anomalias/veredictos/{anotacion}/deshacer"
        dado = data.cambiar(ruta, {}, url_state.clave())
    except ApiError as error:
        st.session_state[_FALLO_DESHACER] = f"No se ha deshecho: {error}.".replace("..", ".")
        return
    renovar_listas()
    vuelven = len(dado["cambiadas"])
    _tell(
        f"Deshecho: {texts.plural(vuelven, 'anomalía vuelve', 'anomalías vuelven')} a como "
        f"estaba{'n' if vuelven != 1 else ''}.",
        [
            f"{texto}: {texts.plural(len(dado[lista]), 'anomalía', 'anomalías')}."
            for lista, texto in _POR_QUE.items()
            if dado[lista]
        ],
    )
    if deshacer and dado["sin_hacer"]:  # The same way back is that of the others.
        st.session_state[_DESHACER] = deshacer


def avisar() -> None:
    """Draw what the last change of this session did, once, and for a minute the way back."""
    aviso = st.session_state.pop("_aviso", None)
    if aviso:
        st.toast(aviso, icon=":material/check_circle:")
    if no_tocadas := st.session_state.pop(_NO_TOCADAS, ""):
        st.warning(no_tocadas, icon=":material/info:")
    if fallo := st.session_state.pop(_FALLO_DESHACER, None):
        st.error(fallo, icon=":material/error:")
    anotacion, hasta, hecho = st.session_state.get(_DESHACER, (0, 0.0, ""))
    if time.monotonic() < hasta:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.text(hecho)
            st.button(
                "Deshacer", key=f"deshacer_{anotacion}", icon=":material/undo:",
                on_click=_deshacer, args=(anotacion,),
            )  # fmt: skip
