"""Lists as files: CSV, CSV for Spanish Excel and Parquet, sent as they are read.

A list is walked page by page, each its own short query, so that however long it is, a page of it
is all that is held here. The first page is read before the answer begins: where a store is away
the client gets its 503, and not half a file.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import chain
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    get_args,
)

from fastapi import Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from api.errors import Invalida
from api.presentation import responder
from pipeline.stores.query_limits import LIMITE_PAGINA, Pagina, por_tramos
from pipeline.stores.record_base import Listado
from pipeline.stores.record_columns import FileColumn, columns, csv_pieces

if TYPE_CHECKING:
    import pyarrow as pa

RowT = TypeVar("RowT", bound=BaseModel)

ListFormat = Literal["json", "csv", "excel", "parquet"]
TIPO_CSV = "text/csv; charset=utf-8"
TIPO_PARQUET = "application/vnd.apache.parquet"
_COMPRESION = "zstd"


def row_of(modelo: type[Listado[Any]]) -> type[BaseModel]:
    """Return what the elements of a page are."""
    fila: type[BaseModel] = get_args(modelo.model_fields["elementos"].annotation)[0]
    return fila


class _Drenaje(io.RawIOBase):
    """A file that gives back what was written into it, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._trozos: list[bytes] = []
        self._posicion = 0

    def writable(self) -> bool:
        return True

    def write(self, datos: Any) -> int:
        trozo = bytes(datos)
        self._trozos.append(trozo)
        self._posicion += len(trozo)
        return len(trozo)

    def tell(self) -> int:
        return self._posicion

    def drain(self) -> bytes:
        trozos, self._trozos = self._trozos, []
        return b"".join(trozos)


def parquet_pieces(
    columnas: Sequence[FileColumn], tramos: Iterable[Sequence[object]]
) -> Iterator[bytes]:
    """Yield a Parquet file: a row group for each page; instants are in UTC."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    esquema = pa.schema([(columna.nombre, _arrow(columna.tipo)) for columna in columnas])
    drenaje = _Drenaje()
    with pq.ParquetWriter(drenaje, esquema, compression=_COMPRESION) as escritor:
        for tramo in tramos:
            escritor.write_table(
                pa.table(
                    {c.nombre: [c.value(fila) for fila in tramo] for c in columnas}, schema=esquema
                )
            )
            yield drenaje.drain()
    yield drenaje.drain()


def _arrow(tipo: type) -> pa.DataType:
    import pyarrow as pa

    return {
        str: pa.string(),
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
        datetime: pa.timestamp("us", tz="UTC"),
        date: pa.date32(),
        list: pa.list_(pa.string()),
    }[tipo]


class ListOutput:
    """How a list is wanted: as a page of JSON, or whole, as a file."""

    def __init__(self, peticion: Request, formato: ListFormat) -> None:
        self.formato = formato
        self._pedidos = peticion.query_params

    @property
    def es_fichero(self) -> bool:
        """Return whether a file is wanted."""
        return self.formato != "json"

    def page(
        self,
        nombre: str,
        modelo: type[Listado[RowT]],
        pagina: Callable[[str | None, int], Pagina[RowT]],
        cursor: str | None,
        limite: int,
        por_tramo: int = LIMITE_PAGINA,
        responder: Callable[[BaseModel], Response] = responder,
    ) -> Response:
        """Return a page of a list as JSON, or all of the list as a file.

        Parameters
        ----------
        nombre : str
            Of the file, without its ending.
        modelo : type
            What a page is.
        pagina : callable
            From a cursor and a limit to a page of the list.
        por_tramo : int
            The limit where the whole list is wanted.
        responder : callable
            What makes an answer of a page.
        """
        if self.es_fichero:
            return self.whole(nombre, row_of(modelo), pagina, por_tramo)
        elementos, siguiente = pagina(cursor, limite)
        return responder(modelo(elementos=elementos, siguiente=siguiente))

    def answer(
        self,
        nombre: str,
        lista: Listado[RowT],
        responder: Callable[[BaseModel], Response] = responder,
    ) -> Response:
        """Return a whole list as JSON or as a file; ``nombre`` and ``responder`` as in ``page``."""
        if self.es_fichero:
            return self.rows(nombre, row_of(type(lista)), [lista.elementos])
        return responder(lista)

    def whole(
        self,
        nombre: str,
        modelo: type[BaseModel],
        pagina: Callable[[str | None, int], Pagina[RowT]],
        por_tramo: int = LIMITE_PAGINA,
    ) -> StreamingResponse:
        """Return a whole list as a file.

        ``Invalida``: a page was asked for as well: a file is always the whole list.
        """
        for parametro in ("limite", "cursor"):
            if parametro in self._pedidos:
                raise Invalida(parametro, "no vale con «formato»: un fichero lleva toda la lista")
        tramos = por_tramos(lambda cursor: pagina(cursor, por_tramo))
        return self.rows(nombre, modelo, tramos)

    def rows(
        self, nombre: str, modelo: type[BaseModel], tramos: Iterable[Sequence[BaseModel]]
    ) -> StreamingResponse:
        """Return rows, given in pieces, as a file."""
        tramos = iter(tramos)
        primero = next(tramos, [])
        enteros, columnas = chain([primero], tramos), columns(modelo)
        if self.formato == "parquet":
            cuerpo, tipo = parquet_pieces(columnas, enteros), TIPO_PARQUET
        else:
            cuerpo = csv_pieces(columnas, enteros, excel=self.formato == "excel")
            tipo = TIPO_CSV
        fin = "parquet" if self.formato == "parquet" else "csv"
        return StreamingResponse(
            cuerpo,
            media_type=tipo,
            headers={
                "Content-Disposition": f'attachment; filename="{nombre}.{fin}"',
                "Cache-Control": "no-store",
            },
        )


async def _salida(
    peticion: Request,
    formato: Annotated[
        ListFormat,
        Query(
            description="«json», por páginas; o toda la lista en un fichero: «csv» (coma y punto "
            "decimal), «excel» (CSV para Excel en español: «;», coma decimal) o «parquet». En los "
            "CSV, un texto que una hoja de cálculo ejecutaría lleva un apóstrofo delante, y otro "
            "el que ya empieza por uno; «consumo producir» y «consumo evaluar» lo quitan"
        ),
    ] = "json",
) -> ListOutput:
    return ListOutput(peticion, formato)


ConSalida = Annotated[ListOutput, Depends(_salida)]
"""How a list is wanted."""

EN_FICHERO: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            TIPO_PARQUET: {"schema": {"type": "string", "format": "binary"}},
        }
    }
}
"""``responses=`` of a route that gives files as well."""
