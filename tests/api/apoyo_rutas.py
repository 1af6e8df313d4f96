"""What the tests of the routes share: all pages of a list, and the readings by customer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from apoyo_api import ZONA, Datos

from detection.domain import instante

MADRID = ZoneInfo(ZONA)
PAGINAS_MAXIMAS = 500


def lee(cliente: httpx.Client, ruta: str, **parametros: Any) -> Any:
    """Return what a GET answers, which must be 200."""
    respuesta = cliente.get(ruta, params=parametros)
    assert respuesta.status_code == 200, respuesta.text
    return respuesta.json()


def paginas(cliente: httpx.Client, ruta: str, **parametros: Any) -> Iterator[list[Any]]:
    """Give the pages of a list until there is no more."""
    cursor: dict[str, str] = {}
    for _ in range(PAGINAS_MAXIMAS):
        cuerpo = lee(cliente, ruta, **parametros, **cursor)
        yield cuerpo["elementos"]
        if cuerpo["siguiente"] is None:
            return
        cursor = {"cursor": cuerpo["siguiente"]}
    raise AssertionError("the list does not end")


def todo(cliente: httpx.Client, ruta: str, **parametros: Any) -> list[Any]:
    """Return a whole list, page by page."""
    return [elemento for pagina in paginas(cliente, ruta, **parametros) for elemento in pagina]


def de_cliente(datos: Datos, cliente: str) -> dict[datetime, float]:
    """Return a customer's kWh by instant, in order of time."""
    lecturas = datos.lecturas
    filas = zip(
        lecturas.propietario_id, lecturas.hora_utc.tolist(), lecturas.consumo_kwh, strict=True
    )
    suyas = {instante(hora): float(kwh) for quien, hora, kwh in filas if quien == cliente}
    return dict(sorted(suyas.items()))


def local(texto: str) -> datetime:
    """Return an instant of an answer; it must carry the offset of the service's zone."""
    momento = datetime.fromisoformat(texto)
    assert momento.tzinfo is not None
    assert momento.utcoffset() == momento.astimezone(MADRID).utcoffset()
    return momento


HORA = timedelta(hours=1)
