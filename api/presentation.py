"""What turns rows of the stores into what people read: local time, euros, ready answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from serving.settings import Settings, horas_de

DECIMALES_KWH = 6
"""As the monthly documents are rounded (``pipeline.stores.months``)."""
DECIMALES_EUR = 2
REVALIDA = "private, max-age=60"
"""Months change once a night; whoever holds one for a minute misses nothing. Private, since
reading may ask for a key."""


@dataclass(frozen=True, slots=True)
class Presentacion:
    """Local time and price.

    Parameters
    ----------
    zona : ZoneInfo
    precio_kwh_eur : float
        Price of energy, euros per kWh, >= 0.
    horas_noche, horas_punta : int
        Hours of the day that are night, and peak.

    Examples
    --------
    >>> p = Presentacion(ZoneInfo("Europe/Madrid"), 0.15, 6, 8)
    >>> p.hora(datetime(2026, 1, 15, 1, tzinfo=UTC)).isoformat()
    '2026-01-15T02:00:00+01:00'
    >>> p.euros(52.0), p.euros(None)
    (7.8, None)
    """

    zona: ZoneInfo
    precio_kwh_eur: float
    horas_noche: int
    horas_punta: int

    def hora(self, instante: datetime) -> datetime:
        """Return an aware instant in local time, offset included."""
        return instante.astimezone(self.zona)

    def hora_o_nada(self, instante: datetime | None) -> datetime | None:
        """Return an aware instant in local time; None stays None."""
        return None if instante is None else instante.astimezone(self.zona)

    def fecha(self, instante: datetime) -> date:
        """Return the local date of an instant."""
        return instante.astimezone(self.zona).date()

    def medianoche(self, fecha: date) -> datetime:
        """Return the instant, in UTC, at which a local day begins."""
        return datetime(fecha.year, fecha.month, fecha.day, tzinfo=self.zona).astimezone(UTC)

    def euros(self, kwh: float | None) -> float | None:
        """Return what an energy costs, in euros rounded to cents."""
        return None if kwh is None else round(kwh * self.precio_kwh_eur, DECIMALES_EUR)


def make_presentacion(settings: Settings) -> Presentacion:
    """Return local time and price of a service."""
    return Presentacion(
        ZoneInfo(settings.zona_horaria),
        settings.precio_kwh_eur,
        len(horas_de(settings.horas_noche)),
        len(horas_de(settings.horas_punta)),
    )


async def _presentacion(peticion: Request) -> Presentacion:
    presenta: Presentacion = peticion.app.state.presenta
    return presenta


Presenta = Annotated[Presentacion, Depends(_presentacion)]
"""Local time and price of this service."""


def kwh(energia: float) -> float:
    """Return a sum of energies without the noise of its additions.

    Examples
    --------
    >>> kwh(0.1 + 0.2)
    0.3
    """
    return round(energia, DECIMALES_KWH)


def kwh_or_none(energia: float | None) -> float | None:
    """Return ``kwh`` of an energy; None stays None."""
    return None if energia is None else kwh(energia)


def responder(modelo: BaseModel) -> Response:
    """Return an answer with a model as JSON, to be asked for anew each time.

    Made in the route, and so in its thread: FastAPI would validate the model again, and turn it
    into JSON in the loop that all requests share.
    """
    return Response(
        modelo.model_dump_json(by_alias=True),
        headers={"Cache-Control": "private, no-cache"},
        media_type="application/json",
    )


def responder_filas(filas: Sequence[Mapping[str, Any]], siguiente: str | None = None) -> Response:
    """Return an answer with a page of many rows as JSON; the same bytes as its model's.

    Parameters
    ----------
    filas : sequence of mapping
        What the model of a row gives as ``row``: to make a thousand models takes longer than all
        the rest of their answer.
    """
    return Response(
        to_json({"elementos": filas, "siguiente": siguiente}),
        headers={"Cache-Control": "private, no-cache"},
        media_type="application/json",
    )


NO_HA_CAMBIADO: dict[int | str, dict[str, Any]] = {
    304: {"description": "No ha cambiado desde la respuesta cuyo `ETag` se manda"}
}
"""``responses=`` of a route whose answers have an ``ETag``."""


@dataclass(frozen=True, slots=True)
class Etiqueta:
    """The ``ETag`` of an answer, against the one that the client has.

    It is of the answer itself: weak, since the same answer may be compressed or not.

    Parameters
    ----------
    peticion : Request
    """

    peticion: Request

    def responder(self, modelo: BaseModel) -> Response:
        """Return an answer with its tag, or 304 where the client has it already."""
        cuerpo = modelo.model_dump_json(by_alias=True).encode()
        etag = f'W/"{hashlib.blake2b(cuerpo, digest_size=12).hexdigest()}"'
        cabeceras = {"ETag": etag, "Cache-Control": REVALIDA}
        conocidas = self.peticion.headers.get("if-none-match", "")
        if conocidas.strip() == "*" or etag in {t.strip() for t in conocidas.split(",")}:
            return Response(status_code=304, headers=cabeceras)
        return Response(cuerpo, headers=cabeceras, media_type="application/json")


async def _etiqueta(peticion: Request) -> Etiqueta:
    return Etiqueta(peticion)


ConEtiqueta = Annotated[Etiqueta, Depends(_etiqueta)]
"""Answers 304 where the client has the answer already."""
