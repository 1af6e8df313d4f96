"""Months of customers, as the nightly job left them: one customer's, or all of a month."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from pymongo import ASCENDING, DESCENDING

from pipeline.stores.anomaly_records import (
    MesCliente,
    ParInteranual,
    Posicion,
    ResumenMes,
)
from pipeline.stores.mongo.months import MENSUALES
from pipeline.stores.mongo.query_documents import one_of
from pipeline.stores.mongo.query_ranking import ConsultasRanking
from pipeline.stores.months import mes_de, mes_str
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
TOTALES_MAXIMOS = 20_000
"""Customers whose totals of a month are remembered; of more the server is asked each time."""
_CAMPOS = {"_id": 1, **dict.fromkeys(MesCliente._fields[1:], 1)}
_PROMEDIOS = ("consumo_noche_promedio", "consumo_punta_promedio")


class ConsultasMeses(ConsultasRanking):
    """What is asked of ``consumos_mensuales``; a month is a text like "2026-01"."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._mensuales = self._base[MENSUALES]

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing, those of the months' rankings too."""
        super().ensure_indexes()
        with self._turnos.taken():
            for orden in ORDENES:
                self._mensuales.create_index(
                    [("mes_str", ASCENDING), (orden, DESCENDING), ("_id", DESCENDING)]
                )

    def mensuales(
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

    def mes(
        self,
        mes: str,
        *,
        orden: str = "consumo_total",
        limite: int = 50,
        cursor: str | None = None,
    ) -> Pagina[MesCliente]:
        """Return a page of a month's customers, those with most of what ``orden`` names first.

        Parameters
        ----------
        orden : str
            "consumo_total" or "anomalias_detectadas".
        limite : int
            1 to ``MES_MAXIMO``.
        """
        _check_month(mes)
        check_words("orden", [orden], ORDENES)
        check_limit(limite, MES_MAXIMO)
        tras = None if cursor is None else _position(orden, cursor)
        clave = ("página de mes", mes, orden, limite, tras)
        return self._recuerdo.get(clave, partial(self._load_page, mes, orden, limite, tras))

    def _load_page(
        self, mes: str, orden: str, limite: int, tras: tuple[float, str] | None
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
        return Pagina(docs[:limite], encode_cursor(orden, repr(getattr(ultimo, orden)), ultimo.id))

    def resumen_mes(self, mes: str) -> ResumenMes | None:
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
        with self._turnos.taken():
            filas = list(self._mensuales.aggregate(grupos, maxTimeMS=self._limite_ms))
        return {fila["_id"]: _summary(fila) for fila in filas}

    def resumenes_meses(self, limite: int = 36) -> list[ResumenMes]:
        """Return what each month adds up to, the newest first."""
        meses = self.meses(limite)
        resumenes = self._summaries(tuple(meses)) if meses else {}
        return [resumenes[mes] for mes in meses if mes in resumenes]

    def meses(self, limite: int = 36) -> list[str]:
        """Return the months that have documents, the newest first."""
        check_limit(limite, MESES_MAXIMOS)
        return self._recuerdo.get("qué meses", self._load_months)[:limite]

    def _load_months(self) -> list[str]:
        with self._turnos.taken():
            return sorted(self._mensuales.distinct("mes_str"), reverse=True)

    def posicion(self, propietario_id: str, mes: str) -> Posicion | None:
        """Return a customer's place in a month by what it used; None = it has none."""
        check_id(propietario_id)
        _check_month(mes)
        suyo = self._find({"_id": f"{propietario_id}_{mes}"}, "_id", 1)
        resumen = self.resumen_mes(mes)
        if not suyo or resumen is None:
            return None
        total = suyo[0].consumo_total
        if resumen.clientes <= TOTALES_MAXIMOS:
            totales = self._recuerdo.get(("totales", mes), partial(self._load_totals, mes))
            delante = len(totales) - bisect.bisect_right(totales, total)
        else:
            delante = self._count_above(mes, total)
        # The month may have been made again between one look and the other.
        return Posicion(delante + 1, max(resumen.clientes, delante + 1))

    def _load_totals(self, mes: str) -> list[float]:
        """Return what each customer used in a month, rising."""
        with self._turnos.taken():
            cursor = self._mensuales.find(
                {"mes_str": mes}, {"_id": 0, "consumo_total": 1}, max_time_ms=self._limite_ms
            )
            return sorted(doc["consumo_total"] for doc in cursor.limit(TOTALES_MAXIMOS))

    def _count_above(self, mes: str, total: float) -> int:
        por_encima = {"mes_str": mes, "consumo_total": {"$gt": total}}
        with self._turnos.taken():
            return self._mensuales.count_documents(por_encima, maxTimeMS=self._limite_ms)

    def interanual(
        self, propietario_id: str, meses: int = 12, hasta_mes: str | None = None
    ) -> list[ParInteranual]:
        """Return a customer's months beside the same months a year before, the newest first.

        Parameters
        ----------
        meses : int
            1 to 60.
        hasta_mes : str, optional
            The latest one; the customer's latest if not given.
        """
        check_limit(meses, 60)
        # One document a month: the newest so many reach a year before the oldest one wanted.
        suyos = self.mensuales(propietario_id, None, hasta_mes, meses + 12)
        if hasta_mes is None:
            if not suyos:
                return []
            hasta_mes = suyos[0].mes_str
        pedidos = [_months_before(_check_month(hasta_mes), i) for i in range(meses)]
        hay = {m.mes_str: m for m in suyos}
        return [_pair(mes, hay) for mes in pedidos]

    def _find(self, filtro: Mapping[str, Any], orden: str, limite: int) -> list[MesCliente]:
        with self._turnos.taken():
            cursor = self._mensuales.find(filtro, _CAMPOS, max_time_ms=self._limite_ms)
            cursor.sort([(campo, DESCENDING) for campo in dict.fromkeys((orden, "_id"))])
            return [
                MesCliente._make(
                    [doc["_id"], *(doc.get(campo) for campo in MesCliente._fields[1:])]
                )
                for doc in cursor.limit(limite)
            ]


def _summary(fila: Mapping[str, Any]) -> ResumenMes:
    return ResumenMes(
        fila["_id"],
        fila["clientes"],
        fila["consumo_total"],
        fila["consumo_total"] / fila["clientes"],
        fila["anomalias_detectadas"],
        fila["anomalias_criticas"],
        *(fila[campo] for campo in (*_PROMEDIOS, "lecturas")),
    )


def _pair(mes: str, hay: Mapping[str, MesCliente]) -> ParInteranual:
    actual, anterior = hay.get(mes), hay.get(_months_before(mes, 12))
    if actual is None or anterior is None:
        return ParInteranual(mes, actual, anterior, None)
    return ParInteranual(mes, actual, anterior, actual.change_from(anterior))


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


def _position(orden: str, cursor: str) -> tuple[float, str]:
    texto, ultimo = decode_cursor(orden, cursor, str, str)
    try:
        valor = float(texto)
    except ValueError as error:
        raise ConsultaInvalidaError("el cursor no es de esta lista; empiece sin él") from error
    if not math.isfinite(valor):
        raise ConsultaInvalidaError("el cursor no es de esta lista; empiece sin él")
    return valor, ultimo
