"""Whom to look at first, and why, out of the anomalies of the last 28 days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.domain import hora_absoluta
from detection.params import DIAS_VENTANA, Params
from pipeline.stores import query_calculations as calculos
from pipeline.stores.anomaly_records import ClienteRanking, FiltroAnomalias
from pipeline.stores.mongo.anomalies import DESCARTADA
from pipeline.stores.mongo.query_documents import ESTADOS
from pipeline.stores.mongo.query_summaries import RANKING_MAXIMO, ConsultasResumenes
from pipeline.stores.query_columns import Columnas
from pipeline.stores.query_limits import check_ids, check_limit, check_words

CLIENTES_MOTIVOS = 50
MOTIVOS_MAXIMOS = 10


class ConsultasRanking(ConsultasResumenes):
    """What is asked of customers by their anomalies."""

    def ranking(
        self, limite: int = 10, ahora: datetime | None = None, orden: str = "evidencia"
    ) -> list[ClienteRanking]:
        """Return the customers to look at first, by their anomalies of the last 28 days.

        Those that a person has rejected do not count; nor the oldest, where there are more than
        can be looked at (``ranking_truncado``).

        Parameters
        ----------
        limite : int
            1 to ``RANKING_MAXIMO``.
        orden : str
            "evidencia", "kwh" (used above and below the expected), "visita" (the same times how
            probable it is that there is something) or "anomalias".
        """
        check_limit(limite, RANKING_MAXIMO)
        check_words("orden", [orden], ("evidencia", "kwh", "visita", "anomalias"))
        hora = self._hour(ahora)
        return self._recuerdo.get(
            ("ranking", orden, limite, hora), partial(self._rank, orden, limite, hora)
        )

    def ranking_truncado(self, ahora: datetime | None = None) -> bool:
        """Return whether the ranking is of a part of those anomalies: the latest ones."""
        return not self._current(self._hour(ahora))[1]

    def _rank(self, orden: str, limite: int, hora: datetime) -> list[ClienteRanking]:
        semivida = Params().sospecha_semivida_dias * 24
        columnas, ahora_hora = self._current(hora)[0], hora_absoluta(hora)
        return calculos.ranking(columnas, ahora_hora, semivida, orden, limite, ESTADOS)

    def _hour(self, ahora: datetime | None) -> datetime:
        return (ahora or self._reloj()).replace(minute=0, second=0, microsecond=0)

    def _current(self, hora: datetime) -> tuple[Columnas, bool]:
        """Return the anomalies that count at an hour, and whether these are all."""
        return self._recuerdo.get(("vigentes", hora), partial(self._choose_current, hora))

    def _choose_current(self, hora: datetime) -> tuple[Columnas, bool]:
        # To the end of this hour; what is said to be of a later one is close enough.
        desde = hora + timedelta(hours=1) - timedelta(days=DIAS_VENTANA)
        elegidas, completas = self._look(
            FiltroAnomalias(desde=desde, hasta=hora + timedelta(days=1))
        )
        return elegidas.take(elegidas.estado != ESTADOS.index(DESCARTADA)), completas

    def motivos(
        self,
        propietario_ids: Sequence[str],
        por_cliente: int = 3,
        ahora: datetime | None = None,
    ) -> dict[str, list[str]]:
        """Return, for each customer, sentences on its gravest anomalies of the last 28 days.

        Each is what the loudest detector that fires says of an anomaly, the gravest one first;
        of a detector only the first sentence, so that a customer's reasons differ.
        """
        clientes = check_ids(propietario_ids, CLIENTES_MOTIVOS)
        check_limit(por_cliente, MOTIVOS_MAXIMOS)
        hora = self._hour(ahora)
        frases = self._recuerdo.get(
            ("motivos", tuple(clientes), hora), partial(self._reasons, clientes, hora)
        )
        return {cliente: frases[cliente][:por_cliente] for cliente in clientes}

    def _reasons(self, clientes: Sequence[str], hora: datetime) -> dict[str, list[str]]:
        columnas, _ = self._current(hora)
        graves = {
            cliente: _gravest(
                columnas,
                np.flatnonzero(columnas.cliente == columnas.number(cliente)),
                MOTIVOS_MAXIMOS,
            )
            for cliente in clientes
        }
        todas = [uno for ids in graves.values() for uno in ids]
        docs = self._by_ids(todas, {"explicacion": 1}, con_archivo=False)
        dicho = {uno: doc["explicacion"] for uno, (doc, _) in docs.items()}
        return {cliente: _sentences(ids, dicho) for cliente, ids in graves.items()}


def _sentences(ids: Sequence[str], dicho: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return what the loudest detector says of each anomaly, of each detector the first."""
    frases: dict[str, str] = {}
    for uno in ids:
        if explicacion := dicho.get(uno):
            mejor = max(explicacion, key=lambda e: (e["dispara"], e["score"] or 0.0))
            frases.setdefault(mejor["detector"], mejor["frase"])
    return list(frases.values())


def _gravest(columnas: Columnas, suyas: NDArray[np.int64], cuantas: int) -> tuple[str, ...]:
    """Return the ids of the gravest of some anomalies, one of each set of types."""
    orden = suyas[np.lexsort((-columnas.hora[suyas], -columnas.score[suyas]))]
    vistos: dict[int, str] = {}
    for i, tipos in zip(orden.tolist(), columnas.tipos[orden].tolist(), strict=True):
        if tipos not in vistos:
            vistos[tipos] = columnas.id[i].tobytes().hex()
            if len(vistos) == cuantas:
                break
    return tuple(vistos.values())
