"""Memories of the case clock to store, and what is in one as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detection.cases.records import (
    BYTES_DIA,
    CAMPOS_ESTADO,
    DIAS_PAGINA,
    CaseMemory,
    CustomerStates,
    DayPages,
)
from detection.memory.daily import BLOQUES
from detection.memory.day_memory import NO_DAY

HOY = 20_600
"""A local day: 2026-05-27."""
MES = 676
"""Its month, counted from January 1970 on."""


def estado(
    hoy: int = HOY,
    primero: int = HOY - 90,
    sucio: int = NO_DAY,
    inicio: int = NO_DAY,
    apertura: int = NO_DAY,
    inocente: tuple[int, int, int, int] = (NO_DAY,) * 4,
) -> list[int]:
    return [hoy, primero, sucio, inicio, apertura, *inocente]


def memoria(
    estados: Mapping[str, Sequence[int]],
    meses: Sequence[tuple[str, int]] = (),
    semilla: int = 0,
) -> CaseMemory:
    """Return a memory of these states, with pages of customers and months full of any bytes."""
    azar = np.random.default_rng(semilla)
    return CaseMemory(
        CustomerStates(
            list(estados),
            np.array(list(estados.values()), np.int32).reshape(-1, len(CAMPOS_ESTADO)),
            azar.integers(0, 256, (len(estados), 2, BLOQUES), np.uint8),
        ),
        DayPages(
            [cliente for cliente, _ in meses],
            np.array([mes for _, mes in meses], np.int32),
            azar.integers(0, 256, (len(meses), DIAS_PAGINA, BYTES_DIA), np.uint8),
        ),
    )


def valores(suya: CaseMemory) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Return states and pages, in their order, as values that compare."""
    estados, paginas = suya.estados, suya.paginas
    assert (estados.dias.dtype, estados.niveles.dtype) == (np.int32, np.uint8)
    assert (paginas.mes.dtype, paginas.dias.dtype) == (np.int32, np.uint8)
    return (
        [
            (cliente, dias.tolist(), niveles.tobytes())
            for cliente, dias, niveles in zip(
                estados.propietario_id, estados.dias, estados.niveles, strict=True
            )
        ],
        [
            (cliente, mes, dias.tobytes())
            for cliente, mes, dias in zip(
                paginas.propietario_id, paginas.mes.tolist(), paginas.dias, strict=True
            )
        ],
    )
