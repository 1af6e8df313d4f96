"""The two stores tell one story: what an anomaly says is what its row in the history says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import (
    AnomaliasEnMemoria,
    AnomaliasMongo,
    HistorialEnMemoria,
    HistorialPostgres,
)

from detection.dominio import hora_absoluta

H = hora_absoluta(datetime(2026, 1, 15, 2, tzinfo=UTC))


@pytest.mark.parametrize("adaptadores", ["memoria", "servidores"])
def test_los_dos_almacenes_cuentan_lo_mismo(
    adaptadores: str, request: pytest.FixtureRequest
) -> None:
    """An anomaly and its row in the history agree in every column that both have."""
    historial: HistorialEnMemoria | HistorialPostgres = HistorialEnMemoria()
    anomalias: AnomaliasEnMemoria | AnomaliasMongo = AnomaliasEnMemoria()
    if adaptadores == "servidores":
        historial = HistorialPostgres(request.getfixturevalue("entorno"))
        anomalias = AnomaliasMongo(request.getfixturevalue("entorno"))
    azar = np.random.default_rng(11)
    claves = [(f"C{i % 9}", H + i) for i in range(200)]
    for tanda in range(3):
        severidad = azar.integers(0, 5, 200)
        lote = hacer_lote(
            claves,
            azar.gamma(2, 0.4, 200).tolist(),
            score=azar.integers(0, 101, 200).tolist(),
            severidad=severidad.tolist(),
            tipos=azar.integers(0, 256, 200).tolist(),
            esperado=np.where(azar.random(200) < 0.3, np.nan, azar.random(200)).tolist(),
            version=f"v{tanda}",
        )
        repetida = historial.store.save(*lote)
        anomalias.store.save(*lote, explicar(lote[1]), repetida, H + 400)
        filas = {c: f for c, f in historial.filas().items() if f.severidad != "normal"}
        hay = anomalias.anomalias()
        assert hay.keys() == filas.keys()
        for clave, fila in filas.items():
            assert replace(hay[clave].fila, hora_local=-1) == replace(fila, hora_local=-1)
            assert hay[clave].hora == fila.hora_local % 24
    historial.store.close()
    anomalias.store.close()
