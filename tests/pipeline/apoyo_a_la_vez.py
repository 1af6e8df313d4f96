"""A few readings of a few days, who writes and moves them at once, and what may come of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import numpy as np
from apoyo_turnos import al_azar, por_turnos
from contracts.fakes import Identidad, hacer_lote
from contracts.sondas import HistorialPostgres, conectar

from detection.domain import hora_absoluta
from detection.errors import TransientError
from pipeline.stores.postgres.archive import PostgresArchive
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

HOY = date(2026, 4, 10)
LIMITE = date(2026, 3, 10)
UN_DIA = timedelta(days=1)
CLIENTES = ("A", "B", "C")
# At both ends of a month, whose partition goes whole; before all that there is at first; and fresh.
DIAS = [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]
TEMPRANO, FRESCO = date(2026, 2, 11), date(2026, 4, 9)
HORAS = (3, 20)
TANDA = 2
INTENTOS = 20
Hecha = TypeVar("Hecha")

# As the archiver leaves it, in one step.
_ARCHIVAR = """
SELECT crear_particion('consumos_diarios_archivo', date_trunc('month', fecha)::date)
FROM consumos_diarios WHERE fecha < %s;
INSERT INTO dias_archivados SELECT DISTINCT fecha, true FROM consumos_diarios WHERE fecha < %s;
WITH fuera AS (DELETE FROM consumos_diarios USING dias_archivados AS r
    WHERE consumos_diarios.fecha = r.fecha RETURNING consumos_diarios.*)
INSERT INTO consumos_diarios_archivo SELECT * FROM fuera
"""
_DOBLES = """
SELECT propietario_id, timestamp_consumo FROM consumos_diarios
JOIN consumos_diarios_archivo USING (propietario_id, timestamp_consumo)
"""
_SIN_MARCA = """
SELECT a.fecha FROM consumos_diarios_archivo AS a
LEFT JOIN dias_archivados AS r ON r.fecha = a.fecha AND r.en_archivo WHERE r.fecha IS NULL
"""
_TODAS = """
SELECT propietario_id, extract(epoch FROM timestamp_consumo)::bigint / 3600, consumo_kwh::float8
FROM consumos_historia
"""


def claves_de(dias: Sequence[date], clientes: Sequence[str] = CLIENTES) -> list[Identidad]:
    """Return the identities of some local days (one hour from UTC)."""
    return [
        (c, hora_absoluta(datetime(d.year, d.month, d.day, h, tzinfo=UTC)))
        for d in dias
        for c in clientes
        for h in HORAS
    ]


def insistir(accion: Callable[[], Hecha]) -> Hecha:
    """Do as the consumer and the nightly job do: try again while the store says that it helps."""
    for _ in range(INTENTOS):
        try:
            return accion()
        except TransientError:
            continue
    raise AssertionError("the store is away for ever")


class Casa:
    """The tables as they are at first, and what is in them, seen from outside."""

    def __init__(self, entorno: Settings) -> None:
        self.entorno = entorno
        sonda = HistorialPostgres(entorno)
        self.sql = sonda.sql
        self._store = sonda.store

    def poner(self, archivados: bool) -> dict[Identidad, float]:
        """Put everything where it was before a run, and return each reading's kWh."""
        self.sql(
            "DELETE FROM consumos_diarios; DELETE FROM consumos_diarios_archivo; "
            "DELETE FROM dias_archivados"
        )
        claves = claves_de([*DIAS, FRESCO], CLIENTES[:2])
        kwh = [1.0 + i / 100 for i in range(len(claves))]
        self._store.save(*hacer_lote(claves, kwh))
        if archivados:
            self.sql(_ARCHIVAR, (LIMITE, LIMITE))
        return dict(zip(claves, kwh, strict=True))

    def comprobar(self) -> dict[Identidad, float]:
        """Check that each reading is in one place, its day's; return each one's kWh."""
        assert self.sql(_DOBLES) == []
        assert self.sql(_SIN_MARCA) == []
        filas = self.sql(_TODAS)
        todas = {(cliente, int(hora)): kwh for cliente, hora, kwh in filas}
        assert len(todas) == len(filas)
        return todas

    def abrir(self) -> Any:
        """Return a connection that owes nothing to the product."""
        return conectar(self.entorno)

    def interbloqueos(self) -> int:
        """Return how often the server had to end somebody so that others could go on."""
        orden = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return int(self.sql(orden)[0][0])

    def close(self) -> None:
        self._store.close()


@dataclass(frozen=True)
class Hecho:
    """Something that was done to readings, between two moments; ``kwh`` None = deleted."""

    empieza: int
    acaba: int
    kwh: float | None


class Mundo:
    """Consumers and whoever archives, restores and deletes, who keep a record of what they did."""

    def __init__(self, casa: Casa, semilla: int, *, eliminan: bool) -> None:
        self._casa = casa
        self._semilla = semilla
        self._eliminan = eliminan
        self._reloj = itertools.count(1)
        self._kwh = itertools.count(1000)
        self._hechos: dict[Identidad, list[Hecho]] = {
            clave: [Hecho(0, 0, kwh)] for clave, kwh in casa.poner(semilla % 2 == 1).items()
        }

    def correr(self, lotes: int, movimientos: int) -> list[str]:
        """Return whose commands were sent, in order."""
        azar = np.random.default_rng((self._semilla, 0))
        return por_turnos(
            self._casa.entorno,
            al_azar(azar),
            {
                "consumidor 1": lambda e: self._consumir(e, 1, lotes),
                "consumidor 2": lambda e: self._consumir(e, 2, lotes),
                "archivo": lambda e: self._mover(e, movimientos),
            },
        )

    def comprobar(self) -> None:
        """Check that every reading is in one place, and is what those who wrote it agree on."""
        quedan = self._casa.comprobar()
        assert quedan.keys() <= self._hechos.keys()
        for clave, hechos in self._hechos.items():
            # Whatever nobody began to change after it had been done.
            validos = {h.kwh for h in hechos if not any(o.empieza > h.acaba for o in hechos)}
            if any(h.kwh is None for h in hechos):
                # Only what is in the archive is deleted: an earlier value may have been elsewhere.
                guardados = [h for h in hechos if h.kwh is not None]
                validos |= {
                    h.kwh for h in guardados if not any(o.empieza > h.acaba for o in guardados)
                }
            assert quedan.get(clave) in validos, (clave, quedan.get(clave), hechos)

    def _consumir(self, entorno: Settings, numero: int, lotes: int) -> None:
        azar = np.random.default_rng((self._semilla, numero))
        # Each has a customer of its own, and both have one that has just come from the other.
        clientes = {1: ("A", "C"), 2: ("B", "C")}[numero]
        posibles = claves_de([TEMPRANO, *DIAS, DIAS[0], FRESCO], clientes)
        with closing(PostgresStore(entorno)) as store:
            for _ in range(lotes):
                n = int(azar.integers(1, 6))
                claves = sorted({posibles[i] for i in azar.integers(len(posibles), size=n)})
                claves = [claves[i] for i in azar.permutation(len(claves))]
                self._guardar(store, claves)

    def _guardar(self, store: PostgresStore, claves: list[Identidad]) -> None:
        kwh = [float(next(self._kwh)) for _ in claves]
        lote = hacer_lote(claves, kwh)
        estaban = [
            all(h.kwh is not None for h in self._hechos[clave])
            if not self._eliminan and clave in self._hechos
            else False
            for clave in claves
        ]
        empieza = next(self._reloj)
        guardado = insistir(lambda: store.save(*lote))
        acaba = next(self._reloj)
        for clave, uno, estaba, repetida in zip(
            claves, kwh, estaban, guardado.repetida.tolist(), strict=True
        ):
            self._hechos.setdefault(clave, []).append(Hecho(empieza, acaba, uno))
            # What was there is found, wherever it is at this moment.
            assert repetida or not estaba, clave

    def _mover(self, entorno: Settings, movimientos: int) -> None:
        azar = np.random.default_rng((self._semilla, 3))
        hoy = HOY
        with closing(PostgresArchive(entorno, tanda=TANDA)) as archivo:
            for _ in range(movimientos):
                que = azar.choice(["archivar", "restaurar", "eliminar"], p=[0.4, 0.4, 0.2])
                desde, hasta = sorted(azar.integers(len(DIAS), size=2).tolist())
                retenido = hoy + int(azar.integers(-1, 2)) * UN_DIA
                antes_de = (LIMITE, date(2026, 3, 2), *DIAS)[int(azar.integers(5))]
                hacer = {
                    "archivar": partial(archivo.archivar, LIMITE, hoy),
                    "restaurar": partial(archivo.restaurar, DIAS[desde], DIAS[hasta], retenido),
                    "eliminar": partial(self._eliminar, archivo, antes_de),
                }
                if que != "eliminar" or self._eliminan:
                    insistir(hacer[que])
                hoy += UN_DIA

    def _eliminar(self, archivo: PostgresArchive, antes_de: date) -> None:
        empieza = next(self._reloj)
        archivo.eliminar(antes_de)
        hecho = Hecho(empieza, next(self._reloj), None)
        for clave in claves_de([d for d in (TEMPRANO, *DIAS) if d < antes_de]):
            self._hechos.setdefault(clave, [Hecho(0, 0, None)]).append(hecho)
