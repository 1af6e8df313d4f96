"""Where day, month and year stand: what the dates of a whole file say against a layout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

from pipeline.ingest.files.text_cells import FormatoError, clean

_NUMEROS = re.compile(r"(\d\d?)[/.-](\d\d?)[/.-](\d{4}|\d\d)", re.ASCII)
_ANIO_DELANTE = re.compile(r"(\d{4})[/.](\d\d?)[/.](\d\d?)", re.ASCII)
_SIN_CEROS = re.compile(r"[1-9]|1[0-2]", re.ASCII)
_PARTE = re.compile(r"[T ]")
FECHAS_MINIMAS = 3
"""Different dates from which on their gaps say something. By hand, 2026-11-30."""


@dataclass(slots=True)
class DateOrder:
    """The different dates of a file, as it writes them; ``orden`` is its layout's."""

    orden: str
    _vistas: dict[str, None] = field(default_factory=dict)

    def see(self, textos: Iterable[str]) -> None:
        """Take distinct texts that begin with a date."""
        for texto in textos:
            self._vistas[_PARTE.split(clean(texto), maxsplit=1)[0]] = None

    def check(self) -> None:
        """Refuse a file whose dates are written in the other order than its layout's.

        A date that exists in the other order alone proves it. Where none does, dates that never
        follow each other, and do in the other order, leave it open; and so do a few without zeros
        in front, as a workbook of another country writes them, or with two digits of the year.

        Raises
        ------
        FormatoError
            They are in the other order, or may be.
        """
        delante = {f: m.groups() for f in self._vistas if (m := _ANIO_DELANTE.fullmatch(f))}
        anios = [(f, _day(*p), _day(p[0], p[2], p[1])) for f, p in delante.items()]
        _compare([leida for leida in anios if leida[1] is not None], "año/mes/día")
        if self.orden not in _OTRO:
            return
        detras = {f: m.groups() for f in self._vistas if (m := _NUMEROS.fullmatch(f))}
        cruzadas = [(f, *_both(p, self.orden)) for f, p in detras.items()]
        _compare(cruzadas, _NOMBRE[self.orden])
        # 25/06/10 may begin with its year.
        cortas = [
            (f, suya, _day(*detras[f]))
            for f, suya, _ in cruzadas
            if suya is not None and len(detras[f][0]) == len(detras[f][2]) == 2
        ]
        _compare(cortas, f"{_NOMBRE[self.orden]}/año", pocas=True)
        if self.orden == "dmy":
            _refuse_without_zeros(cruzadas, [p[:2] for p in detras.values()])


_OTRO = {"dmy": "mdy", "mdy": "dmy"}
_NOMBRE = {"dmy": "día/mes", "mdy": "mes/día"}
_AL_REVES = {
    "día/mes": "mes/día",
    "mes/día": "día/mes",
    "año/mes/día": "año/día/mes",
    "día/mes/año": "año/mes/día",
    "mes/día/año": "año/mes/día",
}
_Leidas: TypeAlias = "Sequence[tuple[str, int | None, int | None]]"
"""Dates as they are written, and the day that each is in the layout's order and in another one."""


def _refuse_without_zeros(fechas: _Leidas, partes: Sequence[Sequence[str]]) -> None:
    """Refuse a few dates that may be of another country's workbook, which writes no zeros."""
    sueltas = all(_SIN_CEROS.fullmatch(p) for dos in partes for p in dos)
    sueltas &= any(len(p) == 1 for dos in partes for p in dos)
    distintas = any(suya != otra for _, suya, otra in fechas)
    if sueltas and distintas and len({suya for _, suya, _ in fechas}) < FECHAS_MINIMAS:
        raise FormatoError(
            f"no se sabe si sus fechas («{fechas[0][0]}») son día/mes o mes/día: no llevan ceros "
            "delante, y son pocas para saberlo"
        )


def _compare(fechas: _Leidas, dicho: str, pocas: bool = False) -> None:
    """Refuse dates that are days in the other order only, or follow each other in it only.

    ``pocas``: also a few that follow each other in none.
    """
    leido = _AL_REVES[dicho]
    for fecha, suya, otra in fechas:
        if suya is None and otra is not None:
            raise FormatoError(
                f"«{fecha}» solo existe como {leido}, y en este formato las fechas son {dicho}"
            )
    dias = {d for _, d, _ in fechas if d is not None}
    cruzados = {d for _, _, d in fechas if d is not None}
    son_pocas = len(dias) < FECHAS_MINIMAS
    if (son_pocas and not pocas) or len(cruzados) < len(dias) or dias == cruzados:
        return
    if not _follow(dias) and (_follow(cruzados) or son_pocas):
        raise FormatoError(
            f"no se sabe si sus fechas («{fechas[0][0]}») son {dicho} o {leido}: como "
            f"{dicho} no hay dos días seguidos"
        )


def _both(fecha: Sequence[str], orden: str) -> tuple[int | None, int | None]:
    """Return the day of a date in an order, and in the other one."""
    uno, otro, anio = fecha
    leidas = _day(anio, otro, uno), _day(anio, uno, otro)
    return leidas if orden == "dmy" else leidas[::-1]


def _day(anio: str, mes: str, dia: str) -> int | None:
    try:
        return date(int(anio) + 2000 * (len(anio) == 2), int(mes), int(dia)).toordinal()
    except ValueError:
        return None


def _follow(dias: set[int]) -> bool:
    return any(d + 1 in dias for d in dias)
