"""SIGKILL at any instant of the archiver and the restorer: nothing lost, changed or left twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from apoyo_archivo import ARCHIVADAS, ARCHIVO, DIARIOS, VIVAS, Casa, llenar

from pipeline.stores.postgres.advisory_lock import exclusive
from serving.cli import HECHO
from serving.settings import Settings

pytestmark = pytest.mark.timeout(240)

SEMILLA = 20261124
PACIENCIA_S = 30.0
HUELLA = """
SELECT count(*), md5(string_agg(h::text, chr(10) ORDER BY propietario_id, timestamp_consumo))
FROM consumos_historia AS h
"""
VERBOS = {
    "archivar": [],
    "restaurar": [
        *("--restaurar", "--fecha-inicio", "2026-02-01", "--fecha-fin", "2026-04-30"),
        *("--retener", "1"),
    ],
}


class Verdugo:
    """Runs both verbs in turn, each two days after the one before, and kills some.

    So what was restored for a day is always the archiver's again.
    """

    def __init__(self, casa: Casa, variables: dict[str, str]) -> None:
        self._casa = casa
        self._hoy = date(2026, 7, 1)
        self._huella = casa.sql(HUELLA)
        self._proceso = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("bifurcador.py"))],
            env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def correr(self, verbo: str, muere_s: float | None = None) -> tuple[int, float]:
        """Return how a run ended and how long it took, s."""
        assert self._proceso.stdin is not None
        assert self._proceso.stdout is not None
        self._hoy += timedelta(days=2)
        orden = [verbo, VERBOS[verbo], self._hoy.isoformat(), muere_s]
        self._proceso.stdin.write(json.dumps(orden) + "\n")
        self._proceso.stdin.flush()
        estado, segundos = json.loads(self._proceso.stdout.readline())
        return estado, segundos

    def esperar_cerrojo(self) -> None:
        """Return when the server has noticed that whoever had the lock is dead."""
        limite = time.monotonic() + PACIENCIA_S
        while True:
            with exclusive(self._casa.entorno, "archivado") as libre:
                if libre:
                    return
            assert time.monotonic() < limite

    def por_mover(self, verbo: str) -> tuple[float, float]:
        """Return which part of the readings and of the anomalies a verb would move, 0 to 1."""
        casa = self._casa
        tabla, coleccion = {"archivar": (DIARIOS, VIVAS), "restaurar": (ARCHIVO, ARCHIVADAS)}[verbo]
        ((filas,),) = casa.sql(f"SELECT count(*) FROM {tabla}")
        documentos = casa.base[coleccion].count_documents({})
        return filas / len(casa.filas), documentos / len(casa.documentos)

    def comprobar(self) -> None:
        """Check that live tables and archive together are what they were, row for row.

        A document may be in both collections, with the same content.
        """
        casa = self._casa
        assert casa.sql(HUELLA) == self._huella
        # Whatever is copied was there before it is removed elsewhere, in either direction.
        union: dict[Any, dict[str, Any]] = {}
        for doc in casa.anomalias(VIVAS, ARCHIVADAS):
            assert union.setdefault(doc["_id"], doc) == doc
        assert list(union.values()) == casa.documentos

    def close(self) -> None:
        assert self._proceso.stdin is not None
        self._proceso.stdin.close()
        assert self._proceso.wait(PACIENCIA_S) == 0
        assert self._proceso.stdout is not None
        self._proceso.stdout.close()


@pytest.fixture
def verdugo(entorno: Settings, variables: dict[str, str]) -> Iterator[Verdugo]:
    llenar(entorno, "2026-02-12T00:00", "2026-03-18T00:00")
    with closing(Casa(entorno)) as casa, closing(Verdugo(casa, variables)) as suyo:
        yield suyo


def _medir(verdugo: Verdugo, verbo: str) -> tuple[float, float]:
    """Return the seconds of a run that has everything to move, and of one that has nothing."""
    segundos = []
    for _ in range(2):
        estado, tardado = verdugo.correr(verbo)
        assert estado == HECHO
        segundos.append(tardado)
    return segundos[0], segundos[1]


@pytest.mark.parametrize("muertes", [8, pytest.param(50, marks=pytest.mark.lenta)])
def test_muerto_en_cualquier_instante_la_union_es_la_original(
    verdugo: Verdugo, muertes: int
) -> None:
    """50 kills, archiver and restorer in turn, spread over the duration of a run.

    After each, live and archive together are the original; undisturbed, each run then ends with
    everything in one place, once.
    """
    duraciones = {verbo: _medir(verdugo, verbo) for verbo in VERBOS}
    azar = np.random.default_rng(SEMILLA)
    por_verbo = muertes // len(VERBOS)
    instantes = {
        verbo: (azar.permutation(por_verbo) + azar.random(por_verbo)) / por_verbo
        for verbo in VERBOS
    }
    dentro = 0
    a_medias = np.zeros(2, int)
    ritmo = 1.0
    for i in range(muertes):
        verbo = list(VERBOS)[i % 2]
        entera, vacia = duraciones[verbo]
        dura = vacia + (entera - vacia) * float(np.mean(verdugo.por_mover(verbo)))
        muere_s = ritmo * dura * float(instantes[verbo][i // 2])
        estado, segundos = verdugo.correr(verbo, muere_s)
        assert estado in {-signal.SIGKILL, HECHO}, f"{verbo} {i}: {estado}"
        verdugo.comprobar()
        if estado == HECHO:
            # Too late: the machine is less busy than it was.
            ritmo = segundos / dura
        else:
            ritmo = min(ritmo * 1.05, 1.0)
            dentro += 1
            partes = [verdugo.por_mover(cada) for cada in VERBOS]
            a_medias += [
                vivas > 0 and archivadas > 0 for vivas, archivadas in zip(*partes, strict=True)
            ]
            verdugo.esperar_cerrojo()
    print(f"{dentro} de {muertes} muertes antes del final; a medias: {a_medias.tolist()}")
    assert dentro >= muertes // 2
    assert (a_medias >= muertes // 10).all(), a_medias
    for verbo, otro in (("archivar", "restaurar"), ("restaurar", "archivar")):
        assert verdugo.correr(verbo)[0] == HECHO
        assert verdugo.por_mover(verbo) == (0, 0)
        assert verdugo.por_mover(otro) == (1, 1)
        verdugo.comprobar()
