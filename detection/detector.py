"""The detector: a batch of readings in, a batch of verdicts out. All that other rooms call."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from detection.blend import Blend, Votos, WeightedBlend
from detection.contexto import MEDIDAS, Contexto, Detector, clock_changes, make_contexto
from detection.dominio import Calendario, Explicacion, Historia, Lecturas, Veredictos
from detection.params import CALIBRACIONES, HORAS_VENTANA, Params
from detection.rules import DETECTORES
from detection.windows import Ventanas, extract

_TROZO = 512
"""Readings scored at once: their windows (1.4 MB) stay in the processor's cache."""


class DetectorConsumo:
    """Scores readings against each customer's own past, which it remembers.

    Parameters
    ----------
    calendario : Calendario
        Local time.
    params : Params
    detectores : sequence of Detector
        The registry; its order is that of the bits of ``Veredictos.tipos``.

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
    ) -> None:
        self.calendario = calendario
        self.params = params or Params()
        self.detectores = detectores
        self.ventanas = Ventanas()
        self.blend: Blend = WeightedBlend(
            self.params, [CALIBRACIONES[d.nombre] for d in detectores]
        )
        self.version_modelo = f"reglas-{self.params.fingerprint()}"

    def score(self, lecturas: Lecturas) -> Veredictos:
        """Return the verdicts of readings in order of arrival, and remember them.

        A verdict depends on earlier hours of its customer alone, never on later ones, and is
        the same whether readings come one by one or in batches of any size.
        """
        for propietario_id in dict.fromkeys(lecturas.propietario_id):
            self.ventanas.add(propietario_id)
        return self.score_rows(self.ventanas, lecturas)

    def score_rows(self, ventanas: Ventanas, lecturas: Lecturas) -> Veredictos:
        """Return the verdicts against the given rings, where every customer has a row.

        Raises
        ------
        ValueError
            A reading or its window lies outside the calendar.
        """
        n = len(lecturas)
        self._check_calendar(lecturas.hora_utc)
        fila = ventanas.rows(lecturas.propietario_id)
        hora_local = self.calendario.local(lecturas.hora_utc)
        veredictos = self._empty(n, hora_local)
        ventana = np.empty((min(n, _TROZO), HORAS_VENTANA + 1), np.float32)
        for inicio in range(0, n, _TROZO):
            trozo = slice(inicio, min(inicio + _TROZO, n))
            self._score_chunk(ventanas, fila[trozo], lecturas, trozo, ventana, veredictos)
        return veredictos

    def load(self, propietario_id: list[str], historia: Historia) -> None:
        """Replace what is remembered of some customers by what the store remembers."""
        for propietario in propietario_id:
            self.ventanas.forget(propietario)
        self.load_into(self.ventanas, propietario_id, historia)

    def load_into(self, ventanas: Ventanas, propietario_id: list[str], historia: Historia) -> None:
        """Fill rings with what the store remembers of some customers."""
        filas = np.array([ventanas.add(p) for p in propietario_id], np.int64)
        ventanas.load(filas, historia, self.params.umbral_media)

    def remember(self, lecturas: Lecturas, veredictos: Veredictos) -> None:
        """Put readings that were scored elsewhere into memory, with their verdicts.

        Hours that the rings do not reach back to are left out; every customer has a row.
        """
        historia = Historia(
            indice=np.arange(len(lecturas)),
            hora_utc=lecturas.hora_utc,
            consumo_kwh=lecturas.consumo_kwh.astype(np.float32),
            score_centesimas=veredictos.score_centesimas,
            tipos=veredictos.tipos,
            con_referencia=~np.isnan(veredictos.esperado_kwh),
            es_sospechoso=veredictos.es_sospechoso,
        )
        filas = self.ventanas.rows(lecturas.propietario_id)
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
        ventanas: Ventanas,
        fila: NDArray[np.int64],
        lecturas: Lecturas,
        trozo: slice,
        ventana: NDArray[np.float32],
        veredictos: Veredictos,
    ) -> None:
        hora = lecturas.hora_utc[trozo]
        kwh = lecturas.consumo_kwh[trozo]
        ventana = ventana[: hora.shape[0]]
        extract(ventanas.valores, ventanas.ultima_valor, fila, hora, kwh, ventana)
        contexto = self._contexto(hora, kwh, ventana, veredictos.hora_local[trozo])
        votos = Votos(
            np.empty((hora.shape[0], len(self.detectores)), np.float32),
            np.empty((hora.shape[0], len(self.detectores)), np.bool_),
            ~np.isnan(contexto.referencia.media_kwh),
        )
        for k, detector in enumerate(self.detectores):
            medida = detector.measure(contexto, self.params)
            votos.exceso[:, k] = medida.exceso
            votos.dispara[:, k] = medida.dispara
            veredictos.medidas[trozo, k] = medida.datos
        mezcla = self.blend.combine(ventanas, fila, hora, votos)
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

    def _empty(self, n: int, hora_local: NDArray[np.int64]) -> Veredictos:
        d = len(self.detectores)
        return Veredictos(
            hora_local=hora_local,
            score_centesimas=np.empty(n, np.uint8),
            severidad=np.empty(n, np.uint8),
            tipos=np.empty(n, np.uint8),
            es_sospechoso=np.empty(n, np.bool_),
            esperado_kwh=np.empty(n, np.float32),
            banda_inferior_kwh=np.empty(n, np.float32),
            banda_superior_kwh=np.empty(n, np.float32),
            version_modelo=self.version_modelo,
            scores=np.empty((n, d), np.float32),
            medidas=np.empty((n, d, MEDIDAS), np.float32),
        )
