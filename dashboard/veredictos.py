"""One anomaly as people judge it: why it was flagged, what was said of it, what to say now."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import charts_cliente, datos, estado, textos
from dashboard.client import ApiError
from dashboard.componentes import (
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

_MOTIVO_MINIMO, _MOTIVO_MAXIMO = 3, 500
"""Characters, by contract."""
_BOTONES = (
    ("confirmada", "Confirmar", ":material/check_circle:"),
    ("descartada", "Descartar", ":material/cancel:"),
    ("abierta", "Reabrir", ":material/undo:"),
)
_HECHO = {"confirmada": "Confirmada", "descartada": "Descartada", "abierta": "Reabierta"}


def detalle(identificador: str) -> None:
    """Draw an anomaly: figures, contributions of the detectors, sentences, verdicts, the form."""
    with parte(f"detalle_{identificador}"):
        una = datos.leer(datos.pedir(f"/api/anomalias/{identificador}", datos.VIVO_S))
        with st.container(border=True, key="detalle"):
            st.html(
                f"<b style='font-size:1.1rem'>{_titulo(una)}</b> &nbsp; "
                f"{severidad(una['severidad'])} &nbsp; {rotulo(una['estado'])}"
            )
            kpis(_cifras(una))
            _explicacion(una)
            _historia(una["veredictos"])
            formulario([una], f"una_{identificador}")


def _titulo(una: dict[str, Any]) -> str:
    from html import escape

    return f"{escape(una['propietario_id'])} · {textos.fecha_hora(una['timestamp_consumo'])}"


def _cifras(una: dict[str, Any]) -> list[Kpi]:
    diferencia = una["diferencia_kwh"]
    return [
        Kpi("Consumo", textos.kwh(una["consumo_kwh"]), f"a las {una['hora']} h"),
        Kpi("Esperado", textos.kwh(una["consumo_esperado_kwh"]), _diferencia(diferencia)),
        Kpi("Puntuación", textos.numero(una["score_anomalia"], 2), "de 0 a 1"),
        Kpi(
            "En juego (estimado)",
            textos.euros(una["energia_en_juego_eur"]),
            textos.kwh(una["energia_en_juego_kwh"]),
        ),
    ]


def _diferencia(kwh: float | None) -> str:
    if kwh is None:
        return "aún sin historia bastante"
    return f"{textos.kwh(abs(kwh))} {'más' if kwh >= 0 else 'menos'}"


def _explicacion(una: dict[str, Any]) -> None:
    """Draw what each detector contributed and said."""
    explicacion = una["explicacion"]
    izquierda, derecha = st.columns([1, 1.1], gap="medium")
    with izquierda:
        st.markdown("**De dónde sale la alarma**")
        if any((fila["aporte"] or 0) > 0 for fila in explicacion):
            figura(
                charts_cliente.cascada(explicacion, una["score_anomalia"], colores()),
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
                        Columna("Detector", lambda f: textos.tipo(f["detector"])),
                        Columna("Puntos", _puntos, derecha=True),
                        Columna("Qué dice", lambda f: f["frase"] or "Aún no puede opinar."),
                    ],
                )
        st.caption(f"Puntuado con: {textos.version_modelo(una['version_modelo'])}.")


def _puntos(fila: dict[str, Any]) -> str:
    return textos.numero(fila["score"], 2)


def _historia(veredictos: list[dict[str, Any]]) -> None:
    """Draw what people have said of it, the latest first."""
    if not veredictos:
        return
    st.markdown("**Veredictos**")
    tabla(
        veredictos[::-1],
        [
            Columna("Cuándo", lambda v: textos.fecha_hora(v["cuando"]), entera=True),
            Columna("Veredicto", lambda v: rotulo(v["estado"]), es_html=True),
            Columna("Quién", lambda v: v["quien"]),
            Columna("Motivo", lambda v: v["motivo"]),
        ],
    )


def formulario(filas: list[dict[str, Any]], clave: str) -> None:
    """Draw the form that confirms, discards or reopens one or many anomalies."""
    estados = {fila["estado"] for fila in filas}
    if not estado.clave():
        st.info(
            "Para confirmar o descartar, escriba su clave de analista en «Clave», en la barra "
            "lateral.",
            icon=":material/key:",
        )
        return
    with st.form(f"veredicto_{clave}", clear_on_submit=True, border=False):
        motivo = st.text_input(
            "Motivo",
            max_chars=_MOTIVO_MAXIMO,
            placeholder="Por ejemplo: inspección del 20/11, contador manipulado",
        )
        with st.container(horizontal=True):
            pulsado = None
            for valor, texto, icono in _BOTONES:
                if estados == {valor} or (valor == "abierta" and "abierta" in estados):
                    continue
                principal = valor == "confirmada"
                if st.form_submit_button(
                    texto, icon=icono, type="primary" if principal else "secondary"
                ):
                    pulsado = valor
    if pulsado is not None:
        _dar(filas, pulsado, (motivo or "").strip())


def _dar(filas: list[dict[str, Any]], veredicto: str, motivo: str) -> None:
    """Send a verdict, and show the page as it is then."""
    if len(motivo) < _MOTIVO_MINIMO:
        st.warning("Escriba el motivo, de 3 caracteres al menos.", icon=":material/edit:")
        return
    try:
        if len(filas) == 1:
            ruta, cuerpo = f"/api/anomalias/{filas[0]['id']}/veredicto", {}
        else:
            ruta, cuerpo = "/api/anomalias/veredictos", {"ids": [fila["id"] for fila in filas]}
        datos.cambiar(ruta, {**cuerpo, "veredicto": veredicto, "motivo": motivo}, estado.clave())
    except ApiError as error:
        detalle_error = str(error)
        st.error(f"No se ha guardado: {detalle_error}.".replace("..", "."), icon=":material/error:")
        return
    cuantas = f" ({len(filas)})" if len(filas) > 1 else ""
    st.session_state["_aviso"] = f"{_HECHO[veredicto]}{cuantas}. Motivo: {motivo}"
    st.rerun()


def avisar() -> None:
    """Draw what the last change of this session did, once."""
    if aviso := st.session_state.pop("_aviso", None):
        st.toast(aviso, icon=":material/check_circle:")
