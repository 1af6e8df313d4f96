"""Modelos: versions side by side, what the gate said, the shadow, promotion and the way back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import texts, ui
from dashboard.charts import modelos as charts
from dashboard.client import ApiError, api_request, change, fetch_all
from dashboard.reviews import MAX_REASON, MIN_REASON, announce_outcome, draw_outcome
from dashboard.session import missing_role, typed_key

_VERSIONS = 12
_RUNS = 20
_DIFFERENCES = 300
_PRECISION, _RULES_PRECISION = "precision_media", "precision_media_reglas"
_API_REASONS = "_razones_de_la_api"
"""Where the session keeps what the API has said against a change that is being confirmed."""
_OUTSIDE_THE_GATE, _BY_FORCE = "fuera de la puerta", "a la fuerza"
"""How a champion came to be it, in the API's words."""
_ALIASES = {"champion": "Campeón", "challenger": "Aspirante"}

ModelRow = Mapping[str, Any]
"""A row of ``/api/modelos``."""


def draw_modelos() -> None:
    """Draw the page."""
    draw_outcome()
    versions, history, shadow = fetch_all(
        api_request("/api/modelos", limite=_VERSIONS),
        api_request("/api/modelos/historial", limite=_RUNS),
        api_request("/api/modelos/sombra", limite=_DIFFERENCES),
    )
    top = st.container()
    # MLflow takes its time, or is away: what is below does not wait for it.
    st.subheader("Campeón y aspirante, en la sombra", anchor=False)
    with ui.section("sombra"):
        _shadow(shadow.value())
    st.subheader("Reentrenamientos y lo que dijo el examen", anchor=False)
    with ui.section("historial"):
        _history(history.rows())
    with top, ui.section("versiones"):
        _versions(versions.value())


def _versions(answer: dict[str, Any]) -> None:
    versions = answer["elementos"]
    if not versions:
        ui.empty(
            "Todavía no hay modelos: decide la versión de base",
            "Entrene uno con «consumo entrenar»; con él podrá compararlo y promoverlo.",
        )
        return
    champion = next((v for v in versions if v["version"] == answer["campeon"]), None)
    if champion is not None:
        _champion_warnings(champion)
    _figures(answer, champion)
    st.subheader("Versiones", anchor=False)
    ui.table(versions, _VERSION_COLUMNS)
    with st.container(horizontal=True):
        for version in versions[:4]:
            st.link_button(
                f"v{version['version']} en MLflow", version["mlflow_url"],
                icon=":material/open_in_new:",
            )  # fmt: skip
    _one_metric(versions[::-1])
    _head_to_head(answer)
    _change_champion(answer, champion)


def _metric(version: ModelRow, name: str) -> str:
    value = version["metricas"].get(name)
    return texts.number(value if value is not None and math.isfinite(value) else None, 3)


def _role(version: ModelRow) -> str:
    """Return what a version is: the champion is nobody's challenger any more."""
    aliases = ["champion"] if "champion" in version["alias"] else version["alias"]
    return ", ".join(_ALIASES.get(alias, alias) for alias in aliases)


def _promoted_by(version: ModelRow) -> str:
    if not version["promociones"]:
        return texts.MISSING
    last = version["promociones"][-1]
    return f"{last.get('por') or texts.MISSING}: {last.get('motivo') or 'sin motivo'}"


def _gate(version: ModelRow) -> str:
    """Return in a few words whether the gate lets a version pass now."""
    if version["rechazo"]:
        return "✗ rechazada por los consumidores"
    if version["puerta"]:
        return str(version["puerta"])
    exam = version["examen"]
    if exam is not None and exam["vigente"]:
        return "✓ la acepta" if exam["acepta"] else "✗ no la acepta"
    return "para volver atrás" if not version["razones"] else "sin examen frente al campeón"


_VERSION_COLUMNS = (
    ui.TableColumn("Versión", "version", "no-partir", "v{}".format),
    ui.TableColumn("Papel", _role),
    ui.TableColumn("Registrada", "creada", "no-partir", texts.date_time),
    ui.TableColumn("Precisión media", lambda v: _metric(v, _PRECISION), "der"),
    ui.TableColumn("Al azar", "precision_azar", "der", lambda v: texts.number(v, 3)),
    ui.TableColumn("Solo reglas", lambda v: _metric(v, _RULES_PRECISION), "der ancha"),
    ui.TableColumn("Examen", _gate, "ancha"),
    ui.TableColumn("Promovida por", _promoted_by, "ancha"),
)


def _champion_warnings(champion: ModelRow) -> None:
    """Say of the champion what nobody may overlook."""
    which = f"La campeona, v{champion['version']},"
    if champion["rechazo"]:
        st.error(
            f"{which} está rechazada: un consumidor no la puede usar y puntúa con la anterior.",
            icon=":material/error:",
        )
        st.text(champion["rechazo"])
    if champion["puerta"] == _OUTSIDE_THE_GATE:
        st.warning(
            f"{which} fue promovida fuera de la puerta: no consta que ningún examen la aceptara "
            "frente a la anterior (el alias se movió a mano, como en MLflow).",
            icon=":material/warning:",
        )
    if champion["aviso"]:
        st.warning("Hay cambios en los pesos que no se usan.", icon=":material/tune:")
        st.text(champion["aviso"])


def _figures(answer: dict[str, Any], champion: ModelRow | None) -> None:
    name, since, precision, rules, chance = "Versión de base", "", *[texts.MISSING] * 3
    if champion is not None:
        name, chance = f"v{answer['campeon']}", texts.number(champion["precision_azar"], 3)
        precision, rules = (_metric(champion, m) for m in (_PRECISION, _RULES_PRECISION))
        if champion["promociones"]:
            when = _tag_instant(champion["promociones"][-1].get("en"), year=False)
            since = "" if when == texts.MISSING else f"desde {when}"
    other = answer["aspirante"] if answer["aspirante"] != answer["campeon"] else None
    ui.kpis(
        ui.Kpi("Campeón", name, since),
        ui.Kpi("Precisión media", precision, f"al azar, {chance}; en lo que no vio al aprender"),
        ui.Kpi("Las reglas solas", rules, f"al azar, {chance}; en las mismas lecturas"),
        ui.Kpi(
            "Aspirante",
            f"v{other}" if other else "Ninguno",
            "" if other else "«consumo entrenar» hace uno",
        ),
    )


def _tag_instant(text: str | None, year: bool = True) -> str:
    """Return an instant out of a tag, which a person may have edited in MLflow."""
    try:
        return texts.date_time(text, year)
    except ValueError:
        return texts.MISSING


def _one_metric(versions: Sequence[ModelRow]) -> None:
    """Draw a chosen metric of every version, oldest first."""
    names = sorted({n for v in versions for n, value in v["metricas"].items() if value is not None})
    if not names:
        return
    name = st.selectbox(
        "Medida", names, index=names.index(_PRECISION) if _PRECISION in names else 0,
        format_func=texts.readable, key="medida", bind="query-params",
        placeholder="Elija una medida", filter_mode=None,
    )  # fmt: skip
    if name:
        ui.figure(f"{texts.readable(name)} de cada versión", charts.metric_bars, versions, name)


def _head_to_head(answer: dict[str, Any]) -> None:
    """Draw a group of metrics of some versions beside each other, the champion first."""
    by_number = {version["version"]: version for version in answer["elementos"]}
    first = [n for n in dict.fromkeys((answer["campeon"], answer["aspirante"])) if n in by_number]
    numbers = [*first, *(n for n in by_number if n not in first)]
    st.subheader("Frente a frente", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect(
            "Versiones", numbers, default=numbers[:2], format_func="v{}".format,
            max_selections=charts.MAX_VERSIONS, key="frente", width=260,
            placeholder="Elija versiones",
        )  # fmt: skip
        versions = [by_number[number] for number in chosen]
        groups = [g for g in charts.METRIC_GROUPS if charts.group_members(versions, g)]
        group = st.selectbox(
            "Medidas", groups, format_func=charts.METRIC_GROUPS.__getitem__, key="grupo",
            width=360, placeholder="No se han medido", disabled=not groups, filter_mode=None,
        )  # fmt: skip
    if not versions or group is None:
        ui.empty("Nada que comparar", "Elija una versión con medidas, al menos.")
        return
    ui.figure(charts.METRIC_GROUPS[group], charts.head_to_head, versions, group)
    if len({v["etiquetas"].get("evaluacion_sha256") for v in versions}) > 1:
        st.caption(
            "No se midieron con las mismas lecturas: las diferencias pueden venir de los datos. "
            "«consumo promover» las compara sobre las mismas."
        )
    st.caption("Las curvas de precisión están en MLflow, con los ficheros de cada versión.")


def _change_champion(answer: dict[str, Any], champion: ModelRow | None) -> None:
    """Draw promotion and the way back; both ask for a reason and a confirmation."""
    st.subheader("Cambiar de campeón", anchor=False)
    forbidden = missing_role("administracion", "promover o volver atrás")
    if forbidden is not None:
        st.info(forbidden, icon=":material/key:")
    by_number = {v["version"]: v for v in answer["elementos"]}
    others = [number for number in by_number if number != answer["campeon"]]
    previous = _previous(champion)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Versión", others, format_func="v{}".format, key="promover", width=160,
            placeholder="No hay otra", disabled=not others, filter_mode=None,
        )  # fmt: skip
        no_key = forbidden is not None
        if st.button("Promover", icon=":material/trophy:", disabled=no_key or not others):
            _ask(f"/api/modelos/{chosen}/promover", f"Promover la versión {chosen}",
                 answer["campeon"], by_number.get(chosen))  # fmt: skip
        back = f"Volver a la v{previous}" if previous else "Volver a la anterior"
        if st.button(back, icon=":material/history:", disabled=no_key or not previous):
            _ask("/api/modelos/volver", back, answer["campeon"], by_number.get(previous))
    if chosen in by_number:
        _exam(by_number[chosen])
    st.caption(
        "Los consumidores usan la nueva antes de 30 s, sin pararse. Queda anotado quién y por qué."
    )


def _previous(champion: ModelRow | None) -> int | None:
    """Return the version that the champion took over from, if it was one."""
    if not champion or not champion["promociones"]:
        return None
    number = champion["promociones"][-1].get("desde") or ""
    return int(number) if number.isdecimal() else None


def _exam(version: ModelRow) -> None:
    """Draw whether a version passes the gate now, and by which criteria it does not."""
    if version["razones"]:
        st.markdown(f":material/block: **La v{version['version']} no pasa la puerta:**")
        st.text(_dashed(version["razones"]))
    else:
        st.markdown(f":material/check_circle: La v{version['version']} puede promoverse.")
    exam = version["examen"]
    if exam is not None and exam["criterios"]:
        against = f"la v{exam['campeon']}" if exam["campeon"] else "la versión de base"
        with st.expander(f"El examen del {_tag_instant(exam['cuando'])}, frente a {against}"):
            st.text(exam["motivo"])
            ui.table(exam["criterios"], _CRITERIA)


def _dashed(reasons: Sequence[str]) -> str:
    return "\n".join(f"– {reason}" for reason in reasons)


def _ask(path: str, what: str, champion: int | None, version: ModelRow | None) -> None:
    """Open the dialog for a version; of one that is not among those shown, the API will say."""
    st.session_state.pop(_API_REASONS, None)
    _confirm(path, what, champion, version["razones"] if version else [])


@st.dialog("Cambiar de campeón")
def _confirm(path: str, what: str, champion: int | None, reasons: list[str]) -> None:
    """Ask why and whether it is meant, whatever speaks against it; then do it."""
    st.markdown(f"**{what}**")
    st.caption("Desde ese momento puntúa todas las lecturas.")
    reasons = st.session_state.get(_API_REASONS, reasons)
    if reasons:
        st.error("El examen no la acepta.", icon=":material/block:")
        st.text(_dashed(reasons))
    with st.form("cambio", border=False):
        why = (st.text_input("Motivo", max_chars=MAX_REASON) or "").strip()
        force = bool(reasons) and st.checkbox("Promover a la fuerza; quedará anotado")
        confirmed = st.form_submit_button("Sí, cambiar", type="primary", icon=":material/check:")
    if not confirmed:
        return
    if len(why) < MIN_REASON:
        st.warning(
            f"Escriba el motivo, de {MIN_REASON} caracteres al menos.", icon=":material/edit:"
        )
        return
    body: dict[str, Any] = {"motivo": why, "campeon": champion or 0}
    if force:
        body["forzar"] = True
    try:
        new = change(path, body, typed_key())
    except ApiError as error:
        if error.reasons and error.reasons != reasons:
            # Drawn again with them, and with the way to insist.
            st.session_state[_API_REASONS] = error.reasons
            st.rerun(scope="fragment")
        st.error(f"No se ha cambiado nada: {error}.", icon=":material/error:")
        return
    how = " (a la fuerza)" if new["puerta"] == _BY_FORCE else ""
    announce_outcome(f"La versión {new['version']} es la campeona{how}.")
    st.rerun()


def _score_change(row: Mapping[str, Any]) -> str:
    more = row["score_aspirante"] - row["score_campeon"]
    return f"{'+' if more > 0 else '−' if more < 0 else ''}{texts.number(abs(more), 2)}"


_SHADOW_COLUMNS = (
    ui.customer_column(),
    ui.TableColumn("Hora", "timestamp_consumo", "ancha no-partir", texts.short_date_time),
    ui.severity_column("Campeón", "severidad_campeon"),
    ui.severity_column("Aspirante", "severidad_aspirante"),
    ui.TableColumn("Cambio", _score_change, "der ancha"),
)


def _shadow(answer: dict[str, Any]) -> None:
    total = answer["lecturas"]
    if not total:
        ui.empty(
            "Ningún aspirante en la sombra",
            "Con MODELO_EN_SOMBRA=True el consumidor puntúa además con el aspirante, sin tocar "
            "los veredictos.",
        )
        return
    ui.kpis(
        ui.Kpi("Aspirante", f"v{answer['version_aspirante'].rpartition('-')[2]}"),
        ui.Kpi("Comparadas", texts.number(total), "anómalas para uno de los dos"),
        ui.Kpi("Coinciden", texts.percent(answer["coinciden"] / total)),
        ui.Kpi("Más graves", texts.number(answer["mas_graves"]), "para el aspirante"),
        ui.Kpi("Menos graves", texts.number(answer["menos_graves"]), "para el aspirante"),
    )
    left, right = st.columns([1, 1.3], gap="large")
    with left:
        st.markdown("**Severidades, campeón y aspirante**")
        ui.figure("Severidad del campeón y del aspirante", charts.shadow_matrix, answer["pares"])
        st.markdown("**Las que más difieren, por puntuación**")
        ui.figure(
            "Puntuación del campeón y del aspirante", charts.shadow_scores, answer["elementos"]
        )
    with right:
        st.markdown("**Donde más difieren**")
        ui.table(answer["elementos"][:12], _SHADOW_COLUMNS)


def _history(runs: Sequence[Mapping[str, Any]]) -> None:
    if not runs:
        ui.empty(
            "Ningún reentrenamiento todavía",
            "«consumo reentrenar» mira si hace falta, y solo promueve lo que es mejor.",
        )
    for i, run in enumerate(runs):
        title = f"{texts.date_time(run['inicio'])} · {run['resultado'] or 'en curso'}"
        with st.expander(title, expanded=i == 0):
            st.text(f"Motivo: {run['motivo'] or texts.MISSING}")
            if run["detalle"]:
                st.text(run["detalle"])
            if run["criterios"]:
                ui.table(run["criterios"], _CRITERIA)


def _criterion_figure(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    return texts.number(value, 3) if isinstance(value, int | float) else texts.MISSING


def _criterion(row: Mapping[str, Any]) -> str:
    """Return what was compared; an average precision with its chance level."""
    name = texts.readable(str(row.get("nombre", "")))
    if row.get("azar") is None:
        return name
    return f"{name} (al azar: {_criterion_figure(row, 'azar')})"


_CRITERIA = (
    ui.TableColumn("Criterio", _criterion),
    ui.TableColumn("Campeón", lambda row: _criterion_figure(row, "campeon"), "der"),
    ui.TableColumn("Aspirante", lambda row: _criterion_figure(row, "aspirante"), "der"),
    ui.TableColumn("Se pide", lambda row: row.get("limite", ""), "ancha"),
    ui.TableColumn("", lambda r: "✓ cumple" if r.get("cumple") else "✗ no cumple", "no-partir"),
)
