"""One anomaly as people judge it: why it was flagged, what was said of it, what to say now."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.charts.buscar_cliente import contribution_waterfall
from dashboard.client import ApiError, change, fetch
from dashboard.lists import refresh_lists
from dashboard.session import missing_role, typed_key

MIN_REASON, MAX_REASON = 3, 500
"""Characters of why something is changed, by contract."""
_BUTTONS = (
    ("confirmada", "Confirmar", ":material/check_circle:"),
    ("descartada", "Descartar", ":material/cancel:"),
    ("abierta", "Reabrir", ":material/undo:"),
)
UNDO_S = 60.0
"""How long the way back stays in reach."""
_NAMED = 6
"""Anomalies named in a line; of more their number."""
_GIVEN, _DRAFT, _FAILURE = "_veredictos_dados", "_borrador", "_fallo_veredicto"
_OUTCOME, _UNTOUCHED, _UNDO, _UNDO_FAILURE = "_aviso", "_no_tocadas", "_deshacer", "_fallo_deshacer"
"""What a session keeps: verdicts given, a reason not yet given, and what came of the last one."""
_WHY_NOT = {
    "rechazadas": "No se ha tocado, porque ha cambiado desde que se mostró",
    "no_encontradas": "Ya no existe",
    "sin_hacer": "Falta por hacer, porque el almacén ha dejado de responder; repítalo",
}
"""The lists of an answer with what a change did not touch, and why not."""
_DONE = {"confirmada": "Confirmada", "descartada": "Descartada", "abierta": "Reabierta"}

_OTHER_DETECTORS = (
    ui.TableColumn("Detector", "detector", shown=texts.readable),
    ui.TableColumn("Puntos", "score", "der", lambda score: texts.number(score, 2)),
    ui.TableColumn("Qué dice", lambda row: row["frase"] or "Aún no puede opinar."),
)
_VERDICTS = (
    ui.TableColumn("Cuándo", "cuando", "no-partir", texts.date_time),
    ui.TableColumn("Veredicto", "estado", shown=ui.state_badge, is_html=True),
    ui.TableColumn("Quién", "quien"),
    ui.TableColumn("Motivo", "motivo"),
)


def draw_anomaly(anomaly_id: str, key: str) -> None:
    """Draw an anomaly: figures, contributions of the detectors, sentences, verdicts, the form.

    ``key``: of the page's ``verdict_form``.
    """
    with ui.section(f"detalle_{anomaly_id}"):
        one = fetch(f"/api/anomalias/{anomaly_id}")
        customer, when = html.escape(one["propietario_id"]), one["timestamp_consumo"]
        with st.container(border=True, key="detalle"):
            st.html(
                f"<b style='font-size:1.1rem'>{customer} · {texts.date_time(when)}</b> &nbsp; "
                f"{ui.severity_badge(one['severidad'])} &nbsp; {ui.state_badge(one['estado'])}"
            )
            _figures(one)
            _explanation(one)
            if one["veredictos"]:
                st.markdown("**Veredictos**")
                ui.table(one["veredictos"][::-1], _VERDICTS)
            verdict_form([one], key)


def _figures(one: dict[str, Any]) -> None:
    more = one["diferencia_kwh"]
    difference = "aún sin historia bastante"
    if more is not None:
        difference = f"{texts.energy(abs(more))} {'más' if more >= 0 else 'menos'}"
    ui.kpis(
        ui.Kpi("Consumo", texts.energy(one["consumo_kwh"]), f"a las {one['hora']} h"),
        ui.Kpi("Esperado", texts.energy(one["consumo_esperado_kwh"]), difference),
        ui.Kpi("Puntuación", texts.number(one["score_anomalia"], 2), "de 0 a 1"),
        ui.stake_card(one),
    )


def _explanation(one: dict[str, Any]) -> None:
    explanation = one["explicacion"]
    left, right = st.columns([1, 1.1], gap="medium")
    with left:
        st.markdown("**De dónde sale la alarma**")
        if any((row["aporte"] or 0) > 0 for row in explanation):
            ui.figure(
                "Cascada con lo que aporta cada detector",
                contribution_waterfall,
                explanation,
                one["score_anomalia"],
            )
        else:
            st.caption("No se guardó lo que aportó cada detector.")
    with right:
        st.markdown("**Por qué**")
        sentences = [row["frase"] for row in explanation if row["dispara"] and row["frase"]]
        if sentences:
            ui.bullets(sentences)
        else:
            st.caption("Ningún detector llega solo a su definición: la suma de señales leves sí.")
        others = [row for row in explanation if not row["dispara"]]
        if others:
            with st.expander("Lo que dicen los demás detectores"):
                ui.table(others, _OTHER_DETECTORS)
        st.caption(f"Puntuado con: {texts.model_name(one['version_modelo'])}.")


@dataclass(frozen=True, slots=True)
class ShownAnomaly:
    """An anomaly as it stands on the screen: a verdict is given on this, and on nothing else."""

    id: str
    revision: str
    name: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> ShownAnomaly:
        """Return a row of the API as it is shown."""
        when = texts.short_date_time(row["timestamp_consumo"])
        return cls(row["id"], row["revision"], f"{row['propietario_id']} del {when}")


def judge_chosen(rows: Sequence[Mapping[str, Any]], key: str) -> None:
    """Draw which of many anomalies are about to be judged, by their names, and the form."""
    st.markdown(f"**{texts.count_of(len(rows), 'elegida', 'elegidas')}**")
    st.text(", ".join(ShownAnomaly.of(row).name for row in rows))
    verdict_form(rows, key)


def verdict_form(rows: Sequence[Mapping[str, Any]], key: str) -> None:
    """Draw the form that confirms, discards or reopens one or many anomalies.

    Each button judges the anomalies that it was drawn for, as they were then. What is typed stays
    until a verdict has been given.

    ``key``: tells the forms of a page apart.
    """
    forbidden = missing_role("analista", "dar veredictos")
    if forbidden is not None:
        st.info(forbidden, icon=":material/key:")
        if not typed_key():
            return
    shown = tuple(ShownAnomaly.of(row) for row in rows)
    digest = blake2b(repr(shown).encode(), digest_size=8).hexdigest()
    states = {row["estado"] for row in rows}
    reason = f"motivo_{key}_{st.session_state.get(_GIVEN, 0)}"
    with st.form(f"veredicto_{key}", border=False, enter_to_submit=False):
        st.text_input(
            "Motivo",
            value=st.session_state.get(_DRAFT, {}).get(reason, ""),
            max_chars=MAX_REASON,
            placeholder="Por ejemplo: inspección del 20/11, contador manipulado",
            key=reason,
        )
        with st.container(horizontal=True):
            for verdict, text, icon in _BUTTONS:
                if states == {verdict} or (verdict == "abierta" and "abierta" in states):
                    continue
                st.form_submit_button(
                    text,
                    key=f"{verdict}_{key}_{digest}",
                    icon=icon,
                    type="primary" if verdict == "confirmada" else "secondary",
                    disabled=forbidden is not None,
                    on_click=_give_verdict,
                    args=(shown, verdict, reason),
                )
    if failure := st.session_state.pop(_FAILURE, None):
        st.error(failure, icon=":material/error:")


def _give_verdict(shown: tuple[ShownAnomaly, ...], verdict: str, reason_key: str) -> None:
    """Send a verdict on what was on the screen when its button was drawn."""
    reason = str(st.session_state.get(reason_key) or "").strip()
    st.session_state[_DRAFT] = {reason_key: reason}
    if len(reason) < MIN_REASON:
        st.session_state[_FAILURE] = f"Escriba el motivo, de {MIN_REASON} caracteres al menos."
        return
    if len(shown) == 1:
        path = f"/api/anomalias/{shown[0].id}/veredicto"
        body: dict[str, Any] = {"revision": shown[0].revision}
    else:
        path = "/api/anomalias/veredictos"
        body = {"ids": [a.id for a in shown], "revisiones": [a.revision for a in shown]}
    try:
        done = change(path, {**body, "veredicto": verdict, "motivo": reason}, typed_key())
    except ApiError as error:
        st.session_state[_FAILURE] = f"No se ha guardado: {error}.".replace("..", ".")
        return
    st.session_state[_GIVEN] = st.session_state.get(_GIVEN, 0) + 1
    st.session_state.pop(_DRAFT, None)
    refresh_lists()
    why_not = left_out(shown, done)
    outcome = ""
    if judged := [a for a in shown if a.id not in why_not]:
        outcome = f"{_DONE[verdict]}: {_names(judged)}. Motivo: {reason}"
        st.session_state[_UNDO] = (done["anotacion"], time.monotonic() + UNDO_S, outcome)
    _keep_outcome(
        outcome,
        [
            f"{text}: {_names(own)}."
            for listed, text in _WHY_NOT.items()
            if (own := [a for a in shown if why_not.get(a.id) == listed])
        ],
    )


def left_out(shown: Sequence[ShownAnomaly], done: Mapping[str, Any]) -> dict[str, str]:
    """Return the ids that a verdict was not given to, with the list of the answer they are in."""
    refused = [anomaly["id"] for anomaly in done.get("rechazadas", ())]
    lists = {name: done.get(name, ()) for name in _WHY_NOT} | {"rechazadas": refused}
    outside = {one: name for name, ids in lists.items() for one in ids}
    return {a.id: outside[a.id] for a in shown if a.id in outside}


def _names(shown: Sequence[ShownAnomaly]) -> str:
    first = ", ".join(anomaly.name for anomaly in shown[:_NAMED])
    more = len(shown) - _NAMED
    return f"{first} y {texts.number(more)} más" if more > 0 else first


def _keep_outcome(outcome: str, warnings: Sequence[str]) -> None:
    """Keep what a change did, and what not, for the page that is drawn next."""
    announce_outcome(outcome)
    st.session_state[_UNTOUCHED] = "\n\n".join(warnings)


def announce_outcome(outcome: str) -> None:
    """Keep what has been done, which the page that is drawn next says once."""
    st.session_state[_OUTCOME] = outcome


def _undo(annotation: int) -> None:
    undo = st.session_state.pop(_UNDO, None)
    try:
        done = change(f"/api/anomalias/veredictos/{annotation}/deshacer", {}, typed_key())
    except ApiError as error:
        st.session_state[_UNDO_FAILURE] = f"No se ha deshecho: {error}.".replace("..", ".")
        return
    refresh_lists()
    back = len(done["cambiadas"])
    _keep_outcome(
        f"Deshecho: {texts.count_of(back, 'anomalía vuelve', 'anomalías vuelven')} a como "
        f"estaba{'n' if back != 1 else ''}.",
        [
            f"{text}: {texts.count_of(len(done[listed]), 'anomalía', 'anomalías')}."
            for listed, text in _WHY_NOT.items()
            if done[listed]
        ],
    )
    if undo and done["sin_hacer"]:  # The same way back is that of the others.
        st.session_state[_UNDO] = undo


def draw_outcome() -> None:
    """Draw what the last change of this session did, once, and for a minute the way back."""
    if outcome := st.session_state.pop(_OUTCOME, None):
        st.toast(outcome, icon=":material/check_circle:")
    if untouched := st.session_state.pop(_UNTOUCHED, ""):
        st.warning(untouched, icon=":material/info:")
    if failure := st.session_state.pop(_UNDO_FAILURE, None):
        st.error(failure, icon=":material/error:")
    annotation, until, outcome = st.session_state.get(_UNDO, (0, 0.0, ""))
    if time.monotonic() < until:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.text(outcome)
            st.button(
                "Deshacer", key=f"deshacer_{annotation}", icon=":material/undo:",
                on_click=_undo, args=(annotation,),
            )  # fmt: skip
