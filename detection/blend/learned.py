"""The learned blend, and its columns: evidence with a memory, and what each detector says.

The online model is not among them: it is asked reading after reading, and what it says depends on
what the blend has said before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.domain import TIPOS, TipoAnomalia
from detection.features.evidence import INDICIOS
from detection.features.extremes import STANDALONE_RECORDS
from detection.models.boosted_trees import FlatBoostedTrees
from detection.models.tails import EmpiricalTail

_MIRADOS = tuple(k for k, tipo in enumerate(TIPOS) if tipo is not TipoAnomalia.MODELO_ONLINE)
COLUMNAS: tuple[str, ...] = (*INDICIOS, *(f"exceso_{TIPOS[k]}" for k in _MIRADOS))
"""Names, in order."""
CRECIENTES: tuple[str, ...] = tuple(nombre for nombre in COLUMNAS if nombre.startswith("exceso_"))
"""Those of which more can only mean more suspicion: a detector's excess over its threshold."""
RECORD_COLUMNS: tuple[int, ...] = tuple(COLUMNAS.index(nombre) for nombre in STANDALONE_RECORDS)
"""Where the records are that speak for themselves."""
NO_LISTO = -1.0
"""Excess of a detector that is not ready: below all there are."""
EXCESO_MAXIMO = 1e3
"""Against a past of zeros an excess has no bound. By hand, 2026-11-24."""


def blend_columns(
    indicios: NDArray[np.float32], exceso: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the columns (n, len(COLUMNAS)) of readings; NaN in the first = not ready.

    Parameters
    ----------
    indicios : ndarray (n, len(INDICIOS)), float32
    exceso : ndarray (n, len(TIPOS)), float32
        Each detector's, in the registry's order, NaN = not ready.
    """
    columnas = np.empty((indicios.shape[0], len(COLUMNAS)), np.float32)
    columnas[:, : len(INDICIOS)] = indicios
    votos = np.minimum(exceso[:, _MIRADOS], EXCESO_MAXIMO)
    columnas[:, len(INDICIOS) :] = np.where(np.isnan(votos), NO_LISTO, votos)
    return columnas


@dataclass(frozen=True, slots=True, eq=False)
class LearnedBlend:
    """A blend that was learnt from injected attacks and from the analysts' verdicts.

    Boosted trees rank whole attacks above all; what a first hour or a first day says they put
    behind. So the records (``STANDALONE_RECORDS``) speak for themselves where they are rare: the
    rarest of what the trees and the records say counts (L. H. C. Tippett, "The Methods of
    Statistics", 1931), and its own tail makes it a frequency again.
    """

    arboles: FlatBoostedTrees  # over ``COLUMNAS``
    # Tails on clean readings of customers that the trees did not learn from: of the trees' scores,
    # then of each record.
    colas: tuple[EmpiricalTail, ...]
    cola: EmpiricalTail  # tail of the rarest of them, as ``-log p``

    def log_p(self, columnas: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log tail probabilities (n,) of rows; NaN = not ready."""
        return self.cola.log_p_of(rarest(self.arboles.scores(columnas), columnas, self.colas))


def rarest(
    scores: NDArray[np.float64], columnas: NDArray[np.float32], colas: Sequence[EmpiricalTail]
) -> NDArray[np.float64]:
    """Return ``-log p`` (n,) of the rarest of what the trees' scores and the records say."""
    salida = -colas[0].log_p_of(scores)
    for j, limite, cola in zip(RECORD_COLUMNS, STANDALONE_RECORDS.values(), colas[1:], strict=True):
        rareza = -cola.log_p_of(columnas[:, j].astype(np.float64))
        np.maximum(salida, np.where(rareza >= -np.log(limite), rareza, 0.0), out=salida)
    return salida
