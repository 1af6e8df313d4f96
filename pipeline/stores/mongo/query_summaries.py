"""What anomalies add up to; asked again after a moment, not each time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from detection.domain import HORAS_POR_DIA, SEVERIDADES, TIPOS, hora_absoluta, instante
from pipeline.stores.anomaly_records import (
    Distribuciones,
    EnergiaDescartada,
    FiltroAnomalias,
    Incidente,
    PuntoSerie,
    ResumenAnomalias,
)
from pipeline.stores.mongo.anomalies import ABIERTA, DESCARTADA
from pipeline.stores.mongo.query_filter import (
    CONSUMO,
    DIAS_RESUMEN,
    DIAS_UNO,
    ESTADOS,
    GRAVES,
    bounded,
)
from pipeline.stores.mongo.query_sums import DIA, HORA, AnomalySums
from pipeline.stores.mongo.reader import MongoReader
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import (
    Pagina,
    check_limit,
    check_range,
    check_words,
    decode_cursor,
    encode_cursor,
)
from pipeline.stores.record_base import PorEstado, PorSeveridad

DIAS_HORAS = 31
HUECO_MAXIMO = 168
IDS_POR_INCIDENTE = 500
_INCIDENTES = "incidentes"
_TODAS = FiltroAnomalias()


class MongoAnomalySummaries:
    """What is asked of anomalies as a whole.

    ``sums``: gives who adds anomalies up. ``reloj``: the time, aware.
    """

    def __init__(
        self,
        lector: MongoReader,
        sums: Callable[[], AnomalySums],
        recuerdo: AnswerCache,
        reloj: Callable[[], datetime],
    ) -> None:
        self._lector = lector
        self._presenta = lector.presenta
        self._sums = sums
        self._recuerdo = recuerdo
        self._reloj = reloj

    def overview(self, ahora: datetime | None = None) -> ResumenAnomalias:
        """Return the last month at a glance (``AnomalySummaryQueries.overview``)."""
        ahora = ahora or self._reloj()
        hasta = ahora.replace(minute=0, second=0, microsecond=0) + HORA
        return self._recuerdo.get(("resumen", hasta), partial(self._load_overview, hasta))

    def _load_overview(self, hasta: datetime) -> ResumenAnomalias:
        filtro = FiltroAnomalias(desde=hasta - timedelta(days=DIAS_RESUMEN), hasta=hasta)
        por_estado = dict.fromkeys(ESTADOS, 0)
        en_juego: dict[int, float] = defaultdict(float)
        juzgadas: dict[int, Counter[str]] = defaultdict(Counter)
        sumas = self._sums().by_week(filtro, hasta)
        for suma in sumas:
            por_estado[suma.estado] += suma.n
            if suma.estado == ABIERTA:
                en_juego[suma.semana] += suma.en_juego_kwh
            else:
                juzgadas[suma.semana][suma.severidad] += suma.n
        return ResumenAnomalias(
            PorEstado.of(por_estado),
            max((suma.ultima_deteccion for suma in sumas), default=None),
            en_juego[0],
            en_juego[1],
            PorSeveridad.of(juzgadas[0]),
            PorSeveridad.of(juzgadas[1]),
        )

    def rejected(self, propietario_id: str, desde: datetime, hasta: datetime) -> EnergiaDescartada:
        """Return what people rejected of a customer (``AnomalySummaryQueries.rejected``)."""
        filtro = FiltroAnomalias(
            propietario_id, desde, hasta, estados=(DESCARTADA,), con_archivo=True
        )
        return EnergiaDescartada(*self._sums().beside_expected(filtro))

    def series(
        self,
        desde: datetime,
        hasta: datetime,
        por: str = "dia",
        filtro: FiltroAnomalias = _TODAS,
    ) -> list[PuntoSerie]:
        """Return anomalies over time (``AnomalySummaryQueries.series``)."""
        check_words("por", [por], ("hora", "dia"))
        check_range(desde, hasta, DIAS_HORAS if por == "hora" else DIAS_UNO)
        inicios = _hours(desde, hasta) if por == "hora" else _days(desde, hasta, self._presenta)
        # All of the first day, as all of the last.
        pedido = filtro._replace(desde=min(desde, inicios[0]), hasta=hasta)
        cuentas = self._recuerdo.get(
            ("serie", pedido, por), lambda: self._sums().over_time(pedido, por)
        )
        return [
            self._point(momento, PorSeveridad.of({s: cuentas.get((momento, s), 0) for s in GRAVES}))
            for momento in inicios
        ]

    def _point(self, momento: datetime, anomalias: PorSeveridad) -> PuntoSerie:
        hora = self._presenta.hora(momento)
        return PuntoSerie(momento=hora, anomalias=anomalias, total=anomalias.total)

    def distributions(self, filtro: FiltroAnomalias) -> Distribuciones:
        """Return how anomalies are spread (``AnomalySummaryQueries.distributions``)."""
        pedido = bounded(filtro, self._reloj())
        return self._recuerdo.get(("reparto", pedido), partial(self._spread, pedido))

    def _spread(self, filtro: FiltroAnomalias) -> Distribuciones:
        cuentas = self._sums().spread(filtro)
        return Distribuciones(
            total=sum(cuentas["estado"].values()),
            por_severidad=PorSeveridad.of(cuentas["severidad"]),
            por_tipo={str(tipo): cuentas["tipo"].get(str(tipo), 0) for tipo in TIPOS},
            por_estado=PorEstado.of(cuentas["estado"]),
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
    ) -> Pagina[Incidente]:
        """Return a page of incidents (``AnomalySummaryQueries.incidents``)."""
        check_limit(limite)
        check_limit(hueco_horas + 1, HUECO_MAXIMO + 1)
        pedido = bounded(filtro, self._reloj())
        tras = None if cursor is None else decode_cursor(_INCIDENTES, cursor, datetime, str)
        clave = ("incidentes", pedido, hueco_horas, tras, limite)

        def load() -> Pagina[Incidente]:
            hechos, ultimo = self._sums().incidents(pedido, hueco_horas, tras, limite)
            siguiente = None if ultimo is None else encode_cursor(_INCIDENTES, *ultimo)
            return Pagina([_incident(docs, self._presenta) for docs in hechos], siguiente)

        # Cursors are as many as there are pages; the first one is what all screens show.
        return load() if cursor is not None else self._recuerdo.get(clave, load)


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


def _days(desde: datetime, hasta: datetime, presenta: Presentacion) -> list[datetime]:
    """Return the instants at which the local days of an interval begin."""
    primero = presenta.fecha(desde)
    cuantos = (presenta.fecha(hasta - timedelta(microseconds=1)) - primero).days + 1
    return [presenta.medianoche(primero + i * DIA) for i in range(cuantos)]
