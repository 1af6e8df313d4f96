"""Entries of an ESPI feed, one at a time, each with its lines; no entity is ever expanded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.parsers import expat

from pipeline.ingest.files.source_file import Entrada, FormatoError

_ESPI = "http://naesb.org/espi"
_CLASES = {"UsagePoint", "MeterReading", "ReadingType", "IntervalBlock"}
_LECTURA = "IntervalReading"
_BLOQUE = 65_536
_ATASCO_MAXIMO = 1 << 20
"""Bytes without a whole tag; what has none for so long is no feed."""
_LARGO_TEXTO = 200
_LECTURAS_MAXIMAS = 1_000_000


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


def parse_entries(entrada: Entrada) -> Iterator[Entry]:
    """Yield the entries of a feed in their order.

    Raises
    ------
    FormatoError
        It is no well-formed XML, or it declares a document type: entities that blow up or read
        files begin there, and no utility's feed has one.
    """
    lector = _Lector()
    with entrada.open() as archivo:
        leidos = 0
        while True:
            bloque = archivo.read(_BLOQUE)
            lector.feed(bloque)
            yield from lector.take()
            if not bloque:
                return
            leidos += len(bloque)
            if leidos - lector.position() > _ATASCO_MAXIMO:
                raise FormatoError(f"la línea {lector.line()} no acaba de ser XML")


def _path(href: str) -> str:
    try:
        return urlsplit(href).path.rstrip("/")
    except ValueError:
        return href


class _Lector:
    def __init__(self) -> None:
        # The separator of namespaces can be in no name.
        self._expat = expat.ParserCreate(namespace_separator=" ")
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text
        self._expat.StartDoctypeDeclHandler = self._refuse
        self._entry: Entry | None = None
        self._lectura: dict[str, str] | None = None
        self._linea_lectura = 0
        self._trozos: list[str] = []
        self._listas: list[Entry] = []

    def feed(self, bloque: bytes) -> None:
        try:
            self._expat.Parse(bloque, not bloque)
        except expat.ExpatError as error:
            raise FormatoError(f"la línea {error.lineno} no es XML bien formado") from error
        except (ValueError, LookupError) as error:
            # An encoding that Python does not know.
            raise FormatoError("el XML está en una codificación desconocida") from error

    def take(self) -> list[Entry]:
        listas, self._listas = self._listas, []
        return listas

    def position(self) -> int:
        return self._expat.CurrentByteIndex

    def line(self) -> int:
        return self._expat.CurrentLineNumber

    def _refuse(self, *_: object) -> None:
        raise FormatoError(f"la línea {self.line()} declara un DOCTYPE, que no se admite")

    def _start(self, nombre: str, atributos: dict[str, str]) -> None:
        espacio, _, local = nombre.rpartition(" ")
        self._trozos.clear()
        if local == "entry":
            self._entry = Entry(self.line())
            self._lectura = None
        entry = self._entry
        if entry is None:
            return
        if local == "link" and "href" in atributos:
            entry.enlaces.append((atributos.get("rel", ""), atributos["href"]))
        elif local in _CLASES and espacio == _ESPI and not entry.clase:
            entry.clase = local
        elif local == _LECTURA:
            self._lectura, self._linea_lectura = {}, self.line()

    def _text(self, texto: str) -> None:
        if sum(map(len, self._trozos)) < _LARGO_TEXTO:
            self._trozos.append(texto[:_LARGO_TEXTO])

    def _end(self, nombre: str) -> None:
        local = nombre.rpartition(" ")[2]
        texto = "".join(self._trozos).strip()
        self._trozos.clear()
        entry = self._entry
        if entry is None:
            return
        if local == "entry":
            self._listas.append(entry)
            self._entry = None
        elif local == _LECTURA and self._lectura is not None:
            if len(entry.lecturas) >= _LECTURAS_MAXIMAS:
                raise FormatoError(f"la línea {self.line()} pasa de {_LECTURAS_MAXIMAS} lecturas")
            entry.lecturas.append((self._linea_lectura, self._lectura))
            self._lectura = None
        elif self._lectura is not None:
            if texto:
                self._lectura[local] = texto
        elif local == "id" and not entry.clase:
            entry.id = texto
        elif entry.clase and texto:
            entry.campos.setdefault(local, texto)
