"""The two models as detectors: how rare a reading is, by what nobody wrote a rule for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detection.domain import TipoAnomalia
from detection.features.hourly import describe
from detection.memory.context import MEDIDAS, Contexto, Medida
from detection.models.scoring_model import Modelo
from detection.params import CALIBRACIONES, Params
from detection.texts import numero


class ModeloOnline:
    """River's half-space trees of the reading's partition.

    Its score depends on what the partition's earlier readings taught it, so the blend asks it,
    reading after reading; here is only what its sentence needs.
    """

    nombre = TipoAnomalia.MODELO_ONLINE

    def measure(self, contexto: Contexto, params: Params) -> Medida:
        """Return no vote yet, and the features that stray most."""
        return _medida(contexto)

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return how rare, and what is unusual about it."""
        return _frase(
            "entre lecturas limpias, según lo que el modelo aprende sobre la marcha", datos
        )


class ModeloOffline:
    """The isolation forest of the version in use (Liu, Ting & Zhou, ICDM 2008).

    Parameters
    ----------
    modelo : Modelo or None
        None = there is no version in use, and it is not ready.
    """

    nombre = TipoAnomalia.MODELO_OFFLINE

    def __init__(self, modelo: Modelo | None = None) -> None:
        self.modelo = modelo

    def measure(self, contexto: Contexto, params: Params) -> Medida:
        """Return how much rarer than its threshold each reading is, and what strays most."""
        medida = _medida(contexto)
        if self.modelo is not None:
            crudos = self.modelo.bosque.scores(contexto.rasgos)
            tasa = CALIBRACIONES[str(self.nombre)].tasa
            medida.exceso[:] = tasa * np.exp(-self.modelo.cola_offline.log_p_of(crudos))
            medida.dispara[:] = medida.exceso > 1.0
            medida.datos[:, 0] = medida.exceso / tasa
        return medida

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return how rare, and what is unusual about it."""
        return _frase(
            "entre lecturas limpias, según la historia con que se entrenó el modelo", datos
        )


def _medida(contexto: Contexto) -> Medida:
    n = len(contexto)
    datos: NDArray[np.float32] = np.zeros((n, MEDIDAS), np.float32)
    datos[:, 1:] = contexto.inusuales
    return Medida(np.full(n, np.nan, np.float32), np.zeros(n, np.bool_), datos)


def _frase(frente_a: str, datos: Sequence[float]) -> str:
    una_de_cada, primero, valor, segundo, otro = datos
    if una_de_cada < 10.0:
        return f"Lectura corriente para {frente_a}."
    return (
        f"Lectura rara para {frente_a}: solo una de cada {numero(una_de_cada, 0)} lecturas limpias "
        f"lo es tanto; lo que más se aparta: {describe(int(primero), valor)} y "
        f"{describe(int(segundo), otro)}."
    )
