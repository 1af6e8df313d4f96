"""What cases are asked for: one by its id, or many by filters and in an order."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Path, Query
from pydantic import BeforeValidator
from starlette.convertors import CONVERTOR_TYPES, PathConvertor

from api.accents import without_accents
from api.params import SIN_CONTROL, DiaLocal, IdClienteOTodos, Tipo
from detection.domain import TipoInocente
from pipeline.stores.case_records import ClaseCasoTexto, EstadoCasoTexto, FiltroCasos
from pipeline.stores.query_limits import PROPIETARIO_MAXIMO

NOMBRE_MAXIMO = 40
"""Characters of the name of a key (``claves_de``)."""
VERSION_MAXIMA = 200

_FORMA = r"_[0-9]{4}-[0-9]{2}-[0-9]{2}"


class CasePath(PathConvertor):
    """The id of a case in a path: its customer's name may have slashes, and what follows is not."""

    regex = f".+{_FORMA}"


CONVERTOR_TYPES["caso"] = CasePath()
IdCaso = Annotated[
    str,
    Path(
        pattern=rf"^[^\x00-\x1f\x7f-\x9f]{{1,{PROPIETARIO_MAXIMO}}}{_FORMA}$",
        description="Identificador del caso: el cliente y el día en que se abrió",
        examples=["CLI_00045_2026-11-09"],
    ),
]


def _plain_order(texto: object) -> object:
    """Return an order as it is declared, with or without its dieresis."""
    return without_accents(texto) if isinstance(texto, str) else texto


OrdenCasos = Annotated[
    Literal["recuperable", "probabilidad", "antiguedad"],
    BeforeValidator(_plain_order),
    Query(
        description="«recuperable», primero donde una visita recupera más; «probabilidad», donde "
        "más probable es que haya algo; o «antiguedad», los que empezaron antes"
    ),
]
EstadosCaso = Annotated[
    list[EstadoCasoTexto],
    Query(max_length=8, description="Solo en estos estados; se puede repetir"),
]
TiposCaso = Annotated[
    list[Tipo | TipoInocente],
    Query(max_length=16, description="Solo de alguno de estos tipos; se puede repetir"),
]
Clase = Annotated[
    ClaseCasoTexto | None,
    Query(
        description="«sospechoso», los que pueden ser algo; «inocente», los cambios que lo más "
        "probable es que no sean nada; o «todos». Si no se dice, los sospechosos, o todos si se "
        "pide algún tipo inocente"
    ),
]
Abiertos = Annotated[
    bool, Query(description="Solo los que siguen y nadie ha juzgado; falso = todos")
]
AsignadoA = Annotated[
    str | None,
    Query(
        max_length=NOMBRE_MAXIMO,
        pattern=SIN_CONTROL,
        description="Solo los que lleva esta persona",
        examples=["ana"],
    ),
]
DesdeDia = Annotated[
    DiaLocal | None, Query(description="Abiertos ese día local o después", examples=["2026-11-01"])
]
HastaDia = Annotated[
    DiaLocal | None, Query(description="Abiertos ese día local o antes", examples=["2026-11-30"])
]
VisitadoDesde = Annotated[
    DiaLocal | None,
    Query(description="Visitados ese día local o después", examples=["2026-11-01"]),
]
VisitadoHasta = Annotated[
    DiaLocal | None, Query(description="Visitados ese día local o antes", examples=["2026-11-30"])
]
ConResultado = Annotated[
    bool,
    Query(
        description="Solo los visitados de los que se sabe qué había: los que cuenta "
        "`/api/casos/aciertos`; con «abiertos=false»"
    ),
]
VersionPedida = Annotated[
    str | None,
    Query(
        max_length=VERSION_MAXIMA,
        pattern=SIN_CONTROL,
        description="Solo los que juzgó esta versión",
    ),
]


async def _filter(
    propietario_id: IdClienteOTodos = None,
    estado: EstadosCaso = [],  # noqa: B006 - FastAPI copies it
    tipo: TiposCaso = [],  # noqa: B006
    abiertos: Abiertos = True,
    asignado_a: AsignadoA = None,
    desde: DesdeDia = None,
    hasta: HastaDia = None,
    version_modelo: VersionPedida = None,
    visita_desde: VisitadoDesde = None,
    visita_hasta: VisitadoHasta = None,
    con_resultado: ConResultado = False,
    clase: Clase = None,
) -> FiltroCasos:
    return FiltroCasos(
        propietario_id, tuple(estado), tuple(tipo), abiertos, asignado_a, desde, hasta,
        version_modelo, visita_desde, visita_hasta, con_resultado, clase,
    )  # fmt: skip


ConFiltro = Annotated[FiltroCasos, Depends(_filter)]
"""Which cases are asked for."""
