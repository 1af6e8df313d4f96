"""Months of customers, as the nightly job left them: one customer's, or all of a month."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, NamedTuple

from pymongo import DESCENDING

from pipeline.stores.anomaly_records import (
    MesCliente,
    ParInteranual,
    PuestoMes,
    ResumenMes,
)
from pipeline.stores.mongo.months import MENSUALES
from pipeline.stores.mongo.query_filter import one_of
from pipeline.stores.mongo.reader import LIMITE_MS, MongoReader
from pipeline.stores.months import hours_of, is_whole, mes_de, mes_str
from pipeline.stores.presentation import Presentacion
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import (
    ConsultaInvalidaError,
    Pagina,
    check_id,
    check_limit,
    check_words,
    decode_cursor,
    encode_cursor,
)

MESES_MAXIMOS = 120
MES_MAXIMO = 500
"""Customers of a month in one page."""
ORDENES = ("consumo_total", "anomalias_detectadas")
_CAMPOS = dict.fromkeys(("_id", *MesCliente.model_fields), 1)
_PROMEDIOS = ("consumo_noche_promedio", "consumo_punta_promedio")


class _Orden(NamedTuple):
    """What customers used in a month, kWh: each one's, and all of them, rising."""

    suyos: Mapping[str, float]
    todos: Sequence[float]

    def of(self, propietario_id: str) -> PuestoMes | None:
        """Return a customer's place; None = it has none."""
        suyo = self.suyos.get(propietario_id)
        if suyo is None:
            return None
        cuantos = len(self.todos)
        return PuestoMes(cuantos - bisect_right(self.todos, suyo) + 1, cuantos)


class MongoMonths:
    """What is asked of ``consumos_mensuales``; a month is a text like "2026-01".

    ``is_embedded``: the server is the embedded one, which reads each document that it counts.
    """

    def __init__(
        self, lector: MongoReader, is_embedded: Callable[[], bool], recuerdo: AnswerCache
    ) -> None:
        self._lector = lector
        self._is_embedded = is_embedded
        self._recuerdo = recuerdo

    def of_customer(
        self,
        propietario_id: str,
        desde_mes: str | None = None,
        hasta_mes: str | None = None,
        limite: int = 24,
    ) -> list[MesCliente]:
        """Return a customer's months, both ends included, the newest first."""
        check_id(propietario_id)
        check_limit(limite, MESES_MAXIMOS)
        limites = {"$gte": desde_mes, "$lte": hasta_mes}
        de_mes = {op: _check_month(mes) for op, mes in limites.items() if mes is not None}
        filtro: dict[str, Any] = {"propietario_id": propietario_id}
        if de_mes:
            filtro["mes_str"] = de_mes
        return self._find(filtro, "mes_str", limite)

    def of_month(
        self,
        mes: str,
        *,
        orden: str = "consumo_total",
        limite: int = 50,
        cursor: str | None = None,
    ) -> Pagina[MesCliente]:
        """Return a page of a month's customers (``MonthlyQueries.of_month``)."""
        _check_month(mes)
        check_words("orden", [orden], ORDENES)
        check_limit(limite, MES_MAXIMO)
        tras = None if cursor is None else decode_cursor(orden, cursor, float, str)
        clave = ("página de mes", mes, orden, limite, tras)
        return self._recuerdo.get(clave, partial(self._load_page, mes, orden, limite, tras))

    def _load_page(
        self, mes: str, orden: str, limite: int, tras: tuple[Any, ...] | None
    ) -> Pagina[MesCliente]:
        filtro: dict[str, Any] = {"mes_str": mes}
        docs: list[MesCliente] = []
        if tras is not None:
            iguales = {**filtro, orden: tras[0], "_id": {"$lt": tras[1]}}
            docs = self._find(iguales, "_id", limite + 1)
            filtro[orden] = {"$lt": tras[0]}
        if len(docs) <= limite:
            docs += self._find(filtro, orden, limite + 1 - len(docs))
        if len(docs) <= limite:
            return Pagina(docs, None)
        ultimo = docs[limite - 1]
        return Pagina(docs[:limite], encode_cursor(orden, getattr(ultimo, orden), ultimo.id))

    def total(self, mes: str) -> ResumenMes | None:
        """Return what all customers' month adds up to; None = it has no documents."""
        _check_month(mes)
        return self._summaries((mes,)).get(mes)

    def _summaries(self, meses: tuple[str, ...]) -> dict[str, ResumenMes]:
        return self._recuerdo.get(("meses", meses), partial(self._load_summaries, meses))

    def _load_summaries(self, meses: tuple[str, ...]) -> dict[str, ResumenMes]:
        suma: dict[str, Any] = {"_id": "$mes_str", "clientes": {"$sum": 1}}
        for campo in ("consumo_total", "anomalias_detectadas", "anomalias_criticas"):
            suma[campo] = {"$sum": f"${campo}"}
        # $avg leaves out customers without a reading in those hours, whose mean is null.
        suma |= {campo: {"$avg": f"${campo}"} for campo in _PROMEDIOS}
        suma["lecturas"] = {"$sum": "$lecturas"}
        grupos = [{"$match": {"mes_str": one_of(meses)}}, {"$group": suma}]
        filas = self._lector.aggregate(MENSUALES, grupos)
        return {fila["_id"]: _summary(fila, self._lector.presenta) for fila in filas}

    def totals(self, limite: int = 36) -> list[ResumenMes]:
        """Return what each month adds up to, the newest first."""
        check_limit(limite, MESES_MAXIMOS)
        meses = self._recuerdo.get("qué meses", self._load_months)[:limite]
        resumenes = self._summaries(tuple(meses)) if meses else {}
        return [resumenes[mes] for mes in meses if mes in resumenes]

    def _load_months(self) -> list[str]:
        with self._lector.taken():
            return sorted(self._lector.base[MENSUALES].distinct("mes_str"), reverse=True)

    def place(self, propietario_id: str, mes: str) -> PuestoMes | None:
        """Return a customer's place in a month by what it used; None = it has none."""
        check_id(propietario_id)
        _check_month(mes)
        if self._is_embedded():
            return self._recuerdo.get(("orden de mes", mes), partial(self._load_order, mes)).of(
                propietario_id
            )
        suyo = self._find({"_id": f"{propietario_id}_{mes}"}, "_id", 1)
        resumen = self.total(mes)
        if not suyo or resumen is None:
            return None
        por_encima = {"mes_str": mes, "consumo_total": {"$gt": suyo[0].consumo_total}}
        with self._lector.taken():
            delante = self._lector.base[MENSUALES].count_documents(por_encima, maxTimeMS=LIMITE_MS)
        # The month may have been made again between one look and the other.
        return PuestoMes(delante + 1, max(resumen.clientes, delante + 1))

    def _load_order(self, mes: str) -> _Orden:
        campos = {"propietario_id": 1, "consumo_total": 1}
        docs = self._lector.find(MENSUALES, {"mes_str": mes}, campos, [("_id", DESCENDING)], 0)
        suyos = {doc["propietario_id"]: float(doc["consumo_total"]) for doc in docs}
        return _Orden(suyos, sorted(suyos.values()))

    def year_on_year(
        self, propietario_id: str, meses: int = 12, hasta_mes: str | None = None
    ) -> list[ParInteranual]:
        """Return a customer's months beside a year before (``MonthlyQueries.year_on_year``)."""
        check_limit(meses, 60)
        # One document a month: the newest so many reach a year before the oldest one wanted.
        suyos = self.of_customer(propietario_id, None, hasta_mes, meses + 12)
        if hasta_mes is None:
            if not suyos:
                return []
            hasta_mes = suyos[0].mes_str
        pedidos = [_months_before(_check_month(hasta_mes), i) for i in range(meses)]
        hay = {m.mes_str: m for m in suyos}
        return [_pair(mes, hay) for mes in pedidos]

    def _find(self, filtro: Mapping[str, Any], orden: str, limite: int) -> list[MesCliente]:
        por = [(campo, DESCENDING) for campo in dict.fromkeys((orden, "_id"))]
        return [
            MesCliente.of(doc, self._lector.presenta)
            for doc in self._lector.find(MENSUALES, filtro, _CAMPOS, por, limite)
        ]


def _summary(fila: Mapping[str, Any], presenta: Presentacion) -> ResumenMes:
    mes, posibles = fila["_id"], fila["clientes"] * hours_of(mes_de(fila["_id"]))
    return ResumenMes(
        **fila,
        mes_str=mes,
        consumo_promedio=fila["consumo_total"] / fila["clientes"],
        completo=is_whole(fila["lecturas"], posibles),
        coste_estimado_eur=presenta.euros(fila["consumo_total"]),
    )


def _pair(mes: str, hay: Mapping[str, MesCliente]) -> ParInteranual:
    actual, anterior = hay.get(mes), hay.get(_months_before(mes, 12))
    cambio = actual.change_from(anterior) if actual and anterior else None
    return ParInteranual(mes_str=mes, actual=actual, anterior=anterior, variacion=cambio)


def _check_month(texto: str) -> str:
    try:
        mes = mes_de(texto)
    except ValueError as error:
        raise ConsultaInvalidaError("un mes se escribe como «2026-01»") from error
    if not 2000 <= mes.year < 2100:
        raise ConsultaInvalidaError("los años van de 2000 a 2099")
    return texto


def _months_before(texto: str, cuantos: int) -> str:
    """Return the name of the month so many months before another one."""
    mes = mes_de(texto)
    total = mes.year * 12 + mes.month - 1 - cuantos
    return mes_str(date(total // 12, total % 12 + 1, 1))
