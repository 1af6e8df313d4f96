"""Rows and answers of the tests of meter files' times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from disposiciones import CUPS
from lector_archivos import Leido

from pipeline.ingest.files.blocks import MotivoArchivo

OTRO = "ES0031000000000000BB"
CNMC = "CUPS;Fecha;Hora;Consumo_kWh;Metodo_obtencion\n"
UFD = "CUPS;FECHA;HORA;EHCR (kWh)\n"
DATADIS = "cups;fecha;hora;consumo_kWh;metodoObtencion;energiaVertida_kWh\n"
JUNIO = ["10/06/2025", "11/06/2025", "12/06/2025"]
"""Of summer time: their first hour begins at 22:00 UTC of the day before."""
PRIMERA = datetime(2025, 6, 9, 22, tzinfo=UTC)
DUDOSO = MotivoArchivo.TIEMPO_DUDOSO


def cnmc(fechas: Iterable[str], numeros: Sequence[int], cups: str = CUPS) -> str:
    """Return rows without header; the value tells the number: 0,001 kWh for each."""
    return "".join(f"{cups};{fecha};{n};0,{n + 100:03};R\n" for fecha in fechas for n in numeros)


def datadis(fecha: str, horas: Iterable[str], metodo: str = "Real", desde: int = 100) -> str:
    """Return rows without header, each with a value of its own."""
    return "".join(
        f"{CUPS};{fecha};{hora};0,{desde + i:03};{metodo};\n" for i, hora in enumerate(horas)
    )


def clock(horas: Iterable[int]) -> list[str]:
    return [f"{h:02}:00" for h in horas]


def hours_of(leido: Leido, cups: str = CUPS) -> dict[int, float]:
    """Return kWh by the hours that have passed since the first one of 10 June 2025."""
    return {
        int((hora - PRIMERA) / timedelta(hours=1)): kwh
        for (cliente, hora), kwh in leido.horas.items()
        if cliente == cups
    }


def days_with(leido: Leido, cups: str = CUPS) -> set[int]:
    return {h // 24 for h in hours_of(leido, cups)}


def motives(leido: Leido) -> set[str]:
    return {motivo for _, motivo in leido.rechazadas}
