"""Green Button: the Atom feed of ESPI (NAESB REQ.21).

Two passes, since the kinds of reading may stand after the readings. Consumption is electric energy
(``uom`` 72, Wh) that flows to the customer; what flows back is left out, and so is the net
of both, unless the file has nothing else. Times are UTC by definition.

A point may have a MeterReading for each tariff period (``tou``): they are parts of its consumption
and are summed. Where they tell the same hours (0 out of their own period), an hour counts once all
of them cover it; else a missing register would look like a house that consumes nothing.

``propietario_id`` comes from the address of the UsagePoint in the links of the readings: its last
part where that has 6 to 20 characters (``…/UsagePoint/6345172663`` -> ``6345172663``); else "GB_"
and 16 hexadecimal digits of the SHA-256 of the whole address without its host, since ``1`` or
``01`` are not of one customer alone.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from detection.errors import LecturaInvalidaError
from pipeline.ingest.files.blocks import (
    FILAS_POR_TROZO,
    Informe,
    Intervalos,
    LectorEnCodigo,
    MotivoArchivo,
    Recogida,
    reject,
)
from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.readers.markup import parse_markup, starts_as_xml
from pipeline.ingest.files.text_cells import LARGO_ID, FormatoError, brief
from pipeline.ingest.validation import Motivo, invalida

_ESPI = "http://naesb.org/espi"
_CLASES = {"UsagePoint", "MeterReading", "ReadingType", "IntervalBlock"}
_LECTURA = "IntervalReading"
_LECTURAS_MAXIMAS = 1_000_000
_WH = "72"
_ELECTRICIDAD = {"", "0", "1", "2"}
_HACIA_EL_CLIENTE = {"", "1"}
_VERTIDA = "19"
_OTROS_SENTIDOS = {"0": "ninguno", "4": "neto"}
"""``flowDirection``: 1 = delivered to the customer; net energy is no consumption."""
_INCREMENTOS = {"", "0", "4"}
"""``accumulationBehaviour``: 4 = deltaData; the others are registers or instants."""
_ENERGIA = {"", "0", "12"}
"""``kind``: 12 = energy; others are demand, currency and the like."""
_EXTREMOS = {"8", "9"}
"""``dataQualifier``: the highest and the lowest value, which are no sum."""
# ESPI's QualityOfReading: 0 valid, 14 raw, 17 validated, 18 verified, 19 revenue quality;
# 7 edited by hand, 8 and 9 estimated, 11 derived, 12 projected, 15 weather-normalized.
_METODOS = dict.fromkeys(("0", "14", "17", "18", "19"), 1) | dict.fromkeys(
    ("7", "8", "9", "11", "12", "15"), 2
)
_PUNTO = re.compile(r"(.*/UsagePoint/([^/]+))")
_ENTERO = re.compile(r"-?\d{1,15}", re.ASCII)
_LARGO_MINIMO = 6
_PRUEBA_DE_TRAMOS = 200
"""Readings of each register by which it is told whether they cover the same hours."""


@dataclass(slots=True)
class Entry:
    """An entry: its links, and the fields of the ESPI object in it.

    Parameters
    ----------
    linea : int
        Where it begins.
    id : str
        Its Atom id.
    clase : str
        Name of its ESPI object, if it is one of those that are read here.
    enlaces : list of (str, str)
        Relation and address.
    campos : dict
        Simple elements of the object by name.
    lecturas : list of (int, dict)
        IntervalReadings: line and simple elements by name.
    """

    linea: int
    id: str = ""
    clase: str = ""
    enlaces: list[tuple[str, str]] = field(default_factory=list)
    campos: dict[str, str] = field(default_factory=dict)
    lecturas: list[tuple[int, dict[str, str]]] = field(default_factory=list)

    def hrefs(self, relacion: str) -> list[str]:
        """Return the addresses of a relation, without host and last slash."""
        return [_path(href) for rel, href in self.enlaces if rel == relacion]


def _path(href: str) -> str:
    try:
        return urlsplit(href).path.rstrip("/")
    except ValueError:
        return href


def parse_entries(entrada: Entrada) -> Iterator[Entry]:
    """Yield the entries of a feed in their order."""
    entry: Entry | None = None
    lectura: dict[str, str] | None = None
    linea_lectura = 0
    for empieza, espacio, nombre, atributos, texto, linea in parse_markup(entrada):
        if empieza and nombre == "entry":
            entry, lectura = Entry(linea), None
        if entry is None:
            continue
        if empieza:
            if nombre == "link" and "href" in atributos:
                entry.enlaces.append((atributos.get("rel", ""), atributos["href"]))
            elif nombre in _CLASES and espacio == _ESPI and not entry.clase:
                entry.clase = nombre
            elif nombre == _LECTURA:
                lectura, linea_lectura = {}, linea
        elif nombre == "entry":
            yield entry
            entry = None
        elif nombre == _LECTURA and lectura is not None:
            if len(entry.lecturas) >= _LECTURAS_MAXIMAS:
                raise FormatoError(f"la línea {linea} pasa de {_LECTURAS_MAXIMAS} lecturas")
            entry.lecturas.append((linea_lectura, lectura))
            lectura = None
        elif lectura is not None:
            if texto:
                lectura[nombre] = texto
        elif nombre == "id" and not entry.clase:
            entry.id = texto
        elif entry.clase and texto:
            entry.campos.setdefault(nombre, texto)


def read_green_button(entrada: Entrada, informe: Informe) -> Iterator[Intervalos]:
    """Yield the intervals of a file."""
    mapa = _read_map(entrada)
    if len(mapa.tramos) > 1:
        _see_hours(mapa, entrada)
    informe.unidad, informe.zona = "Wh", "UTC"
    informe.canales_exigidos.update(mapa.parts())
    recogida, usados = Recogida(), 0
    for entry in parse_entries(entrada):
        if entry.clase != "IntervalBlock":
            continue
        if mapa.is_foreign(entry):
            informe.note("lo que no es electricidad (ServiceCategory) no se envía")
            continue
        tipo = mapa.kind_of(entry)
        if tipo is None:
            error = reject(MotivoArchivo.REGISTRO_NO_VALIDO, "no se sabe qué ReadingType tiene")
            recogida.reject(entry.linea, error)
        elif tipo in mapa.validos:
            usados += 1
            cliente, canal = mapa.id_of(entry), mapa.channel_of(tipo)
            for linea, campos in entry.lecturas:
                _add_reading(recogida, linea, campos, tipo, cliente, canal)
                if len(recogida) >= FILAS_POR_TROZO:
                    yield recogida.take(entrada.avance)
        elif tipo.get("flowDirection") == _VERTIDA:
            informe.note_exported("flowDirection 19")
        elif tipo.get("flowDirection") in _OTROS_SENTIDOS:
            informe.note(_other_direction(tipo))
    if len(recogida):
        yield recogida.take(1.0)
    elif not usados:
        que = ": solo energía vertida" * informe.vertida
        otros = [t for t in mapa.tipos.values() if t.get("flowDirection") in _OTROS_SENTIDOS]
        que = que or "".join(f": {_other_direction(t)}" for t in otros[:1])
        raise FormatoError(f"no tiene consumo eléctrico por intervalos (ESPI, uom 72){que}")


def _other_direction(tipo: dict[str, str]) -> str:
    sentido = tipo["flowDirection"]
    return f"flowDirection {sentido} ({_OTROS_SENTIDOS[sentido]}) no es lo que dio la red"


@dataclass(slots=True)
class _Mapa:
    """What the entries say of each other: kinds of reading, meters and usage points."""

    tipos: dict[str, dict[str, str]] = field(default_factory=dict)
    contadores: dict[str, list[str]] = field(default_factory=dict)
    puntos: list[str] = field(default_factory=list)
    ajenos: list[str] = field(default_factory=list)
    validos: list[dict[str, str]] = field(default_factory=list)
    tramos: list[str] = field(default_factory=list)
    horas: dict[str, dict[int, set[str]]] = field(default_factory=lambda: defaultdict(dict))

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

    def is_foreign(self, bloque: Entry) -> bool:
        """Return whether a block is of a service that is no electricity, as gas or water."""
        direcciones = (*bloque.hrefs("self"), *bloque.hrefs("up"))
        if len(self.puntos) == 1:
            return bool(self.ajenos)
        return any(f"{d}/".startswith(f"{ajeno}/") for d in direcciones for ajeno in self.ajenos)

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

    def channel_of(self, tipo: dict[str, str]) -> int:
        """Return the register of a kind of reading: its tariff period."""
        return self.tramos.index(tipo.get("tou", ""))

    def parts(self) -> dict[str, set[int]]:
        """Return the registers of the customers of whom several tell the same hours."""
        juntos: dict[str, set[int]] = {}
        for cliente, canales in self.horas.items():
            conjuntos = list(canales.values())
            if len(conjuntos) > 1 and conjuntos[0].intersection(*conjuntos[1:]):
                juntos[cliente] = set(canales)
        return juntos


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
            nuevos = [d for d in propias or [entry.id] if d not in mapa.puntos]
            mapa.puntos.extend(nuevos)
            if entry.campos.get("kind", "0") != "0":
                mapa.ajenos.extend(nuevos)
    electricos = [
        tipo
        for tipo in mapa.tipos.values()
        if tipo.get("uom") == _WH
        and tipo.get("commodity", "") in _ELECTRICIDAD
        and tipo.get("accumulationBehaviour", "") in _INCREMENTOS
        and tipo.get("kind", "") in _ENERGIA
        and tipo.get("dataQualifier", "") not in _EXTREMOS
    ]
    mapa.validos = [t for t in electricos if t.get("flowDirection", "") in _HACIA_EL_CLIENTE]
    mapa.tramos = sorted({tipo.get("tou", "") for tipo in mapa.validos})
    return mapa


def _see_hours(mapa: _Mapa, entrada: Entrada) -> None:
    """Note which instants each register of a customer tells, of its first readings."""
    for bloque in parse_entries(entrada):
        tipo = mapa.kind_of(bloque) if bloque.clase == "IntervalBlock" else None
        if tipo is None or tipo not in mapa.validos:
            continue
        vistas = mapa.horas[mapa.id_of(bloque)].setdefault(mapa.channel_of(tipo), set())
        if len(vistas) < _PRUEBA_DE_TRAMOS:
            lecturas = bloque.lecturas[:_PRUEBA_DE_TRAMOS]
            vistas.update(campos.get("start", "") for _, campos in lecturas)


def _add_reading(
    recogida: Recogida,
    linea: int,
    campos: dict[str, str],
    tipo: dict[str, str],
    cliente: str,
    canal: int,
) -> None:
    """Hand over an interval."""
    try:
        inicio, segundos = (_whole(campos, nombre) for nombre in ("start", "duration"))
    except LecturaInvalidaError as error:
        recogida.reject(linea, error)
        return
    calidad = campos.get("quality", tipo.get("defaultQuality", ""))
    try:
        kwh = _kwh(campos, tipo)
    except LecturaInvalidaError as error:
        recogida.reject_interval(linea, cliente, inicio, segundos, error, canal=canal)
        return
    metodo = _METODOS.get(calidad, 0)
    recogida.add(linea, cliente, inicio, segundos, kwh, metodo=metodo, canal=canal)


def _whole(campos: dict[str, str], nombre: str) -> int:
    texto = campos.get(nombre, "")
    # Past 32 bits there is no instant of a meter, and no duration that fits in an hour.
    if not _ENTERO.fullmatch(texto) or not 0 <= int(texto) < 1 << 32:
        raise invalida(Motivo.TIEMPO_ILEGIBLE, f"{nombre} «{brief(texto)}» no es un número entero")
    return min(int(texto), (1 << 31) - 1) if nombre == "duration" else int(texto)


def _kwh(campos: dict[str, str], tipo: dict[str, str]) -> float:
    texto, potencia = campos.get("value", ""), tipo.get("powerOfTenMultiplier") or "0"
    if not texto:
        raise invalida(Motivo.CONSUMO_AUSENTE, "falta value")
    if not _ENTERO.fullmatch(texto):
        raise invalida(
            Motivo.CONSUMO_NO_NUMERO, f"value «{brief(texto)}» ha de ser un número entero"
        )
    if not _ENTERO.fullmatch(potencia) or len(potencia) > 3:
        raise invalida(Motivo.CONSUMO_NO_NUMERO, f"{texto} por 10 a la «{brief(potencia)}»")
    if texto.startswith("-"):
        raise invalida(Motivo.CONSUMO_NEGATIVO, f"{texto} es menor que cero")
    return float(Decimal(texto).scaleb(int(potencia) - 3))


GREEN_BUTTON = LectorEnCodigo(
    "Green Button (ESPI XML)",
    lambda entrada: starts_as_xml(entrada, b"naesb.org/espi"),
    read_green_button,
)
