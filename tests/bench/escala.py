"""``make bench-escala``: what grows with customers, consumers and rows, and what it takes in all.

Memory and readings per second of a detector with up to a million customers; 1, 2 and 4 consumers
on one topic; PostgreSQL with up to twenty million rows. From the straight lines through those
figures comes the table of sizes of docs/despliegue.md.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from datos import make_datos, make_detector, make_modelo
from escala_consumidores import PARTICIONES, Pasado, Reparto, measure_consumers, remember
from escala_filas import DIAS_MES, ULTIMAS, Paso, check_disk, measure_rows
from escala_memoria import LOTE, Tamano, check_memory, measure_sizes
from escala_recta import (
    HORA_EN_S,
    MEMORIA_MAXIMA_MB,
    PARTICIONES_POR_CONSUMIDOR,
    Instalacion,
    Medido,
    Recta,
    size_up,
)
from rich.console import Console
from rich.table import Table

from detection.number_format import numero
from pipeline.embedded.services import EmbeddedServices
from serving.cli import HECHO, Parser, entero, run
from serving.settings import Settings

CONSUMIDORES = (1, 2, 4)
CLIENTES_MODELO = 50
"""Enough to grow trees of full size; more would only take longer."""
PARTES = (0.01, 0.05, 0.2, 1.0)
"""Of --clientes: 10 000, 50 000, 200 000 and a million."""
CLIENTES_CONSUMIDORES = 1_000
INSTALACIONES = (10_000, 100_000, 1_000_000)
RAPIDO = {"clientes": 10_000, "lecturas": 30_000, "filas": 200_000}
CONSUMIDORES_RAPIDO = (1, 2)
MILLON = 1e6
ANCHO = 110
"""Columns of the tables in a file: they fit."""


def main(argv: Sequence[str]) -> int:
    """Measure and print; figures also as JSON if asked for."""
    parser = Parser("make bench-escala", "Mide qué crece con los clientes y con las lecturas.")
    parser.add_argument("--clientes", type=entero(2_000), default=1_000_000, metavar="N",
                        help="en la memoria de un consumidor, como mucho")  # fmt: skip
    parser.add_argument("--lecturas", type=entero(20_000), default=600_000, metavar="N",
                        help="para cada reparto entre consumidores")  # fmt: skip
    parser.add_argument("--filas", type=entero(100_000), default=20_000_000, metavar="N",
                        help="en PostgreSQL, como mucho")  # fmt: skip
    parser.add_argument("--semilla", type=entero(0), default=1, metavar="N")
    parser.add_argument("--rapido", action="store_true", help="tamaños pequeños, para probar")
    parser.add_argument("--json", type=Path, metavar="ARCHIVO", help="guarda las cifras")
    opciones = parser.parse_args(argv)
    if opciones.rapido:
        vars(opciones).update(RAPIDO)
    consola = Console(highlight=False)
    if not consola.is_terminal:
        consola.width = ANCHO
    with tempfile.TemporaryDirectory() as carpeta:
        check_memory(opciones.clientes)
        check_disk(Path(carpeta), opciones.filas)
        consola.print(
            f"{date.today()}, {platform.machine()}, {os.cpu_count()} núcleos, Python "
            f"{platform.python_version()}, servicios embebidos; carga de la máquina antes de "
            f"empezar, {numero(os.getloadavg()[0], 1)}."
        )
        cifras = _measure(consola, Path(carpeta), opciones)
    consola.print(f"Carga de la máquina al acabar, {numero(os.getloadavg()[0], 1)}.")
    if opciones.json:
        opciones.json.write_text(json.dumps(cifras, indent=2, ensure_ascii=False))
    return HECHO


def _measure(consola: Console, carpeta: Path, opciones: Any) -> dict[str, Any]:
    """Measure one thing after the other, and print each when it is there."""
    datos = make_datos(opciones.lecturas, CLIENTES_CONSUMIDORES, opciones.semilla, con_ataques=True)
    ejemplo = make_datos(CLIENTES_MODELO, CLIENTES_MODELO, opciones.semilla, con_ataques=True)
    modelo = make_modelo(make_detector(), ejemplo)
    clientes = [int(opciones.clientes * parte) for parte in PARTES]
    vacio_mb, tamanos = measure_sizes(modelo, clientes, opciones.lecturas // 2, opciones.semilla)
    memoria_mb = _show_memory(consola, vacio_mb, tamanos)
    with EmbeddedServices(carpeta, puertos_libres=True, mlflow=False) as servicios:
        pasado = remember(datos, modelo)
        cuantos = CONSUMIDORES_RAPIDO if opciones.rapido else CONSUMIDORES
        repartos = [_share(servicios, n, datos, pasado) for n in cuantos]
        _show_consumers(consola, repartos)
        with _fresh(servicios) as settings:
            pasos = []
            for paso in measure_rows(settings, opciones.filas, opciones.semilla):
                pasos.append(paso)
                consola.print(
                    f"{numero(paso.filas, 0)} filas: las últimas, metidas en "
                    f"{numero(paso.rellenar_s, 0)} s."
                )
    bytes_por_lectura = _show_rows(consola, pasos)
    medido = Medido(
        memoria_mb, repartos[0].por_segundo, bytes_por_lectura, pasos[-1].recargar_ms / 1e3
    )
    instalaciones = [size_up(cuantos, medido) for cuantos in INSTALACIONES]
    _show_sizes(consola, instalaciones, pasos[-1].filas)
    if opciones.rapido:
        consola.print("Con --rapido todo es demasiado pequeño para fiarse de las rectas.")
    return {
        "vacio_mb": vacio_mb,
        "tamanos": [asdict(uno) for uno in tamanos],
        "repartos": [asdict(uno) for uno in repartos],
        "pasos": [asdict(uno) for uno in pasos],
        "medido": asdict(medido),
        "instalaciones": [asdict(una) for una in instalaciones],
    }


def _share(servicios: EmbeddedServices, cuantos: int, datos: Any, pasado: Pasado) -> Reparto:
    with _fresh(servicios) as settings:
        return measure_consumers(settings, cuantos, datos, pasado)


@contextmanager
def _fresh(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give settings with a database, a base and a topic of their own."""
    unico = f"b_{uuid.uuid4().hex[:12]}"
    servicios.crear_base(unico)
    valores = {k.lower(): v for k, v in servicios.variables().items()}
    valores |= {"postgres_db": unico, "mongo_db": unico, "lote_maximo": str(LOTE)}
    valores |= {"kafka_topic": f"t-{unico}", "kafka_grupo": f"g-{unico}"}
    valores |= {"kafka_particiones": str(PARTICIONES)}
    yield Settings.model_validate(valores)
    servicios.borrar_base(unico)


def _show_memory(consola: Console, vacio_mb: float, tamanos: Sequence[Tamano]) -> Recta:
    """Print, and return the most memory by rows of the tables."""
    tabla = Table(
        "clientes", "filas de las tablas", "memoria, MB", "la mayor, MB", "cargarlos, s",
        "lecturas/s", title="Un detector, con los dos modelos",
    )  # fmt: skip
    for uno in tamanos:
        tabla.add_row(
            *(numero(n, 0) for n in (uno.clientes, uno.filas, uno.residente_mb, uno.pico_mb)),
            numero(uno.cargar_s, 1),
            numero(uno.por_segundo, 0),
        )
    consola.print(tabla)
    filas = [float(uno.filas) for uno in tamanos]
    residente = Recta.fit(filas, [uno.residente_mb for uno in tamanos])
    pico = Recta.fit(filas, [uno.pico_mb for uno in tamanos])
    consola.print(
        f"Sin clientes, {numero(vacio_mb, 0)} MB. De estado, {numero(tamanos[0].estado_bytes, 0)} "
        f"bytes por fila; con nombres e índice, {_bytes(residente)} (recta, R² "
        f"{numero(residente.r2, 4)}), y {_bytes(pico)} mientras las tablas crecen (R² "
        f"{numero(pico.r2, 4)}). Las filas se doblan cuando se llenan."
    )
    return pico


def _bytes(recta: Recta) -> str:
    return f"{numero(recta.pendiente * 1e6, 0)}"


def _show_consumers(consola: Console, repartos: Sequence[Reparto]) -> None:
    tabla = Table(
        "consumidores", "lecturas/s", "frente a uno", "núcleos ocupados",
        title=f"Consumidores de un topic de {PARTICIONES} particiones",
    )  # fmt: skip
    for uno in repartos:
        nucleos = ", ".join(f"{quien} {numero(n, 2)}" for quien, n in uno.nucleos.items())
        tabla.add_row(
            str(uno.consumidores),
            numero(uno.por_segundo, 0),
            numero(uno.por_segundo / repartos[0].por_segundo, 2),
            f"{numero(sum(uno.nucleos.values()), 2)}: {nucleos}",
        )
    consola.print(tabla)


def _show_rows(consola: Console, pasos: Sequence[Paso]) -> float:
    """Print, and return the bytes on disk of a reading."""
    tabla = Table(
        "filas", "lote\nnuevo, ms", "lote repe-\ntido, ms", "mes de un\ncliente, ms",
        f"últimas\n{ULTIMAS}, ms", "ventana de\nun cliente, ms", "disco,\nGB",
        title=f"PostgreSQL, lotes de {numero(LOTE, 0)}",
    )  # fmt: skip
    for uno in pasos:
        tabla.add_row(
            numero(uno.filas, 0), numero(uno.guardar_ms, 1), numero(uno.repetir_ms, 1),
            numero(uno.mes_ms, 2), numero(uno.ultimas_ms, 2), numero(uno.recargar_ms, 2),
            numero((uno.tabla_bytes + uno.indices_bytes) / 1e9, 2),
        )  # fmt: skip
    consola.print(tabla)
    filas = [float(uno.filas) for uno in pasos]
    rectas = {
        "lote nuevo": [uno.guardar_ms for uno in pasos],
        "lote repetido": [uno.repetir_ms for uno in pasos],
        f"mes ({DIAS_MES} días) de un cliente": [uno.mes_ms for uno in pasos],
        f"últimas {ULTIMAS}": [uno.ultimas_ms for uno in pasos],
        "ventana de un cliente": [uno.recargar_ms for uno in pasos],
    }
    for nombre, ms in rectas.items():
        recta = Recta.fit(filas, ms)
        consola.print(
            f"  {nombre}: {numero(recta.base, 2)} ms, y {numero(recta.pendiente * MILLON, 3)} más "
            f"por millón de filas (R² {numero(recta.r2, 2)})"
        )
    disco = Recta.fit(filas, [float(uno.tabla_bytes + uno.indices_bytes) for uno in pasos])
    indices = Recta.fit(filas, [float(uno.indices_bytes) for uno in pasos])
    consola.print(
        f"  disco: {numero(disco.pendiente, 0)} bytes por lectura, {numero(indices.pendiente, 0)} "
        f"de ellos de los cinco índices (R² {numero(disco.r2, 4)})"
    )
    return disco.pendiente


def _show_sizes(consola: Console, instalaciones: Sequence[Instalacion], filas: int) -> None:
    tabla = Table(
        "clientes", "consu-\nmidores", "parti-\nciones", "memoria de\ncada uno, MB",
        "con uno\ncaído, MB", "disco al\naño, GB", "una\nhora, s", "un día,\nmin",
        "ventanas,\nmin",
        title="Cuánto hace falta, con lecturas horarias",
    )  # fmt: skip
    for una in instalaciones:
        tabla.add_row(
            *(numero(n, 0) for n in (una.clientes, una.consumidores, una.particiones)),
            *(numero(n, 0) for n in (una.memoria_mb, una.memoria_caido_mb, una.disco_gb_anio)),
            numero(una.hora_s, 1), numero(una.dia_s / 60, 1), numero(una.recargar_s / 60, 1),
        )  # fmt: skip
    consola.print(tabla)
    consola.print(
        f"Con uno caído, los demás caben en {numero(MEMORIA_MAXIMA_MB, 0)} MB cada uno y guardan "
        f"cada hora en {numero(HORA_EN_S / 60, 0)} minutos; {PARTICIONES_POR_CONSUMIDOR} "
        "particiones por consumidor. Guardar las lecturas de una hora, o las de un día parado, y "
        "cargar las ventanas al arrancar, al ritmo de un solo consumidor. Por encima de "
        f"{numero(filas, 0)} filas, el disco se ha extrapolado."
    )


if __name__ == "__main__":
    sys.exit(run(main))
