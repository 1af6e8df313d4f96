"""The detector: a batch of readings in, a batch of verdicts out. All that other rooms call."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.blend.learned import COLUMNAS, make_columnas
from detection.blend.shadow import Sombra
from detection.blend.votes import Turno, Votos
from detection.blend.weighted import OFFLINE, ONLINE, Blend, WeightedBlend
from detection.domain import (
    MASCARA_DTYPE,
    Calendario,
    Explicacion,
    Historia,
    Lecturas,
    Veredictos,
)
from detection.features.evidence import INDICIOS, compute_indicios
from detection.features.hourly import RASGOS
from detection.memory.context import MEDIDAS, Contexto, Detector, clock_changes, make_contexto
from detection.memory.hourly_ring import Ventanas, extract
from detection.models.half_space_trees import Estados, build_arboles
from detection.models.scoring_model import MezclaAprendida, Modelo
from detection.params import CALIBRACIONES, HORAS_VENTANA, Params
from detection.rules.rarity import ModeloOffline, ModeloOnline
from detection.rules.registry import DETECTORES

_TROZO = 512
"""Readings scored at once: their windows (1.4 MB) stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Crudos:
    """What the detectors measured before calibration, for training and reports.

    Parameters
    ----------
    rasgos : ndarray (n, F), float32
        Features in [0, 1]; a row of NaN = not ready.
    exceso : ndarray (n, d), float32
        Each detector's statistic over its threshold; NaN = not ready.
    online : ndarray (n,), float64
        The online model's raw score; NaN = not ready.
    veredictos : Veredictos
    sombra_centesimas, sombra_severidad : ndarray (n,), uint8
        What the challenger in shadow would have said; zeros without one.
    columnas : ndarray (n, c), float32
        What a learned blend looks at (``aprendida.COLUMNAS``); no columns unless asked for.
    """

    rasgos: NDArray[np.float32]
    exceso: NDArray[np.float32]
    online: NDArray[np.float64]
    veredictos: Veredictos
    sombra_centesimas: NDArray[np.uint8]
    sombra_severidad: NDArray[np.uint8]
    columnas: NDArray[np.float32]


class DetectorConsumo:
    """Scores readings against each customer's own past, which it remembers.

    Parameters
    ----------
    calendario : Calendario
        Local time.
    params : Params
    detectores : sequence of Detector
        The rules; their order, and the two models after them, is that of the bits of
        ``Veredictos.tipos``.
    sin : collection of str
        Detectors that have no vote: what would be without them? The learned blend goes with
        "modelo_offline", whose version it belongs to.
    con_columnas : bool
        Measure also what a learned blend looks at, for training.

    Examples
    --------
    >>> import numpy as np
    >>> calendario = Calendario("UTC", 0, np.zeros(1_000_000, np.int8))
    >>> detector = DetectorConsumo(calendario)
    >>> horas = np.arange(490_000, 490_000 + 24 * 28, dtype=np.int64)
    >>> normal = 1.0 + 0.1 * np.sin(horas)
    >>> pasado = detector.score(Lecturas(["CLI_00001"] * 672, horas, normal))
    >>> hora = np.array([490_672], np.int64)
    >>> v = detector.score(Lecturas(["CLI_00001"], hora, np.array([9.0])))
    >>> [e.detector for e in detector.explain(v, 0, 9.0) if e.dispara]
    ['desviacion_estadistica', 'pico_consumo']
    """

    def __init__(
        self,
        calendario: Calendario,
        params: Params | None = None,
        detectores: tuple[Detector, ...] = DETECTORES,
        sin: Collection[str] = (),
        con_columnas: bool = False,
    ) -> None:
        self.calendario = calendario
        self.params = params or Params()
        self.reglas = detectores
        self.sin = frozenset(sin)
        self.con_columnas = con_columnas
        self.ventanas = Ventanas()
        p = self.params
        self.arboles = build_arboles(
            RASGOS, arboles=p.online_arboles, altura=p.online_altura, ventana=p.online_ventana,
            semilla=p.online_semilla,
        )  # fmt: skip
        self.estados = Estados(self.arboles)
        self.sombra: Sombra | None = None
        self.use(None)

    def use(self, modelo: Modelo | None) -> None:
        """Score with a version from now on; None = with the rules alone."""
        self.modelo = modelo
        self.mezcla: MezclaAprendida | None
        self.detectores: tuple[Detector, ...] = (
            *self.reglas, ModeloOnline(), ModeloOffline(modelo),
        )  # fmt: skip
        con_mezcla = modelo is not None and "modelo_offline" not in self.sin
        self.mezcla = modelo.mezcla if modelo is not None and con_mezcla else None
        calibraciones = CALIBRACIONES | dict(modelo.calibraciones if modelo else {})
        con_voto = modelo is not None and modelo.huella_online == self.arboles.huella()
        if "modelo_online" in self.sin:
            con_voto = False
        self.blend: Blend = WeightedBlend(
            self.params,
            [calibraciones[str(d.nombre)] for d in self.detectores],
            self.arboles,
            modelo.cola_online if modelo is not None and con_voto else None,
        )
        reglas = f"reglas-{self.params.fingerprint()}"
        self.version_modelo = reglas if modelo is None else f"{modelo.version}+{reglas}"

    def use_shadow(self, modelo: Modelo | None) -> None:
        """Let a challenger say of each reading what it would have said; None = nobody."""
        self.sombra = None if modelo is None else Sombra(modelo, self.params, self.arboles)

    def score(self, lecturas: Lecturas, particion: NDArray[np.integer] | None = None) -> Veredictos:
        """Return the verdicts of readings in order of arrival, and remember them.

        A verdict depends on earlier hours of its customer, and on what the earlier readings of
        its partition taught the online model, never on later ones; it is the same whether
        readings come one by one or in batches of any size.

        Parameters
        ----------
        lecturas : Lecturas
        particion : ndarray (n,), optional
            Number of the partition that each reading came from; all from one if not given.
        """
        return self.measure(lecturas, particion).veredictos

    def measure(self, lecturas: Lecturas, particion: NDArray[np.integer] | None = None) -> Crudos:
        """Score like ``score``, and return also what was measured on the way."""
        for propietario_id in dict.fromkeys(lecturas.propietario_id):
            self.ventanas.add(propietario_id)
        fila = self.ventanas.rows(lecturas.propietario_id)
        return self.score_rows(lecturas, fila, fila, particion)

    def score_rows(
        self,
        lecturas: Lecturas,
        fila: NDArray[np.int64],
        propia: NDArray[np.int64],
        particion: NDArray[np.integer] | None = None,
        ensena: NDArray[np.bool_] | None = None,
    ) -> Crudos:
        """Return the verdicts against given rows of the rings.

        Parameters
        ----------
        fila, propia : ndarray (n,), int64
        ensena : ndarray (n,), bool, optional
            As in ``Turno``; all may teach if not given.

        Raises
        ------
        ValueError
            A reading or its window lies outside the calendar.
        """
        n = len(lecturas)
        self._check_calendar(lecturas.hora_utc)
        hora_local = self.calendario.local(lecturas.hora_utc)
        crudos = self._empty(n, hora_local)
        turno = Turno(
            fila, propia, lecturas.hora_utc, np.empty(n, np.bool_),
            np.ones(n, np.bool_) if ensena is None else ensena,
            self._partition_rows(particion, n), crudos.rasgos,
        )  # fmt: skip
        ventana = np.empty((min(n, _TROZO), HORAS_VENTANA + 1), np.float32)
        for inicio in range(0, n, _TROZO):
            trozo = slice(inicio, min(inicio + _TROZO, n))
            self._score_chunk(turno, lecturas.consumo_kwh, trozo, ventana, crudos)
        return crudos

    def _partition_rows(self, particion: NDArray[np.integer] | None, n: int) -> NDArray[np.int64]:
        if particion is None:
            particion = np.zeros(n, np.int64)
        distintas, cual = np.unique(particion, return_inverse=True)
        filas = np.empty(distintas.shape[0], np.int64)
        for k, numero in enumerate(distintas.tolist()):
            fila = self.estados.row(numero)
            filas[k] = self.estados.add(numero, None) if fila < 0 else fila
        return filas[cual]

    def load(self, propietario_id: list[str], historia: Historia) -> None:
        """Replace what is remembered of some customers by what the store remembers."""
        self.forget(propietario_id)
        filas = np.array([self.ventanas.add(p) for p in propietario_id], np.int64)
        self.ventanas.load(filas, historia, self.params.umbral_media)

    def forget(self, propietario_id: Iterable[str]) -> None:
        """Drop customers from memory."""
        for propietario in propietario_id:
            self.ventanas.forget(propietario)

    def explain(self, veredictos: Veredictos, i: int, consumo_kwh: float) -> list[Explicacion]:
        """Return what each detector says of reading i, in the registry's order."""
        pesos = self.blend.weights().tolist()
        scores = veredictos.scores[i].tolist()
        medidas = veredictos.medidas[i].tolist()
        tipos = int(veredictos.tipos[i])
        explicaciones = []
        for k, detector in enumerate(self.detectores):
            listo = not math.isnan(scores[k])
            explicaciones.append(
                Explicacion(
                    detector=str(detector.nombre),
                    score=round(scores[k], 4) if listo else None,
                    peso=pesos[k],
                    dispara=bool(tipos >> k & 1),
                    frase=detector.sentence(consumo_kwh, medidas[k], self.params)
                    if listo
                    else "Todavía no hay historia suficiente para opinar.",
                )
            )
        return explicaciones

    def _score_chunk(
        self,
        turno: Turno,
        consumo_kwh: NDArray[np.float64],
        trozo: slice,
        ventana: NDArray[np.float32],
        crudos: Crudos,
    ) -> None:
        veredictos = crudos.veredictos
        hora = turno.hora[trozo]
        kwh = consumo_kwh[trozo]
        ventana = ventana[: hora.shape[0]]
        v = self.ventanas
        extract(
            v.valores, v.ultima_valor, turno.fila[trozo], turno.propia[trozo], hora, kwh, ventana,
            turno.repetida[trozo],
        )  # fmt: skip
        contexto = self._contexto(hora, kwh, ventana, veredictos.hora_local[trozo])
        turno.rasgos[trozo] = contexto.rasgos
        votos = self._measure_all(contexto, veredictos.medidas[trozo])
        columnas = self._columns(contexto, votos)
        if self.con_columnas:
            crudos.columnas[trozo] = columnas
        if self.mezcla is not None:
            _hear(self.mezcla, columnas, votos, veredictos.medidas[trozo])
        mio = Turno(
            turno.fila[trozo], turno.propia[trozo], hora, turno.repetida[trozo],
            turno.ensena[trozo], turno.particion[trozo], contexto.rasgos,
        )  # fmt: skip
        mezcla = self.blend.combine(v, self.estados, mio, votos)
        with np.errstate(divide="ignore"):
            veredictos.medidas[trozo, ONLINE, 0] = (
                votos.exceso[:, ONLINE] / CALIBRACIONES["modelo_online"].tasa
            )
        if self.sombra is not None:
            crudos.sombra_centesimas[trozo], crudos.sombra_severidad[trozo] = self.sombra.preview(
                contexto, votos, mezcla, columnas[:, : len(INDICIOS)]
            )
        crudos.exceso[trozo] = votos.exceso
        crudos.online[trozo] = mezcla.online
        veredictos.scores[trozo] = mezcla.scores
        veredictos.score_centesimas[trozo] = mezcla.score_centesimas
        veredictos.severidad[trozo] = mezcla.severidad
        veredictos.tipos[trozo] = mezcla.tipos
        veredictos.es_sospechoso[trozo] = mezcla.es_sospechoso
        r = contexto.referencia
        margen = self.params.sigmas * r.sigma_kwh
        veredictos.esperado_kwh[trozo] = r.media_kwh
        veredictos.banda_inferior_kwh[trozo] = np.maximum(r.media_kwh - margen, 0.0)
        veredictos.banda_superior_kwh[trozo] = r.media_kwh + margen

    def _measure_all(self, contexto: Contexto, medidas: NDArray[np.float32]) -> Votos:
        n, d = len(contexto), len(self.detectores)
        votos = Votos(
            np.empty((n, d), np.float32),
            np.empty((n, d), np.bool_),
            ~np.isnan(contexto.referencia.media_kwh),
            None if self.mezcla is None else np.empty(n, np.float64),
        )
        for k, detector in enumerate(self.detectores):
            medida = detector.measure(contexto, self.params)
            sin_voto = str(detector.nombre) in self.sin
            votos.exceso[:, k] = np.nan if sin_voto else medida.exceso
            votos.dispara[:, k] = False if sin_voto else medida.dispara
            medidas[:, k] = medida.datos
        return votos

    def _columns(self, contexto: Contexto, votos: Votos) -> NDArray[np.float32]:
        """Return what learned blends look at, nothing (0, 0) where there is none."""
        sombra = self.sombra is not None and self.sombra.modelo.mezcla is not None
        if not (self.con_columnas or self.mezcla is not None or sombra):
            return np.empty((0, 0), np.float32)
        return make_columnas(compute_indicios(contexto, self.params), votos.exceso)

    def _contexto(
        self,
        hora: NDArray[np.int64],
        kwh: NDArray[np.float64],
        ventana: NDArray[np.float32],
        hora_local: NDArray[np.int64],
    ) -> Contexto:
        salto_indice = np.empty(hora.shape[0], np.int64)
        salto_horas = np.empty(hora.shape[0], np.int64)
        clock_changes(
            self.calendario.desfase_horas, self.calendario.desde_hora, hora, salto_indice,
            salto_horas,
        )  # fmt: skip
        return make_contexto(kwh, ventana, hora_local, salto_indice, salto_horas, self.params)

    def _check_calendar(self, hora: NDArray[np.int64]) -> None:
        # The compiled loops look hours up without asking.
        primera = self.calendario.desde_hora + HORAS_VENTANA
        ultima = self.calendario.desde_hora + self.calendario.desfase_horas.shape[0]
        if hora.size and not primera <= hora.min() <= hora.max() < ultima:
            raise ValueError("hay lecturas fuera de los años del calendario")

    def _empty(self, n: int, hora_local: NDArray[np.int64]) -> Crudos:
        d = len(self.detectores)
        veredictos = Veredictos(
            hora_local=hora_local,
            score_centesimas=np.empty(n, np.uint8),
            severidad=np.empty(n, np.uint8),
            tipos=np.empty(n, MASCARA_DTYPE),
            es_sospechoso=np.empty(n, np.bool_),
            esperado_kwh=np.empty(n, np.float32),
            banda_inferior_kwh=np.empty(n, np.float32),
            banda_superior_kwh=np.empty(n, np.float32),
            version_modelo=self.version_modelo,
            scores=np.empty((n, d), np.float32),
            medidas=np.empty((n, d, MEDIDAS), np.float32),
        )
        return Crudos(
            rasgos=np.empty((n, len(RASGOS)), np.float32),
            exceso=np.empty((n, d), np.float32),
            online=np.empty(n, np.float64),
            veredictos=veredictos,
            sombra_centesimas=np.zeros(n, np.uint8),
            sombra_severidad=np.zeros(n, np.uint8),
            columnas=np.empty((n, len(COLUMNAS) if self.con_columnas else 0), np.float32),
        )


def _hear(
    mezcla: MezclaAprendida,
    columnas: NDArray[np.float32],
    votos: Votos,
    medidas: NDArray[np.float32],
) -> None:
    """Fill what the learned blend says, and let ``modelo_offline`` vote with the rarer of both."""
    assert votos.aprendida is not None
    votos.aprendida[:] = mezcla.log_p(columnas)
    tasa = CALIBRACIONES["modelo_offline"].tasa
    with np.errstate(invalid="ignore"):
        rareza = np.fmax(votos.exceso[:, OFFLINE], tasa * np.exp(-votos.aprendida))
    votos.exceso[:, OFFLINE] = rareza
    votos.dispara[:, OFFLINE] = rareza > 1.0
    medidas[:, OFFLINE, 0] = rareza / tasa
