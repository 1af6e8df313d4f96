"""The unit of a file's values: what it says, what the user says, and what a home can use."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.text_cells import FormatoError, clean

DECIMALES_KWH = 9
"""Of what is computed, microwatt-hours: what is behind them is dust of binary fractions."""
FACTORES = {"wh": 1e-3, "kwh": 1.0, "mwh": 1e3, "w": 1e-3, "kw": 1.0}
_REACTIVA = re.compile(r"[km]?varh?|[km]?var-?h")
_CENTESIMAS = re.compile(r"[.,](?!0+$)\d{2,}$", re.ASCII)
_EN_PARENTESIS = re.compile(r"\(([^()]*)\)$")
UNIDADES_DUDOSAS = frozenset({"Wh", "kWh"})
"""Units that values may prove to be wrong."""
VOLUMENES = frozenset({"m3", "ft3", "l"})
POTENCIAS = frozenset({"w", "kw"})
MEDIANA_MAXIMA_KWH = 20.0
"""Above this median of an hour is no home, whose tariffs end at 15 kW."""
MEDIANA_MINIMA_KWH = 0.002
"""Below, not even a router uses less."""


ENTEROS_DE_PRUEBA = 3
"""So many whole values are no accident of kWh, which have decimals."""


def unit_of(celda: str) -> str:
    """Return the unit that a cell is, or with which it ends, in parentheses; in small letters.

    Examples
    --------
    >>> unit_of("Active Import Interval (kW)"), unit_of("kWh")
    ('kw', 'kwh')
    """
    texto = clean(celda).lower()
    dentro = _EN_PARENTESIS.search(texto)
    return dentro.group(1).strip() if dentro else texto


def is_reactive(unidad: str) -> bool:
    """Return whether a unit, in small letters, is one of reactive energy or power.

    Examples
    --------
    >>> is_reactive("kvarh"), is_reactive("kwh")
    (True, False)
    """
    return _REACTIVA.fullmatch(unidad) is not None


def plausible_unit(mediana: float) -> str:
    """Return the unit that hourly values of a median look like, of Wh, kWh and MWh."""
    if mediana > MEDIANA_MAXIMA_KWH:
        return "Wh"
    return "MWh" if 0.0 < mediana < MEDIANA_MINIMA_KWH else "kWh"


def decide_unit(declarada: str, pedida: str, valores: list[float], pesos: list[int]) -> str:
    """Return the unit of a file's values.

    Parameters
    ----------
    declarada : str
        What the layout says; ``desconocida``: nothing.
    pedida : str
        What the user says; "" = nothing.
    valores, pesos : list
        Distinct values of the file and how often each comes.

    Raises
    ------
    FormatoError
        Nobody says it, and taken for kWh the values are no home's, or all are whole numbers.
    """
    if pedida:
        return pedida
    if declarada != "desconocida":
        return declarada
    mediana = median(valores, pesos)
    if _all_whole(valores, pesos):
        raise FormatoError(
            "la columna de consumo no dice su unidad, y todos sus valores son enteros (su mediana "
            f"es {mediana:g}): dígalo con --unidad Wh (o kWh, si lo son)"
        )
    parece = plausible_unit(mediana)
    if parece != "kWh":
        raise FormatoError(
            f"la columna de consumo no dice su unidad, y con una mediana de {mediana:g} parecen "
            f"{parece}, no kWh: dígalo con --unidad {parece} (o kWh, si lo son)"
        )
    return "kWh"


def _all_whole(valores: list[float], pesos: list[int]) -> bool:
    """Return whether enough values that are not zero are whole numbers, as Wh are."""
    hay = [(v, p) for v, p in zip(valores, pesos, strict=True) if v > 0]
    return sum(p for _, p in hay) >= ENTEROS_DE_PRUEBA and all(v % 1 == 0 for v, _ in hay)


def doubt_unit(mediana_kwh: float) -> str:
    """Return what the user should know of a median of hourly kWh that no home has; "" = nothing."""
    if plausible_unit(mediana_kwh) == "kWh":
        return ""
    return (
        f"la mediana es de {mediana_kwh:g} kWh por hora, que no es de una casa: ¿es esa la unidad?"
    )


def without_dust(valores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return computed values without the dust of binary fractions (microwatt-hours).

    Examples
    --------
    >>> without_dust(np.array([0.1 + 0.2])).tolist()
    [0.3]
    """
    return np.round(valores, DECIMALES_KWH)


def has_fine_decimals(textos: list[str]) -> NDArray[np.bool_]:
    """Return which numbers are written with hundredths: Wh are not, but for zeros.

    Examples
    --------
    >>> has_fine_decimals(["31,600", "237,4", "0.913", "200", "200,000"]).tolist()
    [True, False, True, False, False]
    """
    return np.array([_CENTESIMAS.search(clean(t)) is not None for t in textos], np.bool_)


def scaled(valores: NDArray[np.float64], factor: Any) -> NDArray[np.float64]:
    """Return values times a factor without dust; absurd ones are infinite.

    What is in kWh already stays as it was written, to the last bit.

    Examples
    --------
    >>> scaled(np.array([580.0, 0.12345678901]), np.array([1e-3, 1.0])).tolist()
    [0.58, 0.12345678901]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(np.equal(factor, 1.0), valores, without_dust(valores * factor))


def median(valores: list[float], pesos: list[int]) -> float:
    """Return the median of values that are not zero; 0 where there is none."""
    v, p = np.array(valores, float), np.array(pesos, float)
    hay = np.isfinite(v) & (v > 0)
    if not hay.any():
        return 0.0
    v, p = v[hay], p[hay]
    orden = np.argsort(v)
    suma = np.cumsum(p[orden])
    return float(v[orden][np.searchsorted(suma, suma[-1] / 2)])
