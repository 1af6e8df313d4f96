"""What anomalies add up to, as MongoDB's pipelines add it up.

``query_embedded`` gives the same for the embedded server, which takes as long over each pipeline
as over reading everything that goes into it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from detection.domain import SEVERIDADES
from detection.params import Params
from pipeline.stores.anomaly_records import FiltroAnomalias
from pipeline.stores.mongo.anomalies import ANOMALIAS
from pipeline.stores.mongo.chunks import TRAMO_IDS
from pipeline.stores.mongo.query_documents import SIN_LO_LARGO
from pipeline.stores.mongo.query_filter import (
    CONSUMO,
    DETECCION,
    UN_INSTANTE,
    Etapas,
    both,
    match,
    source,
)
from pipeline.stores.mongo.reader import Documento, MongoReader

HORA, DIA, SEMANA = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
CRITICA = str(SEVERIDADES[-1])
SEMIVIDA = timedelta(days=Params().sospecha_semivida_dias)
_MS = timedelta(milliseconds=1)
DIFERENCIA: dict[str, Any] = {
    "$subtract": ["$consumo_kwh", {"$ifNull": ["$consumo_esperado_kwh", "$consumo_kwh"]}]
}
"""What an anomaly used above the expected, kWh; 0 where nothing was expected."""
EXCESO: dict[str, Any] = {"$sum": {"$max": [DIFERENCIA, 0.0]}}
DEFECTO: dict[str, Any] = {"$sum": {"$max": [{"$subtract": [0.0, DIFERENCIA]}, 0.0]}}
DE_INCIDENTE = (
    *("propietario_id", CONSUMO, "consumo_kwh", "consumo_esperado_kwh", "tipos_anomalia"),
    *("score_anomalia", "severidad", "estado"),
)
CARAS = ("severidad", "estado", "tipo", "hora", "dia")
"""What anomalies are counted by: "hora" is the local hour, "dia" the ISO weekday, 1 to 7."""

Explicado = Sequence[Mapping[str, Any]]
"""What each detector says of an anomaly, as it is stored."""
Puesto = tuple[float, datetime, ObjectId]
"""Score, instant and id of an anomaly."""
Lugar = tuple[datetime, str]
"""First hour and customer of an incident: the newest comes first, of one hour by name."""


class SumaSemana(NamedTuple):
    """Anomalies of an ``estado``, a severidad and a week; 0 = the last one."""

    estado: str
    severidad: str
    semana: int
    n: int
    en_juego_kwh: float
    ultima_deteccion: datetime


class AnomalySums:
    """What is added up of the anomalies of a filter that has both ends."""

    def __init__(self, lector: MongoReader) -> None:
        self._lector = lector
        self._zona = lector.presenta.zona.key

    def _sums(self, etapas: Etapas) -> list[Documento]:
        return self._lector.aggregate(ANOMALIAS, etapas)

    def by_week(self, filtro: FiltroAnomalias, hasta: datetime) -> list[SumaSemana]:
        """Return the sums of each ``estado``, severidad and week up to ``hasta``."""
        hace = {"$subtract": [hasta - HORA, f"${CONSUMO}"]}
        grupo = {
            "_id": {
                "estado": "$estado",
                "severidad": "$severidad",
                "semana": {"$floor": {"$divide": [hace, SEMANA / _MS]}},
            },
            "n": {"$sum": 1},
            "en_juego": {"$sum": {"$abs": DIFERENCIA}},
            "ultima": {"$max": f"${DETECCION}"},
        }
        return [
            SumaSemana(
                fila["_id"]["estado"],
                fila["_id"]["severidad"],
                int(fila["_id"]["semana"]),
                fila["n"],
                fila["en_juego"],
                fila["ultima"],
            )
            for fila in self._sums([{"$match": match(filtro)}, {"$group": grupo}])
        ]

    def beside_expected(self, filtro: FiltroAnomalias) -> tuple[int, float, float]:
        """Return how many there are, and kWh above and below what was expected of them."""
        campos = ("consumo_kwh", "consumo_esperado_kwh")
        grupo = {"_id": None, "n": {"$sum": 1}, "exceso": EXCESO, "defecto": DEFECTO}
        for suma in self._sums([*source(filtro, campos), {"$group": grupo}]):
            return suma["n"], float(suma["exceso"]), float(suma["defecto"])
        return 0, 0.0, 0.0

    def over_time(self, filtro: FiltroAnomalias, por: str) -> Mapping[tuple[datetime, str], int]:
        """Return how many there are of each hour ("hora") or local day ("dia") and severidad."""
        dia = {"$dateTrunc": {"date": f"${CONSUMO}", "unit": "day", "timezone": self._zona}}
        # A reading begins with its hour.
        momento = dia if por == "dia" else f"${CONSUMO}"
        grupo = {"_id": {"momento": momento, "severidad": "$severidad"}, "n": {"$sum": 1}}
        filas = self._sums([*source(filtro, (CONSUMO, "severidad")), {"$group": grupo}])
        return {(fila["_id"]["momento"], fila["_id"]["severidad"]): fila["n"] for fila in filas}

    def spread(self, filtro: FiltroAnomalias) -> Mapping[str, Mapping[Any, int]]:
        """Return how many there are of each value of each of ``CARAS``."""
        local = {"date": f"${CONSUMO}", "timezone": self._zona}
        de_cara = dict(
            zip(
                CARAS,
                (
                    *("$severidad", "$estado", "$tipos_anomalia"),
                    *({"$hour": local}, {"$isoDayOfWeek": local}),
                ),
                strict=True,
            )
        )
        caras: dict[str, Etapas] = {
            cara: [{"$group": {"_id": valor, "n": {"$sum": 1}}}] for cara, valor in de_cara.items()
        }
        caras["tipo"].insert(0, {"$unwind": "$tipos_anomalia"})
        campos = (CONSUMO, "severidad", "estado", "tipos_anomalia")
        (hay,) = self._sums([*source(filtro, campos), {"$facet": caras}])
        return {cara: {fila["_id"]: fila["n"] for fila in hay[cara]} for cara in CARAS}

    def incidents(
        self,
        filtro: FiltroAnomalias,
        hueco_horas: int,
        tras: Lugar | None,
        limite: int,
    ) -> tuple[list[list[Documento]], Lugar | None]:
        """Return the anomalies of each incident after a place; the last one's if there are more."""
        comienzos = self._beginnings(filtro, hueco_horas, tras, limite + 1)
        pagina = comienzos[:limite]
        if not pagina:
            return [], None
        suyas = self._members(filtro._replace(desde=pagina[-1][0]), pagina)
        hechos = {
            (uno[0][CONSUMO], uno[0]["propietario_id"]): uno
            for docs in suyas.values()
            for uno in split(docs, hueco_horas)
        }
        ultimo = pagina[-1] if len(comienzos) > limite else None
        return [hechos[lugar] for lugar in pagina if lugar in hechos], ultimo

    def _beginnings(
        self,
        filtro: FiltroAnomalias,
        hueco_horas: int,
        tras: Lugar | None,
        limite: int,
    ) -> list[Lugar]:
        """Return the places of the incidents after another."""
        despues: Etapas = []
        if tras is not None:
            momento, cliente = tras
            filtro = filtro._replace(hasta=min(momento + UN_INSTANTE, filtro.hasta or momento))
            misma = {CONSUMO: momento, "propietario_id": {"$gt": cliente}}
            despues = [{"$match": {"$or": [{CONSUMO: {"$lt": momento}}, misma]}}]
        previa = {"$shift": {"output": f"${CONSUMO}", "by": -1}}
        pasadas = {"$subtract": [f"${CONSUMO}", {"$ifNull": ["$previa", datetime(1990, 1, 1)]}]}
        filas = self._sums(
            [
                *source(filtro, ("propietario_id", CONSUMO)),
                {
                    "$setWindowFields": {
                        "partitionBy": "$propietario_id",
                        "sortBy": {CONSUMO: ASCENDING},
                        "output": {"previa": previa},
                    }
                },
                {"$match": {"$expr": {"$gt": [pasadas, (hueco_horas + 1) * (HORA / _MS)]}}},
                *despues,
                {"$sort": {CONSUMO: DESCENDING, "propietario_id": ASCENDING}},
                {"$limit": limite},
            ]
        )
        return [(fila[CONSUMO], fila["propietario_id"]) for fila in filas]

    def _members(
        self, filtro: FiltroAnomalias, pagina: Sequence[Lugar]
    ) -> dict[str, list[Documento]]:
        """Return the anomalies of the customers of a page, each one's by time."""
        clientes = list(dict.fromkeys(cliente for _, cliente in pagina))
        suyas: dict[str, list[Documento]] = defaultdict(list)
        for inicio in range(0, len(clientes), TRAMO_IDS):
            de = {"propietario_id": {"$in": clientes[inicio : inicio + TRAMO_IDS]}}
            etapas = [*source(filtro, DE_INCIDENTE, de), {"$sort": {CONSUMO: ASCENDING}}]
            for doc in self._sums(etapas):
                suyas[doc["propietario_id"]].append(doc)
        return suyas

    def by_customer(self, filtro: FiltroAnomalias, hora: datetime) -> list[Documento]:
        """Return the sums of each customer, by name.

        The evidence of an anomaly is the part of its score above 0.5, squared so that one grave
        hour outweighs many slight ones, halved with every half-life of age at ``hora`` (as
        ``suspicion`` has it).
        """
        edad = {"$max": [{"$subtract": [hora, f"${CONSUMO}"]}, 0]}
        sobre = {"$max": [{"$subtract": [{"$multiply": [2, "$score_anomalia"]}, 1]}, 0]}
        vigencia = {"$pow": [0.5, {"$divide": [edad, SEMIVIDA / _MS]}]}
        grupo = {
            "_id": "$propietario_id",
            "evidencia": {"$sum": {"$multiply": [{"$pow": [sobre, 2]}, vigencia]}},
            "es_sospechoso": {"$last": "$es_sospechoso"},
            "severidad": {"$last": "$severidad"},
            "score_maximo": {"$max": "$score_anomalia"},
            "anomalias": {"$sum": 1},
            "criticas": {"$sum": {"$cond": [{"$eq": ["$severidad", CRITICA]}, 1, 0]}},
            "tipos": {"$push": "$tipos_anomalia"},
            "ultima_anomalia": {"$last": f"${CONSUMO}"},
            "exceso_kwh": EXCESO,
            "defecto_kwh": DEFECTO,
        }
        return self._sums(
            [
                *source(filtro, (*DE_INCIDENTE, "es_sospechoso")),
                {"$sort": {CONSUMO: ASCENDING}},
                {"$group": grupo},
                {"$sort": {"_id": ASCENDING}},
            ]
        )

    def gravest(
        self, filtro: FiltroAnomalias, clientes: Sequence[str], cuantas: int
    ) -> dict[str, list[Explicado]]:
        """Return the explanations of customers' gravest anomalies, one of each set of types."""
        condiciones = {"propietario_id": {"$in": list(clientes)}, **match(filtro)}
        orden = {"$sort": {"score_anomalia": DESCENDING, CONSUMO: DESCENDING}}
        grupo = {
            "_id": {"cliente": "$propietario_id", "tipos": "$tipos_anomalia"},
            "score": {"$first": "$score_anomalia"},
            "momento": {"$first": f"${CONSUMO}"},
            "explicacion": {"$first": "$explicacion"},
        }
        filas = self._sums([{"$match": condiciones}, orden, {"$group": grupo}])
        filas.sort(key=lambda fila: (fila["score"], fila["momento"]), reverse=True)
        suyas: dict[str, list[Explicado]] = defaultdict(list)
        for fila in filas:
            suyas[fila["_id"]["cliente"]].append(fila["explicacion"])
        return {cliente: explicaciones[:cuantas] for cliente, explicaciones in suyas.items()}

    def by_score(
        self, filtro: FiltroAnomalias, descendente: bool, tras: Puesto | None, limite: int
    ) -> list[tuple[Documento, bool]]:
        """Return the first anomalies after a place, each with whether it is archived."""
        condiciones = match(filtro)
        if tras is not None:
            score, momento, uno = tras
            condiciones["$or"] = [
                {"score_anomalia": {"$lt" if descendente else "$gt": score}},
                {"score_anomalia": score, CONSUMO: {"$lt": momento}},
                {"score_anomalia": score, CONSUMO: momento, "_id": {"$gt": uno}},
            ]
        sentido = DESCENDING if descendente else ASCENDING
        orden = [("score_anomalia", sentido), (CONSUMO, DESCENDING), ("_id", ASCENDING)]
        filas = both(
            lambda nombre: self._lector.find(nombre, condiciones, SIN_LO_LARGO, orden, limite),
            filtro.con_archivo,
        )
        filas.sort(key=lambda fila: score_order(*place_of(fila[0]), descendente))
        return filas[:limite]


def place_of(doc: Documento) -> Puesto:
    """Return an anomaly's place in a list by score."""
    return doc["score_anomalia"], doc[CONSUMO], doc["_id"]


def score_order(
    score: float, momento: datetime, uno: ObjectId, descendente: bool
) -> tuple[float, float, ObjectId]:
    """Return what puts places by score, of the same score the latest first."""
    return -score if descendente else score, -momento.timestamp(), uno


def split(docs: Sequence[Documento], hueco_horas: int) -> list[list[Documento]]:
    """Return a customer's anomalies, in order of time, as one list an incident."""
    hueco = (hueco_horas + 1) * HORA
    cortes = [i for i, (a, b) in enumerate(pairwise(docs), 1) if b[CONSUMO] - a[CONSUMO] > hueco]
    return [list(docs[a:b]) for a, b in pairwise([0, *cortes, len(docs)])]
