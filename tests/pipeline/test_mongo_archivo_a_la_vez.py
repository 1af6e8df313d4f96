"""Anomalies that are saved, judged, archived, restored and deleted at once: nobody loses any."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from apoyo_a_la_vez import insistir
from apoyo_archivo_mongo import Testigo, a_rachas, por_orden
from contracts.fakes import Anomalia, FakeAnomalyStore, Identidad, explicar, hacer_lote
from contracts.sondas import AnomaliasMongo, anomalias_de

from detection.domain import hora_absoluta, instante
from pipeline.stores.mongo.archive import MongoArchive
from serving.settings import Settings

pytestmark = pytest.mark.timeout(600)

HOY = date(2026, 3, 10)
AHORA = hora_absoluta(datetime(2026, 3, 10, 9, tzinfo=UTC))
LIMITE = date(2026, 2, 1)
DIAS = [date(2026, 1, 10), date(2026, 1, 11)]
TEMPRANO = date(2026, 1, 3)
UN_DIA = timedelta(days=1)
VIVAS, ARCHIVO = "anomalias_detectadas", "anomalias_archivo"
SEMILLAS = 4
BUSQUEDA = 200
"""Seeds in all; the others with the slow tests."""
ACCIONES = 12
J, K = 12, 18
"""More than the commands of a save and a verdict, and of a move."""
PARTES = 19
"""Of the J x K places; one is looked at each time, the others with the slow tests."""


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.fixture
def sonda(testigo: Testigo, entorno: Settings) -> Iterator[AnomaliasMongo]:
    abierta = AnomaliasMongo(entorno)
    yield abierta
    abierta.store.close()
    abierta.cliente.close()


class Mundo:
    """Two consumers and people, who has each his customers, and who moves and deletes all that.

    Parameters
    ----------
    eliminan : bool
        Somebody deletes from the archive; people say nothing then, for it would go as well.
    """

    def __init__(self, sonda: AnomaliasMongo, semilla: int, *, eliminan: bool) -> None:
        self._sonda = sonda
        self._semilla = semilla
        self._eliminan = eliminan
        self._reloj = itertools.count(1)
        self._kwh = itertools.count(1)
        self._empiezan: dict[Identidad, int] = {}
        """When the last save of each reading began."""
        self._eliminados: list[tuple[int, date]] = []
        """When each deletion ended, and before which day."""
        self._acuerdo = FakeAnomalyStore()
        """What there would be if nothing had ever moved."""
        self._viven: set[str] = set()

    def vivir(self, cliente: str, acciones: int, ronda: int = 0) -> None:
        azar = np.random.default_rng([self._semilla, ord(cliente), ronda])
        acciones_de = [self._guardar, self._guardar, self._conservar, self._opinar]
        self._viven.add(cliente)
        for _ in range(acciones):
            hacer = self._guardar if self._eliminan else acciones_de[int(azar.integers(4))]
            hacer(cliente, azar)
        self._viven.discard(cliente)

    def mover(self, archivo: MongoArchive) -> None:
        """Archive, restore and delete as long as anybody writes."""
        azar = np.random.default_rng([self._semilla, 0])
        hoy = HOY
        self._viven |= {"A", "B"}
        while self._viven:
            desde, hasta = sorted(azar.integers(len(DIAS), size=2).tolist())
            que = azar.choice(["archivar", "restaurar", "eliminar"], p=[0.45, 0.45, 0.1])
            if que == "archivar":
                archivo.archivar(LIMITE, hoy)
            elif que == "restaurar":
                retenido = hoy + int(azar.integers(-2, 2)) * UN_DIA
                archivo.restaurar(DIAS[desde], DIAS[hasta], retenido)
            elif self._eliminan:
                archivo.eliminar(DIAS[hasta])
                self._eliminados.append((next(self._reloj), DIAS[hasta]))
            hoy += UN_DIA

    def comprobar(self) -> None:
        """Check that each anomaly is in one place, its day's or on its way there, and is right."""
        vivas, archivadas = (anomalias_de(self._sonda.base[c]) for c in (VIVAS, ARCHIVO))
        assert not vivas.keys() & archivadas.keys()
        marcas = self._sonda.base["dias_archivados"].find({"en_archivo": True})
        marcados = {date.fromisoformat(doc["_id"]) for doc in marcas}
        assert {a.timestamp_consumo.date() for a in archivadas.values()} <= marcados
        hay, debe = _comparables(vivas | archivadas), _comparables(self._acuerdo.anomalias)
        assert hay.keys() <= debe.keys()
        for clave, anomalia in debe.items():
            empieza, dia = self._empiezan[clave], instante(clave[1]).date()
            eliminada = any(fin > empieza and dia < antes for fin, antes in self._eliminados)
            assert hay.get(clave) in ([anomalia, None] if eliminada else [anomalia]), clave

    def _lote(self, cliente: str, azar: np.random.Generator) -> tuple[list[Identidad], Any]:
        posibles = [(cliente, _hora(dia, h)) for dia in (*DIAS, TEMPRANO) for h in (2, 15)]
        n = int(azar.integers(1, 4))
        claves = [posibles[i] for i in azar.choice(len(posibles), n, replace=False)]
        severidad = (azar.integers(0, 5, n) * azar.integers(0, 2, n)).tolist()
        kwh = [float(next(self._kwh)) for _ in claves]
        lote = hacer_lote(claves, kwh, severidad=severidad, score=[20 * s for s in severidad])
        return claves, (*lote, explicar(lote[1], f"Frase {azar.integers(999)}."))

    def _guardar(self, cliente: str, azar: np.random.Generator) -> None:
        claves, lote = self._lote(cliente, azar)
        repetida = np.array([clave in self._empiezan for clave in claves])
        empieza = next(self._reloj)
        insistir(lambda: self._sonda.store.save(*lote, repetida, AHORA))
        self._acuerdo.save(*lote, repetida, AHORA)
        self._empiezan |= dict.fromkeys(claves, empieza)

    def _conservar(self, cliente: str, azar: np.random.Generator) -> None:
        claves, lote = self._lote(cliente, azar)
        self._empiezan |= dict.fromkeys(claves, next(self._reloj))
        insistir(lambda: self._sonda.store.restore(*lote, AHORA))
        self._acuerdo.restore(*lote, AHORA)

    def _opinar(self, cliente: str, azar: np.random.Generator) -> None:
        if suyas := sorted(clave for clave in self._acuerdo.anomalias if clave[0] == cliente):
            clave = suyas[int(azar.integers(len(suyas)))]
            estado = str(azar.choice(["confirmada", "descartada"]))
            _opinar(self._sonda, clave, estado)
            _acordar(self._acuerdo, clave, estado)


class Escena:
    """Five anomalies of one day, and a save and a person who have something to do with each."""

    def __init__(self, sonda: AnomaliasMongo) -> None:
        self._sonda = sonda
        hora = _hora(DIAS[0], 2)
        self._claves = [(c, hora) for c in ("nuevo", "normal", "dicho", "otro", "visto")]
        lote = hacer_lote(self._claves[1:], severidad=[2] * 4, score=[60] * 4)
        antes = (*lote, explicar(lote[1]), np.zeros(4, np.bool_), hora)
        acuerdo = FakeAnomalyStore()
        for store in (sonda.store, acuerdo):
            store.save(*antes)
        sonda.poner_estado(self._claves[2], "confirmada")
        _acordar(acuerdo, self._claves[2], "confirmada")
        self._antes = list(sonda.base[VIVAS].find())
        self._escribir(acuerdo, conservado=False)
        _acordar(acuerdo, self._claves[4], "descartada")
        self.esperadas = _comparables(acuerdo.anomalias)

    def poner(self) -> None:
        for coleccion in (VIVAS, ARCHIVO, "dias_archivados"):
            self._sonda.base[coleccion].delete_many({})
        self._sonda.base[VIVAS].insert_many(self._antes)

    def vivir(self, conservado: bool) -> None:
        insistir(lambda: self._escribir(self._sonda.store, conservado))
        _opinar(self._sonda, self._claves[4], "descartada")

    def _escribir(self, store: Any, conservado: bool) -> None:
        lote = hacer_lote(self._claves[:4], [5.0] * 4, severidad=[3, 0, 0, 4], score=[85, 5, 5, 95])
        frases = explicar(lote[1], "Otra frase.")
        if conservado:
            store.restore(*lote, frases, AHORA)
        else:
            store.save(*lote, frases, np.array([False, True, True, True]), AHORA)


def _hora(dia: date, hora: int) -> int:
    return hora_absoluta(datetime(dia.year, dia.month, dia.day, hora, tzinfo=UTC))


def _acordar(acuerdo: FakeAnomalyStore, clave: Identidad, estado: str) -> None:
    acuerdo.anomalias[clave] = replace(acuerdo.anomalias[clave], estado=estado)


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
    """Whatever command of a save, a person or a move comes before whatever other.

    When all have ended, and nobody has run again, each anomaly is in one place, as if nothing had
    ever moved; and then everybody can go on.
    """
    azar = np.random.default_rng(semilla)
    mundo = Mundo(sonda, semilla, eliminan=semilla % 4 == 1)
    for cliente in "AB":
        mundo.vivir(cliente, 3, ronda=1)
    with closing(MongoArchive(entorno, tanda=int(azar.integers(1, 4)))) as archivo:
        archivo.ensure_indexes()
        if semilla % 2:
            archivo.archivar(LIMITE, HOY)
        tareas = {
            "A": lambda: mundo.vivir("A", ACCIONES),
            "B": lambda: mundo.vivir("B", ACCIONES),
            "archivo": lambda: mundo.mover(archivo),
        }
        testigo.por_turnos(a_rachas(azar, float(azar.choice([1, 2, 10, 40]))), tareas)
        mundo.comprobar()
        archivo.archivar(LIMITE, HOY + 999 * UN_DIA)
        mundo.comprobar()
        assert _en(sonda, VIVAS) == {}
        archivo.restaurar(TEMPRANO, LIMITE, HOY + 999 * UN_DIA)
        mundo.comprobar()
        assert _en(sonda, ARCHIVO) == {}


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
    """A save that halts anywhere while a move comes to anywhere, and then goes on.

    When both have ended, and nobody has run again, each anomaly is in one place.
    """
    escena = Escena(sonda)
    malos = []
    with closing(MongoArchive(entorno)) as archivo:
        mover = {
            "archivar": lambda: archivo.archivar(LIMITE, HOY),
            "restaurar": lambda: archivo.restaurar(DIAS[0], DIAS[0], HOY - UN_DIA),
        }[operacion]
        for j, k in list(itertools.product(range(J), range(K)))[parte::PARTES]:
            escena.poner()
            if operacion == "restaurar":
                archivo.archivar(LIMITE, HOY)
            tareas = {"mundo": lambda: escena.vivir(conservado), "archivo": mover}
            testigo.por_turnos(por_orden(("mundo", j), ("archivo", k), ("mundo", 99)), tareas)
            en_las_dos = _en(sonda, VIVAS).keys() & _en(sonda, ARCHIVO).keys()
            archivo.archivar(LIMITE, HOY)
            if en_las_dos or _en(sonda, ARCHIVO) != escena.esperadas or _en(sonda, VIVAS):
                malos.append((j, k))
    assert malos == []
