"""One pass of a version over the customers of ``hogares_largos``, and what is kept of each day.

Every customer is scored once, hour by hour in the order of the log. Nothing of the detector is
asked but its verdicts and its cases of innocent kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
from bench.hogares_largos import (
    LIMPIO,
    PAISES,
    Mundo,
    Serie,
    Surtido,
    make_mundo,
    read_year,
    teaching_homes,
)
from bench.hogares_reales import carpeta_datos, hay_datos
from bench.versiones import learn_as_product
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import HORAS_POR_DIA, Lecturas, hora_absoluta
from detection.memory.day_memory import NO_DAY
from detection.memory.hourly_ring import GAIN
from detection.params import Params
from detection.scoring_model import ScoringModel
from serving.base_version import load_base
from serving.local_time import load_calendario
from training.base_version import learn_public
from training.evaluation.metrics import AVISA_DESDE
from training.history import SEMILLA_ENTRENAMIENTO as SEMILLA
from training.own_cases import learn_from_homes
from training.public_homes import CON_LICENCIA, dense_home, read_homes

JUZGA_DESDE_DIA = 60
"""First day of a clean customer that counts: before, versions learn."""
SCORES = 101


@dataclass(frozen=True, slots=True, eq=False)
class Vista:
    """What was said of the customers of several countries, day by day; d days of the longest."""

    series: list[Serie]
    pais: list[str]  # (s,)
    desde_hora: NDArray[np.int64]  # (s,): first hour of its country
    sospechoso: NDArray[np.bool_]  # (s, d): at the end of the day
    altas: NDArray[np.uint8]  # (s, d): readings alta or crítica
    leidas: NDArray[np.uint8]  # (s, d)
    # (s, d): kind of the case of innocent kind that is open at the end of the day; -1 = none
    inocente: NDArray[np.int8]
    # (s, d): at the end of the day, halved every week; of an open case its probability, by a
    # thousand.
    evidencia: NDArray[np.float32]
    # tocadas, limpias: (s, 101); scores of the hours that an attack has its hand in, and of a clean
    # customer's from the first that counts on.
    tocadas: NDArray[np.int64]
    limpias: NDArray[np.int64]

    @property
    def edad(self) -> NDArray[np.int64]:
        """Return (s, d) the days since the onset, 0 on its day, below 0 before it."""
        horas = np.array([s.inicio_hora for s in self.series]) - self.desde_hora
        return np.arange(self.sospechoso.shape[1])[None] - (horas // HORAS_POR_DIA)[:, None]

    @property
    def quedan(self) -> NDArray[np.int64]:
        """Return (s, d) the whole days until the end, below 0 after it."""
        horas = np.array([s.fin_hora for s in self.series]) - self.desde_hora
        return (horas // HORAS_POR_DIA)[:, None] - np.arange(self.sospechoso.shape[1])[None] - 1

    def de(self, clase: str, tipo: str | None = None) -> NDArray[np.bool_]:
        """Return (s,) who is of a class and, perhaps, of a kind."""
        return np.array([s.clase == clase and tipo in {None, s.tipo} for s in self.series])

    def de_pais(self, pais: str | None) -> NDArray[np.bool_]:
        """Return (s,) who lives in a country, or anywhere."""
        return np.array([pais in {None, p} for p in self.pais])


def score_mundo(mundo: Mundo, modelo: ScoringModel | None) -> Vista:
    """Return what a version says of a country's customers, from their first reading on."""
    detector = DetectorConsumo(mundo.calendario)
    detector.use(modelo)
    n, dias = len(mundo.series), mundo.dias
    nombres = np.array([s.propietario_id for s in mundo.series], object)
    particiones = np.array([s.particion for s in mundo.series], np.int32)
    kwh = np.stack([s.kwh for s in mundo.series])
    tocada = np.stack([s.tocada for s in mundo.series])
    limpia = np.array([s.clase == LIMPIO for s in mundo.series])
    sospechoso = np.zeros((n, dias), np.bool_)
    altas, leidas = (np.zeros((n, dias), np.uint8) for _ in range(2))
    inocente = np.full((n, dias), -1, np.int8)
    ganancia, ventaja = np.zeros((n, dias)), np.full((n, dias), -np.inf)
    tocadas, limpias = (np.zeros((n, SCORES), np.int64) for _ in range(2))
    for dia in range(dias):
        primera = dia * HORAS_POR_DIA
        del_dia = kwh[:, primera : primera + HORAS_POR_DIA].T
        hora, quien = np.nonzero(~np.isnan(del_dia))
        lecturas = Lecturas(
            nombres[quien].tolist(), mundo.desde_hora + primera + hora, del_dia[hora, quien]
        )
        v = detector.score(lecturas, particiones[quien])
        if dia:
            sospechoso[:, dia] = sospechoso[:, dia - 1]
        sospechoso[quien, dia] = v.es_sospechoso  # the last one of the day stands
        inocente[:, dia] = _innocent_kinds(detector, nombres)
        leidas[:, dia] = np.bincount(quien, minlength=n)
        altas[:, dia] = np.bincount(quien, v.severidad >= AVISA_DESDE, minlength=n)
        ganancia[:, dia] = np.bincount(quien, GAIN[v.score_centesimas] / 10_000, minlength=n)
        if v.caso is not None:
            con_caso = ~np.isnan(v.caso[:, 0])
            np.maximum.at(ventaja[:, dia], quien[con_caso], v.caso[con_caso, 0])
        suya = tocada[quien, primera + hora]
        np.add.at(tocadas, (quien[suya], v.score_centesimas[suya]), 1)
        if dia >= JUZGA_DESDE_DIA:
            suya = limpia[quien]
            np.add.at(limpias, (quien[suya], v.score_centesimas[suya]), 1)
    # What was read has been read: what is kept is small, and goes from process to process.
    series = [replace(s, kwh=np.empty(0), tocada=np.empty(0, np.bool_)) for s in mundo.series]
    return Vista(
        series, [mundo.pais.nombre] * n, np.full(n, mundo.desde_hora), sospechoso, altas,
        leidas, inocente, _evidence(ganancia, ventaja), tocadas, limpias,
    )  # fmt: skip


def _innocent_kinds(detector: DetectorConsumo, nombres: NDArray[np.object_]) -> NDArray[np.int8]:
    days, fila = detector.days.columns(), detector.ring.rows(nombres.tolist())
    abierto = (days.inocente_apertura[fila] != NO_DAY) & (days.inocente_cierre[fila] == NO_DAY)
    return np.where(abierto & (fila >= 0), days.inocente_tipo[fila], -1).astype(np.int8)


def _evidence(ganancia: NDArray[np.float64], ventaja: NDArray[np.float64]) -> NDArray[np.float32]:
    resto = 0.5 ** (1.0 / Params().sospecha_semivida_dias)
    salida = np.zeros_like(ganancia)
    for dia in range(ganancia.shape[1]):
        antes = salida[:, dia - 1] * resto if dia else 0.0
        salida[:, dia] = antes + ganancia[:, dia]
    de_caso = 1e3 / (1.0 + np.exp(-ventaja))
    return np.where(de_caso > 0.0, de_caso, salida).astype(np.float32)


def join(vistas: Sequence[Vista]) -> Vista:
    """Return the customers of several countries together."""
    return Vista(
        [s for v in vistas for s in v.series],
        [p for v in vistas for p in v.pais],
        *(
            np.concatenate([getattr(v, cual) for v in vistas])
            for cual in (
                *("desde_hora", "sospechoso", "altas", "leidas", "inocente", "evidencia"),
                *("tocadas", "limpias"),
            )
        ),
    )


CON_PAIS, SIN_PAIS = "con su país", "sin su país"
VERSIONES = (CON_PAIS, SIN_PAIS)
"""Learnt from the first 60 days of the development homes of all countries, or but for the country
that is scored. In the development half the first ones are those homes' own days before anything
happens, as a utility learns from its own customers; no home of the test half teaches. What they
know of cases is the base version's, or is learnt like it, but for the country that is scored."""


def learn_version(sin: str | None) -> ScoringModel:
    """Return a version for every country, or for all but one, as the product learns it."""
    base = load_base()
    if sin in {conjunto.nombre for conjunto in CON_LICENCIA}:
        conjuntos = [conjunto for conjunto in CON_LICENCIA if conjunto.nombre != sin]
        base = learn_public([h for c in conjuntos for h in read_homes(carpeta_datos(), c)]).modelo
    return learn_as_product(teaching_homes(sin), base).modelo


@dataclass(frozen=True, slots=True)
class Tarea:
    """A country's half to be scored by a version."""

    pais: str
    desarrollo: bool
    version: str
    surtido: Surtido
    modelo: ScoringModel


def run_task(tarea: Tarea) -> Vista | None:
    """Return what is said of a country's half; None where nobody is in it."""
    pais = next(p for p in PAISES if p.nombre == tarea.pais)
    hogares = read_year(pais, tarea.desarrollo)
    if not hogares:
        return None
    return score_mundo(make_mundo(pais, hogares, tarea.surtido), tarea.modelo)


def run_vistas(
    mitades: Sequence[bool], versiones: Sequence[str], surtido: Surtido, procesos: int
) -> dict[tuple[bool, str], Vista]:
    """Return what each version, learnt once, says of each half (True = development)."""
    paises = [p.nombre for p in PAISES if hay_datos(p.fuente)]
    faltan: list[str | None] = [None] if CON_PAIS in versiones else []
    faltan += paises if SIN_PAIS in versiones else []
    # Spawned, for a process in which a library has started threads cannot be forked.
    with ProcessPoolExecutor(procesos, get_context("spawn")) as grupo:
        modelos = dict(zip(faltan, grupo.map(learn_version, faltan), strict=True))
        tareas = [
            Tarea(pais, mitad, version, surtido, modelos[pais if version == SIN_PAIS else None])
            for mitad in mitades
            for version in versiones
            for pais in paises
        ]
        vistas = list(grupo.map(run_task, tareas))
    salida: dict[tuple[bool, str], list[Vista]] = {}
    for tarea, vista in zip(tareas, vistas, strict=True):
        if vista is not None:
            salida.setdefault((tarea.desarrollo, tarea.version), []).append(vista)
    return {cual: join(suyas) for cual, suyas in salida.items()}


def with_own_cases(pais: str) -> ScoringModel:
    """Return the base version with what a year of a country's development homes adds to its cases.

    As ``consumo entrenar`` adds what the utility's own homes teach.
    """
    suyo = next(p for p in PAISES if p.nombre == pais)
    base, desde = load_base(), hora_absoluta(suyo.desde)
    calendario = load_calendario(suyo.fuente.zona)
    hogares = []
    for hogar in read_year(suyo, desarrollo=True):
        hay = np.flatnonzero(~np.isnan(hogar.kwh))
        denso = dense_home(
            hogar.propietario_id, pais, desde + hay, hogar.kwh[hay], calendario, sur=suyo.sur
        )
        if denso is not None:
            hogares.append(denso)
    assert base.casos is not None
    return replace(base, casos=learn_from_homes(hogares, base.casos, SEMILLA))


def score_with_base(
    pais: str, mitades: Sequence[bool], surtido: Surtido, procesos: int, *, propios: bool = False
) -> dict[tuple[bool, str], Vista]:
    """Return what the base version says of each half of a country.

    ``propios``: with what the development half adds to its cases (``with_own_cases``).
    """
    modelo = with_own_cases(pais) if propios else load_base()
    tareas = [Tarea(pais, mitad, SIN_PAIS, surtido, modelo) for mitad in mitades]
    nombre = "con la de base y los casos de su país" if propios else "con la de base"
    with ProcessPoolExecutor(procesos, get_context("spawn")) as grupo:
        vistas = zip(tareas, grupo.map(run_task, tareas), strict=True)
        return {(t.desarrollo, nombre): vista for t, vista in vistas if vista is not None}
