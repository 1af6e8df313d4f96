"""The real households in ``../shared/data``: their readings, as a meter of ours would send them.

Customers are development or test as a whole, by a hash of their name
(``training.public_homes``). Whatever is fitted, chosen or looked at comes from the development
half; the test half gives the figures that are reported.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, Calendario, Lecturas
from serving.local_time import load_calendario
from training.public_homes import CONSUMO_MAXIMO_KWH, es_desarrollo, read_public_set

VENTANA_DIAS = 49
"""As long as the Swiss have."""


@dataclass(frozen=True, slots=True)
class Fuente:
    """A public set of households.

    Parameters
    ----------
    carpeta, fichero : str
    zona_marcas : str
        Zone of its naive timestamps.
    zona : str
        Zone where its people live.
    ventanas : int
        Stretches of seven weeks taken from it, at seeded dates.
    """

    carpeta: str
    fichero: str
    zona_marcas: str
    zona: str
    ventanas: int = 1


SUIZA = Fuente("swiss_hogares", "consumo_horario_dev.parquet", "Etc/GMT-1", "Europe/Zurich")
FUENTES: tuple[Fuente, ...] = (
    SUIZA,
    Fuente("citylearn_california", "consumo_horario.parquet", "Etc/GMT+8", "Etc/GMT+8", 4),
    Fuente("opengrid_belgica", "consumo_horario.parquet", "UTC", "Europe/Brussels", 4),
    Fuente("lcl_londres", "consumo_horario.parquet", "UTC", "Europe/London", 4),
)


def carpeta_datos() -> Path:
    """Return the folder of the public sets (``CONSUMO_SHARED`` moves it)."""
    raiz = os.environ.get("CONSUMO_SHARED") or Path(__file__).resolve().parents[3] / "shared"
    return Path(raiz) / "data"


def hay_datos(fuente: Fuente = SUIZA) -> bool:
    """Return whether a set is there."""
    return (carpeta_datos() / fuente.carpeta / fuente.fichero).is_file()


@dataclass(frozen=True, slots=True)
class Hogares:
    """Clean readings of one stretch of time, and the calendar that they live by."""

    nombre: str
    lecturas: Lecturas
    calendario: Calendario


def read_hogares(fuente: Fuente, desarrollo: bool | None, semilla: int = 0) -> Iterator[Hogares]:
    """Give the stretches of a set.

    Parameters
    ----------
    desarrollo : bool or None
        The development half, the test half, or both.
    semilla : int
        Of the dates of the stretches.
    """
    ids, cliente, hora, kwh = read_source(fuente)
    de_quien = np.array([desarrollo is None or es_desarrollo(p) is desarrollo for p in ids])
    valida = de_quien[cliente] & (kwh >= 0.0) & (kwh <= CONSUMO_MAXIMO_KWH)
    cliente, hora, kwh = cliente[valida], hora[valida], kwh[valida]
    calendario = load_calendario(fuente.zona)
    largo = VENTANA_DIAS * HORAS_POR_DIA
    rng = np.random.default_rng(np.random.SeedSequence([semilla, len(fuente.carpeta)]))
    libre = int(hora.max()) + 1 - int(hora.min()) - largo
    for k in range(fuente.ventanas):
        # One in each part of the year, so that seasons differ.
        tramo = libre // fuente.ventanas
        inicio = int(hora.min()) + k * tramo + int(rng.integers(0, tramo + 1))
        dentro = (hora >= inicio) & (hora < inicio + largo)
        nombres = [ids[i] for i in cliente[dentro].tolist()]
        yield Hogares(
            f"{fuente.carpeta}_{k + 1}",
            Lecturas(nombres, hora[dentro], kwh[dentro]),
            calendario,
        )


def read_source(
    fuente: Fuente,
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the customers, and of each reading customer, absolute hour and kWh."""
    return read_public_set(carpeta_datos() / fuente.carpeta / fuente.fichero, fuente.zona_marcas)
