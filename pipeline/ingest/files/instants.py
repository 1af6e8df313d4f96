"""Local times, days of 23 to 25 hours, and instants in UTC, in whole seconds since 1970."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from detection.domain import SEGUNDOS_POR_HORA
from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.source_file import brief
from pipeline.ingest.validation import Motivo, invalida
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

_FECHA = re.compile(r"(\d{4})[/-](\d\d?)[/-](\d\d?)|(\d\d?)[/-](\d\d?)[/-](\d{4})", re.ASCII)
_HORA = re.compile(r"(\d\d?):(\d\d)(:00)?", re.ASCII)


def to_date(texto: str) -> date:
    """Return the day of ``yyyy/mm/dd`` or ``dd/mm/yyyy``, with slashes or hyphens.

    Raises
    ------
    LecturaInvalidaError
        It is no such day, or outside the years that a reading may have.
    """
    partes = _FECHA.fullmatch(texto)
    if partes is None:
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es una fecha")
    anio, mes, dia = partes.group(1, 2, 3) if partes.group(1) else partes.group(6, 5, 4)
    try:
        leida = date(int(anio), int(mes), int(dia))
    except ValueError:
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no existe") from None
    # Outside these years arithmetic with zones may overflow.
    if not PRIMER_ANIO <= leida.year <= ULTIMO_ANIO:
        motivo = Motivo.TIEMPO_ANTIGUO if leida.year < PRIMER_ANIO else Motivo.TIEMPO_FUTURO
        raise invalida(motivo, f"«{brief(texto)}»")
    return leida


def to_local(fecha: str, hora: str) -> datetime:
    """Return the local time of a day and a clock time from 00:00 to 24:00, without offset."""
    dia, partes = to_date(fecha), _HORA.fullmatch(hora)
    minutos = -1 if partes is None else int(partes.group(1)) * 60 + int(partes.group(2))
    if not 0 <= minutos <= 24 * 60 or (partes is not None and int(partes.group(2)) > 59):
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(hora)}» no es una hora del reloj")
    return datetime(dia.year, dia.month, dia.day) + timedelta(minutes=minutos)


def to_instants(local: datetime, zona: ZoneInfo) -> list[datetime]:
    """Return the instants that a local time may mean: two in October, none in March's gap."""
    candidatos = (local.replace(tzinfo=zona, fold=vez).astimezone(UTC) for vez in (0, 1))
    return sorted(
        {c for c in candidatos if c.astimezone(zona).replace(tzinfo=None) == local},
    )


def to_text(segundos: int) -> str:
    """Return the ISO 8601 text of an instant, in UTC.

    Raises
    ------
    LecturaInvalidaError
        It is in none of the years that a reading may have.

    Examples
    --------
    >>> to_text(1_425_970_800)
    '2015-03-10T07:00:00Z'
    """
    # A year more on each side: the exact limits are for the rules.
    if not 0 <= segundos // 31_556_952 + 1970 <= ULTIMO_ANIO + 1:
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{segundos}» segundos desde 1970")
    return f"{datetime.fromtimestamp(segundos, UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Dia:
    """A local day.

    Parameters
    ----------
    fecha : date
    inicio : int
        Seconds since 1970 at its beginning.
    horas : int
        How many it has: 24, or 23 or 25 on the days of the change.
    cambio : int
        How many of them pass before the clock changes; 0 = it does not.
    """

    fecha: date
    inicio: int
    horas: int
    cambio: int

    def places(self, numeros: list[int]) -> list[int | None]:
        """Return which hour of the day each number means, 0 to ``horas`` - 1; None = no such hour.

        Numbers run from 1 in the order in which the hours pass, to 23 or 25 on the days of the
        change. A file that numbers by the clock instead shows it: it has an hour 24 on the day
        of 23 hours, or twice the repeated hour and no 25 on that of 25.
        """
        if self.horas == 23 and 24 in numeros:
            return [self._clock_of_23(n) for n in numeros]
        doble = self.cambio
        if self.horas == 25 and 25 not in numeros and numeros.count(doble) == 2:
            vista, sitios = False, []
            for n in numeros:
                sitios.append(n if n > doble or (n == doble and vista) else n - 1)
                vista = vista or n == doble
            return [s if 0 <= s < self.horas else None for s in sitios]
        return [n - 1 if 1 <= n <= self.horas else None for n in numeros]

    def _clock_of_23(self, numero: int) -> int | None:
        falta = self.cambio + 1
        if not 1 <= numero <= 24 or numero == falta:
            return None
        return numero - 1 if numero < falta else numero - 2


def load_day(fecha: date, zona: ZoneInfo) -> Dia:
    """Return a local day of a zone."""
    medianoche = datetime(fecha.year, fecha.month, fecha.day, tzinfo=zona)
    siguiente = fecha + timedelta(days=1)
    fin = datetime(siguiente.year, siguiente.month, siguiente.day, tzinfo=zona)
    inicio = int(medianoche.timestamp())
    horas = (int(fin.timestamp()) - inicio) // SEGUNDOS_POR_HORA
    cambio = 0
    if horas != 24:
        locales = [
            datetime.fromtimestamp(inicio + i * SEGUNDOS_POR_HORA, zona).hour for i in range(horas)
        ]
        cambio = next((i for i, hora in enumerate(locales) if hora != i), 0)
    return Dia(fecha, inicio, horas, cambio)


def read_moment(texto: str) -> int:
    """Return the seconds since 1970 of an ISO 8601 text with offset."""
    try:
        momento = datetime.fromisoformat(texto)
        if momento.tzinfo is None:
            raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no dice su desfase de UTC")
        return int(momento.timestamp() // 1)
    except (ValueError, OverflowError) as error:
        if isinstance(error, LecturaInvalidaError):
            raise
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es ISO 8601") from None
