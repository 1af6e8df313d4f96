"""Local days of 23 to 25 hours: where in them the rows of a day are, or why that cannot be told.

A row of a day bears the minute at which its interval would begin if each day had 24 hours. On the
two days of the change three ways to count are known:

- *running*: the hours in the order in which they pass, to 23 or 25;
- *by the clock*, of the interval's beginning: no hour 3 in March (Madrid), two in October;
- *by the clock*, of its end: the last interval before the change bears the new time already.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias
from zoneinfo import ZoneInfo

from pipeline.ingest.files.moments import EPOCA

CORRIDA, RELOJ, RELOJ_DEL_FIN = "corrida", "por el reloj", "por el reloj, al acabar"


@dataclass(frozen=True, slots=True)
class Dia:
    """A local day.

    Parameters
    ----------
    inicio : int
        Seconds since 1970 at its beginning.
    minutos : int
        How many it has: 1440, or 1380 or 1500 on the days of the change.
    cambio : int
        How many of them pass before the clock changes; 0 = it does not.
    """

    inicio: int
    minutos: int
    cambio: int


@lru_cache(maxsize=65_536)
def load_day(dia: int, zona: ZoneInfo) -> Dia:
    """Return a day of a zone, counted from 1970."""
    fecha = date.fromordinal(dia + EPOCA)
    siguiente = fecha + timedelta(days=1)
    medianoche = datetime(fecha.year, fecha.month, fecha.day, tzinfo=zona)
    fin = datetime(siguiente.year, siguiente.month, siguiente.day, tzinfo=zona)
    inicio = int(medianoche.timestamp())
    minutos = (int(fin.timestamp()) - inicio) // 60
    cambio = 0
    if minutos != 1440:
        locales = (datetime.fromtimestamp(inicio + i * 60, zona) for i in range(0, minutos, 5))
        cambio = next((5 * i for i, t in enumerate(locales) if t.hour * 60 + t.minute != 5 * i), 0)
    return Dia(inicio, minutos, cambio)


@dataclass(frozen=True, slots=True)
class Colocacion:
    """Where the rows of a day of the change are.

    Parameters
    ----------
    minutos : list of int
        Minutes since the day's beginning, as they pass; -1 = a row for an hour that the day does
        not have and that says zero.
    forma : str
        How the day counts; "" = all ways agree.
    motivo : str
        Why the whole day is refused; "" = it is not.
    completa : bool
        All intervals of the day are there, counted in one way only.
    """

    minutos: list[int]
    forma: str = ""
    motivo: str = ""
    completa: bool = False


@dataclass(frozen=True, slots=True)
class Indicios:
    """What tells apart ways to count, beside the rows' times.

    Parameters
    ----------
    metodos : sequence of int
        Provenance of each row; empty = none says it.
    con_ceros : bool
        Hours of nothing are usual for this customer: one of them is no hour that does not exist.
    dobles_sueltos : bool
        Two rows with the time that comes twice are two hours even where the rest of the day is not
        there to show it.
    """

    metodos: Sequence[int] = ()
    con_ceros: bool = False
    dobles_sueltos: bool = True


_NINGUNO = Indicios()
Posible: TypeAlias = "tuple[str, list[int] | None, bool]"
"""A way to count that fits, the places, and whether they are all of the day; without places it is
not known which of two equal times is which."""


def place_day(
    dia: Dia,
    minutos: Sequence[int],
    valores: Sequence[float],
    paso: int,
    formas: Sequence[str],
    indicios: Indicios = _NINGUNO,
) -> Colocacion:
    """Return where the rows of one customer on a day of the change are.

    Parameters
    ----------
    dia : Dia
    minutos : sequence of int
        At which each row's interval would begin, in the order of the file.
    valores : sequence of float
    paso : int
        Minutes of an interval.
    formas : sequence of str
        Which ways to count there may be.
    indicios : Indicios
    """
    horas = f"el día tiene {dia.minutos // 60} horas"
    posibles, duda = _possible(dia, minutos, valores, paso, formas, indicios)
    if not posibles:
        return Colocacion([], "", f"{horas}, y sus filas no son las de ese día")
    enteros = [(forma, sitios) for forma, sitios, entero in posibles if entero]
    if len(enteros) == 1 and enteros[0][1] is not None:
        if enteros[0][0] != CORRIDA or indicios.con_ceros or not _has_ghost(posibles):
            return Colocacion(enteros[0][1], enteros[0][0], completa=True)
        return Colocacion(
            [], "", f"{horas}, y la que ese día no existe por el reloj está a cero: no se sabe si "
            "van numeradas por el reloj y falta la última",
        )  # fmt: skip
    primera = posibles[0][1]
    if primera is None or any(sitios != primera for _, sitios, _ in posibles):
        intervalos = dia.minutos // paso
        return Colocacion(
            [], "", f"{horas} ({intervalos} intervalos) y el archivo trae {len(minutos)} filas: "
            + (duda or "no se sabe cómo están numeradas"),
        )  # fmt: skip
    return Colocacion(primera, posibles[0][0] if len(posibles) == 1 else "")


def _possible(
    dia: Dia,
    minutos: Sequence[int],
    valores: Sequence[float],
    paso: int,
    formas: Sequence[str],
    indicios: Indicios,
) -> tuple[list[Posible], str]:
    """Return the ways to count that fit, and why one of them is in doubt."""
    posibles: list[Posible] = []
    duda = ""
    for forma in formas:
        dudosa = _doubt_doubles(dia, minutos, valores, paso, forma, indicios)
        if dudosa:
            duda = dudosa
            posibles.append((forma, None, False))
            continue
        sitios = _place(dia, minutos, valores, paso, forma)
        if sitios is not None:
            posibles.append((forma, *sitios))
    return posibles, duda


def _has_ghost(posibles: Sequence[Posible]) -> bool:
    """Return whether some way to count leaves a row for an hour that does not exist."""
    return any(sitios is not None and -1 in sitios for _, sitios, _ in posibles)


def _doubt_doubles(
    dia: Dia,
    minutos: Sequence[int],
    valores: Sequence[float],
    paso: int,
    forma: str,
    indicios: Indicios,
) -> str:
    """Return why rows with the time that comes twice may be something else than two hours."""
    if forma == CORRIDA or dia.minutos <= 1440:
        return ""
    hasta = dia.cambio - (paso if forma != RELOJ else 0)
    desde = hasta - (dia.minutos - 1440)
    veces = Counter(minutos)
    dobles = {m for m, n in veces.items() if n > 1 and desde <= m < hasta}
    if not dobles:
        return ""
    cuales = ", ".join(f"{m // 60:02}:{m % 60:02}" for m in sorted(dobles))
    for m in sorted(dobles):
        suyas = [i for i, otro in enumerate(minutos) if otro == m]
        if len({indicios.metodos[i] for i in suyas if indicios.metodos}) > 1:
            return f"las filas de las {cuales} pueden ser sus dos horas, o una y su corrección"
        # Where other rows come twice too, these may be no more than that.
        otras = any(n > 1 for otro, n in veces.items() if otro not in dobles)
        if otras and all(_same(valores[i], valores[suyas[0]]) for i in suyas):
            return f"hay filas repetidas, y las de las {cuales} pueden ser sus dos horas o una"
    if not indicios.dobles_sueltos and len(veces) * paso < 720:
        return f"de las {cuales} hay dos filas, y falta el resto del día para saber qué son"
    return ""


def _place(
    dia: Dia, minutos: Sequence[int], valores: Sequence[float], paso: int, forma: str
) -> tuple[list[int] | None, bool] | None:
    """Return where the rows are in one way to count and whether they are all of the day.

    None: they cannot be counted so. Without places: they can, but it is not known which of two
    equal times is which.
    """
    if forma == CORRIDA:
        sitios = list(minutos)
        if any(not 0 <= m < dia.minutos for m in sitios):
            return None
        dobles = False
    elif dia.minutos < 1440:
        salto = 1440 - dia.minutos
        leidos = _place_short(dia, minutos, valores, salto, paso if forma != RELOJ else 0)
        if leidos is None:
            return None
        sitios, dobles = leidos, False
    else:
        vuelta = dia.minutos - 1440
        hasta = dia.cambio - (paso if forma != RELOJ else 0)
        if any(not 0 <= m < 1440 for m in minutos):
            return None
        sitios, dobles = _place_long(minutos, valores, hasta - vuelta, hasta, vuelta)
    vistos: dict[int, float] = {}
    for sitio, valor in zip(sitios, valores, strict=True):
        if sitio >= 0 and not _same(vistos.setdefault(sitio, valor), valor):
            return None
    if dobles:
        return None, False
    return sitios, len(vistos) == dia.minutos // paso


def _place_short(
    dia: Dia, minutos: Sequence[int], valores: Sequence[float], salto: int, antes: int
) -> list[int] | None:
    """Return the places in a day of 23 hours; a row of the one that is missing may say nothing."""
    desde = dia.cambio - antes
    sitios: list[int] = []
    for m, valor in zip(minutos, valores, strict=True):
        if not 0 <= m < 1440:
            return None
        if desde <= m < desde + salto:
            if valor != 0.0 and not math.isnan(valor):
                return None
            sitios.append(-1)
        else:
            sitios.append(m if m < desde else m - salto)
    return sitios


def _place_long(
    minutos: Sequence[int], valores: Sequence[float], desde: int, hasta: int, vuelta: int
) -> tuple[list[int], bool]:
    """Return the places in a day of 25 hours, and whether that of a repeated time is unknown.

    Which of two equal times is the first one is told by the order of the day's rows, which may
    go up or down.
    """
    dobles = [m for m in minutos if desde <= m < hasta]
    sube = _in_order(minutos, desde, hasta, vuelta)
    baja = _in_order(list(reversed(minutos)), desde, hasta, vuelta)
    if sube is not None:
        return sube, False
    if baja is not None:
        return baja[::-1], False
    sitios = [m if m < desde else m + vuelta for m in minutos]
    return sitios, bool(dobles)


def _in_order(minutos: Sequence[int], desde: int, hasta: int, vuelta: int) -> list[int] | None:
    """Return the places of rows that go up and show where the clock goes back; else None."""
    dobles = [m for m in minutos if desde <= m < hasta]
    if len(dobles) > 2 and dobles[::2] == dobles[1::2] == sorted(set(dobles)):
        return _in_pairs(minutos, desde, hasta, vuelta)
    sitios: list[int] = []
    segunda, anterior = 0, -1
    for m in minutos:
        if desde <= m < hasta:
            segunda += m <= anterior
            anterior = m
        sitios.append(m + vuelta * (m >= hasta or (m >= desde and segunda > 0)))
    if segunda != 1 or any(b < a for a, b in pairwise(sitios)):
        return None
    return sitios


def _in_pairs(minutos: Sequence[int], desde: int, hasta: int, vuelta: int) -> list[int] | None:
    """Return the places of rows that go up and have both of each repeated time side by side."""
    if any(b < a for a, b in pairwise(minutos)):
        return None
    sitios, vistos = [], set()
    for m in minutos:
        segunda = m >= hasta or m in vistos
        sitios.append(m + vuelta if segunda else m)
        if desde <= m < hasta:
            vistos.add(m)
    return sitios


def _same(uno: float, otro: float) -> bool:
    return uno == otro or (math.isnan(uno) and math.isnan(otro))
