"""When the columns of a row a day are: by what their names say, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.ingest.files.moments import MINUTOS_POR_DIA
from pipeline.ingest.files.profile_schema import Tiempo, Valor, normalize
from pipeline.ingest.files.text_cells import FormatoError, brief

_DIA_LARGO = 25 * 60
_NUMERO_MAXIMO = 100
_CIFRAS = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ColumnasDeDia:
    """The columns of a day.

    Parameters
    ----------
    paso : int
        Minutes of an interval.
    minutos : list of int
        Of the day, at which the interval of each column begins.
    por_reloj : bool
        They are times of the clock, and not numbers in the order in which intervals pass.
    """

    paso: int
    minutos: list[int]
    por_reloj: bool


def columns_by_place(cuantas: int, tiempo: Tiempo) -> ColumnasDeDia:
    """Return the columns of a file without header: the day's intervals, one after the other.

    Raises
    ------
    FormatoError
        There are not as many as a day has.
    """
    for paso in sorted(tiempo.pasos, reverse=True):
        if 23 * 60 // paso <= cuantas <= _DIA_LARGO // paso:
            return ColumnasDeDia(paso, [k * paso for k in range(cuantas)], False)
    raise FormatoError(
        f"tiene {cuantas} columnas de energía, y un día tiene 24 horas, 48 medias o 96 cuartos"
    )


def columns_by_name(titulos: Sequence[str], valor: Valor, tiempo: Tiempo) -> ColumnasDeDia:
    """Return the columns that a header names: ``H1``, ``00:15``, ``00:00-00:15``.

    Raises
    ------
    FormatoError
        Their names do not say it, or contradict each other or the profile.
    """
    cifras = [_digits(titulo, valor) for titulo in titulos]
    clase = {len(c) for c in cifras}
    if clase == {1} and max(cifras) > (_NUMERO_MAXIMO,):
        # 0015 is a quarter past midnight.
        cifras, clase = [divmod(n, 100) for (n,) in cifras], {2}
    if clase == {1}:
        return _by_number([n for (n,) in cifras], titulos, tiempo)
    if clase in ({2}, {3}):
        minutos = [_minute(c, t) for c, t in zip(cifras, titulos, strict=True)]
        return _by_clock(minutos, titulos, tiempo)
    if clase in ({4}, {6}):
        mitad = clase.pop() // 2
        tramos = [
            (_minute(c[:mitad], t), _minute(c[mitad:], t))
            for c, t in zip(cifras, titulos, strict=True)
        ]
        return _by_range(tramos, titulos, tiempo)
    raise _unknown(titulos[0])


def _digits(titulo: str, valor: Valor) -> tuple[int, ...]:
    """Return the numbers of a name, where the profile's pattern has its ``#``."""
    suyo = normalize(titulo)
    for nombre in valor.columna:
        patron = re.sub(r"(?:\\#)+", r"(\\d+)", re.escape(normalize(str(nombre))))
        hallado = re.fullmatch(patron.replace(r"\*", ".*"), suyo)
        if hallado and hallado.groups():
            return tuple(map(int, hallado.groups()))
    return tuple(map(int, _CIFRAS.findall(suyo)))


def _unknown(titulo: str) -> FormatoError:
    return FormatoError(f"no se sabe de qué hora es su columna «{brief(titulo)}»")


def _minute(cifras: tuple[int, ...], titulo: str) -> int:
    horas, minutos = cifras[0], cifras[1]
    if minutos > 59 or horas * 60 + minutos > _DIA_LARGO or any(cifras[2:]):
        raise _unknown(titulo)
    return horas * 60 + minutos


def _by_number(numeros: list[int], titulos: Sequence[str], tiempo: Tiempo) -> ColumnasDeDia:
    """Return the columns of numbered intervals: the last one tells how many a day has."""
    if len(set(numeros)) < len(numeros):
        doble = next(t for t, n in zip(titulos, numeros, strict=True) if numeros.count(n) > 1)
        raise FormatoError(f"tiene dos columnas para el mismo intervalo, «{brief(doble)}»")
    base = 0 if 0 in numeros else 1
    cuantos = max(numeros) - base + 1
    for paso in tiempo.pasos:
        if cuantos in {MINUTOS_POR_DIA // paso, _DIA_LARGO // paso}:
            return ColumnasDeDia(paso, [(n - base) * paso for n in numeros], False)
    raise FormatoError(
        f"sus columnas van del {min(numeros)} al {max(numeros)}, y no se sabe cuáles faltan: "
        "un día tiene 24 horas, 48 medias o 96 cuartos"
    )


def _by_clock(minutos: list[int], titulos: Sequence[str], tiempo: Tiempo) -> ColumnasDeDia:
    """Return the columns of times: 00:00 or 24:00 tells whether they begin or end an interval."""
    paso = _longest(minutos, tiempo)
    # The midnight behind all the others, which follow each other, is the day's end.
    otros = minutos[:-1]
    al_final = bool(otros) and minutos[-1] == 0 < otros[0] and otros == sorted(otros)
    fin = max(minutos) >= MINUTOS_POR_DIA or al_final
    principio = 0 in minutos and not al_final
    dicha = tiempo.marca if "marca" in tiempo.model_fields_set else ""
    if fin == principio:
        if fin or not dicha:
            raise FormatoError(
                "no se sabe si las horas de sus columnas, de "
                f"«{brief(titulos[0])}» a «{brief(titulos[-1])}», son principios o fines"
            )
        fin = dicha == "fin"
    elif dicha and fin != (dicha == "fin"):
        raise FormatoError(
            f"sus columnas, de «{brief(titulos[0])}» a «{brief(titulos[-1])}», son el "
            f'{"fin" if fin else "principio"} del intervalo, y el perfil dice marca = "{dicha}"'
        )
    if fin:
        minutos = [(m or MINUTOS_POR_DIA) - paso for m in minutos]
    return ColumnasDeDia(paso, minutos, True)


def _longest(minutos: list[int], tiempo: Tiempo) -> int:
    for paso in sorted(tiempo.pasos, reverse=True):
        if all(m % paso == 0 for m in minutos):
            return paso
    raise FormatoError(
        f"las horas de sus columnas no van de {' ni de '.join(map(str, tiempo.pasos))} en minutos"
    )


def _by_range(
    tramos: list[tuple[int, int]], titulos: Sequence[str], tiempo: Tiempo
) -> ColumnasDeDia:
    largos = [(fin - inicio) % MINUTOS_POR_DIA for inicio, fin in tramos]
    paso = largos[0]
    for (inicio, _), largo, titulo in zip(tramos, largos, titulos, strict=True):
        if largo != paso or largo not in tiempo.pasos or inicio % paso:
            raise _unknown(titulo)
    return ColumnasDeDia(paso, [inicio for inicio, _ in tramos], True)
