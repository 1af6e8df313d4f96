"""Green Button: the Atom feed of ESPI (NAESB REQ.21), plain or packed with gzip.

Two passes, since the kinds of reading may stand after the readings. Consumption is electric energy
(``uom`` 72, Wh) that flows to the customer; what flows back is left out, and so is the net
of both, unless the file has nothing else. Times are UTC by definition.

``propietario_id`` comes from the address of the UsagePoint in the links of the readings: its last
part where that has 6 to 20 characters (``…/UsagePoint/6345172663`` -> ``6345172663``); else "GB_"
and 16 hexadecimal digits of the SHA-256 of the whole address without its host, since ``1`` or
``01`` are not of one customer alone.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files import column_chunk
from pipeline.ingest.files.column_chunk import ESTIMADA, REAL, Filas, MotivoArchivo, reject
from pipeline.ingest.files.espi import Entry, parse_entries
from pipeline.ingest.files.intervals import Sumador
from pipeline.ingest.files.source_file import LARGO_ID, Entrada, FormatoError, brief
from pipeline.ingest.validation import Motivo, invalida

_WH = "72"
_ELECTRICIDAD = {"", "0", "1", "2"}
_HACIA_EL_CLIENTE = {"", "0", "1"}
_NETO, _VERTIDA = "4", "19"
_INCREMENTOS = {"", "0", "4"}
"""``accumulationBehaviour``: 4 = deltaData; the others are registers or instants."""
# ESPI's QualityOfReading: 0 valid, 14 raw, 17 validated, 18 verified, 19 revenue quality;
# 7 edited by hand, 8 and 9 estimated, 11 derived, 12 projected, 15 weather-normalized.
_METODOS = dict.fromkeys(("0", "14", "17", "18", "19"), REAL) | dict.fromkeys(
    ("7", "8", "9", "11", "12", "15"), ESTIMADA
)
_PUNTO = re.compile(r"(.*/UsagePoint/([^/]+))")
_ENTERO = re.compile(r"-?\d{1,15}", re.ASCII)
_LARGO_MINIMO = 6

_registro = logging.getLogger(__name__)


def is_greenbutton(entrada: Entrada) -> bool:
    """Return whether a file begins as XML and speaks of ESPI."""
    comienzo = entrada.muestra.lstrip(b"\xef\xbb\xbf \t\r\n")
    return comienzo.startswith(b"<") and b"naesb.org/espi" in comienzo


def read_greenbutton(entrada: Entrada) -> Iterator[Filas]:
    """Yield the hours of a file."""
    mapa = _read_map(entrada)
    sumador, usados = Sumador(), 0
    vertida_dicha = False
    for entry in parse_entries(entrada):
        if entry.clase != "IntervalBlock":
            continue
        tipo = mapa.kind_of(entry)
        if tipo is None:
            error = reject(MotivoArchivo.REGISTRO_NO_VALIDO, "no se sabe qué ReadingType tiene")
            sumador.reject(entry.linea, error)
        elif tipo in mapa.validos:
            usados += 1
            _add_block(entry, mapa.id_of(entry), tipo, sumador)
        elif tipo.get("flowDirection") == _VERTIDA and not vertida_dicha:
            vertida_dicha = True
            _registro.info(
                "«%s»: la energía vertida (flowDirection 19) no es consumo y no se envía",
                entrada.ruta,
            )
        if len(sumador) >= column_chunk.FILAS_POR_TROZO:
            yield sumador.take(entrada.avance)
    resto = sumador.close()
    if len(resto):
        yield resto
    elif not usados:
        raise FormatoError("no tiene consumo eléctrico por intervalos (ESPI, uom 72)")


@dataclass(slots=True)
class _Mapa:
    """What the entries say of each other: kinds of reading, meters and usage points."""

    tipos: dict[str, dict[str, str]] = field(default_factory=dict)
    contadores: dict[str, list[str]] = field(default_factory=dict)
    puntos: list[str] = field(default_factory=list)
    validos: list[dict[str, str]] = field(default_factory=list)

    def kind_of(self, bloque: Entry) -> dict[str, str] | None:
        """Return the fields of the ReadingType of a block."""
        for direccion in (*bloque.hrefs("up"), *bloque.hrefs("self")):
            partes = direccion.split("/")
            while partes:
                enlaces = self.contadores.get("/".join(partes))
                if enlaces is not None:
                    tipo = next((self.tipos[e] for e in enlaces if e in self.tipos), None)
                    if tipo is not None:
                        return tipo
                partes.pop()
        return next(iter(self.tipos.values())) if len(self.tipos) == 1 else None

    def id_of(self, bloque: Entry) -> str:
        """Return the customer of a block."""
        for direccion in (*bloque.hrefs("self"), *bloque.hrefs("up")):
            punto = _PUNTO.match(direccion)
            if punto is not None:
                return _short(punto.group(1), punto.group(2))
        if len(self.puntos) == 1:
            direccion = self.puntos[0]
            return _short(direccion, direccion.rpartition("/")[2])
        raise FormatoError(f"la línea {bloque.linea} no dice de qué UsagePoint es")


def _short(direccion: str, ultima: str) -> str:
    if _LARGO_MINIMO <= len(ultima) <= LARGO_ID:
        return ultima
    return f"GB_{hashlib.sha256(direccion.encode()).hexdigest()[:16]}"


def _read_map(entrada: Entrada) -> _Mapa:
    mapa = _Mapa()
    for entry in parse_entries(entrada):
        propias = entry.hrefs("self")
        if entry.clase == "ReadingType":
            mapa.tipos.update(dict.fromkeys(propias, entry.campos))
        elif entry.clase == "MeterReading":
            # A meter's blocks may name it by its own address or by that of its collection.
            enlaces = entry.hrefs("related")
            for direccion in (*propias, *enlaces):
                mapa.contadores.setdefault(direccion, []).extend(enlaces)
        elif entry.clase == "UsagePoint":
            mapa.puntos.extend(d for d in propias or [entry.id] if d not in mapa.puntos)
    electricos = [
        tipo
        for tipo in mapa.tipos.values()
        if tipo.get("uom") == _WH
        and tipo.get("commodity", "") in _ELECTRICIDAD
        and tipo.get("accumulationBehaviour", "") in _INCREMENTOS
    ]
    mapa.validos = [t for t in electricos if t.get("flowDirection", "") in _HACIA_EL_CLIENTE]
    if not mapa.validos:
        mapa.validos = [t for t in electricos if t.get("flowDirection") == _NETO]
    return mapa


def _add_block(bloque: Entry, propietario_id: str, tipo: dict[str, str], sumador: Sumador) -> None:
    """Hand over the intervals of a block."""
    for linea, campos in bloque.lecturas:
        try:
            inicio, segundos = (_whole(campos, nombre) for nombre in ("start", "duration"))
        except LecturaInvalidaError as error:
            sumador.reject(linea, error)
            continue
        calidad = campos.get("quality", tipo.get("defaultQuality", ""))
        try:
            kwh = _kwh(campos, tipo)
        except LecturaInvalidaError as error:
            sumador.reject_interval(linea, propietario_id, inicio, error)
            continue
        sumador.add(linea, propietario_id, inicio, segundos, kwh, _METODOS.get(calidad))


def _whole(campos: dict[str, str], nombre: str) -> int:
    texto = campos.get(nombre, "")
    if not _ENTERO.fullmatch(texto):
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"{nombre} «{brief(texto)}» no es un número entero")
    return int(texto)


def _kwh(campos: dict[str, str], tipo: dict[str, str]) -> float:
    texto, potencia = campos.get("value", ""), tipo.get("powerOfTenMultiplier") or "0"
    if not texto:
        raise invalida(Motivo.CONSUMO_AUSENTE, "falta value")
    if not _ENTERO.fullmatch(texto) or not _ENTERO.fullmatch(potencia) or len(potencia) > 3:
        raise invalida(
            Motivo.CONSUMO_NO_NUMERO, f"«{brief(texto)}» por 10 a la «{brief(potencia)}»"
        )
    if texto.startswith("-"):
        raise invalida(Motivo.CONSUMO_NEGATIVO, f"{texto} es menor que cero")
    return float(Decimal(texto).scaleb(int(potencia) - 3))
