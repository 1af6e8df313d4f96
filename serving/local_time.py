"""Local time of a zone, as the array that the detector wants."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from detection.domain import Calendario, hora_absoluta, instante
from detection.errors import ConfiguracionError
from detection.params import HORAS_VENTANA

# A reading before 2000 or more than 24 h ahead is refused (contract 2).
PRIMER_ANIO = 2000
ULTIMO_ANIO = 2100


@lru_cache(maxsize=8)
def load_calendario(zona: str) -> Calendario:
    """Return the calendar of an IANA zone for the years 2000 to 2100.

    ``ConfiguracionError``: the zone's offset is not a whole number of hours at some time: hourly
    readings of such a zone do not start at whole UTC hours.
    """
    info = ZoneInfo(zona)
    desde = hora_absoluta(datetime(PRIMER_ANIO, 1, 1, tzinfo=UTC)) - HORAS_VENTANA - 48
    hasta = hora_absoluta(datetime(ULTIMO_ANIO, 1, 1, tzinfo=UTC)) + 48
    desfases = np.empty(hasta - desde, np.int8)
    # Offsets change a few times a year, at whole hours: look once a day and, where two
    # looks differ, at every hour between them.
    pasos = [*range(desde, hasta, 24), hasta]
    anterior = _desfase(info, desde)
    for inicio, fin in pairwise(pasos):
        siguiente = _desfase(info, fin)
        if siguiente == anterior:
            desfases[inicio - desde : fin - desde] = anterior
        else:
            for hora in range(inicio, fin):
                desfases[hora - desde] = _desfase(info, hora)
        anterior = siguiente
    return Calendario(zona, desde, desfases)


def _desfase(info: ZoneInfo, hora: int) -> int:
    desfase = instante(hora).astimezone(info).utcoffset()
    assert desfase is not None
    horas, resto = divmod(desfase.total_seconds(), 3600)
    if resto:
        raise ConfiguracionError(
            f"la zona horaria {info.key} no está a un número entero de horas de UTC"
        )
    return int(horas)
