"""``consumo leer``: what a meter file is and what is in it, with nothing sent."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, SEGUNDOS_POR_HORA, instante
from detection.errors import PermanentError
from detection.number_format import numero
from pipeline.ingest.files.blocks import ESTIMADA, REAL, MotivoArchivo, Rechazada
from pipeline.ingest.files.command_options import (
    add_reading_options,
    describe_rejected,
    show_progress,
)
from pipeline.ingest.files.files_together import FilesTogether
from pipeline.ingest.files.hourly_file import MeterFile, OpcionesLectura, Trozo
from pipeline.ingest.files.meter_file import open_meter_file
from pipeline.ingest.files.own_table import OwnTableWriter
from pipeline.ingest.files.text_cells import printable
from pipeline.missing_hours import HoursSeen
from serving.cli import FALLO, HECHO, Parser, run

ANCHO_SIN_PANTALLA = 110
"""Columns where nobody's terminal says how many there are."""
CLIENTES_DICHOS = 5
HUECOS_DICHOS = 3
BARRAS = "▁▂▃▄▅▆▇█"


@dataclass(slots=True)
class Resumen:
    """What has been found in a file.

    Parameters
    ----------
    zona : ZoneInfo
        Of the hours of the mean day.
    clientes : dict of str to list of int
        Readings, first and last absolute hour of each.
    horas : dict of str to HoursSeen
        Which hours each has.
    metodos : Counter of str
        How many readings are real, estimated, or of which the file does not say.
    """

    zona: ZoneInfo
    clientes: dict[str, list[int]] = field(default_factory=dict)
    horas: dict[str, HoursSeen] = field(default_factory=dict)
    kwh: float = 0.0
    por_hora: NDArray[np.float64] = field(default_factory=lambda: np.zeros(HORAS_POR_DIA))
    veces: NDArray[np.float64] = field(default_factory=lambda: np.zeros(HORAS_POR_DIA))
    rechazadas: list[Rechazada] = field(default_factory=list)
    metodos: Counter[str] = field(default_factory=Counter)

    def add(self, trozo: Trozo) -> None:
        """Take a piece."""
        self.rechazadas += trozo.rechazadas
        lecturas = trozo.lecturas
        if not len(lecturas):
            return
        horas, cual = np.unique(lecturas.hora_utc, return_inverse=True)
        del_dia = np.array([instante(h).astimezone(self.zona).hour for h in horas.tolist()])[cual]
        for metodo, n in Counter(trozo.metodo or ()).items():
            self.metodos[metodo or ""] += n
        self.kwh += float(lecturas.consumo_kwh.sum())
        self.por_hora += np.bincount(del_dia, lecturas.consumo_kwh, HORAS_POR_DIA)
        self.veces += np.bincount(del_dia, minlength=HORAS_POR_DIA)
        for nombre, hora in zip(lecturas.propietario_id, lecturas.hora_utc.tolist(), strict=True):
            suyo = self.clientes.setdefault(nombre, [0, hora, hora])
            suyo[0] += 1
            suyo[1] = min(suyo[1], hora)
            suyo[2] = max(suyo[2], hora)
            self.horas.setdefault(nombre, HoursSeen()).see(hora)

    @property
    def lecturas(self) -> int:
        """Return how many hours there are."""
        return sum(n for n, _, _ in self.clientes.values())

    def method(self) -> str:
        """Return how many readings are real and estimated, where the file says it."""
        if not any(self.metodos[metodo] for metodo in (REAL, ESTIMADA)):
            return "no lo dice" if self.metodos else ""
        nombres = ((REAL, "reales"), (ESTIMADA, "estimadas"), ("", "sin decirlo"))
        return ", ".join(
            f"{numero(self.metodos[metodo], 0)} {nombre}"
            for metodo, nombre in nombres
            if self.metodos[metodo]
        )

    @property
    def faltan(self) -> int:
        """Return how many hours are missing between the first and the last one of a customer."""
        return sum(ultima - primera + 1 - n for n, primera, ultima in self.clientes.values())

    def gaps(self) -> str:
        """Return which hours are missing, the first gaps of them, in the zone of the mean day."""
        huecos = [
            (desde, hasta, nombre)
            for nombre, suyas in self.horas.items()
            for desde, hasta in suyas.gaps()
        ]
        textos = []
        for desde, hasta, nombre in huecos[:HUECOS_DICHOS]:
            inicio, fin = (instante(h).astimezone(self.zona) for h in (desde, hasta))
            hora_final = f"{fin:%H:%M}" if fin.date() == inicio.date() else f"{fin:%Y-%m-%d %H:%M}"
            textos.append(f"{printable(nombre)} de {inicio:%Y-%m-%d %H:%M} a {hora_final}")
        return "; ".join(textos) + "…" * (len(huecos) > HUECOS_DICHOS)

    def mean_day(self) -> str:
        """Return the mean day as bars, from the hour 0 on.

        Examples
        --------
        >>> resumen = Resumen(ZoneInfo("UTC"))
        >>> resumen.mean_day()
        ''
        """
        hay = self.veces > 0
        if not hay.any():
            return ""
        media = np.divide(self.por_hora, self.veces, out=np.zeros(HORAS_POR_DIA), where=hay)
        mayor = float(media.max()) or 1.0
        alturas = np.minimum(media / mayor * len(BARRAS), len(BARRAS) - 1).astype(int)
        return "".join(
            BARRAS[a] if h else "·" for a, h in zip(alturas.tolist(), hay.tolist(), strict=True)
        )


def _build_parser() -> Parser:
    parser = Parser(
        "consumo leer",
        "Dice qué hay en archivos de contadores, sin enviar nada: su formato, paso, unidad y zona, "
        "los clientes, los días y las horas, lo que se repite, lo que falta y lo que se rechaza, "
        "con su línea. La orden acaba con 1 si se rechaza algo.",
    )
    parser.add_argument("archivos", type=Path, nargs="+", metavar="ARCHIVO")
    parser.add_argument(
        "--salida",
        type=Path,
        metavar="P",
        help="dónde escribir las horas, en la tabla propia: CSV, o Parquet si acaba en .parquet",
    )
    add_reading_options(parser)
    return parser


def main(argv: Sequence[str]) -> int:
    """Tell what is in files; return the exit status."""
    opciones, settings = _build_parser().start(argv)
    lectura = OpcionesLectura(
        settings.zona_horaria,
        settings.consumo_maximo_kwh,
        int(time.time()) // SEGUNDOS_POR_HORA,
        opciones.perfil,
        opciones.unidad,
    )
    with ExitStack() as pila:
        salida = None
        if opciones.salida is not None:
            if any(_same_file(opciones.salida, ruta) for ruta in opciones.archivos):
                raise PermanentError(f"«{opciones.salida}» es uno de los archivos que se leen")
            salida = pila.enter_context(OwnTableWriter(opciones.salida))
        return _read_all(opciones.archivos, lectura, salida)


def _read_all(
    rutas: Sequence[Path], lectura: OpcionesLectura, salida: OwnTableWriter | None
) -> int:
    """Show each file and write the hours of all; return the exit status."""
    estado = HECHO
    with FilesTogether([printable(str(ruta)) for ruta in rutas]) as juntas:
        for k, ruta in enumerate(rutas):
            tomar: list[Callable[[Trozo], None]] = []
            if len(rutas) > 1:
                tomar.append(partial(_add_hours, juntas, k))
            elif salida is not None:
                tomar.append(salida.write)
            try:
                resumen = _preview(ruta, lectura, tomar)
            except PermanentError as error:
                print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201
                estado = FALLO
            else:
                estado = FALLO if resumen.rechazadas else estado
        rechazadas: list[Rechazada] = []
        for trozo in juntas.trozos():
            rechazadas += trozo.rechazadas
            if salida is not None:
                salida.write(trozo)
        _show_notes(juntas.notes(), rechazadas)
    return FALLO if rechazadas else estado


def _add_hours(juntas: FilesTogether, archivo: int, trozo: Trozo) -> None:
    """Take the hours of a file; what it refuses is told with it."""
    juntas.add(archivo, replace(trozo, rechazadas=[]))


def _same_file(una: Path, otra: Path) -> bool:
    return una.exists() and otra.exists() and una.samefile(otra)


def _preview(
    ruta: Path, lectura: OpcionesLectura, tomar: Sequence[Callable[[Trozo], None]]
) -> Resumen:
    """Read a file, hand its pieces on, and show what it is."""
    with show_progress(f"leyendo {printable(ruta.name)}") as avanzar:
        archivo = open_meter_file(ruta, lectura, avanzar)
        resumen = Resumen(archivo.zona)
        for trozo in archivo.trozos(avanzar):
            resumen.add(trozo)
            for llevar in tomar:
                llevar(trozo)
    _show(archivo, resumen)
    return resumen


def _show(archivo: MeterFile, resumen: Resumen) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    tabla = Table(box=box.SIMPLE, show_header=False, title=Text(printable(str(archivo.ruta))))
    tabla.add_column(style="bold")
    tabla.add_column()
    for nombre, texto in _rows(archivo, resumen):
        if texto:
            tabla.add_row(nombre, Text(texto))
    _console().print(tabla)
    _show_notes(archivo.notes(), resumen.rechazadas)


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else ANCHO_SIN_PANTALLA)


def _show_notes(avisos: Sequence[str], rechazadas: Sequence[Rechazada]) -> None:
    from rich.text import Text

    consola = _console()
    for aviso in avisos:
        consola.print(Text(f"  aviso: {aviso}"), soft_wrap=True)
    if rechazadas:
        una = len(rechazadas) == 1
        no_son = "fila no es lectura" if una else "filas no son lecturas"
        consola.print(Text(f"  {numero(len(rechazadas), 0)} {no_son}:"))
        for linea in describe_rejected(rechazadas):
            consola.print(Text(f"  {linea}"), soft_wrap=True)


def _rows(archivo: MeterFile, resumen: Resumen) -> Iterator[tuple[str, Any]]:
    """Yield what is told of a file: name and text."""
    informe, clientes = archivo.informe, resumen.clientes
    yield "formato", informe.formato
    yield "paso", f"{informe.paso} min" if informe.paso else ""
    yield "unidad", informe.unidad
    yield "decimales", informe.decimal
    yield "zona", informe.zona
    yield "hora", informe.marca
    yield "en el cambio de hora", informe.numeracion
    yield "envase", archivo.envase
    yield "método", resumen.method()
    nombres = ", ".join(printable(nombre) for nombre in list(clientes)[:CLIENTES_DICHOS])
    cuantos = numero(len(clientes), 0)
    seguidos = "…" * (len(clientes) > CLIENTES_DICHOS)
    yield "clientes", f"{cuantos}: {nombres}{seguidos}" if clientes else cuantos
    if clientes:
        primera = min(p for _, p, _ in clientes.values())
        ultima = max(u for _, _, u in clientes.values()) + 1
        desde, hasta = (
            f"{instante(h).astimezone(resumen.zona):%Y-%m-%d %H:%M}" for h in (primera, ultima)
        )
        yield "desde", f"{desde} hasta {hasta} ({resumen.zona.key})"
    yield "lecturas", f"{_hours(resumen.lecturas)}, {numero(resumen.kwh, 3)} kWh"
    cuales = resumen.gaps()
    faltan = f"{_hours(resumen.faltan)} entre la primera y la última"
    yield "faltan", f"{faltan}: {cuales}" if cuales else faltan
    cuentas = archivo.cuentas
    dudosas = sum(error.motivo == MotivoArchivo.HORA_REPETIDA for _, error in resumen.rechazadas)
    repetidas = numero(cuentas.repetidas + cuentas.sustituidas, 0)
    con_dudosas = f", y {numero(dudosas, 0)} que se rechazan" if dudosas else ""
    yield "repetidas", repetidas + con_dudosas
    yield "rechazadas", numero(len(resumen.rechazadas), 0)
    yield "día medio", f"{resumen.mean_day()}  (de 0 a 23 h)" if resumen.lecturas else ""


def _hours(cuantas: int) -> str:
    return f"{numero(cuantas, 0)} hora{'s' * (cuantas != 1)}"


if __name__ == "__main__":
    sys.exit(run(main))
