"""Reads a long meter file: rows a second and memory, hours and quarters (``make bench-curvas``).

The file is made here: customers one after the other, two years each, with both clock changes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.ingest.files.hourly_file import OpcionesLectura
from pipeline.ingest.files.meter_file import open_meter_file

MADRID = ZoneInfo("Europe/Madrid")
FILAS_POR_SEGUNDO = 300_000
"""What a command that fails below it promises."""
DESDE, DIAS = date(2023, 1, 1), 730


def _day(fecha: date, paso: int) -> str:
    """Return the rows of a day behind the customer, by the clock of the interval's end."""
    inicio = datetime(fecha.year, fecha.month, fecha.day, tzinfo=MADRID).astimezone(UTC)
    fin = datetime.combine(fecha + timedelta(days=1), datetime.min.time(), MADRID).astimezone(UTC)
    filas, momento = [], inicio
    while momento < fin:
        local = momento.astimezone(MADRID)
        minuto = local.hour * 60 + local.minute + paso
        wh = (local.hour * 37 + local.minute + fecha.day * 11) % 997
        hora = f"{minuto // 60:02}:{minuto % 60:02}"
        filas.append(f";{fecha:%Y/%m/%d};{hora};0,{wh:03};Real;\n")
        momento += timedelta(minutes=paso)
    return "".join(f"@{fila}" for fila in filas)


def write_file(ruta: Path, megas: int, paso: int) -> int:
    """Write a Datadis file of some megabytes; return how many rows it has."""
    casa = "".join(_day(DESDE + timedelta(days=i), paso) for i in range(DIAS))
    filas, por_casa = 0, casa.count("\n")
    with ruta.open("w") as archivo:
        archivo.write("cups;fecha;hora;consumo_kWh;metodoObtencion;energiaVertida_kWh\n")
        for k in _customers():
            archivo.write(casa.replace("@", k))
            filas += por_casa
            if archivo.tell() >= megas << 20:
                return filas
    return filas


def _customers() -> Iterator[str]:
    k = 0
    while True:
        yield f"ES0021{k:012}AA"
        k += 1


def main() -> int:
    """Measure; fail if it is slower than promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megas", type=int, default=1024, help="tamaño del archivo")
    megas = parser.parse_args().megas
    estado = 0
    for paso in (60, 15):
        with tempfile.TemporaryDirectory() as carpeta:
            ruta = Path(carpeta) / "curva.csv"
            filas = write_file(ruta, megas, paso)
            antes, cpu = time.perf_counter(), time.process_time()
            archivo = open_meter_file(ruta, OpcionesLectura("Europe/Madrid", 10_000.0, 600_000))
            horas = rechazadas = 0
            for trozo in archivo.trozos():
                horas += len(trozo.lecturas)
                rechazadas += len(trozo.rechazadas)
            segundos, cpu = time.perf_counter() - antes, time.process_time() - cpu
        ritmo = filas / segundos
        memoria = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{megas} MB de {paso} min: {filas} filas, {horas} horas, {rechazadas} rechazadas, "
            f"{segundos:.1f} s, {ritmo:.0f} filas/s ({filas / cpu:.0f} por segundo de CPU), "
            f"{memoria} MB de memoria"
        )
        estado |= ritmo < FILAS_POR_SEGUNDO or rechazadas > 0
    return int(estado)


if __name__ == "__main__":
    sys.exit(main())
