"""One pass of the detector over a file: score, learn from the first part, score the rest.

Readings are scored in the order of time, each against what came before it. The first days are
scored by the rules alone and then learnt from; what was learnt scores the rest, and only the rest
is judged. A version that is given scores from the first reading on.

The verdicts are those of the live path when the same readings come to it in this order: by hour,
then customer. What makes them equal: the same detector, which knows no batches; the online model
by partition, customers spread over ``KAFKA_PARTICIONES`` as our producer spreads them; the same
rings of memory, filled by the same readings.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import (
    HORAS_POR_DIA,
    MASCARA_DTYPE,
    Calendario,
    Historia,
    Lecturas,
    Veredictos,
)
from detection.errors import PermanentError
from detection.number_format import numero
from detection.params import Params
from detection.scoring_model import ScoringModel
from serving.base_version import load_base
from serving.local_time import load_calendario
from serving.settings import Settings
from training.evaluation.baselines import Z_SEMANAL, alone, pyod_scores, weekly_z
from training.evaluation.labelled_file import LabelledReadings
from training.evaluation.metrics import Casos
from training.evaluation.report import Datos, Opiniones, make_informe
from training.fit import learn, learn_short
from training.history import SEMILLA_ENTRENAMIENTO, InMemoryHistory

LECTURAS_A_LA_VEZ = 20_000
"""Readings scored at once: what explains their verdicts takes 25 MB."""
ENTRENAMIENTO_DIAS = 14
TODOS_LOS_DIAS = 3650

Escribir = Callable[[Lecturas, Veredictos], None]


@dataclass(frozen=True, slots=True)
class Aprendizaje:
    """What scores the readings after the first part of a file."""

    modelo: ScoringModel | None  # None = the rules alone
    frase: str  # Spanish: what could be learnt, or why nothing


@dataclass(slots=True, eq=False)
class FilePass:
    """One pass over a file, batch by batch, and what is kept of its verdicts."""

    archivo: LabelledReadings
    detector: DetectorConsumo
    particion: NDArray[np.int32]  # (n,): of each reading's customer, as live
    escribir: Escribir | None  # gets each batch with its verdicts
    severidad: NDArray[np.uint8]  # (n,)
    marcas: Historia  # the other verdicts, beside the readings as the store would keep them
    segundos: float = 0.0  # scoring and writing took so long
    # rasgos, scores, esperado_kwh: of each batch; only of labelled files.
    rasgos: list[NDArray[np.float32]] = field(default_factory=list)
    scores: list[NDArray[np.float32]] = field(default_factory=list)
    esperado_kwh: list[NDArray[np.float32]] = field(default_factory=list)

    @staticmethod
    def start(
        archivo: LabelledReadings,
        settings: Settings,
        calendario: Calendario,
        escribir: Escribir | None,
    ) -> FilePass:
        """Return a pass that has scored nothing yet, by the rules alone."""
        n, particiones = len(archivo), settings.kafka_particiones
        propia = [kafka_partition(p, particiones) for p in archivo.clientes]
        marcas = Historia(
            archivo.cliente.astype(np.int64), archivo.hora_utc,
            archivo.consumo_kwh.astype(np.float32), np.zeros(n, np.uint8),
            np.zeros(n, MASCARA_DTYPE), np.zeros(n, np.bool_), np.zeros(n, np.bool_),
        )  # fmt: skip
        particion = np.array(propia, np.int32)[archivo.cliente]
        detector = DetectorConsumo(calendario)
        return FilePass(archivo, detector, particion, escribir, np.zeros(n, np.uint8), marcas)

    def score(self, desde: int, hasta: int) -> None:
        """Score the readings ``[desde, hasta)``."""
        empezo = time.perf_counter()
        for inicio in range(desde, hasta, LECTURAS_A_LA_VEZ):
            filas = slice(inicio, min(inicio + LECTURAS_A_LA_VEZ, hasta))
            lecturas = self.archivo.lecturas(filas)
            crudos = self.detector.measure(lecturas, self.particion[filas])
            v, marcas = crudos.veredictos, self.marcas
            self.severidad[filas] = v.severidad
            marcas.score_centesimas[filas] = v.score_centesimas
            marcas.tipos[filas] = v.tipos
            marcas.con_referencia[filas] = ~np.isnan(v.esperado_kwh)
            marcas.es_sospechoso[filas] = v.es_sospechoso
            if self.archivo.tipo is not None:
                self.rasgos.append(crudos.rasgos)
                self.scores.append(v.scores)
                self.esperado_kwh.append(v.esperado_kwh)
            if self.escribir is not None:
                self.escribir(lecturas, v)
        self.segundos += time.perf_counter() - empezo


@dataclass(frozen=True, slots=True, eq=False)
class FileEvaluation:
    """A file, scored: what is judged is from ``corte_hora`` on, with figures if it has labels."""

    pase: FilePass
    aprendizaje: Aprendizaje
    corte_hora: int
    informe: Datos | None


def evaluate_file(
    archivo: LabelledReadings,
    settings: Settings,
    *,
    dias: int = ENTRENAMIENTO_DIAS,
    modelo: Aprendizaje | None = None,
    semilla: int = SEMILLA_ENTRENAMIENTO,
    escribir: Escribir | None = None,
) -> FileEvaluation:
    """Return the verdicts of a file's readings, and with labels what they are worth.

    Parameters
    ----------
    dias : int
        Days at the start that are learnt from and not judged.
    modelo : Aprendizaje or None
        What scores from the first reading on; None = it is learnt from the first days.
    escribir : callable or None
        Gets each batch of readings with its verdicts, in order.
    """
    calendario = load_calendario(settings.zona_horaria)
    corte = int(archivo.hora_utc[0]) + dias * HORAS_POR_DIA
    antes, n = int(np.searchsorted(archivo.hora_utc, corte)), len(archivo)
    pase = FilePass.start(archivo, settings, calendario, escribir)
    if modelo is not None:
        pase.detector.use(modelo.modelo)
    pase.score(0, antes)
    if modelo is None:
        modelo = learn_first(pase, antes, settings, calendario, semilla)
        pase.detector.use(modelo.modelo)
    pase.score(antes, n)
    informe = None
    if archivo.tipo is not None and antes < n:
        casos = make_casos(archivo, antes, np.concatenate(pase.esperado_kwh)[antes:])
        opiniones = make_opiniones(pase, antes, calendario, semilla)
        informe = make_informe(casos, opiniones, semilla, Params().sospecha_semivida_dias)
    return FileEvaluation(pase, modelo, corte, informe)


def kafka_partition(propietario_id: str, particiones: int) -> int:
    """Return the partition to which our producer sends a customer's readings.

    Murmur2 as Java's client has it (``murmur2_random`` of librdkafka, see
    ``pipeline.streaming.kafka``).

    Examples
    --------
    >>> [kafka_partition(p, 6) for p in ("CLI_00001", "CLI_00002", "CLI_00003")]
    [3, 4, 0]
    """
    datos = propietario_id.encode()
    m, tope = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(datos)
    entero4 = len(datos) // 4 * 4
    for i in range(0, entero4, 4):
        k = int.from_bytes(datos[i : i + 4], "little") * m & tope
        h = (h * m & tope) ^ ((k ^ k >> 24) * m & tope)
    if resto := datos[entero4:]:
        h = (h ^ int.from_bytes(resto, "little")) * m & tope
    h = (h ^ h >> 13) * m & tope
    return ((h ^ h >> 15) & 0x7FFFFFFF) % particiones


def learn_first(
    pase: FilePass, antes: int, settings: Settings, calendario: Calendario, semilla: int
) -> Aprendizaje:
    """Return what can be learnt from the first ``antes`` readings and their verdicts."""
    if antes == 0:
        return base_learning("sin entrenamiento")
    archivo, filas = pase.archivo, slice(0, antes)
    cliente = archivo.cliente[filas]
    historia = InMemoryHistory(
        archivo.clientes, cliente, archivo.hora_utc[filas], archivo.consumo_kwh[filas], pase.marcas
    )
    with suppress(PermanentError):  # too little for it; perhaps enough for a plainer version
        aprendido = learn(
            settings, historia, {}, dias=TODOS_LOS_DIAS, semilla=semilla, base=load_base()
        )
        return Aprendizaje(
            aprendido.modelo,
            f"aprendido de {numero(aprendido.muestra.rasgos.shape[0], 0)} lecturas del comienzo",
        )
    clientes = [archivo.clientes[k] for k in np.unique(cliente).tolist()]
    try:
        corto = learn_short(
            clientes, archivo.lecturas(filas), calendario, semilla, settings.kafka_particiones
        )
    except PermanentError as error:
        return base_learning(f"del comienzo no se aprende ningún modelo ({error})")
    base = load_base()
    return Aprendizaje(
        replace(corto.modelo, mezcla=base.mezcla, casos=base.casos),
        f"bosque aprendido de {numero(corto.filas, 0)} lecturas del comienzo, de {corto.clientes} "
        f"clientes, y calibrado con otros {corto.calibran}",
    )


def base_learning(motivo: str = "") -> Aprendizaje:
    """Return the version that comes with the product, and why it is used, if it was not asked for.

    ``ModeloInvalidoError``: the product is not installed whole.
    """
    frase = "puntúa la versión de base, aprendida de hogares públicos"
    return Aprendizaje(load_base(), f"{motivo}: {frase}" if motivo else frase)


def make_casos(archivo: LabelledReadings, antes: int, esperado_kwh: NDArray[np.float32]) -> Casos:
    """Return the labelled readings from ``antes`` on.

    Who was attacked only before is not judged. What was lost is an estimate: what was expected of
    the reading, less what was read.
    """
    assert archivo.tipo is not None
    tipo, cliente = archivo.tipo, archivo.cliente.astype(np.int64)
    n = len(archivo.clientes)
    primero = np.full(n, -1)
    suyas = antes + np.flatnonzero(tipo[antes:] >= 0)
    primero[cliente[suyas[::-1]]] = tipo[suyas[::-1]]
    solo_antes = np.zeros(n, np.bool_)
    solo_antes[cliente[:antes][tipo[:antes] >= 0]] = True
    solo_antes &= primero < 0
    cliente, atacada = cliente[antes:], tipo[antes:] >= 0
    falta = esperado_kwh - archivo.consumo_kwh[antes:]
    return Casos(
        cliente,
        archivo.hora_utc[antes:],
        atacada,
        (atacada | (primero < 0)[cliente]) & ~solo_antes[cliente],
        np.where(atacada & ~np.isnan(falta), falta, 0.0),
        [archivo.tipos[k] if k >= 0 else "" for k in primero.tolist()],
    )


def make_opiniones(pase: FilePass, antes: int, calendario: Calendario, semilla: int) -> Opiniones:
    """Return what is said of those readings: by the blend, and by what could stand in for it."""
    archivo, rasgos = pase.archivo, np.concatenate(pase.rasgos)
    aprende = rasgos[:antes]
    if np.isnan(aprende).any(axis=1).all():
        # Nothing is ready in the first days: PyOD's models get what they are to judge.
        aprende = rasgos[antes:]
    z = weekly_z(archivo.cliente, archivo.hora_utc, archivo.consumo_kwh, calendario)
    return Opiniones(
        pase.marcas.score_centesimas[antes:],
        pase.severidad[antes:],
        {
            **alone(np.concatenate(pase.scores)[antes:]),
            Z_SEMANAL: z[antes:],
            **pyod_scores(aprende, rasgos[antes:], semilla),
        },
    )
