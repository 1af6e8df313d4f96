"""What each thing that people do with a case makes of it: from the case to the fields that change.

``estado`` follows: who is dealing with a case makes it ``asignado``, a visit ``visitado``, a
verdict ``confirmado`` or ``descartado``, which no assignment and no visit changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from pipeline.stores.case_records import (
    ASIGNADO,
    CONFIRMADO,
    DESCARTADO,
    NUEVO,
    SIN_VEREDICTO,
    TERMINADO,
    VISITADO,
    CasoDetalle,
)

Cambios = dict[str, Any]


def unjudged_state(caso: CasoDetalle, estado: str = NUEVO) -> str:
    """Return the ``estado`` of a case; of one that nobody deals with it is the detector's."""
    if estado in {NUEVO, TERMINADO}:
        return NUEVO if caso.fecha_cierre is None else TERMINADO
    return estado


def assign(caso: CasoDetalle, asignado_a: str | None, *, sorteo: bool = False) -> Cambios:
    """Return what changes once somebody, or nobody any more, deals with a case."""
    estado: str = caso.estado
    if estado in {NUEVO, TERMINADO} and asignado_a is not None:
        estado = ASIGNADO
    elif estado == ASIGNADO and asignado_a is None:
        estado = unjudged_state(caso)
    return _changed(caso, asignado_a=asignado_a, estado=estado, sorteo=caso.sorteo or sorteo)


def visit(caso: CasoDetalle, fecha: date, quien: str, *, sorteo: bool = False) -> Cambios:
    """Return what changes once somebody has been, or is going, there."""
    judged = caso.estado not in {*SIN_VEREDICTO, TERMINADO}
    return _changed(
        caso,
        visita={"fecha": fecha.isoformat(), "quien": quien},
        estado=caso.estado if judged else VISITADO,
        sorteo=caso.sorteo or sorteo,
    )


def judge(veredicto: str, motivo: str, quien: str, cuando: datetime, anotacion: int) -> Cambios:
    """Return what changes once somebody has said what a case is."""
    dicho = {
        "veredicto": veredicto, "motivo": motivo, "quien": quien, "cuando": to_millis(cuando),
        "anotacion": anotacion,
    }  # fmt: skip
    return {"veredicto": dicho, "estado": veredicto}


def find(
    caso: CasoDetalle,
    resultado: Mapping[str, Any],
    quien: str,
    cuando: datetime,
    hoy: date,
    anotacion: int,
    *,
    sorteo: bool = False,
) -> Cambios:
    """Return what changes once it is known what there was: it is a visit, and a verdict.

    A visit and a verdict that are there already stand.

    ``resultado``: hallado, energia_recuperada_kwh, recuperado_eur, texto. ``hoy``: local day.
    ``sorteo``: the visit comes from the random draw of a day's list.
    """
    cambios: Cambios = {
        "resultado": {**resultado, "quien": quien, "cuando": to_millis(cuando)},
    }
    if caso.visita is None:
        cambios["visita"] = {"fecha": hoy.isoformat(), "quien": quien}
        if sorteo and not caso.sorteo:
            cambios["sorteo"] = True
    if caso.veredicto is None:
        hallado = resultado["hallado"]
        motivo = resultado["texto"] or (
            "La visita halló lo que se buscaba" if hallado else "La visita no halló nada"
        )
        veredicto = CONFIRMADO if hallado else DESCARTADO
        cambios |= judge(veredicto, motivo, quien, cuando, anotacion)
    return cambios


def put_back(caso: CasoDetalle, anotacion: int) -> Cambios | None:
    """Return what undoes a movement of a case; None = it cannot be undone any more."""
    uno = next((m for m in caso.historial if m.anotacion == anotacion), None)
    if uno is None or uno.accion == "deshacer":
        return None
    if any(m.deshace == anotacion for m in caso.historial):
        return None
    if uno.accion == "comentario":
        return {} if any(c.anotacion == anotacion for c in caso.comentarios) else None
    ahora = caso.model_dump()
    for campo, valor in uno.despues.items():
        quedo = unjudged_state(caso, valor) if campo == "estado" else valor
        # Somebody has moved the same since.
        if _plain(ahora[campo]) != _plain(quedo):
            return None
    cambios = dict(uno.antes)
    if "estado" in cambios:
        cambios["estado"] = unjudged_state(caso, cambios["estado"])
    return cambios


def to_millis(momento: datetime) -> datetime:
    """Return an instant as MongoDB keeps it, so that it can be compared."""
    return momento.replace(microsecond=momento.microsecond // 1000 * 1000)


def _changed(caso: CasoDetalle, **campos: Any) -> Cambios:
    ahora = caso.model_dump()
    return {c: valor for c, valor in campos.items() if _plain(ahora[c]) != _plain(valor)}


def _plain(valor: Any) -> Any:
    """Return a value as it is compared, whether it comes out of the history or of the case."""
    if isinstance(valor, Mapping):
        return {clave: _plain(dentro) for clave, dentro in valor.items()}
    if isinstance(valor, datetime):
        return valor.astimezone(UTC)
    return valor.isoformat() if isinstance(valor, date) else valor
