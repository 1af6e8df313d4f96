"""A challenger in shadow: what it would have said of each reading, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detection.blend.learned import blend_columns
from detection.blend.weighted import OFFLINE, ONLINE, Blended, Votes, WeightedBlend
from detection.domain import TIPOS, Veredictos
from detection.features.context import Context
from detection.models.detectors import OfflineModelDetector, OnlineModelDetector
from detection.params import Params
from detection.rules.registry import CALIBRACIONES
from detection.scoring_model import ScoringModel


class Shadow:
    """A second version beside the one in use.

    It looks at the same features, past verdicts and raw scores of the online model; only its
    forest, its tails and its calibration are its own. It keeps nothing and learns nothing.

    ``huella_online``: of the online model in memory.
    """

    def __init__(self, modelo: ScoringModel, params: Params, huella_online: str) -> None:
        self.modelo = modelo
        self._params = params
        self._offline = OfflineModelDetector(modelo.bosque, modelo.cola_offline)
        self._online_tail = modelo.cola_online if modelo.huella_online == huella_online else None
        calibraciones = {**CALIBRACIONES, **modelo.calibraciones}
        self._blend = WeightedBlend(params, [calibraciones[str(t)] for t in TIPOS])

    def preview(
        self, context: Context, votes: Votes, champion: Blended, indicios: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return score in hundredths and severidad (n,) of a chunk that was just scored.

        Parameters
        ----------
        votes : Votes
            Of the version in use.
        champion : Blended
            What came of them.
        indicios : ndarray (n, len(INDICIOS)), float32
            Looked at only where the version has a learned blend.
        """
        exceso, dispara = votes.exceso.copy(), votes.dispara.copy()
        medida = self._offline.measure(context, self._params)
        exceso[:, OFFLINE] = medida.exceso
        dispara[:, OFFLINE] = medida.dispara
        exceso[:, ONLINE] = np.nan
        if self._online_tail is not None:
            log_p = self._online_tail.log_p_of(champion.online)
            exceso[:, ONLINE] = OnlineModelDetector.calibracion.tasa * np.exp(-log_p)
        dispara[:, ONLINE] = exceso[:, ONLINE] > 1.0
        aprendida = np.full(exceso.shape[0], np.nan)
        if self.modelo.mezcla is not None:
            aprendida = self.modelo.mezcla.log_p(blend_columns(indicios, exceso))
        blended = self._blend.preview(
            champion, Votes(exceso, dispara, votes.con_referencia, aprendida)
        )
        return blended.score_centesimas, blended.severidad

    def veredictos(
        self,
        campeon: Veredictos,
        score_centesimas: NDArray[np.uint8],
        severidad: NDArray[np.uint8],
    ) -> Veredictos:
        """Return the verdicts of the version in use with the challenger's score in their place."""
        return replace(
            campeon,
            score_centesimas=score_centesimas,
            severidad=severidad,
            version_modelo=self.modelo.version,
        )
