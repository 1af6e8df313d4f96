"""Anomalies that are saved, archived, restored and deleted at once: each in exactly one place."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from apoyo_archivo_mongo import Testigo, a_rachas, por_orden
from contracts.fakes import Identidad, explicar, hacer_lote
from contracts.sondas import AnomaliasMongo, anomalias_de
from pymongo import monitoring

from detection.domain import hora_absoluta
from detection.errors import TransientError
from pipeline.stores.mongo.archive import MongoArchive
from serving.settings import Settings

pytestmark = pytest.mark.timeout(600)

HOY = date(2026, 3, 10)
AHORA = hora_absoluta(datetime(2026, 3, 10, 9, tzinfo=UTC))
LIMITE = date(2026, 2, 1)
DIAS = [date(2026, 1, 10), date(2026, 1, 11)]
TEMPRANO = date(2026, 1, 3)
"""A day before all that there is at first."""
UN_DIA = timedelta(days=1)
VIVAS, ARCHIVO = "anomalias_detectadas", "anomalias_archivo"
SEMILLAS = 4
BUSQUEDA = 200
"""Seeds in all; the others with the slow tests."""
LOTES, MOVIMIENTOS = 8, 5
PASOS = 9
"""More than the commands of a save."""
INTENTOS = 20


@pytest.fixture(scope="module")
def testigo() -> Testigo:
    """Give the listener that every client made afterwards has; there is no way to remove one."""
    uno = Testigo()
    monitoring.register(uno)
    return uno


@pytest.fixture
def sonda(testigo: Testigo, entorno: Settings) -> Iterator[AnomaliasMongo]:
    abierta = AnomaliasMongo(entorno)
    yield abierta
    abierta.store.close()
    abierta.cliente.close()


def _claves(cliente: str, *dias: date) -> list[Identidad]:
    return [
        (cliente, hora_absoluta(datetime(d.year, d.month, d.day, h, tzinfo=UTC)))
        for d in dias
        for h in (2, 15)
    ]


class Mundo:
    """Two consumers, each with its customers, and who moves and deletes what they store."""

    def __init__(self, sonda: AnomaliasMongo, semilla: int) -> None:
        self._sonda = sonda
        self._semilla = semilla
        self._reloj = itertools.count(1)
        self._kwh = itertools.count(1)
        self._ultimas: dict[Identidad, tuple[int, float | None]] = {}
        """When each last save began, and what it says; None = nothing."""
        self._eliminados: list[tuple[int, date]] = []
        """When each deletion ended, and before which day."""

    def consumir(self, cliente: str, lotes: int) -> None:
        azar = np.random.default_rng([self._semilla, ord(cliente)])
        posibles = _claves(cliente, *DIAS, TEMPRANO)
        for _ in range(lotes):
            cuales = azar.choice(len(posibles), int(azar.integers(1, 4)), replace=False)
            self._guardar([posibles[i] for i in cuales], azar)

    def mover(self, archivo: MongoArchive, movimientos: int) -> None:
        azar = np.random.default_rng([self._semilla, 0])
        hoy = HOY
        for _ in range(movimientos):
            desde, hasta = sorted(azar.integers(len(DIAS), size=2).tolist())
            que = azar.choice(["archivar", "restaurar", "eliminar"], p=[0.45, 0.45, 0.1])
            if que == "archivar":
                archivo.archivar(LIMITE, hoy)
            elif que == "restaurar":
                retenido = hoy + int(azar.integers(-1, 2)) * UN_DIA
                archivo.restaurar(DIAS[desde], DIAS[hasta], retenido)
            else:
                archivo.eliminar(DIAS[hasta])
                self._eliminados.append((next(self._reloj), DIAS[hasta]))
            hoy += UN_DIA

    def comprobar(self) -> None:
        """Check that each anomaly is in one place, its day's or on its way there, and is right."""
        vivas, archivadas = (anomalias_de(self._sonda.base[c]) for c in (VIVAS, ARCHIVO))
        assert not vivas.keys() & archivadas.keys()
        marcados = {
            date.fromisoformat(doc["_id"])
            for doc in self._sonda.base["dias_archivados"].find({"en_archivo": True})
        }
        assert {a.timestamp_consumo.date() for a in archivadas.values()} <= marcados
        hay = {
            clave: a.fila.consumo_kwh
            for clave, a in (vivas | archivadas).items()
            if (a.fila.severidad, a.estado) != ("normal", "abierta")
        }
        assert hay.keys() <= self._ultimas.keys()
        for clave, (empieza, kwh) in self._ultimas.items():
            dia = date(1970, 1, 1) + timedelta(hours=clave[1])
            eliminada = any(fin > empieza and dia < antes for fin, antes in self._eliminados)
            assert hay.get(clave) in ({kwh, None} if eliminada else {kwh}), (clave, kwh, hay)

    def _guardar(self, claves: list[Identidad], azar: np.random.Generator) -> None:
        n = len(claves)
        severidad = (azar.integers(1, 5, n) * azar.integers(0, 3, n).astype(bool)).tolist()
        kwh = [float(next(self._kwh)) for _ in claves]
        lecturas, veredictos = hacer_lote(
            claves, kwh, severidad=severidad, score=[20 * s for s in severidad]
        )
        repetida = np.array([clave in self._ultimas for clave in claves])
        empieza = next(self._reloj)
        for _ in range(INTENTOS):
            try:
                self._sonda.store.save(lecturas, veredictos, explicar(veredictos), repetida, AHORA)
                break
            except TransientError:
                continue
        else:
            raise AssertionError("the store is away for ever")
        for clave, uno, grave in zip(claves, kwh, severidad, strict=True):
            self._ultimas[clave] = (empieza, uno if grave else None)


@pytest.mark.parametrize("operacion", ["archivar", "restaurar"])
def test_un_alto_al_guardar(
    sonda: AnomaliasMongo, testigo: Testigo, entorno: Settings, operacion: str
) -> None:
    """A save that halts before any command while its day moves, and then goes on.

    When both have ended each anomaly is in one place, without anybody having run again.
    """
    mundo = Mundo(sonda, 7)
    with closing(MongoArchive(entorno)) as archivo:
        archivo.ensure_indexes()
        for paso in range(PASOS):
            mundo.consumir("A", 1)
            archivo.restaurar(TEMPRANO, LIMITE, HOY - UN_DIA)
            mover = {
                "archivar": lambda: archivo.archivar(LIMITE, HOY),
                "restaurar": lambda: archivo.restaurar(TEMPRANO, LIMITE, HOY - UN_DIA),
            }[operacion]
            if operacion == "restaurar":
                archivo.archivar(LIMITE, HOY)
            orden = por_orden(("A", paso), ("archivo", 999), ("A", 99))
            tareas = {"A": lambda: mundo.consumir("A", 1), "archivo": mover}
            testigo.por_turnos(orden, tareas)
            mundo.comprobar()


@pytest.mark.parametrize(
    "semilla",
    [
        *range(SEMILLAS),
        *(pytest.param(s, marks=pytest.mark.lenta) for s in range(SEMILLAS, BUSQUEDA)),
    ],
)
def test_todos_a_la_vez(
    sonda: AnomaliasMongo, testigo: Testigo, entorno: Settings, semilla: int
) -> None:
    """Whatever command of whom comes before whatever other.

    When all have ended, and nobody has run again, each anomaly is in one place, as it was last
    stored; and then everybody can go on.
    """
    azar = np.random.default_rng(semilla)
    mundo = Mundo(sonda, semilla)
    mundo.consumir("A", 2)
    mundo.consumir("B", 2)
    with closing(MongoArchive(entorno, tanda=int(azar.integers(1, 4)))) as archivo:
        archivo.ensure_indexes()
        if semilla % 2:
            archivo.archivar(LIMITE, HOY)
        tareas: dict[str, Any] = {
            "A": lambda: mundo.consumir("A", LOTES),
            "B": lambda: mundo.consumir("B", LOTES),
            "archivo": lambda: mundo.mover(archivo, MOVIMIENTOS),
        }
        testigo.por_turnos(a_rachas(azar, float(azar.choice([2, 10, 40]))), tareas)
        mundo.comprobar()
        archivo.archivar(LIMITE, HOY + 99 * UN_DIA)
        mundo.comprobar()
        assert anomalias_de(sonda.base[VIVAS]) == {}
        archivo.restaurar(TEMPRANO, LIMITE, HOY + 99 * UN_DIA)
        mundo.comprobar()
        assert anomalias_de(sonda.base[ARCHIVO]) == {}
