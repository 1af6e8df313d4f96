"""Texts of days and times: each distinct one is read once."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.text_cells import brief, clean
from pipeline.ingest.validation import Motivo, invalida
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

MINUTOS_POR_DIA = 1440
EPOCA = date(1970, 1, 1).toordinal()
_FECHA = re.compile(
    r"(\d{4})([/.-])(\d\d?)\2(\d\d?)|(\d\d?)([/.-])(\d\d?)\6(\d{4}|\d\d)|(\d{4})(\d\d)(\d\d)",
    re.ASCII,
)
_RELOJ = re.compile(
    r"(\d\d?):(\d\d)(?::(\d\d)(?:[.,]0{1,9})?)?(?:\s*([AaPp])\.?[Mm]\.?)?", re.ASCII
)
_INSTANTE = re.compile(
    r"(\d{1,4}[/.-]\d\d?[/.-]\d{1,4})[T ]\s*([\d:.,]+(?:\s*[AaPp]\.?[Mm]\.?)?)"
    r"\s*(Z|[+-]\d\d:?\d\d|[+-]\d\d)?",
    re.ASCII,
)
_NUMERO = re.compile(r"(\d{1,3})(?::00)?", re.ASCII)
_MINUTOS = re.compile(r"(\d{1,4})(?:[.,]0+)?", re.ASCII)
_UN_DIA = ("1900-01-01 ", "1904-01-02 ")
"""How workbooks of both kinds write the day behind their first one, which counts 1."""
_TRAMO = re.compile(r"(\d\d?:\d\d)\s*-\s*(\d\d?:\d\d)", re.ASCII)


class Momento(NamedTuple):
    """A time as it was written.

    Parameters
    ----------
    exacto : bool
        It says its offset: ``valor`` is seconds since 1970; else ``valor`` is the local time, in
        minutes since 1970 as a clock on a wall counts them.
    valor : int
    """

    exacto: bool
    valor: int


MomentoLeido: TypeAlias = "Momento | LecturaInvalidaError"


def read_day(celda: str, orden: str) -> int | LecturaInvalidaError:
    """Return the day of a text, counted from 1970.

    Parameters
    ----------
    orden : str
        Of dates that do not begin with the year: ``dmy``, ``mdy`` or ``ymd`` (there are none).
    """
    texto = clean(celda)
    # A workbook's dates bear a time of zero.
    texto = texto.removesuffix(" 00:00:00")
    if not texto:
        return invalida(Motivo.TIEMPO_AUSENTE, "falta la fecha")
    partes = _FECHA.fullmatch(texto)
    if partes is None or (partes.group(5) and orden == "ymd"):
        return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es una fecha")
    if partes.group(1):
        anio, mes, dia = partes.group(1, 3, 4)
    elif partes.group(5):
        anio, mes, dia = partes.group(8, 7, 5) if orden == "dmy" else partes.group(8, 5, 7)
    else:
        anio, mes, dia = partes.group(9, 10, 11)
    try:
        leida = date(int(anio) + (2000 if len(anio) == 2 else 0), int(mes), int(dia))
    except ValueError:
        return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no existe")
    # Outside these years arithmetic with zones may overflow.
    if not PRIMER_ANIO <= leida.year <= ULTIMO_ANIO:
        motivo = Motivo.TIEMPO_ANTIGUO if leida.year < PRIMER_ANIO else Motivo.TIEMPO_FUTURO
        return invalida(motivo, f"«{brief(texto)}»")
    return leida.toordinal() - EPOCA


def read_clock(celda: str) -> int | LecturaInvalidaError:
    """Return the minutes since midnight of ``HH:MM``, up to 25:00."""
    texto = clean(celda)
    if not texto:
        return invalida(Motivo.TIEMPO_AUSENTE, "falta la hora")
    partes = _RELOJ.fullmatch(texto.removeprefix("1899-12-31 "))
    if partes is None and texto.startswith(_UN_DIA):
        # What a workbook's clock shows as 0:00 and is a whole day: 24:00.
        leido = read_clock(texto.partition(" ")[2])
        return leido + MINUTOS_POR_DIA if isinstance(leido, int) and leido <= 60 else leido
    if partes is None or int(partes.group(2)) > 59:
        return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es una hora del reloj")
    horas, minutos, mitad = int(partes.group(1)), int(partes.group(2)), partes.group(4)
    if mitad:
        if not 1 <= horas <= 12:
            return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es una hora del reloj")
        horas = horas % 12 + (12 if mitad in "Pp" else 0)
    if horas * 60 + minutos > 25 * 60:
        return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es una hora del reloj")
    if partes.group(3) not in {None, "00"}:
        return invalida(Motivo.HORA_NO_EN_PUNTO, f"«{brief(texto)}» no es una hora en punto")
    return horas * 60 + minutos


def read_number(celda: str) -> int | LecturaInvalidaError:
    """Return the number of an hour, or of a shorter interval, within its day."""
    texto = clean(celda)
    if not texto:
        return invalida(Motivo.TIEMPO_AUSENTE, "falta la hora")
    numero = _NUMERO.fullmatch(texto)
    if numero is None:
        return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es una hora de 1 a 25")
    return int(numero.group(1))


def read_minutes(celda: str) -> int | LecturaInvalidaError:
    """Return the minutes that an interval is said to last."""
    texto = clean(celda)
    minutos = _MINUTOS.fullmatch(texto)
    if minutos is None or not int(minutos.group(1)):
        return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no son los minutos de un tramo")
    return int(minutos.group(1))


def read_range(celda: str) -> tuple[int, int] | LecturaInvalidaError:
    """Return minute of the beginning and minutes of a range as ``00:00-01:00``, or of a day."""
    texto = clean(celda)
    if not texto:
        return invalida(Motivo.TIEMPO_AUSENTE, "falta la hora")
    partes = _TRAMO.fullmatch(texto)
    if partes is None:
        return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es un tramo de horas")
    inicio, fin = (read_clock(parte) for parte in partes.groups())
    if not isinstance(inicio, int):
        return inicio
    if not isinstance(fin, int):
        return fin
    return inicio, (fin - inicio) % MINUTOS_POR_DIA or MINUTOS_POR_DIA


def read_instant(celda: str, orden: str) -> MomentoLeido:
    """Return the time of a text with day and time, and offset where it has one.

    Examples
    --------
    >>> read_instant("2025-06-10T00:30:00.000+02:00", "ymd")
    Momento(exacto=True, valor=1749508200)
    >>> read_instant("10/06/2025 24:00", "dmy") == read_instant("11/06/2025 0:00", "dmy")
    True
    """
    texto = clean(celda)
    if not texto:
        return invalida(Motivo.TIEMPO_AUSENTE, "falta el instante")
    partes = _INSTANTE.fullmatch(texto)
    if partes is None:
        return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es ISO 8601 con hora")
    dia, minuto = read_day(partes.group(1), orden), read_clock(partes.group(2))
    if not isinstance(dia, int):
        return dia
    if not isinstance(minuto, int):
        return minuto
    if minuto > MINUTOS_POR_DIA:
        return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no existe")
    total = dia * MINUTOS_POR_DIA + minuto
    desfase = partes.group(3)
    if desfase is None:
        return Momento(False, total)
    minutos = 0
    if desfase != "Z":
        cifras = desfase[1:].replace(":", "")
        minutos = int(cifras[:2]) * 60 + int(cifras[2:] or 0)
        if minutos > 15 * 60 or int(cifras[2:] or 0) > 59:
            return invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no tiene un desfase posible")
        minutos = -minutos if desfase[0] == "-" else minutos
    return Momento(True, (total - minutos) * 60)


def read_moment(texto: str) -> int:
    """Return the seconds since 1970 of an ISO 8601 text with offset.

    Raises
    ------
    LecturaInvalidaError
        It is none.
    """
    try:
        momento = datetime.fromisoformat(texto)
        if momento.tzinfo is None:
            raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no dice su desfase de UTC")
        return int(momento.timestamp() // 1)
    except (ValueError, OverflowError) as error:
        if isinstance(error, LecturaInvalidaError):
            raise
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"«{brief(texto)}» no es ISO 8601") from None


def to_text(segundos: int) -> str:
    """Return the ISO 8601 text of an instant, in UTC, or its seconds where it is in no year.

    Examples
    --------
    >>> to_text(1_425_970_800)
    '2015-03-10T07:00:00Z'
    """
    if not 0 <= segundos // 31_556_952 + 1970 <= ULTIMO_ANIO + 1:
        return f"{segundos} s desde 1970"
    return f"{datetime.fromtimestamp(segundos, UTC):%Y-%m-%dT%H:%M:%SZ}"


def to_instants(local: datetime, zona: ZoneInfo) -> list[datetime]:
    """Return the instants that a local time may mean: two in October, none in March's gap."""
    candidatos = (local.replace(tzinfo=zona, fold=vez).astimezone(UTC) for vez in (0, 1))
    return sorted({c for c in candidatos if c.astimezone(zona).replace(tzinfo=None) == local})


def end_by_season(fin_local: int, verano: bool, paso: int, zona: ZoneInfo) -> int | None:
    """Return, in seconds, the instant at which an interval ends, by local time and season.

    The season is that of the end or, where that cannot be, of the beginning: both ways of writing
    October's hours are told apart.

    Parameters
    ----------
    fin_local, paso : int
        Minutes.
    """
    for momento, adelanto in ((fin_local, 0), (fin_local - paso, paso)):
        for instante in to_instants(datetime(1970, 1, 1) + timedelta(minutes=momento), zona):
            if bool(instante.astimezone(zona).dst()) == verano:
                return int(instante.timestamp()) + adelanto * 60
    return None
