"""Whom to look at first, and why, out of the anomalies of the last 28 days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.dominio import hora_absoluta
from detection.params import DIAS_VENTANA, Params
from pipeline.almacenes import consultas_calculos as calculos
from pipeline.almacenes.consultas_columnas import Columnas
from pipeline.almacenes.consultas_limites import check_ids, check_limit, check_words
from pipeline.almacenes.consultas_recuerdo import Recuerdo
from pipeline.almacenes.consultas_tipos_anomalias import ClienteRanking, FiltroAnomalias
from pipeline.almacenes.mongo_anomalias import DESCARTADA
from pipeline.almacenes.mongo_consultas_documentos import ESTADOS
from pipeline.almacenes.mongo_consultas_resumenes import RANKING_MAXIMO, ConsultasResumenes

CLIENTES_MOTIVOS = 50
MOTIVOS_MAXIMOS = 10
VIDA_MOTIVOS_S = 300.0


@dataclass(frozen=True, slots=True, eq=False)
class _Vigentes:
    """The anomalies of 28 days that nobody has rejected, and what has been worked out of them.

    Parameters
    ----------
    todas : Columnas
        What they were chosen from: while it is the same object, so are they.
    hora : int
        Absolute hour of now.
    """

    todas: Columnas
    hora: int
    columnas: Columnas
    puestos: dict[tuple[str, int], list[ClienteRanking]] = field(default_factory=dict)


class ConsultasRanking(ConsultasResumenes):
    """What is asked of customers by their anomalies."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._frases: Recuerdo[list[str]] = Recuerdo(VIDA_MOTIVOS_S, 2_000)
        self._vigentes: _Vigentes | None = None

    def ranking(
        self, limite: int = 10, ahora: datetime | None = None, orden: str = "evidencia"
    ) -> list[ClienteRanking]:
        """Return the customers to look at first, by their anomalies of the last 28 days.

        Those that a person has rejected do not count.

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
        vigentes = self._current(ahora)
        puestos = vigentes.puestos.get((orden, limite))
        if puestos is None:
            semivida = Params().sospecha_semivida_dias * 24
            puestos = calculos.ranking(
                vigentes.columnas, vigentes.hora, semivida, orden, limite, self._palabras
            )
            vigentes.puestos[orden, limite] = puestos
        return list(puestos)

    def _current(self, ahora: datetime | None) -> _Vigentes:
        """Return the anomalies that count, chosen anew only where something has changed."""
        momento = (ahora or self._reloj()).replace(minute=0, second=0, microsecond=0)
        hora = hora_absoluta(momento)
        # To the end of this hour; what is said to be of a later one is close enough.
        desde = momento + timedelta(hours=1) - timedelta(days=DIAS_VENTANA)
        filtro = FiltroAnomalias(desde=desde, hasta=momento + timedelta(days=1))
        todas = self._read(filtro)
        hay = self._vigentes
        if hay is None or hay.todas is not todas or hay.hora != hora:
            elegidas = self._choose(todas, filtro)
            elegidas = elegidas.take(elegidas.estado != ESTADOS.index(DESCARTADA))
            hay = _Vigentes(todas, hora, elegidas)
            self._vigentes = hay
        return hay

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
        columnas = self._current(ahora).columnas
        motivos = {}
        for cliente in clientes:
            suyas = np.flatnonzero(columnas.cliente == self._nombres.known(cliente))
            ids = _gravest(columnas, suyas, MOTIVOS_MAXIMOS)
            frases = self._frases.get((cliente, *ids), partial(self._sentences, ids))
            motivos[cliente] = frases[:por_cliente]
        return motivos

    def _sentences(self, ids: Sequence[str]) -> list[str]:
        if not ids:
            return []
        docs = self._by_ids(ids, {"explicacion": 1}, con_archivo=False)
        frases: dict[str, str] = {}
        for uno in ids:
            dicho = docs[uno][0]["explicacion"] if uno in docs else []
            if dicho:
                mejor = max(dicho, key=lambda e: (e["dispara"], e["score"] or 0.0))
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
