"""A challenger in shadow: what it would have said of each reading, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detection.blend.learned import make_columnas
from detection.blend.votes import Mezcla, Votos
from detection.blend.weighted import OFFLINE, ONLINE, WeightedBlend
from detection.domain import TIPOS, Veredictos
from detection.memory.context import Contexto
from detection.models.half_space_trees import Arboles
from detection.models.scoring_model import Modelo
from detection.params import CALIBRACIONES, Params
from detection.rules.rarity import ModeloOffline


class Sombra:
    """A second version beside the one in use.

    It looks at the same features, marks and raw scores of the online model; only its forest, its
    tails and its calibration are its own. It marks nothing and learns nothing.

    Parameters
    ----------
    modelo : Modelo
    params : Params
    arboles : Arboles
        Of the online model in memory.
    """

    def __init__(self, modelo: Modelo, params: Params, arboles: Arboles) -> None:
        self.modelo = modelo
        self._params = params
        self._offline = ModeloOffline(modelo)
        self._cola_online = modelo.cola_online if modelo.huella_online == arboles.huella() else None
        calibraciones = CALIBRACIONES | dict(modelo.calibraciones)
        self._blend = WeightedBlend(params, [calibraciones[str(t)] for t in TIPOS], arboles)

    def preview(
        self,
        contexto: Contexto,
        votos: Votos,
        campeon: Mezcla,
        indicios: NDArray[np.float32],
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return score in hundredths and severidad (n,) of a chunk that was just scored.

        Parameters
        ----------
        votos : Votos
            Of the version in use.
        campeon : Mezcla
            What came of them.
        indicios : ndarray (n, len(INDICIOS)), float32
            Looked at only where the version has a learned blend.
        """
        suyos = Votos(votos.exceso.copy(), votos.dispara.copy(), votos.con_referencia)
        medida = self._offline.measure(contexto, self._params)
        suyos.exceso[:, OFFLINE] = medida.exceso
        suyos.dispara[:, OFFLINE] = medida.dispara
        suyos.exceso[:, ONLINE] = np.nan
        if self._cola_online is not None:
            tasa = CALIBRACIONES[str(TIPOS[ONLINE])].tasa
            suyos.exceso[:, ONLINE] = tasa * np.exp(-self._cola_online.log_p_of(campeon.online))
        suyos.dispara[:, ONLINE] = suyos.exceso[:, ONLINE] > 1.0
        if self.modelo.mezcla is not None:
            columnas = make_columnas(indicios, suyos.exceso)
            suyos = replace(suyos, aprendida=self.modelo.mezcla.log_p(columnas))
        mezcla = self._blend.preview(campeon, suyos)
        return mezcla.score_centesimas, mezcla.severidad

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
