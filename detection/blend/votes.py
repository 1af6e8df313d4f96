"""What goes into a blend and what comes out of it, as columns of one chunk of readings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.domain import Mascaras


@dataclass(frozen=True, slots=True)
class Turno:
    """Readings of a chunk in order of arrival, and where their state is.

    Parameters
    ----------
    fila : ndarray (n,), int64
        Row of the rings whose past each reading is compared with.
    propia : ndarray (n,), int64
        Its customer's own row; another one only for a reading that comes very late.
    hora : ndarray (n,), int64
        Absolute hours.
    repetida : ndarray (n,), bool
        The customer had that same value already: what was decided then stands.
    ensena : ndarray (n,), bool
        The online model may learn from the reading: it has not seen it before.
    particion : ndarray (n,), int64
        Row of the online model's state.
    rasgos : ndarray (n, F), float32
    """

    fila: NDArray[np.int64]
    propia: NDArray[np.int64]
    hora: NDArray[np.int64]
    repetida: NDArray[np.bool_]
    ensena: NDArray[np.bool_]
    particion: NDArray[np.int64]
    rasgos: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Votos:
    """What all detectors measured on a chunk; the second axis is the registry's order.

    The online model's column is filled while blending.

    Parameters
    ----------
    exceso : ndarray (n, d), float32
    dispara : ndarray (n, d), bool
    con_referencia : ndarray (n,), bool
    aprendida : ndarray (n,), float64, or None
        Log tail probability that the learned blend gives each reading, NaN = not ready; None =
        there is no learned blend.
    """

    exceso: NDArray[np.float32]
    dispara: NDArray[np.bool_]
    con_referencia: NDArray[np.bool_]
    aprendida: NDArray[np.float64] | None = None

    def learned(self) -> NDArray[np.float64]:
        """Return ``aprendida`` (n,), NaN where there is none."""
        if self.aprendida is None:
            return np.full(self.con_referencia.shape[0], np.nan)
        return self.aprendida


@dataclass(frozen=True, slots=True)
class Mezcla:
    """What the blend decided on a chunk (columns as in ``Veredictos``).

    ``online`` holds the online model's raw scores, float64 (n,), NaN = not ready; ``veces``
    (n, CONTABLES) and ``listas`` (n,) what its customer's marks said when a reading's turn came.
    """

    scores: NDArray[np.float32]
    score_centesimas: NDArray[np.uint8]
    severidad: NDArray[np.uint8]
    tipos: Mascaras
    es_sospechoso: NDArray[np.bool_]
    online: NDArray[np.float64]
    veces: NDArray[np.int64]
    listas: NDArray[np.int64]
