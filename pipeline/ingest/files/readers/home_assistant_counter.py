"""Home Assistant's exported statistics that only have the counter: what it moved in each hour.

The export of import_statistics has ``delta``, or the counter at the end of each hour (``sum``,
which goes on where the meter is changed; else ``state``). Then the hour is the difference to the
row of the hour before it, in a file that goes up or down in time; without that row it gives no
reading, nor where the sum grows by more than the state, as Home Assistant's may. The rows come out
as those of an export with ``delta``, and its profile does the rest. Where an export has both, an
hour whose ``change`` is not what the sum grew gives none either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from pipeline.ingest.files.blocks import Convertidor
from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.moments import to_instants
from pipeline.ingest.files.text_cells import FormatoError, read_rows

_NUMERO = re.compile(r"-?\d{1,15}([.,]\d{1,20})?", re.ASCII)
_LOCAL = re.compile(r"(\d\d)\.(\d\d)\.(\d{4}) (\d\d):(\d\d)", re.ASCII)
_SEPARADORES = "\t;|,"
_POLVO = Decimal("1e-6")
_UNA_HORA = timedelta(hours=1)
_CAMBIOS = ("change", "delta")
_SALTO = "sum sube y state no"
"""Stands for the number of an hour that has none, and is what the user reads of it…"""
_OTRO_CAMBIO = "no es lo que sube sum"
_CORTADA = "última línea sin fin de línea"
"""…and so do these."""


def is_counter(entrada: Entrada) -> bool:
    """Return whether the first line is the header of statistics with a counter to look at."""
    nombres = set(_names_of(entrada))
    con_cambio = not nombres.isdisjoint(_CAMBIOS)
    return {"statistic_id", "start"} <= nombres and (
        "sum" in nombres or ("state" in nombres and not con_cambio)
    )


def _names_of(entrada: Entrada) -> list[str]:
    return _split(next((linea for linea in entrada.head() if linea.strip()), ""))[1]


def _split(cabecera: str) -> tuple[str, list[str]]:
    separador = max(_SEPARADORES, key=cabecera.count)
    return separador, _names(cabecera.split(separador))


def _names(celdas: list[str]) -> list[str]:
    return [celda.strip('"\ufeff \r\n').lower() for celda in celdas]


def rows_of_counter(entrada: Entrada) -> Iterator[tuple[int, list[str]]]:
    """Yield the header and a row for each hour whose neighbour is there, or that says it itself."""
    if not set(_CAMBIOS).isdisjoint(_names_of(entrada)):
        yield from _rows_that_agree(entrada)
        return
    yield 1, ["statistic_id", "start", "unit", "delta"]
    hacia_atras = _goes_down(entrada)
    anteriores: dict[str, _Fila] = {}
    pendientes: dict[str, tuple[int, list[str]]] = {}
    for fila in _rows(entrada):
        antes = anteriores.get(fila.nombre)
        anteriores[fila.nombre] = fila
        if antes is None:
            continue
        fila.segunda = fila.inicio == antes.inicio
        pendiente = pendientes.pop(fila.nombre, None)
        if pendiente is not None and fila.segunda:
            yield pendiente
        primera, ultima = (fila, antes) if hacia_atras else (antes, fila)
        if not _follows(primera, ultima, antes, entrada):
            continue
        delta = _number(ultima.contador) - _number(primera.contador)
        dicho = _SALTO if _sum_jumps(primera, ultima, delta) else f"{delta:f}"
        dicho = primera.duda or ultima.duda or dicho
        hora = (ultima.linea, [ultima.nombre, ultima.inicio, ultima.unidad, dicho])
        if hacia_atras and not fila.segunda and _is_double(fila, entrada):
            # The hour behind the one that comes twice: known once the other of both is seen.
            pendientes[fila.nombre] = hora
        else:
            yield hora


def _rows_that_agree(entrada: Entrada) -> Iterator[tuple[int, list[str]]]:
    """Yield header and rows as they are; a number that the counter beside it denies is none."""
    nombres = _names_of(entrada)
    yield 1, nombres
    sitio = next(nombres.index(cambio) for cambio in _CAMBIOS if cambio in nombres)
    hacia_atras = _goes_down(entrada)
    anteriores: dict[str, _Fila] = {}
    for fila in _rows(entrada):
        antes = anteriores.get(fila.nombre)
        anteriores[fila.nombre] = fila
        if antes is not None:
            fila.segunda = fila.inicio == antes.inicio
            primera, ultima = (fila, antes) if hacia_atras else (antes, fila)
            if not (antes.duda or fila.duda) and _follows(primera, ultima, antes, entrada):
                ultima.celdas[sitio] = _agreed(primera, ultima, ultima.celdas[sitio])
        if fila.duda:
            fila.celdas[sitio] = fila.duda
        lista = antes if hacia_atras else fila
        if lista is not None:
            yield lista.linea, lista.celdas
    if hacia_atras:
        yield from ((fila.linea, fila.celdas) for fila in anteriores.values())


def _agreed(primera: _Fila, ultima: _Fila, cambio: str) -> str:
    """Return what an hour says that it moved, or what is wrong with it."""
    textos = cambio, primera.contador, ultima.contador
    if not all(map(_NUMERO.fullmatch, textos)):
        return cambio
    delta = _number(cambio)
    sube = _number(ultima.contador) - _number(primera.contador)
    if abs(delta - sube) > _rounding(*textos):
        return f"{cambio} {_OTRO_CAMBIO}"
    return _SALTO if _sum_jumps(primera, ultima, delta) else cambio


def _rounding(*textos: str) -> Decimal:
    """Return by how much a difference of rounded numbers may be wrong."""
    ultima_cifra = min(len(texto.replace(",", ".").partition(".")[2]) for texto in textos)
    return max(2 * Decimal(10) ** -ultima_cifra, _POLVO)


@dataclass(slots=True)
class _Fila:
    linea: int
    nombre: str
    inicio: str
    unidad: str
    contador: str
    estado: str
    celdas: list[str]
    duda: str
    segunda: bool = False


def _rows(entrada: Entrada) -> Iterator[_Fila]:
    """Yield the rows that have a counter, or tell what moved; a temperature has none."""
    with entrada.text() as lineas:
        cabecera = next((linea for linea in lineas if linea.strip()), "")
        separador, nombres = _split(cabecera)
        con_cambio = not set(_CAMBIOS).isdisjoint(nombres)
        acaba_en_numero = nombres[-1] in {"sum", "state", *_CAMBIOS}
        contador = "sum" if "sum" in nombres else "state"
        sitios = [nombres.index(n) if n in nombres else len(nombres)
                  for n in ("statistic_id", "start", "unit", contador, "state")]  # fmt: skip
        sin_fin = [False]
        for linea, celdas in read_rows(_see_end(lineas, sin_fin), separador, 1):
            if "statistic_id" in (suyas := _names(celdas)):
                if suyas[: len(nombres)] != nombres:
                    raise FormatoError(f"la línea {linea} es otra cabecera, con otras columnas")
                continue
            duda = _CORTADA if acaba_en_numero and sin_fin[0] else ""
            if len(celdas) != len(nombres):
                duda = f"{len(celdas)} celdas y la cabecera {len(nombres)}"
                celdas.extend([""] * (len(nombres) - len(celdas)))
            nombre, inicio, unidad, valor, estado = (
                celdas[sitio] if sitio < len(nombres) else "" for sitio in sitios
            )
            if con_cambio or _NUMERO.fullmatch(valor):
                yield _Fila(linea, nombre, inicio, unidad, valor, estado, celdas, duda)


def _see_end(lineas: Iterator[str], sin_fin: list[bool]) -> Iterator[str]:
    """Yield lines, and keep whether the last one has no line end: it may have been cut."""
    for linea in lineas:
        sin_fin[0] = not linea.endswith(("\n", "\r"))
        yield linea


def _goes_down(entrada: Entrada) -> bool:
    """Return whether the file begins with the newest row, by the first two of one counter."""
    primeros: dict[str, datetime] = {}
    for fila in _rows(entrada):
        momento = _to_time(fila.inicio)
        primero = primeros.get(fila.nombre)
        if momento is None or (primero is not None and primero.tzinfo != momento.tzinfo):
            continue
        if primero is not None and momento != primero:
            return momento < primero
        primeros.setdefault(fila.nombre, momento)
    return False


def _number(texto: str) -> Decimal:
    return Decimal(texto.replace(",", "."))


def _sum_jumps(primera: _Fila, ultima: _Fila, delta: Decimal) -> bool:
    """Return whether the sum of an hour grows by more than the meter moved.

    A meter that was set to zero or exchanged moves back, and says nothing.
    """
    if not (_NUMERO.fullmatch(primera.estado) and _NUMERO.fullmatch(ultima.estado)):
        return False
    textos = (primera.estado, ultima.estado, primera.contador, ultima.contador)
    movido = _number(ultima.estado) - _number(primera.estado)
    return movido >= 0 and delta > movido + _rounding(*textos)


def _follows(primera: _Fila, ultima: _Fila, antes: _Fila, entrada: Entrada) -> bool:
    """Return whether a row is that of the hour after another one, both of one unit.

    ``antes`` is the one of both that stands first in the file. In October two rows have one time:
    the hour behind them follows only where both are there.
    """
    desde, hasta = _to_time(primera.inicio), _to_time(ultima.inicio)
    if desde is None or hasta is None or primera.unidad != ultima.unidad:
        return False
    if desde.tzinfo is not None or hasta.tzinfo is not None:
        return None not in (desde.tzinfo, hasta.tzinfo) and hasta - desde == _UNA_HORA
    dobles = [len(to_instants(momento, entrada.zona)) == 2 for momento in (desde, hasta)]
    if desde == hasta:
        return dobles[0]
    salto = desde + _UNA_HORA
    if hasta == salto:
        return antes.segunda or not (dobles[0] if antes is primera else dobles[1])
    return hasta == salto + _UNA_HORA and not to_instants(salto, entrada.zona)


def _is_double(fila: _Fila, entrada: Entrada) -> bool:
    momento = _to_time(fila.inicio)
    return (
        momento is not None
        and momento.tzinfo is None
        and len(to_instants(momento, entrada.zona)) == 2
    )


def _to_time(texto: str) -> datetime | None:
    local = _LOCAL.fullmatch(texto)
    try:
        if local is not None:
            dia, mes, anio, hora, minuto = map(int, local.groups())
            return datetime(anio, mes, dia, hora, minuto)
        return datetime.fromisoformat(texto)
    except ValueError:
        return None


HA_CONTADOR = Convertidor("Home Assistant (contador)", is_counter, rows_of_counter)
