"""MongoDB's archiver and restorer beside a consumer and people: nobody loses what he wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from apoyo_archivo_mongo import Testigo, al_azar, por_orden
from contracts.fakes import Anomalia, FakeAnomalyStore, Identidad, explicar, hacer_lote
from contracts.sondas import AnomaliasMongo, anomalias_de
from pymongo import monitoring

from detection.domain import hora_absoluta, instante
from detection.errors import TransientError
from pipeline.stores.mongo.archive import MongoArchive
from serving.settings import Settings

HOY = date(2026, 3, 10)
AHORA = hora_absoluta(datetime(2026, 3, 10, 9, tzinfo=UTC))
LIMITE = date(2026, 2, 1)
DIAS = [date(2026, 1, d) for d in (10, 11)]
CLAVES: list[Identidad] = [
    (cliente, hora_absoluta(datetime(2026, 1, dia.day, hora, tzinfo=UTC)))
    for dia in DIAS
    for cliente in ("A", "B")
    for hora in (2,)
]
VIVAS, ARCHIVO = "anomalias_detectadas", "anomalias_archivo"
UN_DIA = timedelta(days=1)
SEMILLAS = range(4)
ACCIONES = 30
J, K = 12, 18
PARTES = 3
"""Of the J x K places; one is looked at each time, the others with the slow tests."""


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


class Escena:
    """Five anomalies of one day, and a save and a person who have something to do with each."""

    def __init__(self, sonda: AnomaliasMongo) -> None:
        self._sonda = sonda
        self._claves = [(c, CLAVES[0][1]) for c in ("nuevo", "normal", "dicho", "otro", "visto")]
        lote = hacer_lote(self._claves[1:], severidad=[2] * 4, score=[60] * 4)
        antes = (*lote, explicar(lote[1]), np.zeros(4, np.bool_), CLAVES[0][1])
        self._acuerdo = FakeAnomalyStore()
        for store in (sonda.store, self._acuerdo):
            store.save(*antes)
        sonda.poner_estado(self._claves[2], "confirmada")
        self._acordar(self._claves[2], "confirmada")
        self._antes = list(sonda.base[VIVAS].find())
        self.escribir(self._acuerdo, conservado=False)
        self._acordar(self._claves[4], "descartada")

    def poner(self) -> None:
        for coleccion in (VIVAS, ARCHIVO, "dias_archivados"):
            self._sonda.base[coleccion].delete_many({})
        self._sonda.base[VIVAS].insert_many(self._antes)

    def esperadas(self) -> dict[Identidad, Anomalia]:
        return _comparables(self._acuerdo.anomalias)

    def escribir(self, store: Any, conservado: bool) -> None:
        lote = hacer_lote(self._claves[:4], [5.0] * 4, severidad=[3, 0, 0, 4], score=[85, 5, 5, 95])
        frases = explicar(lote[1], "Otra frase.")
        if conservado:
            store.restore(*lote, frases, AHORA)
        else:
            store.save(*lote, frases, np.array([False, True, True, True]), AHORA)

    def vivir(self, conservado: bool) -> None:
        _insistir(lambda: self.escribir(self._sonda.store, conservado))
        _opinar(self._sonda, self._claves[4], "descartada")

    def _acordar(self, clave: Identidad, estado: str) -> None:
        anomalia = self._acuerdo.anomalias[clave]
        self._acuerdo.anomalias[clave] = replace(anomalia, estado=estado)


class Mundo:
    """A consumer and people, in the order of their deeds, and what has to come of it."""

    def __init__(self, sonda: AnomaliasMongo, azar: np.random.Generator) -> None:
        self._sonda = sonda
        self._azar = azar
        self._vistas: set[Identidad] = set()
        self._acuerdo = FakeAnomalyStore()
        self.vive = True

    def vivir(self, acciones: int) -> None:
        for _ in range(acciones):
            (self._guardar, self._guardar, self._conservar, self._opinar)[self._azar.integers(4)]()
        self.vive = False

    def esperadas(self) -> dict[Identidad, Anomalia]:
        return _comparables(self._acuerdo.anomalias)

    def _lote(self) -> tuple[Any, ...]:
        n = int(self._azar.integers(1, 4))
        claves = [CLAVES[i] for i in self._azar.choice(len(CLAVES), n, replace=False)]
        severidad = (self._azar.integers(0, 5, n) * self._azar.integers(0, 2, n)).tolist()
        kwh = self._azar.integers(1, 999, n).astype(float).tolist()
        lote = hacer_lote(claves, kwh, severidad=severidad, score=[s * 20 for s in severidad])
        return (*lote, explicar(lote[1], f"Frase {self._azar.integers(999)}."))

    def _guardar(self) -> None:
        lecturas, veredictos, frases = self._lote()
        claves = list(zip(lecturas.propietario_id, lecturas.hora_utc.tolist(), strict=True))
        repetida = np.array([clave in self._vistas for clave in claves])
        self._vistas |= set(claves)
        _insistir(lambda: self._sonda.store.save(lecturas, veredictos, frases, repetida, AHORA))
        self._acuerdo.save(lecturas, veredictos, frases, repetida, AHORA)

    def _conservar(self) -> None:
        lecturas, veredictos, frases = self._lote()
        self._vistas |= set(zip(lecturas.propietario_id, lecturas.hora_utc.tolist(), strict=True))
        _insistir(lambda: self._sonda.store.restore(lecturas, veredictos, frases, AHORA))
        self._acuerdo.restore(lecturas, veredictos, frases, AHORA)

    def _opinar(self) -> None:
        hay = sorted(self._acuerdo.anomalias)
        if not hay:
            return
        clave = hay[int(self._azar.integers(len(hay)))]
        estado = str(self._azar.choice(["confirmada", "descartada"]))
        _opinar(self._sonda, clave, estado)
        anomalia = self._acuerdo.anomalias[clave]
        self._acuerdo.anomalias[clave] = replace(anomalia, estado=estado)


def _insistir(accion: Callable[[], None]) -> None:
    """Do as the consumer does: try again while the store says that it may help."""
    for _ in range(20):
        try:
            return accion()
        except TransientError:
            continue
    raise AssertionError("the store is away for ever")


def _opinar(sonda: AnomaliasMongo, clave: Identidad, estado: str) -> None:
    """Say something of an anomaly where it may be, and in its old place once more."""
    identidad = {"propietario_id": clave[0], "timestamp_consumo": instante(clave[1])}
    vivas, archivadas = (sonda.base[c] for c in (VIVAS, ARCHIVO))
    for coleccion in (vivas, archivadas, vivas):
        hallada = coleccion.update_one(identidad, {"$set": {"estado": estado}}).matched_count
        if hallada and coleccion is vivas:
            break


def _comparables(anomalias: Mapping[Identidad, Anomalia]) -> dict[Identidad, Anomalia]:
    """Return anomalies without what hangs on the clock, or is not one any more.

    One of a normal reading that somebody has opened again is as good as taken back.
    """
    return {
        clave: replace(
            anomalia,
            fila=replace(anomalia.fila, hora_local=-1),
            timestamp_deteccion=anomalia.timestamp_consumo,
        )
        for clave, anomalia in anomalias.items()
        if (anomalia.fila.severidad, anomalia.estado) != ("normal", "abierta")
    }


def _en(sonda: AnomaliasMongo, coleccion: str) -> dict[Identidad, Anomalia]:
    return _comparables(anomalias_de(sonda.base[coleccion]))


def _vaiven(archivo: MongoArchive, azar: np.random.Generator, mundo: Mundo) -> None:
    """Archive and restore, a day or both, as long as the world lives."""
    while mundo.vive:
        archivo.archivar(LIMITE, HOY)
        desde, hasta = sorted(azar.choice(len(DIAS), 2).tolist())
        archivo.restaurar(DIAS[desde], DIAS[hasta], HOY + int(azar.integers(-2, 2)) * UN_DIA)


@pytest.mark.parametrize("semilla", SEMILLAS)
def test_mientras_se_mueven_nadie_pierde_lo_que_escribe(
    sonda: AnomaliasMongo, testigo: Testigo, entorno: Settings, semilla: int
) -> None:
    """Whatever command of a save, a person or a move comes before whatever other.

    In the end all anomalies are in one place, each as if nothing had ever moved.
    """
    azar = np.random.default_rng(semilla)
    archivo = MongoArchive(entorno, tanda=int(azar.integers(1, 4)))
    mundo = Mundo(sonda, np.random.default_rng((semilla, 1)))
    mundo.vivir(6)
    mundo.vive = True
    tareas = {
        "mundo": lambda: mundo.vivir(ACCIONES),
        "archivo": lambda: _vaiven(archivo, np.random.default_rng((semilla, 2)), mundo),
    }
    testigo.por_turnos(al_azar(azar), tareas)
    if semilla % 2:
        archivo.archivar(LIMITE, HOY + 9 * UN_DIA)
        assert _en(sonda, ARCHIVO) == mundo.esperadas()
        assert _en(sonda, VIVAS) == {}
    else:
        archivo.restaurar(DIAS[0], DIAS[-1], HOY)
        assert _en(sonda, VIVAS) == mundo.esperadas()
        assert _en(sonda, ARCHIVO) == {}
    archivo.close()


@pytest.mark.parametrize(
    "parte", [0, *(pytest.param(p, marks=pytest.mark.lenta) for p in range(1, PARTES))]
)
@pytest.mark.parametrize("conservado", [False, True])
@pytest.mark.parametrize("operacion", ["archivar", "restaurar"])
def test_un_alto_en_cada_orden(
    sonda: AnomaliasMongo,
    testigo: Testigo,
    entorno: Settings,
    operacion: str,
    conservado: bool,
    parte: int,
) -> None:
    """A save that halts anywhere while a move comes to anywhere, and then goes on."""
    archivo = MongoArchive(entorno)
    escena = Escena(sonda)
    mover = {
        "archivar": lambda: archivo.archivar(LIMITE, HOY),
        "restaurar": lambda: archivo.restaurar(DIAS[0], DIAS[0], HOY - UN_DIA),
    }[operacion]
    malos = []
    for j in range(J):
        for k in range((parte - j) % PARTES, K, PARTES):
            escena.poner()
            if operacion == "restaurar":
                archivo.archivar(LIMITE, HOY)
            tareas = {"mundo": lambda: escena.vivir(conservado), "archivo": mover}
            testigo.por_turnos(por_orden(("mundo", j), ("archivo", k), ("mundo", 99)), tareas)
            archivo.archivar(LIMITE, HOY)
            if _en(sonda, ARCHIVO) != escena.esperadas() or _en(sonda, VIVAS):
                malos.append((j, k))
    assert malos == []
    archivo.close()
