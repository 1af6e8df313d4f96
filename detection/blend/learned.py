"""The learned blend's columns: evidence with a memory, and what each detector says.

The online model is not among them: it is asked reading after reading, and what it says depends on
what the blend has said before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.domain import TIPOS, TipoAnomalia
from detection.features.evidence import INDICIOS
from detection.features.extremes import MARCAS

_MIRADOS = tuple(k for k, tipo in enumerate(TIPOS) if tipo is not TipoAnomalia.MODELO_ONLINE)
COLUMNAS: tuple[str, ...] = (*INDICIOS, *(f"exceso_{TIPOS[k]}" for k in _MIRADOS))
"""Names, in order."""
CRECIENTES: tuple[str, ...] = tuple(nombre for nombre in COLUMNAS if nombre.startswith("exceso_"))
"""Those of which more can only mean more suspicion: a detector's excess over its threshold."""
COLUMNAS_MARCAS: tuple[int, ...] = tuple(COLUMNAS.index(nombre) for nombre in MARCAS)
"""Where the records are that speak for themselves."""
NO_LISTO = -1.0
"""Excess of a detector that is not ready: below all there are."""
EXCESO_MAXIMO = 1e3
"""Against a past of zeros an excess has no bound. By hand, 2026-11-24."""


def make_columnas(
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
