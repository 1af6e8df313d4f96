"""Energy out of the text of a format that always writes a decimal point."""

from __future__ import annotations

import math
import re

from pipeline.ingest.files.text_cells import brief
from pipeline.ingest.files.units import DECIMALES_KWH
from pipeline.ingest.validation import Motivo, invalida

_NUMERO = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def read_energy(texto: str, factor: float) -> float:
    """Return the energy of an interval, >= 0, in kWh.

    Raises
    ------
    LecturaInvalidaError
        It is none; a sum would hide it.

    Examples
    --------
    >>> read_energy("580", 1e-3)
    0.58
    """
    if not texto:
        raise invalida(Motivo.CONSUMO_AUSENTE, "falta el valor del intervalo")
    valor = float(texto) if _NUMERO.fullmatch(texto) else math.nan
    if math.isnan(valor):
        raise invalida(Motivo.CONSUMO_NO_NUMERO, f"«{brief(texto)}» no es un número")
    if math.isinf(valor):
        raise invalida(Motivo.CONSUMO_NO_FINITO, f"«{brief(texto)}» no es un número finito")
    if valor < 0:
        raise invalida(Motivo.CONSUMO_NEGATIVO, f"{brief(texto)} es menor que cero")
    return round(valor * factor, DECIMALES_KWH)
