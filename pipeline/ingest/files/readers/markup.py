"""Elements of an XML file, one at a time: no entity is ever expanded, and nothing is held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from xml.parsers import expat

from pipeline.ingest.files.container import Entrada
from pipeline.ingest.files.text_cells import FormatoError

_BLOQUE = 65_536
_ATASCO_MAXIMO = 1 << 20
"""Bytes without a whole tag; what has none for so long is no utility's XML."""
_LARGO_TEXTO = 200


class EtiquetaXml(NamedTuple):
    """The beginning or the end of an element.

    Parameters
    ----------
    empieza : bool
    espacio, nombre : str
        Namespace and name without prefix.
    atributos : dict
        Of a beginning.
    texto : str
        Of an end: what stands in the element since the last tag, stripped and cut.
    linea : int
    """

    empieza: bool
    espacio: str
    nombre: str
    atributos: dict[str, str]
    texto: str
    linea: int


def parse_markup(entrada: Entrada) -> Iterator[EtiquetaXml]:
    """Yield the tags of a file in their order.

    Raises
    ------
    FormatoError
        It is no well-formed XML, or it declares a document type: entities that blow up or read
        files begin there, and no utility's file has one.
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


def starts_as_xml(entrada: Entrada, de_que_habla: bytes) -> bool:
    """Return whether a file begins as XML and its first bytes name something."""
    comienzo = entrada.muestra.lstrip(b"\xef\xbb\xbf \t\r\n")
    return comienzo.startswith(b"<") and de_que_habla in comienzo


class _Lector:
    def __init__(self) -> None:
        # The separator of namespaces can be in no name.
        self._expat = expat.ParserCreate(namespace_separator=" ")
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text
        self._expat.StartDoctypeDeclHandler = self._refuse
        self._trozos: list[str] = []
        self._largo = 0
        self._etiquetas: list[EtiquetaXml] = []

    def feed(self, bloque: bytes) -> None:
        try:
            self._expat.Parse(bloque, not bloque)
        except expat.ExpatError as error:
            raise FormatoError(f"la línea {error.lineno} no es XML bien formado") from error
        except (ValueError, LookupError) as error:
            # An encoding that Python does not know.
            raise FormatoError("el XML está en una codificación desconocida") from error

    def take(self) -> list[EtiquetaXml]:
        etiquetas, self._etiquetas = self._etiquetas, []
        return etiquetas

    def position(self) -> int:
        return self._expat.CurrentByteIndex

    def line(self) -> int:
        return self._expat.CurrentLineNumber

    def _refuse(self, *_: object) -> None:
        raise FormatoError(f"la línea {self.line()} declara un DOCTYPE, que no se admite")

    def _start(self, nombre: str, atributos: dict[str, str]) -> None:
        espacio, _, local = nombre.rpartition(" ")
        self._trozos.clear()
        self._largo = 0
        self._etiquetas.append(EtiquetaXml(True, espacio, local, atributos, "", self.line()))

    def _text(self, texto: str) -> None:
        if self._largo < _LARGO_TEXTO:
            self._trozos.append(texto[:_LARGO_TEXTO])
            self._largo += len(texto)

    def _end(self, nombre: str) -> None:
        espacio, _, local = nombre.rpartition(" ")
        texto = "".join(self._trozos).strip()
        self._trozos.clear()
        self._largo = 0
        self._etiquetas.append(EtiquetaXml(False, espacio, local, {}, texto, self.line()))
