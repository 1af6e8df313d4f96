"""Whom to look at first, and why, out of the anomalies of the last 28 days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from detection.blend.suspicion import probability
from detection.params import DIAS_VENTANA
from pipeline.stores.anomaly_records import ClienteRanking, FiltroAnomalias
from pipeline.stores.mongo.anomalies import ABIERTA, CONFIRMADA
from pipeline.stores.mongo.query_sums import AnomalySums
from pipeline.stores.mongo.reader import Documento
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import check_ids, check_limit, check_words

RANKING_MAXIMO = 500
CLIENTES_MOTIVOS = 50
MOTIVOS_MAXIMOS = 10
_CLAVES: dict[str, Callable[[Documento], float]] = {
    "evidencia": lambda uno: float(uno["evidencia"]),
    "kwh": lambda uno: float(uno["exceso_kwh"] + uno["defecto_kwh"]),
    "visita": lambda uno: uno["probabilidad"] * float(uno["exceso_kwh"] + uno["defecto_kwh"]),
    "anomalias": lambda uno: float(uno["anomalias"]),
}


class MongoRanking:
    """What is asked of customers by their anomalies.

    ``sums``: gives who adds anomalies up. ``reloj``: the time, aware.
    """

    def __init__(
        self,
        presenta: Presentacion,
        sums: Callable[[], AnomalySums],
        recuerdo: AnswerCache,
        reloj: Callable[[], datetime],
    ) -> None:
        self._presenta = presenta
        self._sums = sums
        self._recuerdo = recuerdo
        self._reloj = reloj

    def first(
        self, limite: int = 10, ahora: datetime | None = None, orden: str = "evidencia"
    ) -> list[ClienteRanking]:
        """Return the customers to look at first (``RankingQueries.first``)."""
        check_limit(limite, RANKING_MAXIMO)
        check_words("orden", [orden], tuple(_CLAVES))
        hora = self._hour(ahora)
        todos = self._recuerdo.get(("ranking", hora), partial(self._load, hora))
        # Of those that are equal the first by name: they are in that order.
        primeros = sorted(todos, key=_CLAVES[orden], reverse=True)[:limite]
        return [_ranked(i, fila, self._presenta) for i, fila in enumerate(primeros, 1)]

    def reasons(
        self,
        propietario_ids: Sequence[str],
        por_cliente: int = 3,
        ahora: datetime | None = None,
    ) -> dict[str, list[str]]:
        """Return sentences on customers' gravest anomalies (``RankingQueries.reasons``)."""
        clientes = check_ids(propietario_ids, CLIENTES_MOTIVOS)
        check_limit(por_cliente, MOTIVOS_MAXIMOS)
        if not clientes:
            return {}
        hora = self._hour(ahora)
        frases = self._recuerdo.get(
            ("motivos", tuple(clientes), hora), partial(self._load_reasons, clientes, hora)
        )
        return {cliente: frases[cliente][:por_cliente] for cliente in clientes}

    def _hour(self, ahora: datetime | None) -> datetime:
        return (ahora or self._reloj()).replace(minute=0, second=0, microsecond=0)

    def _load(self, hora: datetime) -> list[Documento]:
        """Return every customer with an anomaly that counts at an hour, by name."""
        filas = self._sums().by_customer(_current(hora), hora)
        probable = probability(np.array([fila["evidencia"] for fila in filas], np.float64))
        return [
            {**fila, "probabilidad": 1.0 if fila["confirmadas"] else suya}
            for fila, suya in zip(filas, probable.tolist(), strict=True)
        ]

    def _load_reasons(self, clientes: Sequence[str], hora: datetime) -> dict[str, list[str]]:
        """Return what the loudest detector says of each customer's gravest anomalies."""
        graves = self._sums().gravest(_current(hora), clientes, MOTIVOS_MAXIMOS)
        return {cliente: _sentences(graves.get(cliente, ())) for cliente in clientes}


def _current(hora: datetime) -> FiltroAnomalias:
    """Return which anomalies count at an hour: those of 28 days that nobody has rejected.

    To the end of this hour; what is said to be of a later one is close enough.
    """
    desde = hora + timedelta(hours=1) - timedelta(days=DIAS_VENTANA)
    estados = (ABIERTA, CONFIRMADA)
    return FiltroAnomalias(desde=desde, hasta=hora + timedelta(days=1), estados=estados)


def _ranked(puesto: int, fila: Documento, presenta: Presentacion) -> ClienteRanking:
    veces = Counter(tipo for tipos in fila["tipos"] for tipo in tipos)
    en_juego = kwh(fila["exceso_kwh"] + fila["defecto_kwh"])
    rinde = kwh(fila["probabilidad"] * en_juego)
    return ClienteRanking(
        **{
            **fila,
            "puesto": puesto,
            "propietario_id": fila["_id"],
            "tipos_anomalia": sorted(veces, key=lambda tipo: (-veces[tipo], tipo)),
            "ultima_anomalia": presenta.hora(fila["ultima_anomalia"]),
            "energia_en_juego_kwh": en_juego,
            "energia_en_juego_eur": presenta.euros(en_juego),
            "rinde_visita_kwh": rinde,
            "rinde_visita_eur": presenta.euros(rinde),
            "motivos": [],
        }
    )


def _sentences(explicaciones: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return what the loudest detector says of each anomaly, of each detector the first."""
    frases: dict[str, str] = {}
    for explicacion in filter(None, explicaciones):
        mejor = max(explicacion, key=lambda e: (e["dispara"], e["score"] or 0.0))
        frases.setdefault(mejor["detector"], mejor["frase"])
    return list(frases.values())
