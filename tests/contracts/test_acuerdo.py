"""The two stores tell one story: what an anomaly says is what its row in the history says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import (
    Anomalias,
    AnomaliasEnMemoria,
    AnomaliasMongo,
    Historial,
    HistorialEnMemoria,
    HistorialPostgres,
)

from detection.domain import Lecturas, Veredictos, hora_absoluta

H = hora_absoluta(datetime(2026, 1, 15, 2, tzinfo=UTC))


Almacenes = tuple[Historial, Anomalias]


@pytest.fixture(params=["memoria", "servidores"])
def almacenes(request: pytest.FixtureRequest) -> Iterator[Almacenes]:
    if request.param == "memoria":
        yield HistorialEnMemoria(), AnomaliasEnMemoria()
        return
    historial = HistorialPostgres(request.getfixturevalue("entorno"))
    anomalias = AnomaliasMongo(request.getfixturevalue("entorno"))
    yield historial, anomalias
    historial.store.close()
    anomalias.store.close()
    anomalias.cliente.close()


def _lote(azar: np.random.Generator, version: str, kwh: np.ndarray) -> tuple:
    return hacer_lote(
        [(f"C{i % 9}", H + i) for i in range(kwh.size)],
        kwh.tolist(),
        score=azar.integers(0, 101, kwh.size).tolist(),
        severidad=azar.integers(0, 5, kwh.size).tolist(),
        tipos=azar.integers(0, 256, kwh.size).tolist(),
        esperado=np.where(azar.random(kwh.size) < 0.3, np.nan, azar.random(kwh.size)).tolist(),
        version=version,
    )


def _comprobar(almacenes: Almacenes) -> None:
    historial, anomalias = almacenes
    filas = {c: f for c, f in historial.filas().items() if f.severidad != "normal"}
    hay = anomalias.anomalias()
    assert hay.keys() == filas.keys()
    for clave, fila in filas.items():
        assert replace(hay[clave].fila, hora_local=-1) == replace(fila, hora_local=-1)
        assert hay[clave].hora == fila.hora_local % 24


def test_los_dos_almacenes_cuentan_lo_mismo(almacenes: Almacenes) -> None:
    """An anomaly and its row in the history agree in every column that both have."""
    historial, anomalias = almacenes
    azar = np.random.default_rng(11)
    for tanda in range(3):
        lote = _lote(azar, f"v{tanda}", azar.gamma(2, 0.4, 200))
        repetida = historial.store.save(*lote).repetida
        anomalias.store.save(*lote, explicar(lote[1]), repetida, H + 400)
        _comprobar(almacenes)


def _guardar_en_los_dos(almacenes: Almacenes, lote: tuple[Lecturas, Veredictos]) -> None:
    """Save as a consumer does, where every version of the verdicts is one word."""
    historial, anomalias = almacenes
    lecturas, veredictos = lote
    guardado = historial.store.save(lecturas, veredictos)
    cambiadas = np.setdiff1d(np.arange(len(lecturas)), guardado.conservadas)
    suyos = veredictos.elegir(cambiadas)
    repetida = guardado.repetida[cambiadas]
    anomalias.store.save(lecturas.elegir(cambiadas), suyos, explicar(suyos), repetida, H + 400)
    for version in sorted(set(guardado.version_modelo)):
        k = np.flatnonzero(np.array(guardado.version_modelo) == version)
        posiciones = guardado.conservadas[k]
        de_antes = replace(
            veredictos.elegir(posiciones),
            score_centesimas=guardado.score_centesimas[k],
            severidad=guardado.severidad[k],
            tipos=guardado.tipos[k],
            es_sospechoso=guardado.es_sospechoso[k],
            esperado_kwh=guardado.esperado_kwh[k],
            version_modelo=version,
        )
        anomalias.store.restore(lecturas.elegir(posiciones), de_antes, explicar(de_antes), H + 400)


def test_tras_morir_entre_los_dos_cuentan_lo_mismo(almacenes: Almacenes) -> None:
    """Batches reached the history only; sent again under another version, the stores agree.

    Some of their readings were new, some corrections, some the same as before.
    """
    azar = np.random.default_rng(12)
    kwh = azar.gamma(2, 0.4, 200)
    for tanda in range(4):
        kwh = np.where(azar.random(200) < 0.3, kwh + 1, kwh)
        hasta = 80 + 40 * tanda
        almacenes[0].store.save(*_lote(azar, f"v{tanda}", kwh[:hasta]))
        _guardar_en_los_dos(almacenes, _lote(azar, f"otra-{tanda}", kwh[:hasta]))
        _comprobar(almacenes)
    assert {f.version_modelo for f in almacenes[0].filas().values()} == {"v0", "v1", "v2", "v3"}
