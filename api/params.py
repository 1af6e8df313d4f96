"""Parameters that many routes share: customers, spans of time, filters. All of them have limits."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BeforeValidator, StringConstraints

from api.deps import Ahora
from api.errors import Invalida
from api.presentation import Presenta
from detection.domain import TIPOS
from pipeline.stores.presentation import Presentacion
from pipeline.stores.query_limits import PROPIETARIO_MAXIMO
from pipeline.stores.record_base import EstadoTexto
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO

DIAS_RANGO = 366
"""Days of hourly rows in one request: a year and a day."""

_INSTANTE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?P<hora>[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_DIA = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SIN_MAS = re.compile(r" (?=\d{2}:?\d{2}$)")
"""What is left of a "+" that a client has not encoded: in a query it means a space."""
SIN_CONTROL = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""One line of text: what a log, a tag of MLflow and PostgreSQL can all hold."""


def _cliente(texto: str) -> str:
    if not texto.strip():
        raise ValueError("está en blanco")
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in texto):
        raise ValueError("lleva caracteres de control")
    return texto


def _con_tilde(texto: object) -> object:
    """Return a severidad as it is stored, however its accent came."""
    if isinstance(texto, str):
        texto = unicodedata.normalize("NFC", texto)
        return "crítica" if texto == "critica" else texto
    return texto


_DE_CLIENTE = {
    "min_length": 1,
    "max_length": PROPIETARIO_MAXIMO,
    "examples": ["CLI_00001"],
    "json_schema_extra": {"pattern": SIN_CONTROL},
}
NombreCliente = Annotated[
    str,
    StringConstraints(min_length=1, max_length=PROPIETARIO_MAXIMO),
    AfterValidator(_cliente),
]
IdCliente = Annotated[
    str, AfterValidator(_cliente), Path(description="Cliente, de 1 a 20 caracteres", **_DE_CLIENTE)
]
IdClienteOTodos = Annotated[
    Annotated[str, AfterValidator(_cliente)] | None,
    Query(description="Solo este cliente; sin él, todos", **_DE_CLIENTE),
]

SeveridadAnomalia = Annotated[
    Literal["baja", "media", "alta", "crítica"], BeforeValidator(_con_tilde)
]
SeveridadCualquiera = Annotated[
    Literal["normal", "baja", "media", "alta", "crítica"], BeforeValidator(_con_tilde)
]
if TYPE_CHECKING:
    Tipo = str
else:
    Tipo = Literal[tuple(map(str, TIPOS))]

Severidades = Annotated[
    list[SeveridadAnomalia],
    Query(alias="severidad", max_length=8, description="Solo estas severidades; se puede repetir"),
]
SeveridadesONormal = Annotated[
    list[SeveridadCualquiera],
    Query(alias="severidad", max_length=8, description="Solo estas severidades; se puede repetir"),
]
Tipos = Annotated[
    list[Tipo],
    Query(
        alias="tipo", max_length=8, description="Solo con alguno de estos tipos; se puede repetir"
    ),
]
Estados = Annotated[
    list[EstadoTexto],
    Query(alias="estado", max_length=8, description="Solo en estos estados; se puede repetir"),
]
Archivadas = Annotated[
    bool, Query(description="También las anomalías que el archivador ha retirado")
]
FORMA_MES = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
MesPedido = Annotated[
    str | None, Query(pattern=FORMA_MES, description="Mes, AAAA-MM", examples=["2026-11"])
]

_FORMA = "instante ISO 8601 (sin desfase, hora local) o fecha"


def _iso_day(valor: object) -> object:
    """Return a local day as it came; pydantic alone would take a number for seconds since 1970."""
    if not isinstance(valor, str) or not _DIA.fullmatch(valor):
        raise ValueError("no es un día, como 2026-01-15")
    return valor


DiaLocal = Annotated[date, BeforeValidator(_iso_day)]
"""A local day, as AAAA-MM-DD."""
Desde = Annotated[
    str | None,
    Query(
        max_length=40,
        description=f"Desde cuándo, incluido: {_FORMA}",
        examples=["2026-11-01", "2026-11-01T00:00:00+01:00"],
    ),
]
Hasta = Annotated[
    str | None,
    Query(
        max_length=40,
        description=f"Hasta cuándo, sin incluirlo: {_FORMA}, y una fecha incluye todo su día. "
        "Si falta, ahora",
        examples=["2026-11-23", "2026-11-24T00:00:00+01:00"],
    ),
]


@dataclass(frozen=True, slots=True)
class Intervalo:
    """A span of time."""

    # desde, hasta: UTC; from the first on, up to the second without it.
    desde: datetime
    hasta: datetime

    def fechas(self, presenta: Presentacion) -> tuple[date, date]:
        """Return the first and the last local day that it touches."""
        return presenta.fecha(self.desde), presenta.fecha(self.hasta - timedelta(microseconds=1))


def read_instante(
    texto: str, presenta: Presentacion, campo: str, *, fin_de_dia: bool = False
) -> datetime:
    """Return the instant, in UTC, that a parameter gives.

    ``campo``: its name, for the error. ``fin_de_dia``: a date means the end of that local day, and
    not its beginning. ``Invalida``: it is none, or not within the years of our readings.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> madrid = Presentacion(ZoneInfo("Europe/Madrid"), 0.15, 6, 8)
    >>> read_instante("2026-01-15", madrid, "desde").isoformat()
    '2026-01-14T23:00:00+00:00'
    """
    limpio = _SIN_MAS.sub("+", texto.strip())
    forma = _INSTANTE.fullmatch(limpio)
    try:
        if forma is None:
            raise ValueError("de otra forma")
        leido = datetime.fromisoformat(limpio)
    except ValueError:
        raise Invalida(
            campo, "no es una fecha ni un instante ISO 8601, como 2026-01-15 o "
            "2026-01-15T02:00:00+01:00",
        ) from None  # fmt: skip
    if not PRIMER_ANIO <= leido.year < ULTIMO_ANIO:
        raise Invalida(campo, f"el año ha de estar entre {PRIMER_ANIO} y {ULTIMO_ANIO - 1}")
    if forma["hora"] is None and fin_de_dia:
        leido += timedelta(days=1)
    if leido.tzinfo is None:
        leido = leido.replace(tzinfo=presenta.zona)
    return leido.astimezone(UTC)


def make_intervalo(
    desde: str | None,
    hasta: str | None,
    ahora: datetime,
    presenta: Presentacion,
    *,
    dias: int,
    maximo: int,
) -> Intervalo:
    """Return the span that two parameters give.

    What is missing is filled so that the same answer serves for an hour: up to the end of the
    current hour, from the local midnight ``dias`` before.

    ``dias``: days up to ``hasta`` where ``desde`` is missing. ``maximo``: days that it may span.

    Raises
    ------
    Invalida
    """
    fin = (
        ahora.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        if hasta is None
        else read_instante(hasta, presenta, "hasta", fin_de_dia=True)
    )
    if desde is None:
        inicio = presenta.medianoche(presenta.fecha(fin - timedelta(seconds=1)) - timedelta(dias))
    else:
        inicio = read_instante(desde, presenta, "desde")
    if inicio >= fin:
        raise Invalida("hasta", "ha de ser posterior a «desde»")
    # A local day may have 25 hours.
    if fin - inicio > timedelta(days=maximo, hours=1):
        raise Invalida("desde", f"el intervalo es de {maximo} días como mucho")
    return Intervalo(inicio, fin)


class EntreFechas:
    """A dependency that gives the span of ``desde`` and ``hasta``.

    ``dias``, ``maximo``: see ``make_intervalo``.
    """

    def __init__(self, dias: int, maximo: int) -> None:
        self._dias = dias
        self._maximo = maximo

    async def __call__(
        self, presenta: Presenta, ahora: Ahora, desde: Desde = None, hasta: Hasta = None
    ) -> Intervalo:
        """Return the span, or refuse with 422."""
        return make_intervalo(desde, hasta, ahora, presenta, dias=self._dias, maximo=self._maximo)
