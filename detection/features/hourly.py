"""The one feature function: what both models see of a reading, live and in training.

Each feature compares the customer with its own past and lies in [0, 1], so customers of any size
share one model: where two amounts are compared, ``a / (a + b)`` is 0.5 when nothing has changed,
and twice the usual gives 0.67. A row is NaN as a whole where the past is too short.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detection.jit import jit
from detection.memory.recent_days import DaySummaries, past_mean, share_of
from detection.memory.reference import Reference
from detection.memory.windows import Windows
from detection.number_format import numero, porcentaje
from detection.params import HORAS_VENTANA

RASGOS: tuple[str, ...] = (
    "nivel_hora",
    "desviacion_hora",
    "salto_hora",
    "nivel_dia",
    "nivel_tres_dias",
    "minimo_dia",
    "maximo_dia",
    "nivel_noche",
    "forma_dia",
    "planitud_dia",
    "racha_igual",
    "ceros_dia",
    "meseta_dia",
)
"""Names of the features, in the order of the columns."""

_DIAS_PASADOS_MINIMOS = 7
"""The usual day is the mean of days 7 to 27, at least a week of them. By hand, 2026-11-24."""
_SUELO = 0.05
"""Share of the usual hourly mean added to both sides of a comparison: of a few watt-hours nothing
follows. By hand, 2026-11-24."""
_MARGEN_MESETA = 0.1
"""Hours this near to the day's maximum belong to its plateau. By hand, 2026-11-24."""

# What each feature is like in an ordinary reading, and how far it strays: only to choose which
# features a sentence names. By hand, 2026-11-24, on the generator's households.
_HABITUAL = np.array(
    [0.45, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5, 0.08, 0.0, 0.1], np.float32
)
_HOLGURA = np.array(
    [0.2, 0.15, 0.2, 0.08, 0.06, 0.1, 0.1, 0.1, 0.1, 0.08, 0.1, 0.05, 0.08], np.float32
)


def compute_features(
    windows: Windows, reference: Reference, days: DaySummaries
) -> NDArray[np.float32]:
    """Return the features (n, F) of readings, each in [0, 1]; a row of NaN = not ready."""
    rasgos = np.empty((windows.consumo_kwh.shape[0], len(RASGOS)), np.float32)
    _compute(windows, reference, days, rasgos)
    return rasgos


def most_unusual(rasgos: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (n, 4): index and value of the two features of each reading that stray most."""
    salida = np.empty((rasgos.shape[0], 4), np.float32)
    _most_unusual(rasgos, _HABITUAL, _HOLGURA, salida)
    return salida


def describe_feature(indice: int, valor: float) -> str:
    """Return what one feature says, as a part of a Spanish sentence.

    Examples
    --------
    >>> describe_feature(RASGOS.index("nivel_dia"), 0.75)
    'las últimas 24 horas a unas 3,0 veces lo habitual'
    """
    return _FRASES[indice](valor)


def _veces(que: str) -> Callable[[float], str]:
    def frase(valor: float) -> str:
        veces = valor / max(1.0 - valor, 1e-3)
        # The floor on both sides hides how far beyond these two the amounts are apart.
        if veces < 0.25:
            return f"{que} a menos de la cuarta parte de lo habitual"
        if veces > 5.0:
            return f"{que} a más de 5 veces lo habitual"
        return f"{que} a unas {numero(veces, 1)} veces lo habitual"

    return frase


def _sigmas(valor: float) -> str:
    u = 2.0 * valor - 1.0
    z = 3.0 * u / max(1.0 - abs(u), 1e-3)
    return f"la hora a {numero(abs(z), 1)} sigmas {'por encima' if z >= 0 else 'por debajo'}"


def _salto(valor: float) -> str:
    u = 2.0 * valor - 1.0
    medias = u / max(1.0 - abs(u), 1e-3)
    sentido = "hacia arriba" if medias >= 0 else "hacia abajo"
    return f"un salto {sentido} de {numero(abs(medias), 1)} veces su media"


_FRASES: tuple[Callable[[float], str], ...] = (
    _veces("la hora"),
    _sigmas,
    _salto,
    _veces("las últimas 24 horas"),
    _veces("los tres últimos días"),
    _veces("el mínimo del día"),
    _veces("el máximo del día"),
    _veces("la noche"),
    lambda v: f"un perfil diario que se parece al suyo en {numero(2.0 * v - 1.0, 2)}",
    _veces("la parte del máximo que dura todo el día,"),
    lambda v: f"{round(24 * v)} horas seguidas con el mismo valor",
    lambda v: f"{round(24 * v)} horas a cero en el día",
    lambda v: f"un {porcentaje(v)} del día junto a su máximo",
)


@jit()
def _signed(x, mitad):  # type: ignore[no-untyped-def]
    """Return [0, 1] out of a signed amount: 0.5 at 0, 0.75 at ``mitad``."""
    return 0.5 + 0.5 * x / (abs(x) + mitad)


@jit()
def _usual(dia, i):  # type: ignore[no-untyped-def]
    """Return the mean of one's usual days, NaN if there are too few."""
    media, n = past_mean(dia, i)
    return media if n >= _DIAS_PASADOS_MINIMOS else np.nan


@jit()
def _similarity(a, b, i):  # type: ignore[no-untyped-def]
    """Return the correlation of two daily profiles as [0, 1]; 0.5 where one does not vary."""
    media_a = 0.0
    media_b = 0.0
    for c in range(24):
        media_a += a[i, c]
        media_b += b[i, c]
    media_a /= 24.0
    media_b /= 24.0
    ab = 0.0
    aa = 0.0
    bb = 0.0
    for c in range(24):
        x = a[i, c] - media_a
        y = b[i, c] - media_b
        ab += x * y
        aa += x * x
        bb += y * y
    if not aa * bb > 1e-12 * media_a * media_a * media_b * media_b:
        return 0.5
    return min(max(0.5 + 0.5 * ab / np.sqrt(aa * bb), 0.0), 1.0)


@jit()
def _run_and_plateau(ventana, i, maximo):  # type: ignore[no-untyped-def]
    """Return the run of equal readings up to now, 24 at most, and the hours near the maximum."""
    x = ventana[i, HORAS_VENTANA]
    racha = 0
    sigue = True
    meseta = 0
    for j in range(HORAS_VENTANA, HORAS_VENTANA - 24, -1):
        v = ventana[i, j]
        sigue = sigue and v == x
        racha += sigue
        meseta += v > 0.0 and v >= (1.0 - _MARGEN_MESETA) * maximo
    return racha, meseta


@jit()
def _recent_level(total, i):  # type: ignore[no-untyped-def]
    suma = 0.0
    n = 0
    for d in range(3):
        if not np.isnan(total[i, d]):
            suma += total[i, d]
            n += 1
    return suma / n


@jit()
def _compute(windows, reference, days, rasgos):  # type: ignore[no-untyped-def]
    kwh, ventana = windows.consumo_kwh, windows.ventana
    media, sigma = reference.media_kwh, reference.sigma_kwh
    total, minimo, maximo, noche = days.total_kwh, days.minimo_kwh, days.maximo_kwh, days.noche_kwh
    for i in range(kwh.shape[0]):
        usual = _usual(total, i)
        if np.isnan(media[i]) or np.isnan(total[i, 0]) or not usual > 0.0:
            rasgos[i] = np.nan
            continue
        x = kwh[i]
        hora = usual / 24.0
        suelo = _SUELO * hora
        usual_max = _usual(maximo, i)
        antes = ventana[i, HORAS_VENTANA - 1]
        r = rasgos[i]
        r[0] = share_of(x, media[i], suelo)
        r[1] = _signed((x - media[i]) / max(sigma[i], suelo), 3.0)
        r[2] = 0.5 if np.isnan(antes) else _signed((x - antes) / hora, 1.0)
        r[3] = share_of(total[i, 0], usual, suelo)
        r[4] = share_of(_recent_level(total, i), usual, suelo)
        r[5] = share_of(minimo[i, 0], _usual(minimo, i), suelo)
        r[6] = share_of(maximo[i, 0], usual_max, suelo)
        r[7] = share_of(noche[i, 0], _usual(noche, i), suelo)
        r[8] = _similarity(days.perfil_reciente, days.perfil_pasado, i)
        llano = total[i, 0] / (24.0 * max(maximo[i, 0], suelo))
        r[9] = share_of(llano, hora / max(usual_max, suelo), _SUELO)
        racha, meseta = _run_and_plateau(ventana, i, maximo[i, 0])
        r[10] = racha / 24.0
        r[11] = min(days.ceros[i, 0], 24) / 24.0
        r[12] = meseta / 24.0


@jit()
def _most_unusual(rasgos, habitual, holgura, salida):  # type: ignore[no-untyped-def]
    for i in range(rasgos.shape[0]):
        primero = segundo = 0
        mayor = siguiente = -1.0
        for k in range(rasgos.shape[1]):
            lejos = abs(rasgos[i, k] - habitual[k]) / holgura[k]
            if lejos > mayor:
                segundo, siguiente = primero, mayor
                primero, mayor = k, lejos
            elif lejos > siguiente:
                segundo, siguiente = k, lejos
        salida[i, 0] = primero
        salida[i, 1] = rasgos[i, primero]
        salida[i, 2] = segundo
        salida[i, 3] = rasgos[i, segundo]
