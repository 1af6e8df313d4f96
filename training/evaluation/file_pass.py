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
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detection.detector import DetectorConsumo, ScoringTrace
from detection.domain import (
    HORAS_POR_DIA,
    MASCARA_DTYPE,
    Calendario,
    Historia,
    Lecturas,
    Mascaras,
    Veredictos,
)
from detection.errors import PermanentError
from detection.number_format import numero
from detection.params import Params
from detection.scoring_model import ScoringModel
from serving.local_time import load_calendario
from serving.settings import Settings
from training.evaluation.baselines import Z_SEMANAL, alone, pyod_scores, weekly_z
from training.evaluation.file_history import HistoriaArchivo
from training.evaluation.labelled_file import Archivo
from training.evaluation.metrics import Casos
from training.evaluation.report import Datos, Opiniones, make_informe
from training.fit import SEMILLA, learn
from training.short_history import learn_short

LOTE = 20_000
"""Readings scored at once: what explains their verdicts takes 25 MB."""
ENTRENAMIENTO_DIAS = 14
DIAS_MAXIMOS = 3650

Escribir = Callable[[Lecturas, Veredictos], None]


@dataclass(frozen=True, slots=True)
class Aprendizaje:
    """What scores the readings after the first part of a file.

    Parameters
    ----------
    modelo : Modelo or None
        None = the rules alone.
    frase : str
        Spanish: what could be learnt, or why nothing.
    """

    modelo: ScoringModel | None
    frase: str


@dataclass(slots=True, eq=False)
class Recuerdo:
    """What is kept of the verdicts for learning and for the figures, in the order of the log.

    Parameters
    ----------
    score_centesimas, severidad : ndarray (n,), uint8
    tipos : ndarray (n,), MASCARA_DTYPE
    con_referencia, es_sospechoso : ndarray (n,), bool
    esperado_kwh : ndarray (n,), float32
    rasgos, scores, esperado_kwh : list of ndarray
        Of each batch; only of labelled files.
    """

    score_centesimas: NDArray[np.uint8]
    severidad: NDArray[np.uint8]
    tipos: Mascaras
    con_referencia: NDArray[np.bool_]
    es_sospechoso: NDArray[np.bool_]
    rasgos: list[NDArray[np.float32]] = field(default_factory=list)
    scores: list[NDArray[np.float32]] = field(default_factory=list)
    esperado_kwh: list[NDArray[np.float32]] = field(default_factory=list)

    @staticmethod
    def of(n: int) -> Recuerdo:
        """Return room for n verdicts."""
        return Recuerdo(
            np.zeros(n, np.uint8), np.zeros(n, np.uint8), np.zeros(n, MASCARA_DTYPE),
            np.zeros(n, np.bool_), np.zeros(n, np.bool_),
        )  # fmt: skip

    def add(self, filas: slice, crudos: ScoringTrace, *, todo: bool) -> None:
        """Keep a batch; features and scores only if all is asked."""
        v = crudos.veredictos
        self.score_centesimas[filas] = v.score_centesimas
        self.severidad[filas] = v.severidad
        self.tipos[filas] = v.tipos
        self.con_referencia[filas] = ~np.isnan(v.esperado_kwh)
        self.es_sospechoso[filas] = v.es_sospechoso
        if todo:
            self.rasgos.append(crudos.rasgos)
            self.scores.append(v.scores)
            self.esperado_kwh.append(v.esperado_kwh)


@dataclass(frozen=True, slots=True, eq=False)
class Resultado:
    """A file, scored.

    Parameters
    ----------
    recuerdo : Recuerdo
    aprendizaje : Aprendizaje
    corte_hora : int
        First absolute hour that is judged.
    segundos : float
        Scoring and writing took so long; learning is not in it.
    informe : dict or None
        The figures; None without labels.
    """

    recuerdo: Recuerdo
    aprendizaje: Aprendizaje
    corte_hora: int
    segundos: float
    informe: Datos | None


def evaluate_file(
    archivo: Archivo,
    settings: Settings,
    *,
    dias: int = ENTRENAMIENTO_DIAS,
    modelo: Aprendizaje | None = None,
    semilla: int = SEMILLA,
    escribir: Escribir | None = None,
) -> Resultado:
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
    recuerdo = Recuerdo.of(n)
    pase = _Pase(archivo, settings, calendario, recuerdo, escribir)
    if modelo is not None:
        pase.detector.use(modelo.modelo)
    pase.score(0, antes)
    if modelo is None:
        modelo = learn_first(archivo, antes, recuerdo, settings, calendario, semilla)
        pase.detector.use(modelo.modelo)
    pase.score(antes, n)
    informe = None
    if archivo.tipo is not None and antes < n:
        casos = make_casos(archivo, antes, np.concatenate(recuerdo.esperado_kwh)[antes:])
        informe = make_informe(
            casos, make_opiniones(archivo, antes, recuerdo, calendario, semilla), semilla,
            Params().sospecha_semivida_dias,
        )  # fmt: skip
    return Resultado(recuerdo, modelo, corte, pase.segundos, informe)


class _Pase:
    """One pass over a file, batch by batch."""

    def __init__(
        self,
        archivo: Archivo,
        settings: Settings,
        calendario: Calendario,
        recuerdo: Recuerdo,
        escribir: Escribir | None,
    ) -> None:
        self.detector = DetectorConsumo(calendario)
        self.segundos = 0.0
        self._archivo = archivo
        self._recuerdo = recuerdo
        self._escribir = escribir
        particiones = settings.kafka_particiones
        propia = [kafka_partition(p, particiones) for p in archivo.clientes]
        self._particion = np.array(propia, np.int32)

    def score(self, desde: int, hasta: int) -> None:
        """Score the readings ``[desde, hasta)``."""
        empezo = time.perf_counter()
        archivo = self._archivo
        for inicio in range(desde, hasta, LOTE):
            filas = slice(inicio, min(inicio + LOTE, hasta))
            lecturas = archivo.lecturas(filas)
            crudos = self.detector.measure(lecturas, self._particion[archivo.cliente[filas]])
            self._recuerdo.add(filas, crudos, todo=archivo.tipo is not None)
            if self._escribir is not None:
                self._escribir(lecturas, crudos.veredictos)
        self.segundos += time.perf_counter() - empezo


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
    archivo: Archivo,
    antes: int,
    recuerdo: Recuerdo,
    settings: Settings,
    calendario: Calendario,
    semilla: int,
) -> Aprendizaje:
    """Return what can be learnt from the first ``antes`` readings and their verdicts."""
    if antes == 0:
        return Aprendizaje(None, "sin entrenamiento: puntúan solo las reglas")
    v, filas = recuerdo, slice(0, antes)
    cliente, hora = archivo.cliente[filas], archivo.hora_utc[filas]
    marcas = Historia(
        cliente.astype(np.int64), hora, archivo.consumo_kwh[filas].astype(np.float32),
        v.score_centesimas[filas], v.tipos[filas], v.con_referencia[filas], v.es_sospechoso[filas],
    )  # fmt: skip
    historia = HistoriaArchivo(archivo.clientes, cliente, hora, archivo.consumo_kwh[filas], marcas)
    with suppress(PermanentError):  # too little for it; perhaps enough for a plainer version
        aprendido = learn(settings, historia, {}, dias=DIAS_MAXIMOS, semilla=semilla)
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
        return Aprendizaje(
            None,
            f"del comienzo no se aprende ningún modelo ({error}): puntúan solo las reglas; "
            "pruebe con un --entrenamiento más largo o con --modelo",
        )
    return Aprendizaje(
        corto.modelo,
        f"bosque aprendido de {numero(corto.filas, 0)} lecturas del comienzo, de {corto.clientes} "
        f"clientes, y calibrado con otros {corto.calibran}",
    )


def make_casos(archivo: Archivo, antes: int, esperado_kwh: NDArray[np.float32]) -> Casos:
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


def make_opiniones(
    archivo: Archivo, antes: int, recuerdo: Recuerdo, calendario: Calendario, semilla: int
) -> Opiniones:
    """Return what is said of those readings: by the blend, and by what could stand in for it."""
    rasgos = np.concatenate(recuerdo.rasgos)
    aprende = rasgos[:antes]
    if np.isnan(aprende).any(axis=1).all():
        # Nothing is ready in the first days: PyOD's models get what they are to judge.
        aprende = rasgos[antes:]
    z = weekly_z(archivo.cliente, archivo.hora_utc, archivo.consumo_kwh, calendario)
    return Opiniones(
        recuerdo.score_centesimas[antes:],
        recuerdo.severidad[antes:],
        {
            **alone(np.concatenate(recuerdo.scores)[antes:]),
            Z_SEMANAL: z[antes:],
            **pyod_scores(aprende, rasgos[antes:], semilla),
        },
    )
