"""Readings in memory as the history that ``train.learn`` reads, so that it needs no PostgreSQL.

The history of the product holds verdicts: what was flagged is not learnt from. Here the rules alone
give them, as they do on the first days of a new installation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import MASCARA_DTYPE, Calendario, Historia, Lecturas, instante
from detection.params import Params

LOTE = 50_000
"""Readings scored at once."""


class HistoriaArchivo:
    """A ``training.fit.Historial`` over columns.

    Parameters
    ----------
    clientes : sequence of str (c,)
        Sorted.
    cliente : ndarray (n,), int
        Index into ``clientes``.
    hora_utc : ndarray (n,), int64
    consumo_kwh : ndarray (n,), float64
        In the order of the log: by hour; of two readings of one hour the later one stands.
    marcas : Historia, optional
        Verdicts of the same n readings; without them nothing was flagged.

    Examples
    --------
    >>> historia = HistoriaArchivo(["A", "B"], np.array([0, 1, 0]), np.array([7, 7, 8]),
    ...     np.array([0.5, 1.0, 0.25]))
    >>> historia.customers(8, 9), historia.load_range(["A"], 0, 9).consumo_kwh.tolist()
    (['A'], [0.5, 0.25])
    """

    def __init__(
        self,
        clientes: Sequence[str],
        cliente: NDArray[np.integer],
        hora_utc: NDArray[np.int64],
        consumo_kwh: NDArray[np.float64],
        marcas: Historia | None = None,
    ) -> None:
        self._clientes = list(clientes)
        self._numero = {nombre: k for k, nombre in enumerate(self._clientes)}
        orden = _standing(cliente, hora_utc)
        self._cliente = cliente[orden].astype(np.int64)
        self._hora, self._kwh = hora_utc[orden], consumo_kwh[orden]
        self._orden = orden
        self._marcas = marcas
        self._limites = np.searchsorted(self._cliente, np.arange(len(self._clientes) + 1))

    def customers(self, desde_hora: int, hasta_hora: int, partes: int = 1) -> list[str]:
        """Return the customers with a reading in each of ``partes`` of ``[desde, hasta)``."""
        quedan = np.arange(len(self._clientes))
        limites = [desde_hora + k * (hasta_hora - desde_hora) // partes for k in range(partes + 1)]
        for desde, hasta in pairwise(limites):
            dentro = (self._hora >= desde) & (self._hora < hasta)
            quedan = np.intersect1d(quedan, self._cliente[dentro])
        return [self._clientes[k] for k in quedan.tolist()]

    def contar(self) -> Mapping[str, datetime | None]:
        """Return ``desde`` and ``hasta``: first and last instant, or None."""
        if not self._hora.size:
            return {"desde": None, "hasta": None}
        return {"desde": instante(int(self._hora.min())), "hasta": instante(int(self._hora.max()))}

    def load_range(
        self, propietario_id: Sequence[str], desde_hora: int, hasta_hora: int
    ) -> Historia:
        """Return their rows of those hours, ordered by customer and hour."""
        partes, indices = [], []
        for i, nombre in enumerate(propietario_id):
            k = self._numero.get(nombre, -1)
            if k < 0:
                continue
            desde, hasta = self._limites[k], self._limites[k + 1]
            suyas = self._hora[desde:hasta]
            filas = np.arange(
                desde + np.searchsorted(suyas, desde_hora),
                desde + np.searchsorted(suyas, hasta_hora),
            )
            partes.append(filas)
            indices.append(np.full(filas.size, i, np.int64))
        if not partes:
            return Historia.vacia()
        return self._rows(np.concatenate(partes), np.concatenate(indices))

    def _rows(self, filas: NDArray[np.int64], indice: NDArray[np.int64]) -> Historia:
        n, m = filas.size, self._marcas
        de_origen = self._orden[filas]
        return Historia(
            indice,
            self._hora[filas],
            # As PostgreSQL keeps it: a version learnt from a file is the one learnt from the store.
            self._kwh[filas].astype(np.float32),
            np.zeros(n, np.uint8) if m is None else m.score_centesimas[de_origen],
            np.zeros(n, MASCARA_DTYPE) if m is None else m.tipos[de_origen],
            np.zeros(n, np.bool_) if m is None else m.con_referencia[de_origen],
            np.zeros(n, np.bool_) if m is None else m.es_sospechoso[de_origen],
        )


def _standing(cliente: NDArray[np.integer], hora_utc: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows that stand, by customer and hour: of each identity the last one."""
    orden = np.lexsort((hora_utc, cliente))
    c, h = cliente[orden], hora_utc[orden]
    ultima = np.ones(orden.size, np.bool_)
    ultima[:-1] = (np.diff(c) != 0) | (np.diff(h) != 0)
    return np.asarray(orden[ultima], np.int64)


def with_rules(
    clientes: Sequence[str],
    cliente: NDArray[np.integer],
    hora_utc: NDArray[np.int64],
    consumo_kwh: NDArray[np.float64],
    calendario: Calendario,
    params: Params,
) -> HistoriaArchivo:
    """Return readings in the order of the log as a history with the verdicts of the rules."""
    detector = DetectorConsumo(calendario, params)
    n = hora_utc.size
    marcas = Historia(
        cliente.astype(np.int64), hora_utc, consumo_kwh.astype(np.float32), np.zeros(n, np.uint8),
        np.zeros(n, MASCARA_DTYPE), np.zeros(n, np.bool_), np.zeros(n, np.bool_),
    )  # fmt: skip
    for inicio in range(0, n, LOTE):
        trozo = slice(inicio, min(inicio + LOTE, n))
        v = detector.score(
            Lecturas(
                [clientes[k] for k in cliente[trozo].tolist()], hora_utc[trozo], consumo_kwh[trozo]
            )
        )
        marcas.score_centesimas[trozo] = v.score_centesimas
        marcas.tipos[trozo] = v.tipos
        marcas.con_referencia[trozo] = ~np.isnan(v.esperado_kwh)
        marcas.es_sospechoso[trozo] = v.es_sospechoso
    return HistoriaArchivo(clientes, cliente, hora_utc, consumo_kwh, marcas)
