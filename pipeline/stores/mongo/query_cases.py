"""Cases one by one and in lists."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from pymongo import ASCENDING, DESCENDING

from detection.domain import TIPOS
from pipeline.stores.case_records import (
    CASOS_MAXIMOS,
    ESTADOS_CASO,
    SIN_VEREDICTO,
    CasoDetalle,
    CasoResumen,
    FiltroCasos,
    fields_of,
)
from pipeline.stores.mongo.cases import CASOS
from pipeline.stores.mongo.reader import Documento, MongoReader
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import (
    Pagina,
    check_id,
    check_ids,
    check_limit,
    check_text,
    check_words,
    decode_cursor,
    encode_cursor,
)

ORDENES: dict[str, tuple[str, int, type]] = {
    "recuperable": ("recuperable_kwh", DESCENDING, float),
    "probabilidad": ("probabilidad", DESCENDING, float),
    "antiguedad": ("fecha_inicio", ASCENDING, str),
}
"""Order -> field, which end comes first, and what its values are."""
CLIENTES_MAXIMOS = 500
_SIN_EVIDENCIA = {"evidencia": 0}
_TODOS = FiltroCasos()


class MongoCases:
    """What is asked of cases."""

    def __init__(self, lector: MongoReader, recuerdo: AnswerCache) -> None:
        self._lector = lector
        self._presenta = lector.presenta
        self._recuerdo = recuerdo

    def page(
        self,
        filtro: FiltroCasos = _TODOS,
        *,
        orden: str = "recuperable",
        limite: int = 50,
        cursor: str | None = None,
    ) -> Pagina[CasoResumen]:
        """Return a page of cases (``CaseQueries.page``)."""
        check_words("orden", [orden], tuple(ORDENES))
        check_limit(limite, CASOS_MAXIMOS)
        condiciones = _match(filtro)
        if cursor is not None:
            return self._load(condiciones, orden, limite, cursor)
        clave = ("casos", filtro, orden, limite)
        return self._recuerdo.get(clave, partial(self._load, condiciones, orden, limite, None))

    def _load(
        self, condiciones: Documento, orden: str, limite: int, cursor: str | None
    ) -> Pagina[CasoResumen]:
        campo, sentido, tipo = ORDENES[orden]
        lista = f"casos-{orden}"
        tramos: list[Documento] = [{}]
        if cursor is not None:
            valor, uno = decode_cursor(lista, cursor, tipo, str)
            detras = "$lt" if sentido == DESCENDING else "$gt"
            # Those that are equal first: of an "or" no index helps the embedded server.
            tramos = [{campo: valor, "_id": {"$gt": uno}}, {campo: {detras: valor}}]
        en_orden = [(campo, sentido), ("_id", ASCENDING)]
        docs: list[Documento] = []
        for tramo in tramos:
            faltan = limite + 1 - len(docs)
            if faltan:
                pedidas = {**condiciones, **tramo}
                docs += self._lector.find(CASOS, pedidas, _SIN_EVIDENCIA, en_orden, faltan)
        siguiente = None
        if len(docs) > limite:
            ultimo = docs[limite - 1]
            siguiente = encode_cursor(lista, ultimo[campo], ultimo["_id"])
        return Pagina([self._case(doc) for doc in docs[:limite]], siguiente)

    def _case(self, doc: Documento) -> CasoResumen:
        return CasoResumen(**fields_of(doc, self._presenta))

    def one(self, id: str) -> CasoDetalle | None:
        """Return a case with its evidence (``CaseQueries.one``)."""
        hay = self._lector.find(CASOS, {"_id": check_text(id)}, None, [("_id", ASCENDING)], 1)
        return CasoDetalle(**fields_of(hay[0], self._presenta)) if hay else None

    def open_of(self, propietario_ids: Sequence[str]) -> dict[str, CasoResumen]:
        """Return the open cases of customers (``CaseQueries.open_of``)."""
        clientes = check_ids(propietario_ids, CLIENTES_MAXIMOS)
        if not clientes:
            return {}
        hay = self._all({"propietario_id": {"$in": clientes}, **_open()})
        return {caso.propietario_id: caso for caso in hay}

    def all_open(self) -> list[CasoResumen]:
        """Return every open case, those that were opened first first; one of a customer."""
        return self._all(_open())

    def _all(self, condiciones: Documento) -> list[CasoResumen]:
        orden = [("fecha_apertura", ASCENDING), ("_id", ASCENDING)]
        docs = self._lector.find(CASOS, condiciones, _SIN_EVIDENCIA, orden, 0)
        return [self._case(doc) for doc in docs]


def _open(estados: Sequence[str] = SIN_VEREDICTO) -> dict[str, Any]:
    return {"fecha_cierre": None, "estado": {"$in": list(estados)}}


def _match(filtro: FiltroCasos) -> Documento:
    """Return the conditions of a filter, after checking it; the most telling one first."""
    check_words("estado", filtro.estados, ESTADOS_CASO)
    check_words("tipo", filtro.tipos, [str(tipo) for tipo in TIPOS])
    condiciones: Documento = {}
    if filtro.propietario_id is not None:
        condiciones["propietario_id"] = check_id(filtro.propietario_id)
    if filtro.solo_abiertos:
        pedidos = filtro.estados or SIN_VEREDICTO
        condiciones |= _open([estado for estado in pedidos if estado in SIN_VEREDICTO])
    elif filtro.estados:
        condiciones["estado"] = {"$in": list(filtro.estados)}
    if filtro.tipos:
        condiciones["tipo"] = {"$in": list(filtro.tipos)}
    for campo in ("asignado_a", "version_modelo"):
        if (valor := getattr(filtro, campo)) is not None:
            condiciones[campo] = check_text(valor)
    limites = {"$gte": filtro.desde, "$lte": filtro.hasta}
    if dados := {signo: dia.isoformat() for signo, dia in limites.items() if dia is not None}:
        condiciones["fecha_apertura"] = dados
    return condiciones
