"""Appliances that come on by the clock or in the night, and belong to honest homes.

Storage heaters, water heaters, pool pumps and what else somebody has on a timer look more like
lamps or a closed bypass than like people. Ranges are by hand, 2026-11-30: what such appliances are
known to be; a storage heater charges in the cheap hours after a need that follows the season.
"""

from __future__ import annotations

import numpy as np

from detection.domain import HORAS_POR_DIA
from detection.simulation.draws import Floats, TimeAxis, draw_uniform, normal

APARATOS = ("acumulador", "termo", "piscina", "carga_intermitente")
"""Storage heater, water heater, pool pump, and what runs on some nights alone."""

_SORTEO, _DIARIO = 51, 52
"""Streams of the draws; ``household_years`` has 50."""
_TALLA_BASE, _TALLA_MAXIMA = 0.4, 1.5
"""A storage heater is as large as its home: so many kW for a kW of mean, and from where on."""


def appliance_load(
    clave: tuple[int, int], aparato: str, tiempo: TimeAxis, media_kwh: float
) -> Floats:
    """Return the kWh (n,) that an appliance adds in each hour, drawn from its seed.

    Parameters
    ----------
    clave : tuple of int
        Seed and customer.
    aparato : str
        One of ``APARATOS``.
    media_kwh : float
        Hourly mean of the home.
    """
    sorteo = (*clave, _SORTEO, APARATOS.index(aparato))
    rng = np.random.default_rng(np.random.SeedSequence(sorteo))
    dia = tiempo.dia
    ola = np.cos((dia - rng.uniform(0.0, 365.0)) * 2.0 * np.pi / 365.25)
    if aparato == "piscina":
        inicio, dura = int(rng.integers(7, 16)), int(rng.integers(3, 9))
        en_uso = (ola > rng.uniform(-0.6, 0.6)) & ((tiempo.hora - inicio) % HORAS_POR_DIA < dura)
        return np.asarray(rng.uniform(0.4, 1.3) * en_uso)
    potencia = {
        "acumulador": rng.uniform(1.0, 6.0) * min(_TALLA_MAXIMA, _TALLA_BASE + media_kwh),
        "termo": rng.uniform(1.2, 2.5),
        "carga_intermitente": rng.uniform(0.5, 4.0),
    }[aparato]
    enciende = int(rng.integers(0, 24) if aparato == "termo" else rng.integers(21, 27)) % 24
    # What begins in the evening runs into the next day, whose draws are not its own.
    noche = dia - (tiempo.hora < enciende)
    primera = int(noche.min())
    u = draw_uniform((*sorteo, _DIARIO), primera, int(noche.max()) + 1, 2)
    azar = normal(u[:, 0], u[:, 1])[noche - primera]
    if aparato == "acumulador":
        falta = rng.uniform(0.4, 1.0) * ola + rng.uniform(-0.3, 0.4) + 0.12 * azar
        horas = rng.uniform(5.0, 9.0) * np.clip(falta, 0.0, 1.0)
    elif aparato == "termo":
        horas = np.clip(rng.uniform(0.7, 3.0) + 0.4 * azar, 0.2, 6.0)
    else:
        se_usa = u[:, 0] < rng.uniform(0.15, 0.8)
        horas = np.where(se_usa, 2.0 + np.floor(7.0 * u[:, 1]), 0.0)[noche - primera]
    pasadas = (tiempo.hora - enciende) % HORAS_POR_DIA
    return np.asarray(potencia * np.clip(horas - pasadas, 0.0, 1.0))
