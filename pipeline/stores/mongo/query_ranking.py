"""Whom to look at first, and why: out of open cases, and of the anomalies of the last 28 days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from detection.blend.suspicion import probability
from detection.cases.story import CASO
from detection.domain import SEVERIDADES
from detection.params import DIAS_VENTANA
from pipeline.stores.anomaly_records import ClienteRanking, FiltroAnomalias
from pipeline.stores.case_records import CasoResumen
from pipeline.stores.mongo.anomalies import ABIERTA
from pipeline.stores.mongo.query_cases import MongoCases
from pipeline.stores.mongo.query_sums import AnomalySums
from pipeline.stores.mongo.reader import Documento
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import check_ids, check_limit, check_words

RANKING_MAXIMO = 500
CLIENTES_MOTIVOS = 50
MOTIVOS_MAXIMOS = 10
_CLAVES: dict[str, Callable[[Documento], tuple[float, ...]]] = {
    # Evidence is of hours, and says nothing of a case.
    "evidencia": lambda uno: (
        (1.0, uno["probabilidad"], uno["en_juego_kwh"])
        if uno["caso"]
        else (0.0, float(uno["evidencia"]))
    ),
    "kwh": lambda uno: (uno["en_juego_kwh"],),
    "visita": lambda uno: (
        float(uno["caso"] is not None),
        uno["probabilidad"] * uno["en_juego_kwh"],
    ),
    "anomalias": lambda uno: (float(uno["anomalias"]),),
}
"""By what customers are sorted, the highest first; who has an open case comes before the others
where the question is whom to suspect or to visit."""
_SIN_ANOMALIAS: Documento = {
    "evidencia": 0.0, "severidad": str(SEVERIDADES[0]), "score_maximo": 0.0, "anomalias": 0,
    "criticas": 0, "tipos": [], "ultima_anomalia": None, "exceso_kwh": 0.0,
    "defecto_kwh": 0.0,
}  # fmt: skip


class MongoRanking:
    """What is asked of customers by their cases and anomalies.

    ``sums``: gives who adds anomalies up. ``reloj``: the time, aware.
    """

    def __init__(
        self,
        presenta: Presentacion,
        sums: Callable[[], AnomalySums],
        casos: MongoCases,
        recuerdo: AnswerCache,
        reloj: Callable[[], datetime],
    ) -> None:
        self._presenta = presenta
        self._sums = sums
        self._casos = casos
        self._recuerdo = recuerdo
        self._reloj = reloj

    def first(
        self, limite: int = 10, ahora: datetime | None = None, orden: str = "evidencia"
    ) -> list[ClienteRanking]:
        """Return the customers to look at first (``RankingQueries.first``)."""
        check_limit(limite, RANKING_MAXIMO)
        check_words("orden", [orden], tuple(_CLAVES))
        hora = self._hour(ahora)
        return self._recuerdo.get(
            ("puestos", hora, orden, limite), partial(self._places, hora, orden, limite)
        )

    def _places(self, hora: datetime, orden: str, limite: int) -> list[ClienteRanking]:
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
        """Return every customer with an open case, or an anomaly that counts at an hour, by name.

        What a customer has of both is what its case says. Where somebody has said what a case is,
        the hours that go on with it say nothing more.
        """
        siguen = self._casos.going_on()
        desde = (hora - timedelta(days=DIAS_VENTANA)).date()
        juzgados = {c.propietario_id for c in siguen if not c.abierto and c.hasta >= desde}
        sumas = self._sums().by_customer(_current(hora), hora)
        filas = {fila["_id"]: fila for fila in sumas if fila["_id"] not in juzgados}
        casos = {caso.propietario_id: caso for caso in siguen if caso.abierto}
        for cliente in casos.keys() - filas.keys():
            filas[cliente] = {**_SIN_ANOMALIAS, "_id": cliente}
        evidencia = np.array([fila["evidencia"] for fila in filas.values()], np.float64)
        probables = zip(filas.items(), probability(evidencia).tolist(), strict=True)
        todos = [_joined(fila, casos.get(cliente), suya) for (cliente, fila), suya in probables]
        return sorted(todos, key=lambda uno: str(uno["_id"]))

    def _load_reasons(self, clientes: Sequence[str], hora: datetime) -> dict[str, list[str]]:
        """Return what the loudest detector says of each customer's gravest anomalies."""
        graves = self._sums().gravest(_current(hora), clientes, MOTIVOS_MAXIMOS)
        return {cliente: _sentences(graves.get(cliente, ())) for cliente in clientes}


def _current(hora: datetime) -> FiltroAnomalias:
    """Return which anomalies count at an hour: those of 28 days that nobody has judged.

    To the end of this hour; what is said to be of a later one is close enough.
    """
    desde = hora + timedelta(hours=1) - timedelta(days=DIAS_VENTANA)
    return FiltroAnomalias(desde=desde, hasta=hora + timedelta(days=1), estados=(ABIERTA,))


def _joined(fila: Documento, caso: CasoResumen | None, probable: float) -> Documento:
    """Return a customer's anomalies with what its open case, if it has one, says instead."""
    en_juego = kwh(fila["exceso_kwh"] + fila["defecto_kwh"])
    if caso is not None:
        probable, en_juego = caso.probabilidad, caso.energia_en_juego_kwh
        fila = {**fila, "es_sospechoso": True}
    return {**fila, "caso": caso, "probabilidad": probable, "en_juego_kwh": en_juego}


def _ranked(puesto: int, fila: Documento, presenta: Presentacion) -> ClienteRanking:
    veces = Counter(tipo for tipos in fila["tipos"] for tipo in tipos)
    tipos = sorted(veces, key=lambda tipo: (-veces[tipo], tipo))
    caso: CasoResumen | None = fila["caso"]
    if caso is not None:
        tipos = list(dict.fromkeys((caso.tipo, *tipos)))
    rinde = kwh(fila["probabilidad"] * fila["en_juego_kwh"])
    return ClienteRanking(
        **{
            **fila,
            "puesto": puesto,
            "propietario_id": fila["_id"],
            "tipos_anomalia": tipos,
            "ultima_anomalia": presenta.hora_o_nada(fila["ultima_anomalia"]),
            "energia_en_juego_kwh": fila["en_juego_kwh"],
            "energia_en_juego_eur": presenta.euros(fila["en_juego_kwh"]),
            "rinde_visita_kwh": rinde,
            "rinde_visita_eur": presenta.euros(rinde),
            "caso": None if caso is None else caso.id,
            "caso_desde": None if caso is None else caso.fecha_inicio,
            "motivos": [] if caso is None else [caso.frase],
        }
    )


def _sentences(explicaciones: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return what the loudest detector says of each anomaly, of each detector the first.

    An open case has a sentence of its own.
    """
    frases: dict[str, str] = {}
    de_horas = ([e for e in explicacion if e["detector"] != CASO] for explicacion in explicaciones)
    for explicacion in filter(None, de_horas):
        mejor = max(explicacion, key=lambda e: (e["dispara"], e["score"] or 0.0))
        frases.setdefault(mejor["detector"], mejor["frase"])
    return list(frases.values())
