"""Day before month or month before day: what the dates of a whole file say against a layout."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from pipeline.ingest.files.text_cells import FormatoError, clean

_NUMEROS = re.compile(r"(\d\d?)[/.-](\d\d?)[/.-](\d{4}|\d\d)", re.ASCII)
_PARTE = re.compile(r"[T ]")
FECHAS_MINIMAS = 3
"""Different dates from which on their gaps say something. By hand, 2026-11-30."""


@dataclass(slots=True)
class DateOrder:
    """The different dates of a file, as it writes them; ``orden`` is its layout's."""

    orden: str
    _vistas: dict[str, tuple[int, int, int] | None] = field(default_factory=dict)

    def see(self, textos: Iterable[str]) -> None:
        """Take distinct texts that begin with a date."""
        if self.orden not in _OTRO:
            return
        for texto in textos:
            fecha = _PARTE.split(clean(texto), maxsplit=1)[0]
            if fecha not in self._vistas:
                partes = _NUMEROS.fullmatch(fecha)
                self._vistas[fecha] = None if partes is None else _numbers(partes)

    def check(self) -> None:
        """Refuse a file whose dates are written in the other order than its layout's.

        A date that exists in the other order alone proves it. Where none does, dates that never
        follow each other, and do in the other order, leave it open.

        Raises
        ------
        FormatoError
            They are in the other order, or may be.
        """
        escritas = {f: n for f, n in self._vistas.items() if n is not None}
        if not escritas:
            return
        orden = self.orden
        suyas = {f: _day(n, orden) for f, n in escritas.items()}
        otras = {f: _day(n, _OTRO[orden]) for f, n in escritas.items()}
        dicho, leido = _NOMBRE[orden], _NOMBRE[_OTRO[orden]]
        for fecha, suya in suyas.items():
            if suya is None and otras[fecha] is not None:
                raise FormatoError(
                    f"«{fecha}» solo existe como {leido}, y en este formato las fechas son {dicho}"
                )
        dias = {d for d in suyas.values() if d is not None}
        cruzados = {d for d in otras.values() if d is not None}
        if len(dias) < FECHAS_MINIMAS or len(cruzados) < len(dias):
            return
        if not _follow(dias) and _follow(cruzados):
            raise FormatoError(
                f"no se sabe si sus fechas («{next(iter(escritas))}») son {dicho} o {leido}: como "
                f"{dicho} no hay dos días seguidos"
            )


_OTRO = {"dmy": "mdy", "mdy": "dmy"}
_NOMBRE = {"dmy": "día/mes", "mdy": "mes/día"}


def _numbers(partes: re.Match[str]) -> tuple[int, int, int]:
    primero, segundo, anio = (int(g) for g in partes.groups())
    return primero, segundo, anio + (2000 if anio < 100 else 0)


def _day(numeros: tuple[int, int, int], orden: str) -> int | None:
    primero, segundo, anio = numeros
    dia, mes = (primero, segundo) if orden == "dmy" else (segundo, primero)
    try:
        return date(anio, mes, dia).toordinal()
    except ValueError:
        return None


def _follow(dias: set[int]) -> bool:
    return any(d + 1 in dias for d in dias)
