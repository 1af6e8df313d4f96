"""What each part of the consumer costs alone, in this process: µs of processor a reading."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from datos import ZONA, Datos
from medidas import resident_mb, timed

from detection.detector import DetectorConsumo
from detection.domain import Lecturas, Veredictos
from detection.scoring_model import ScoringModel
from pipeline.consumer import hora_actual
from pipeline.ingest.messages import MessageDecoder
from pipeline.stores.mongo.store import MongoAnomalyStore
from serving.base_version import load_base
from serving.local_time import load_calendario
from serving.settings import Settings

LOTE = 5000
LECTURAS = 100_000
CLIENTES_MEMORIA = 100_000


@dataclass(frozen=True, slots=True)
class Parte:
    """A detector with some of its parts.

    Parameters
    ----------
    nombre : str
    base : ScoringModel or None
        None = the rules alone.
    aprende : bool
        River learns from the readings.
    """

    nombre: str
    base: ScoringModel | None
    aprende: bool = True


def partes() -> list[Parte]:
    """Return them, each with all that those before it have."""
    base = load_base()
    return [
        Parte("las seis reglas, y los días", None, aprende=False),
        Parte("River, que aprende", None),
        Parte("el bosque, y los dos modelos opinan", replace(base, mezcla=None, casos=None)),
        Parte("la mezcla aprendida", replace(base, casos=None)),
        Parte("los casos: todo, producción", base),
    ]


def scoring(
    datos: Datos, cargar: Callable[[DetectorConsumo], None], vueltas: int
) -> dict[str, float]:
    """Return the µs of processor a reading of scoring with the parts up to each, medians."""
    lotes = _lotes(datos)
    todas: dict[str, list[float]] = {parte.nombre: [] for parte in partes()}
    for _ in range(vueltas):
        for parte in partes():
            detector = DetectorConsumo(load_calendario(ZONA), base=parte.base)
            cargar(detector)
            todas[parte.nombre].append(_score(detector, lotes, parte.aprende))
    return {nombre: median(medidas) for nombre, medidas in todas.items()}


def _lotes(datos: Datos) -> list[Lecturas]:
    hasta = datos.historia + min(datos.medidas, LECTURAS)
    return [datos.parte(i, min(hasta, i + LOTE)) for i in range(datos.historia, hasta, LOTE)]


def _score(detector: DetectorConsumo, lotes: Sequence[Lecturas], aprende: bool) -> float:
    """Return µs a reading; the first batch, which may compile, is not counted."""
    inicio, n = 0.0, 0
    for k, lote in enumerate(lotes):
        filas = detector.ring.rows(lote.propietario_id)
        ensena = np.full(len(lote), aprende)
        detector.score_rows(lote, filas, filas, ensena=ensena)
        detector.take_days(lote.propietario_id, filas)
        if k == 0 and len(lotes) > 1:
            inicio = time.thread_time()
        else:
            n += len(lote)
    return 1e6 * (time.thread_time() - inicio) / n


def decoding(settings: Settings, datos: Datos) -> float:
    """Return the µs of processor a reading of decoding."""
    hasta = datos.historia + min(datos.medidas, LECTURAS)
    mensajes = [valores for _, valores in datos.mensajes(datos.historia, hasta)]
    decodificador = MessageDecoder(ZONA, settings.consumo_maximo_kwh)
    ahora, inicio = hora_actual(), time.thread_time()
    for valores in mensajes:
        decodificador.decode(valores, ahora)
    return 1e6 * (time.thread_time() - inicio) / (hasta - datos.historia)


def cost_of_anomalies(
    settings: Settings, datos: Datos, cargar: Callable[[DetectorConsumo], None]
) -> dict[str, float]:
    """Return the seconds of 1 000 anomalies in MongoDB, new and repeated, with explanations."""
    detector = DetectorConsumo(load_calendario(ZONA), base=load_base())
    cargar(detector)
    parte = datos.parte(datos.historia, len(datos.lecturas))
    v = detector.score(parte)
    cuales = np.flatnonzero(v.severidad)[:1000]
    lecturas, veredictos = parte.elegir(cuales), v.elegir(cuales)
    por_mil, explicaciones = 1000 / len(cuales), _explain(detector, veredictos, lecturas)
    almacen = MongoAnomalyStore(settings)

    def save(repetida: bool) -> None:
        marca = np.full(len(cuales), repetida)
        almacen.save(lecturas, veredictos, explicaciones, marca, hora_actual())

    try:
        return {
            "explicar_s": por_mil * timed(_explain, detector, veredictos, lecturas),
            "nuevas_s": por_mil * timed(save, False),
            "repetidas_s": por_mil * timed(save, True),
        }
    finally:
        almacen.close()


def _explain(detector: DetectorConsumo, veredictos: Veredictos, lecturas: Lecturas) -> list[Any]:
    return [
        detector.explain(veredictos, i, float(lecturas.consumo_kwh[i]))
        for i in range(len(lecturas))
    ]


def memory() -> dict[str, float]:
    """Return the memory of 100 000 customers, MB in all and bytes of state each."""
    detector = DetectorConsumo(load_calendario(ZONA), base=load_base())
    antes = resident_mb()
    ids = [f"CLI_{i:06d}" for i in range(CLIENTES_MEMORIA)]
    for hora in range(490_000, 490_003):
        for i in range(0, CLIENTES_MEMORIA, LOTE):
            trozo = ids[i : i + LOTE]
            detector.score(Lecturas(trozo, np.full(LOTE, hora), np.full(LOTE, 0.3)))
    por_cliente = detector.ring.bytes_per_customer() + detector.days.bytes_per_customer()
    return {"mb": resident_mb() - antes, "estado_por_cliente": por_cliente}
