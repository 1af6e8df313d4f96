"""The public households that versions are learnt from: which there are, and how they are read.

Customers are development or test as a whole, by a hash of their name. Whatever is fitted, chosen or
looked at comes from the development half; the test half gives the figures that are reported.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, Calendario
from detection.simulation.draws import Floats
from detection.simulation.meter import DECIMALES
from training.case_population import CaseHome

CONSUMO_MAXIMO_KWH = 10_000.0
"""Above, as below zero, the consumer refuses a reading (contract 2)."""
EXCLUIDOS = frozenset({"US-CA-12", "US-CA-15"})
"""They read zero half of the time: no clean baseline (their README says so)."""
PARTE_PRESENTE = 0.94
"""Of the hours, that a household of a year must have."""
MEDIA_MINIMA_KWH, CEROS_MAXIMOS = 0.06, 0.4
"""What nobody lives in is no clean baseline: under-reporting there is nothing to find."""
DIAS_MAXIMOS, DIAS_MINIMOS = 396, 300
"""Of a household of a year, that are looked at; with fewer it is made of its weeks."""


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A public set of households."""

    nombre: str  # of the country
    carpeta: str
    fichero: str
    zona_marcas: str  # zone of its naive timestamps
    zona: str  # zone where its people live
    sur: bool = False


SUIZA = PublicSet(
    "Suiza", "swiss_hogares", "consumo_horario_dev.parquet", "Etc/GMT-1", "Europe/Zurich"
)
CALIFORNIA = PublicSet(
    "California", "citylearn_california", "consumo_horario.parquet", "Etc/GMT+8", "Etc/GMT+8"
)
BELGICA = PublicSet(
    "Bélgica", "opengrid_belgica", "consumo_horario.parquet", "UTC", "Europe/Brussels"
)
LONDRES = PublicSet("Londres", "lcl_londres", "consumo_horario.parquet", "UTC", "Europe/London")
CON_LICENCIA = (SUIZA, CALIFORNIA, BELGICA, LONDRES)
"""Those whose licences allow it that what is learnt from them is given away."""


def es_desarrollo(propietario_id: str) -> bool:
    """Return whether a customer is of the development half; the others are the test half.

    Examples
    --------
    >>> es_desarrollo("CH-1005084"), es_desarrollo("US-CA-03")
    (True, False)
    """
    return hashlib.blake2b(propietario_id.encode(), digest_size=8).digest()[0] < 128


def read_public_set(
    ruta: Path, zona_marcas: str
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the customers, and of each reading customer, absolute hour and kWh.

    ``zona_marcas``: zone of the file's naive timestamps.
    """
    import pandas as pd

    d = pd.read_parquet(ruta)
    d = d[~d.propietario_id.astype(str).isin(EXCLUIDOS)]
    instante = d.timestamp.dt.tz_localize(zona_marcas).dt.tz_convert("UTC")
    hora = instante.astype("datetime64[s, UTC]").astype("int64").to_numpy() // 3600
    ids, cliente = np.unique(d.propietario_id.astype(str).to_numpy(), return_inverse=True)
    return ids.tolist(), cliente.astype(np.int64), hora, d.consumo_kwh.to_numpy(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class PublicHome:
    """A household of a public set."""

    propietario_id: str
    conjunto: PublicSet
    hora_utc: NDArray[np.int64]  # (n,): absolute, rising
    kwh: Floats  # (n,)


def read_homes(datos: Path, conjunto: PublicSet, *, desarrollo: bool = True) -> list[PublicHome]:
    """Return the households of a set's half, by name, with the readings that a consumer takes."""
    ids, cliente, hora, kwh = read_public_set(
        datos / conjunto.carpeta / conjunto.fichero, conjunto.zona_marcas
    )
    vale = (kwh >= 0.0) & (kwh <= CONSUMO_MAXIMO_KWH)
    salida = []
    for k, nombre in enumerate(ids):
        suya = np.flatnonzero((cliente == k) & vale)
        suya = suya[np.argsort(hora[suya], kind="stable")]
        if es_desarrollo(nombre) is desarrollo and suya.size:
            leido = np.round(kwh[suya], DECIMALES)
            salida.append(PublicHome(nombre, conjunto, hora[suya], leido))
    return salida


def read_case_home(hogar: PublicHome, calendario: Calendario) -> CaseHome | None:
    """Return a household from a local midnight on; None = too short, or it was not lived in."""
    conjunto = hogar.conjunto
    return dense_home(
        hogar.propietario_id, conjunto.nombre, hogar.hora_utc, hogar.kwh, calendario,
        sur=conjunto.sur,
    )  # fmt: skip


def dense_home(
    propietario_id: str,
    grupo: str,
    hora_utc: NDArray[np.int64],
    kwh: Floats,
    calendario: Calendario,
    *,
    sur: bool = False,
    dias_minimos: int = DIAS_MINIMOS,
) -> CaseHome | None:
    """Return a home with every hour of it, from a local midnight on.

    ``hora_utc``, ``kwh`` (n,): its readings, rising. None = it has fewer than ``dias_minimos``
    days, or nobody lived there, or too many hours are missing.
    """
    if not hora_utc.size:
        return None
    primera, ultima = int(hora_utc[0]), int(hora_utc[-1])
    local = int(calendario.local(np.array([primera]))[0])
    desde = primera + -local % HORAS_POR_DIA
    cuantas = min(ultima + 1 - desde, DIAS_MAXIMOS * HORAS_POR_DIA)
    if cuantas < max(dias_minimos, 1) * HORAS_POR_DIA:
        return None
    denso = np.full(cuantas, np.nan)
    dentro = (hora_utc >= desde) & (hora_utc < desde + cuantas)
    denso[hora_utc[dentro] - desde] = kwh[dentro]
    if not _lived_in(denso):
        return None
    return CaseHome(propietario_id, grupo, desde, denso, calendario, sur)


def _lived_in(denso: Floats) -> bool:
    hay = denso[~np.isnan(denso)]
    return bool(
        hay.size >= PARTE_PRESENTE * denso.size
        and hay.mean() >= MEDIA_MINIMA_KWH
        and (hay == 0.0).mean() <= CEROS_MAXIMOS
    )
