"""Evidence looks back, and only back."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo import LUNES

from detection.blend.suspicion import day_weights, look_back
from detection.domain import Historia
from detection.memory.hourly_ring import COUNTED, HourlyRing


@pytest.mark.parametrize("antes_horas", [1, 95, 96, 97, 200, 600])
def test_una_lectura_atrasada_no_hereda_la_sospecha_de_su_futuro(antes_horas: int) -> None:
    """A customer who is under suspicion now was not so before there was any verdict."""
    ring = HourlyRing()
    fila = ring.add("A")
    una = np.ones(1, bool)
    ring.load(
        np.array([fila]),
        Historia(
            np.zeros(1, np.int64), np.array([LUNES]), np.ones(1, np.float32),
            np.full(1, 99, np.uint8), np.ones(1, np.uint8), una, una,
        ),
        65,
    )  # fmt: skip
    evidencia, listas, sospechoso = look_back(
        ring.verdicts(), fila, LUNES - antes_horas, day_weights(7.0), np.zeros(COUNTED, np.int64)
    )
    assert (evidencia, listas, sospechoso) == (0.0, 0, False)
    _, _, despues = look_back(
        ring.verdicts(), fila, LUNES + 1, day_weights(7.0), np.zeros(COUNTED, np.int64)
    )
    assert despues
