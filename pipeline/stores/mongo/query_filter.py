"""Which anomalies somebody asks for, as MongoDB wants to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from detection.domain import SEVERIDADES
from pipeline.stores.anomaly_records import FiltroAnomalias
from pipeline.stores.mongo.anomalies import ABIERTA, ANOMALIAS, ARCHIVO, CONFIRMADA, DESCARTADA
from pipeline.stores.mongo.reader import Documento
from pipeline.stores.query_limits import (
    check_id,
    check_instant,
    check_range,
    check_severities,
    check_words,
)

ESTADOS = (ABIERTA, CONFIRMADA, DESCARTADA)
CONSUMO = "timestamp_consumo"
DETECCION = "timestamp_deteccion"
UN_INSTANTE = timedelta(milliseconds=1)
"""The least that MongoDB tells apart."""
DIAS_RESUMEN = 30
DIAS_TODOS = 92
DIAS_UNO = 400
"""Days that are added up, or sorted by score: of all customers, and of one."""
_DIAS_FILTRO = 36_600
GRAVES = tuple(str(severidad) for severidad in SEVERIDADES[1:])

Etapas = list[dict[str, Any]]


def match(filtro: FiltroAnomalias) -> dict[str, Any]:
    """Return the conditions of a filter, after checking it.

    The customer comes first and then the instant: of several conditions that have an index the
    embedded server follows the first.

    ``ConsultaInvalidaError``: it has words that do not exist, or an impossible interval.
    """
    _check(filtro)
    condiciones: dict[str, Any] = {}
    if filtro.propietario_id is not None:
        condiciones["propietario_id"] = filtro.propietario_id
    if entre := between(filtro.desde, filtro.hasta):
        condiciones[CONSUMO] = entre
    if filtro.estados:
        condiciones["estado"] = one_of(filtro.estados)
    if not filtro.severidades:
        condiciones["severidad"] = {"$ne": str(SEVERIDADES[0])}
    elif len(set(filtro.severidades)) < len(SEVERIDADES):
        condiciones["severidad"] = one_of(filtro.severidades)
    if filtro.tipos:
        condiciones["tipos_anomalia"] = {"$in": list(filtro.tipos)}
    return condiciones


def between(desde: datetime | None, hasta: datetime | None) -> dict[str, datetime]:
    """Return the condition that an instant lies in [desde, hasta).

    As what comes after the last instant before ``desde``: the embedded server leaves out the very
    first one of "$gte" where it walks an index of which an instant is not the first field.
    """
    entre = {} if desde is None else {"$gt": desde - UN_INSTANTE}
    return entre if hasta is None else {**entre, "$lt": hasta}


def one_of(valores: Sequence[str]) -> Any:
    """Return the condition that a field has one of some values."""
    distintos = list(dict.fromkeys(valores))
    return distintos[0] if len(distintos) == 1 else {"$in": distintos}


def bounded(filtro: FiltroAnomalias, ahora: datetime) -> FiltroAnomalias:
    """Return the filter with both ends: of the last 30 days where no ``desde`` is given."""
    hasta = filtro.hasta or ahora + timedelta(days=2)
    desde = filtro.desde or hasta - timedelta(days=DIAS_RESUMEN + 2)
    check_range(desde, hasta, DIAS_UNO if filtro.propietario_id else DIAS_TODOS)
    return filtro._replace(desde=desde, hasta=hasta)


def source(
    filtro: FiltroAnomalias, campos: Sequence[str], primero: Mapping[str, Any] | None = None
) -> Etapas:
    """Return the stages that give some fields of the anomalies of a filter.

    One that is just being moved is in both collections: the live one counts.

    ``primero``: conditions to begin with, instead of the filter's on the same fields.
    """
    condiciones = {**(primero or {}), **match(filtro), **(primero or {})}
    etapas: Etapas = [{"$match": condiciones}, {"$project": dict.fromkeys(campos, 1)}]
    if not filtro.con_archivo:
        return etapas
    return [
        *etapas,
        {"$unionWith": {"coll": ARCHIVO, "pipeline": etapas}},
        {"$group": {"_id": "$_id", "primera": {"$first": "$$ROOT"}}},
        {"$replaceWith": "$primera"},
    ]


def both(
    read: Callable[[str], Iterable[Documento]], con_archivo: bool
) -> list[tuple[Documento, bool]]:
    """Return what each collection gives, with whether it is archived.

    The live one first: what is moved meanwhile is then in one of them at least, and where it is in
    both the live one counts.
    """
    vivas = {doc["_id"]: (doc, False) for doc in read(ANOMALIAS)}
    if not con_archivo:
        return list(vivas.values())
    return list(({doc["_id"]: (doc, True) for doc in read(ARCHIVO)} | vivas).values())


def _check(filtro: FiltroAnomalias) -> None:
    if filtro.propietario_id is not None:
        check_id(filtro.propietario_id)
    check_severities(filtro.severidades, filtro.tipos)
    check_words("estado", filtro.estados, ESTADOS)
    desde, hasta = filtro.desde, filtro.hasta
    for momento in (desde, hasta):
        if momento is not None:
            check_instant(momento)
    if desde is not None and hasta is not None:
        check_range(desde, hasta, _DIAS_FILTRO)
