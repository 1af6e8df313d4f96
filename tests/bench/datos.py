"""The readings that every consumer of the bench gets: generated once, encoded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from detection.detector import DetectorConsumo
from detection.domain import Lecturas, hora_absoluta
from detection.features.hourly import RASGOS
from detection.models.isolation_forest import FlatIsolationForest
from detection.models.tails import EmpiricalTail
from detection.params import HORAS_VENTANA
from detection.rules.registry import rules_fingerprint
from detection.scoring_model import ScoringModel
from detection.simulation.synthesis import SimulatedCustomer, make_population
from pipeline.generator.service import generate_lecturas
from pipeline.ingest.messages import MessageEncoder
from serving.local_time import load_calendario
from training.fit import ARBOLES_DEL_BOSQUE, FILAS_POR_ARBOL

ZONA = "Europe/Madrid"
PRIMERA_HORA = hora_absoluta(datetime(2026, 4, 6, tzinfo=UTC))
"""A Monday after the change to summer time; the next change is 202 days away, and all that is
measured is long past, so nothing of it belongs to ``consumos_horarios``."""
HORAS_MAXIMAS = 24 * 200
SOSPECHOSOS_DE_100 = 1
"""Customers of 100 that hide something. By hand, 2026-11-24: the demo's 16 % would measure little
but the embedded MongoDB server, and no utility has as many."""
TROZO = 20_000
FILAS_MODELO = 100_000


@dataclass(frozen=True, slots=True)
class Datos:
    """Readings hour after hour, the first 28 days of which are only history.

    Parameters
    ----------
    lecturas : Lecturas (n,)
    etiqueta : list of str (n,)
        Ground truth, sent with the messages and read by nobody.
    historia : int
        How many of the readings come before what is measured.
    clientes : int
    poblacion : sequence of SimulatedCustomer (clientes,)
    """

    lecturas: Lecturas
    etiqueta: list[str]
    historia: int
    clientes: int
    poblacion: Sequence[SimulatedCustomer]

    @property
    def medidas(self) -> int:
        """Return how many readings are measured."""
        return len(self.lecturas) - self.historia

    def parte(self, desde: int, hasta: int) -> Lecturas:
        """Return the readings ``[desde, hasta)``."""
        trozo = slice(desde, hasta)
        todas = self.lecturas
        return Lecturas(
            todas.propietario_id[trozo], todas.hora_utc[trozo], todas.consumo_kwh[trozo]
        )

    def mensajes(self, desde: int, hasta: int) -> Iterator[tuple[list[str], list[bytes]]]:
        """Yield keys and values of the readings ``[desde, hasta)``, some thousands at a time."""
        codificador = MessageEncoder(ZONA)
        for inicio in range(desde, hasta, TROZO):
            fin = min(hasta, inicio + TROZO)
            parte = self.parte(inicio, fin)
            yield parte.propietario_id, codificador.encode(parte, self.etiqueta[inicio:fin])


def make_datos(lecturas: int, clientes: int, semilla: int, *, con_ataques: bool) -> Datos:
    """Return the generator's customers: 28 days of history and ``lecturas`` to be measured.

    Parameters
    ----------
    con_ataques : bool
        1 of 100 hides something that begins after the 28 days; otherwise all are honest.
    """
    horas = -(-lecturas // clientes)
    desde = PRIMERA_HORA + HORAS_VENTANA
    sospechosos = clientes * SOSPECHOSOS_DE_100 // 100 if con_ataques else 0
    poblacion = make_population(semilla, clientes, sospechosos, PRIMERA_HORA, desde + horas)
    return _generate(poblacion, lecturas, horas)


def make_anio(datos: Datos, desde: int, hasta: int, horas: int) -> NDArray[np.float64]:
    """Return the kWh (c, horas) of the hours before all readings of customers [desde, hasta)."""
    suyos = datos.poblacion[desde:hasta]
    todas = generate_lecturas(suyos, PRIMERA_HORA - horas, PRIMERA_HORA, ZONA)
    return todas.consumo_kwh.reshape(horas, len(suyos)).T


def _generate(poblacion: Sequence[SimulatedCustomer], lecturas: int, horas: int) -> Datos:
    hasta = PRIMERA_HORA + HORAS_VENTANA + horas
    todas = generate_lecturas(poblacion, PRIMERA_HORA, hasta, ZONA)
    historia = HORAS_VENTANA * len(poblacion)
    n = historia + lecturas
    return Datos(
        Lecturas(todas.propietario_id[:n], todas.hora_utc[:n], todas.consumo_kwh[:n]),
        todas.etiqueta[:n],
        historia,
        len(poblacion),
        poblacion,
    )


def make_detector() -> DetectorConsumo:
    """Return a detector without memory, as the consumer has it."""
    return DetectorConsumo(load_calendario(ZONA))


def make_modelo(detector: DetectorConsumo, datos: Datos) -> ScoringModel:
    """Return a version of full size learnt from the history, which the detector remembers."""
    rasgos, online = [], []
    for inicio in range(0, datos.historia, TROZO):
        crudos = detector.measure(datos.parte(inicio, min(datos.historia, inicio + TROZO)))
        rasgos.append(crudos.rasgos[~np.isnan(crudos.rasgos[:, 0])])
        online.append(crudos.online)
    filas = np.concatenate(rasgos)
    elegidas = filas[np.random.default_rng(1).permutation(len(filas))[:FILAS_MODELO]]
    bosque = FlatIsolationForest.from_sklearn(
        IsolationForest(
            n_estimators=ARBOLES_DEL_BOSQUE, max_samples=FILAS_POR_ARBOL, random_state=1
        ).fit(elegidas)
    )
    return ScoringModel(
        "banco-1", bosque, EmpiricalTail.fit(bosque.scores(elegidas)),
        EmpiricalTail.fit(np.concatenate(online)),
        detector.trees.huella(), {}, RASGOS, rules_fingerprint(detector.params),
    )  # fmt: skip
