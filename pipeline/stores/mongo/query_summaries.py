"""What anomalies add up to, as MongoDB adds it up; asked again after a moment, not each time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from pymongo import ASCENDING, DESCENDING

from detection.domain import HORAS_POR_DIA, SEVERIDADES, TIPOS, hora_absoluta, instante
from pipeline.stores.anomaly_records import (
    Distribuciones,
    EnergiaDescartada,
    FiltroAnomalias,
    Incidente,
    PuntoSerie,
    ResumenAnomalias,
)
from pipeline.stores.mongo.anomalies import ANOMALIAS, DESCARTADA
from pipeline.stores.mongo.query_filter import (
    CONSUMO,
    DETECCION,
    DIAS_RESUMEN,
    DIAS_UNO,
    ESTADOS,
    IDS_POR_PREGUNTA,
    Etapas,
    bounded,
    match,
    source,
)
from pipeline.stores.mongo.reader import Documento, MongoReader
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import (
    CURSOR_AJENO,
    ConsultaInvalidaError,
    Pagina,
    check_limit,
    check_range,
    check_words,
    decode_cursor,
    encode_cursor,
)
from pipeline.stores.record_base import PorEstado

GRAVES = tuple(str(severidad) for severidad in SEVERIDADES[1:])
DIAS_HORAS = 31
HUECO_MAXIMO = 168
IDS_POR_INCIDENTE = 500
HORA, DIA, SEMANA = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
_HORA_MS = 3_600_000
_INCIDENTES = "incidentes"
_TODAS = FiltroAnomalias()
DIFERENCIA: dict[str, Any] = {
    "$subtract": ["$consumo_kwh", {"$ifNull": ["$consumo_esperado_kwh", "$consumo_kwh"]}]
}
"""What an anomaly used above the expected, kWh; 0 where nothing was expected."""
EXCESO: dict[str, Any] = {"$sum": {"$max": [DIFERENCIA, 0.0]}}
DEFECTO: dict[str, Any] = {"$sum": {"$max": [{"$subtract": [0.0, DIFERENCIA]}, 0.0]}}
_DE_INCIDENTE = (
    *("propietario_id", CONSUMO, "consumo_kwh", "consumo_esperado_kwh", "tipos_anomalia"),
    *("score_anomalia", "severidad", "estado"),
)


class MongoAnomalySummaries:
    """What is asked of anomalies as a whole.

    Parameters
    ----------
    lector : MongoReader
    recuerdo : AnswerCache
    reloj : callable
        The time, aware.
    zona : str
        Whose days and hours are counted.
    """

    def __init__(
        self, lector: MongoReader, recuerdo: AnswerCache, reloj: Callable[[], datetime], zona: str
    ) -> None:
        self._lector = lector
        self._recuerdo = recuerdo
        self._reloj = reloj
        self._zona = zona

    def _sums(self, etapas: Etapas) -> list[Documento]:
        return self._lector.aggregate(ANOMALIAS, etapas)

    def overview(self, ahora: datetime | None = None) -> ResumenAnomalias:
        """Return the last month at a glance (``AnomalySummaryQueries.overview``)."""
        ahora = ahora or self._reloj()
        hasta = ahora.replace(minute=0, second=0, microsecond=0) + HORA
        return self._recuerdo.get(("resumen", hasta), partial(self._load_overview, hasta))

    def _load_overview(self, hasta: datetime) -> ResumenAnomalias:
        filtro = FiltroAnomalias(desde=hasta - timedelta(days=DIAS_RESUMEN), hasta=hasta)
        hace = {"$subtract": [hasta - HORA, f"${CONSUMO}"]}
        semana = {"$floor": {"$divide": [hace, SEMANA.total_seconds() * 1000]}}
        grupo = {
            "_id": {"estado": "$estado", "semana": semana},
            "n": {"$sum": 1},
            "en_juego": {"$sum": {"$abs": DIFERENCIA}},
            "ultima": {"$max": f"${DETECCION}"},
        }
        por_estado = dict.fromkeys(ESTADOS, 0)
        en_juego: dict[int, float] = defaultdict(float)
        ultimas = []
        for fila in self._sums([{"$match": match(filtro)}, {"$group": grupo}]):
            estado = fila["_id"]["estado"]
            por_estado[estado] += fila["n"]
            ultimas.append(fila["ultima"])
            if estado != DESCARTADA:
                en_juego[int(fila["_id"]["semana"])] += fila["en_juego"]
        return ResumenAnomalias(por_estado, max(ultimas, default=None), en_juego[0], en_juego[1])

    def rejected(self, propietario_id: str, desde: datetime, hasta: datetime) -> EnergiaDescartada:
        """Return what people rejected of a customer (``AnomalySummaryQueries.rejected``)."""
        filtro = FiltroAnomalias(propietario_id, desde, hasta, estados=(DESCARTADA,))
        campos = ("consumo_kwh", "consumo_esperado_kwh")
        grupo = {"_id": None, "n": {"$sum": 1}, "exceso": EXCESO, "defecto": DEFECTO}
        filas = self._sums([*source(match(filtro), campos, True), {"$group": grupo}])
        if not filas:
            return EnergiaDescartada(0, 0.0, 0.0)
        (suma,) = filas
        return EnergiaDescartada(suma["n"], float(suma["exceso"]), float(suma["defecto"]))

    def series(
        self,
        desde: datetime,
        hasta: datetime,
        por: str = "dia",
        filtro: FiltroAnomalias = _TODAS,
        con_archivo: bool = False,
    ) -> list[PuntoSerie]:
        """Return anomalies over time (``AnomalySummaryQueries.series``)."""
        check_words("por", [por], ("hora", "dia"))
        check_range(desde, hasta, DIAS_HORAS if por == "hora" else DIAS_UNO)
        inicios = _hours(desde, hasta) if por == "hora" else _days(desde, hasta, self._zona)
        # All of the first day, as all of the last.
        pedido = filtro._replace(desde=min(desde, inicios[0]), hasta=hasta)
        clave = ("serie", pedido, por, con_archivo)
        cuentas = self._recuerdo.get(
            clave, partial(self._count_over_time, pedido, por, con_archivo)
        )
        return [
            PuntoSerie(momento, {s: cuentas.get((momento, s), 0) for s in GRAVES})
            for momento in inicios
        ]

    def _count_over_time(
        self, filtro: FiltroAnomalias, por: str, con_archivo: bool
    ) -> dict[tuple[datetime, str], int]:
        dia = {"$dateTrunc": {"date": f"${CONSUMO}", "unit": "day", "timezone": self._zona}}
        # A reading begins with its hour.
        momento = dia if por == "dia" else f"${CONSUMO}"
        grupo = {"_id": {"momento": momento, "severidad": "$severidad"}, "n": {"$sum": 1}}
        filas = self._sums(
            [*source(match(filtro), (CONSUMO, "severidad"), con_archivo), {"$group": grupo}]
        )
        return {(fila["_id"]["momento"], fila["_id"]["severidad"]): fila["n"] for fila in filas}

    def distributions(self, filtro: FiltroAnomalias, con_archivo: bool = False) -> Distribuciones:
        """Return how anomalies are spread (``AnomalySummaryQueries.distributions``)."""
        pedido = bounded(filtro, self._reloj())
        return self._recuerdo.get(
            ("reparto", pedido, con_archivo), partial(self._spread, pedido, con_archivo)
        )

    def _spread(self, filtro: FiltroAnomalias, con_archivo: bool) -> Distribuciones:
        local = {"date": f"${CONSUMO}", "timezone": self._zona}

        def count(que: Any) -> Etapas:
            return [{"$group": {"_id": que, "n": {"$sum": 1}}}]

        campos = (CONSUMO, "severidad", "estado", "tipos_anomalia")
        caras = {
            "severidad": count("$severidad"),
            "estado": count("$estado"),
            "tipo": [{"$unwind": "$tipos_anomalia"}, *count("$tipos_anomalia")],
            "hora": count({"$hour": local}),
            "dia": count({"$isoDayOfWeek": local}),
        }
        (hay,) = self._sums([*source(match(filtro), campos, con_archivo), {"$facet": caras}])
        cuentas = {cara: {fila["_id"]: fila["n"] for fila in hay[cara]} for cara in caras}
        return Distribuciones(
            total=sum(cuentas["estado"].values()),
            por_severidad={s: cuentas["severidad"].get(s, 0) for s in GRAVES},
            por_tipo={str(tipo): cuentas["tipo"].get(str(tipo), 0) for tipo in TIPOS},
            por_estado={estado: cuentas["estado"].get(estado, 0) for estado in ESTADOS},
            por_hora=[cuentas["hora"].get(hora, 0) for hora in range(HORAS_POR_DIA)],
            por_dia_semana=[cuentas["dia"].get(dia, 0) for dia in range(1, 8)],
        )

    def incidents(
        self,
        filtro: FiltroAnomalias,
        *,
        hueco_horas: int = 3,
        limite: int = 50,
        cursor: str | None = None,
        con_archivo: bool = False,
    ) -> Pagina[Incidente]:
        """Return a page of incidents (``AnomalySummaryQueries.incidents``)."""
        check_limit(limite)
        check_limit(hueco_horas + 1, HUECO_MAXIMO + 1)
        pedido = bounded(filtro, self._reloj())
        load = partial(self._load_incidents, pedido, hueco_horas, limite, cursor, con_archivo)
        # Cursors are as many as there are pages; the first one is what all screens show.
        if cursor is not None:
            return load()
        return self._recuerdo.get(("incidentes", pedido, hueco_horas, limite, con_archivo), load)

    def _load_incidents(
        self,
        filtro: FiltroAnomalias,
        hueco_horas: int,
        limite: int,
        cursor: str | None,
        con_archivo: bool,
    ) -> Pagina[Incidente]:
        hueco = (hueco_horas + 1) * HORA
        comienzos = self._beginnings(filtro, hueco, limite + 1, cursor, con_archivo)
        pagina = comienzos[:limite]
        if not pagina:
            return Pagina([], None)
        siguiente = None
        if len(comienzos) > limite:
            cliente, inicio = pagina[-1]
            siguiente = encode_cursor(_INCIDENTES, hora_absoluta(inicio), cliente)
        suyas = self._members(filtro._replace(desde=pagina[-1][1]), pagina, con_archivo)
        hechos = {
            (uno.propietario_id, uno.inicio): uno
            for docs in suyas.values()
            for uno in (_incident(d, self._lector.presenta) for d in _split(docs, hueco))
        }
        return Pagina([hechos[cual] for cual in pagina if cual in hechos], siguiente)

    def _beginnings(
        self,
        filtro: FiltroAnomalias,
        hueco: timedelta,
        limite: int,
        cursor: str | None,
        con_archivo: bool,
    ) -> list[tuple[str, datetime]]:
        """Return customer and first hour of the incidents after a cursor, the newest first."""
        despues: Etapas = []
        condiciones = match(filtro)
        if cursor is not None:
            hora, cliente = decode_cursor(_INCIDENTES, cursor, int, str)
            try:
                tras = instante(hora)
                condiciones[CONSUMO] = {**condiciones[CONSUMO], "$lte": tras}
            except OverflowError as error:
                raise ConsultaInvalidaError(CURSOR_AJENO) from error
            misma = {CONSUMO: tras, "propietario_id": {"$gt": cliente}}
            despues = [{"$match": {"$or": [{CONSUMO: {"$lt": tras}}, misma]}}]
        previa = {"$shift": {"output": f"${CONSUMO}", "by": -1}}
        pasadas = {"$subtract": [f"${CONSUMO}", {"$ifNull": ["$previa", datetime(1990, 1, 1)]}]}
        filas = self._sums(
            [
                *source(condiciones, ("propietario_id", CONSUMO), con_archivo),
                {
                    "$setWindowFields": {
                        "partitionBy": "$propietario_id",
                        "sortBy": {CONSUMO: ASCENDING},
                        "output": {"previa": previa},
                    }
                },
                {"$match": {"$expr": {"$gt": [pasadas, hueco / HORA * _HORA_MS]}}},
                *despues,
                {"$sort": {CONSUMO: DESCENDING, "propietario_id": ASCENDING}},
                {"$limit": limite},
            ]
        )
        return [(fila["propietario_id"], fila[CONSUMO]) for fila in filas]

    def _members(
        self,
        filtro: FiltroAnomalias,
        pagina: Sequence[tuple[str, datetime]],
        con_archivo: bool,
    ) -> dict[str, list[Documento]]:
        """Return the anomalies of some customers from an instant on, each one's by time."""
        clientes = list(dict.fromkeys(cliente for cliente, _ in pagina))
        suyas: dict[str, list[Documento]] = defaultdict(list)
        for inicio in range(0, len(clientes), IDS_POR_PREGUNTA):
            de = {"propietario_id": {"$in": clientes[inicio : inicio + IDS_POR_PREGUNTA]}}
            orden = {"$sort": {CONSUMO: ASCENDING}}
            etapas = [*source(de | match(filtro) | de, _DE_INCIDENTE, con_archivo), orden]
            for doc in self._sums(etapas):
                suyas[doc["propietario_id"]].append(doc)
        return suyas


def _split(docs: Sequence[Documento], hueco: timedelta) -> list[list[Documento]]:
    """Return a customer's anomalies, in order of time, as one list an incident."""
    cortes = [i for i, (a, b) in enumerate(pairwise(docs), 1) if b[CONSUMO] - a[CONSUMO] > hueco]
    return [list(docs[a:b]) for a, b in pairwise([0, *cortes, len(docs)])]


def _incident(docs: Sequence[Mapping[str, Any]], presenta: Presentacion) -> Incidente:
    inicio, fin = docs[0][CONSUMO], docs[-1][CONSUMO] + HORA
    con_esperado = [
        (doc["consumo_kwh"], doc["consumo_esperado_kwh"])
        for doc in docs
        if doc["consumo_esperado_kwh"] is not None
    ]
    exceso = sum((max(uno - esperado, 0.0) for uno, esperado in con_esperado), 0.0)
    defecto = sum((max(esperado - uno, 0.0) for uno, esperado in con_esperado), 0.0)
    en_juego = kwh(exceso + defecto)
    tipos = {tipo for doc in docs for tipo in doc["tipos_anomalia"]}
    ids = [str(doc["_id"]) for doc in docs[:IDS_POR_INCIDENTE]]
    return Incidente(
        id=ids[0],
        propietario_id=docs[0]["propietario_id"],
        inicio=presenta.hora(inicio),
        fin=presenta.hora(fin),
        horas=(fin - inicio) // HORA,
        anomalias=len(docs),
        consumo_kwh=kwh(sum(doc["consumo_kwh"] for doc in docs)),
        consumo_esperado_kwh=kwh(sum(e for _, e in con_esperado)) if con_esperado else None,
        exceso_kwh=kwh(exceso),
        defecto_kwh=kwh(defecto),
        energia_en_juego_kwh=en_juego,
        energia_en_juego_eur=presenta.euros(en_juego),
        severidad=max((doc["severidad"] for doc in docs), key=_GRAVEDAD.__getitem__),
        score_maximo=max(doc["score_anomalia"] for doc in docs),
        tipos_anomalia=[str(tipo) for tipo in TIPOS if tipo in tipos],
        estados=PorEstado.of(Counter(doc["estado"] for doc in docs)),
        anomalia_ids=ids,
    )


_GRAVEDAD = {str(severidad): i for i, severidad in enumerate(SEVERIDADES)}


def _hours(desde: datetime, hasta: datetime) -> list[datetime]:
    primera, fin = hora_absoluta(desde), hora_absoluta(hasta - timedelta(microseconds=1)) + 1
    return [instante(hora) for hora in range(primera, fin)]


def _days(desde: datetime, hasta: datetime, zona: str) -> list[datetime]:
    """Return the instants at which the local days of an interval begin."""
    dia = desde.astimezone(ZoneInfo(zona)).replace(
        hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    inicios = []
    while dia < hasta:
        inicios.append(dia.astimezone(UTC))
        # In local time: a day may have 23 or 25 hours.
        dia += DIA
    return inicios
