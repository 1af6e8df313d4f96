"""What people do with a case: assign, visit, comment, judge, say what was found, and undo.

Everything is done to the case as it was shown: if somebody else has moved it since, the API says
so, and nothing is changed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st

from dashboard import texts
from dashboard.browser import key_name
from dashboard.case_texts import CaseRow
from dashboard.cases import is_drawn_by_lot, today
from dashboard.client import ApiError, api_client, change, customer_path
from dashboard.reviews import MAX_REASON, MIN_REASON, UNDO_S
from dashboard.session import key_owner, missing_role, typed_key

_DONE, _FAILED, _UNDO = "_caso_hecho", "_caso_fallo", "_caso_deshacer"
"""What a session keeps: what was done last, or why not, and the way back."""
_VERDICTS = {"confirmado": "Confirmar", "descartado": "Descartar"}
_FOUND, _NOT_FOUND = "Se halló algo", "No había nada"
_NOBODY = "Nadie"
_MAX_KWH = 1e7


def draw_actions(case: CaseRow) -> None:
    """Draw the buttons that move a case, each with its key."""
    disabled = why_not() is not None
    owner = key_owner()
    me = owner.name if owner is not None else ""
    st.button(
        "Asignármelo", key=key_name("a"), icon=":material/person_add:",
        disabled=disabled or not me or case["asignado_a"] == me, on_click=_assign, args=(case, me),
    )  # fmt: skip
    for verdict, letter, icon in (
        ("confirmado", "c", ":material/check_circle:"), ("descartado", "d", ":material/cancel:"),
    ):  # fmt: skip
        if st.button(
            _VERDICTS[verdict], key=key_name(letter), icon=icon,
            disabled=disabled or case["estado"] == verdict,
        ):  # fmt: skip
            _verdict_dialog(case, verdict)
    if st.button("Visita", key=key_name("v"), icon=":material/event:", disabled=disabled):
        _visit_dialog(case)
    if st.button("Resultado", key=key_name("o"), icon=":material/task_alt:", disabled=disabled):
        _result_dialog(case)
    last = _last_movement(case)
    st.button(
        "Deshacer", key=key_name("z"), icon=":material/undo:", disabled=disabled or last is None,
        on_click=_undo, args=(case["id"], last),
        help=None if last is None else "Lo último que se hizo con el caso",
    )  # fmt: skip
    with st.popover("Asignar a…", icon=":material/group:", disabled=disabled):
        _assign_to_someone(case)


def why_not() -> str | None:
    """Return why who is looking may not move a case; None = it may."""
    return missing_role("analista", "llevar el caso")


def _last_movement(case: CaseRow) -> int | None:
    """Return the number of the last movement that can be taken back; None = there is none."""
    undone = {entry["deshace"] for entry in case["historial"]}
    for entry in reversed(case["historial"]):
        if entry["accion"] != "deshacer" and entry["anotacion"] not in undone:
            return int(entry["anotacion"])
    return None


def _assign_to_someone(case: CaseRow) -> None:
    try:
        people = _people(typed_key())
    except ApiError as error:
        st.caption(f"No se sabe a quién se puede asignar: {error}.")
        return
    with st.form("asignar", border=False):
        chosen = st.selectbox(
            "A quién", [*people, _NOBODY], key="asignar_a", filter_mode=None,
            index=people.index(case["asignado_a"]) if case["asignado_a"] in people else 0,
        )  # fmt: skip
        if st.form_submit_button("Asignar", type="primary"):
            _assign(case, "" if chosen == _NOBODY else str(chosen))
            st.rerun()


@st.cache_data(ttl=60, max_entries=1, show_spinner=False, scope="session")
def _people(key: str) -> list[str]:
    """Return the names that a case can be assigned to, or raise ``ApiError``."""
    people = api_client().get("/api/personas", key=key)["elementos"]
    return [person["nombre"] for person in people]


def _move(case: CaseRow, action: str, body: Mapping[str, Any], done: str) -> bool:
    """Do something with a case and keep what came of it for the page that is drawn next."""
    try:
        answer = change(customer_path(f"/api/casos/{{}}/{action}", case["id"]), dict(body),
                        typed_key())  # fmt: skip
    except ApiError as error:
        st.session_state[_FAILED] = f"No se ha guardado: {str(error).rstrip('.')}."
        return False
    st.session_state[_DONE] = done
    if action != "comentarios":
        way_back = (case["id"], answer["anotacion"], time.monotonic() + UNDO_S, done)
        st.session_state[_UNDO] = way_back
    return True


def _assign(case: CaseRow, name: str) -> None:
    body = {"asignado_a": name or None, "revision": case["revision"], "sorteo": _by_lot(case)}
    done = f"Asignado a {name}" if name else "Sin asignar"
    _move(case, "asignacion", body, f"{case['propietario_id']}: {done.lower()}.")


def _undo(case_id: str, annotation: int) -> None:
    path = customer_path("/api/casos/{}/deshacer", case_id)
    try:
        change(path, {"anotacion": annotation}, typed_key())
    except ApiError as error:
        st.session_state[_FAILED] = f"No se ha deshecho: {str(error).rstrip('.')}."
        return
    st.session_state.pop(_UNDO, None)
    st.session_state[_DONE] = "Deshecho: el caso vuelve a como estaba."


@st.dialog("Veredicto del caso")
def _verdict_dialog(case: CaseRow, verdict: str) -> None:
    st.text(f"{_VERDICTS[verdict]} {_name(case)}")
    st.caption("Vale para todas sus horas: salen de las listas y el entrenamiento aprende de ello.")
    with st.form("veredicto_caso", border=False):
        reason = (
            st.text_input("Motivo", max_chars=MAX_REASON, key="motivo_del_caso") or ""
        ).strip()
        sent = st.form_submit_button(_VERDICTS[verdict], type="primary")
    if not sent:
        return
    if len(reason) < MIN_REASON:
        st.warning(f"Escriba el motivo, de {MIN_REASON} caracteres al menos.")
        return
    body = {"veredicto": verdict, "motivo": reason, "revision": case["revision"]}
    _finish(_move(case, "veredicto", body, f"{_name(case)}: {verdict}. Motivo: {reason}"))


@st.dialog("Visita")
def _visit_dialog(case: CaseRow) -> None:
    st.text(_name(case))
    try:
        day_of_visit: date | None = today()
    except ApiError:  # The day can be chosen all the same.
        day_of_visit = None
    with st.form("visita_caso", border=False):
        day = st.date_input("Día de la visita", value=day_of_visit, format="DD/MM/YYYY")
        sent = st.form_submit_button("Guardar la visita", type="primary")
    if sent and isinstance(day, date):
        body = {
            "fecha": day.isoformat(), "revision": case["revision"], "sorteo": _by_lot(case),
        }  # fmt: skip
        when = texts.day(day.isoformat())
        _finish(_move(case, "visita", body, f"{_name(case)}: visita del {when}."))


@st.dialog("Resultado de la visita")
def _result_dialog(case: CaseRow) -> None:
    st.text(_name(case))
    with st.form("resultado_caso", border=False):
        found = st.radio("Qué se halló", [_FOUND, _NOT_FOUND], horizontal=True)
        left, right = st.columns(2)
        kwh = left.number_input(
            "Energía recuperada, kWh", 0.0, _MAX_KWH, None, 10.0, format="%0.0f"
        )
        euros = right.number_input("Recuperado, €", 0.0, _MAX_KWH, None, 10.0, format="%0.2f")
        text = (st.text_input("Qué había", max_chars=MAX_REASON) or "").strip()
        sent = st.form_submit_button("Guardar el resultado", type="primary")
    if not sent:
        return
    is_found = found == _FOUND
    body = {
        "hallado": is_found,
        "energia_recuperada_kwh": kwh if is_found else None,
        "recuperado_eur": euros if is_found else None,
        "texto": text or None,
        "revision": case["revision"],
        "sorteo": _by_lot(case),
    }
    body = {name: value for name, value in body.items() if value is not None}
    _finish(_move(case, "resultado", body, f"{_name(case)}: {str(found).lower()}."))


def _finish(done: bool) -> None:
    """Close a dialog whose change was made; otherwise say in it why it was not."""
    if done:
        st.rerun()
    st.error(texts.plain(st.session_state.pop(_FAILED, "")), icon=":material/error:")


def _by_lot(case: CaseRow) -> bool:
    """Return whether a visit to a case comes from the random draw of a day's list."""
    return bool(case["sorteo"]) or is_drawn_by_lot(case["id"])


def _name(case: CaseRow) -> str:
    return f"{case['propietario_id']} · {texts.readable(case['tipo'])}"


def draw_comment_form(case: CaseRow) -> None:
    """Draw where a comment is written."""
    if missing_role("analista", "comentar") is not None:
        return
    with st.form("comentario_caso", border=False, clear_on_submit=True):
        text = st.text_input("Comentario", max_chars=MAX_REASON, key="comentario")
        if st.form_submit_button("Comentar", icon=":material/comment:") and (text or "").strip():
            _move(case, "comentarios", {"texto": str(text).strip()}, "Comentario guardado.")
            st.rerun()


def draw_case_outcome(with_way_back: bool = True) -> None:
    """Draw what the last change of a case did, once, and for a minute the way back."""
    if done := st.session_state.pop(_DONE, None):
        st.toast(texts.plain(done), icon=":material/check_circle:")
    if failure := st.session_state.pop(_FAILED, None):
        st.error(texts.plain(failure), icon=":material/error:")
    case_id, annotation, until, text = st.session_state.get(_UNDO, ("", 0, 0.0, ""))
    if with_way_back and time.monotonic() < until:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.text(text)
            st.button(
                "Deshacer", key=key_name("z"), icon=":material/undo:", on_click=_undo,
                args=(case_id, annotation),
            )  # fmt: skip
