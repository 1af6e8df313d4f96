"""``make bench``: readings per second and processor time of what people run, beside others.

One run, one machine, the same readings: «producción», which is ``consumo consumir`` of a utility
that has no version of its own, with thirteen months behind it; (a) the consumer most would write
first, one message at a time; (b) a competent one in plain Python; (c) Quix Streams and (d) Bytewax,
with River; and the limit, the same rows through COPY and nothing else. All others decide the four
rules of the specification only (their agreement is printed); (c) and (d) write no anomalies.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import mundo_lleno
import partes
from contendientes import (
    LOTE,
    RAIZ,
    Contendiente,
    Medida,
    alternate,
    contendientes,
    fresh,
    measure,
)
from datos import PRIMERA_HORA, Datos, make_datos
from historia import Pasado
from medidas import CpuDeProcesos
from postgres_propio import postgres
from rich.console import Console
from rich.table import Table

from detection.domain import HORAS_POR_DIA, hora_absoluta, instante
from detection.number_format import numero
from pipeline.embedded.services import EmbeddedServices
from serving.cli import HECHO, Parser, entero, run
from serving.settings import Settings

REGLAS = frozenset(
    ("desviacion_estadistica", "pico_consumo", "consumo_noche_anomalo", "consumo_constante")
)
"""The specification's four, which all decide."""
PROCESOS = ("consumidor", "PostgreSQL", "MongoDB", "Kafka")
DIAS_ANTES = 365
"""Before the 28 days of readings: thirteen months in all."""
PYTHON_RIVALES = RAIZ / ".venv-rivales/bin/python"
SIN_RIVALES = ["(c) Quix Streams y River", "(d) Bytewax y River"]
LIMITE = Contendiente("límite", "el límite: COPY, y nada más", (), 0)
_FILAS = """
COPY (SELECT * FROM consumos_diarios WHERE timestamp_consumo >= '{desde}'
      AND timestamp_consumo < '{hasta}' ORDER BY propietario_id, timestamp_consumo)
TO STDOUT (FORMAT binary)
"""
_VEREDICTOS = """
SELECT propietario_id, timestamp_consumo, tipos_anomalia, score_anomalia, severidad
FROM consumos_diarios WHERE timestamp_consumo >= %s
"""


def main(argv: Sequence[str]) -> int:
    """Measure and print; figures also as JSON if asked for."""
    parser = Parser("make bench", "Mide la cadena como se usa, junto a otras, y cada parte.")
    parser.add_argument("--lecturas", type=entero(20_000), default=300_000, metavar="N")
    parser.add_argument("--clientes", type=entero(50), default=1000, metavar="N")
    parser.add_argument("--vueltas", type=entero(1), default=3, metavar="N")
    parser.add_argument("--semilla", type=entero(0), default=1, metavar="N")
    parser.add_argument("--rapido", action="store_true", help="una vuelta y la décima parte")
    parser.add_argument("--json", type=Path, metavar="ARCHIVO", help="guarda las cifras")
    opciones = parser.parse_args(argv)
    partes_de = 10 if opciones.rapido else 1
    lecturas, clientes = opciones.lecturas // partes_de, opciones.clientes // partes_de
    vueltas = 1 if opciones.rapido else opciones.vueltas
    consola = Console(highlight=False)
    consola.print(
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} núcleos, Python "
        f"{platform.python_version()}; {numero(lecturas, 0)} lecturas de {clientes} clientes con "
        f"trece meses detrás; medianas de {vueltas} vueltas alternadas."
    )
    datos = make_datos(lecturas + LOTE, clientes, opciones.semilla, con_ataques=True)
    with (
        tempfile.TemporaryDirectory() as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True, mlflow=False) as servicios,
    ):
        cifras = _measure_all(servicios, datos, Path(carpeta), vueltas)
    _show(consola, cifras)
    if opciones.json:
        opciones.json.write_text(json.dumps(cifras, indent=2, ensure_ascii=False))
    return HECHO


def _measure_all(
    servicios: EmbeddedServices, datos: Datos, carpeta: Path, vueltas: int
) -> dict[str, Any]:
    """Return all figures, as they go into the JSON file."""
    rivales = PYTHON_RIVALES if PYTHON_RIVALES.exists() else None
    quienes = [*contendientes(datos.medidas - LOTE, rivales), LIMITE]
    with fresh(servicios) as settings:
        mundo_lleno.fill(settings, datos, HORAS_POR_DIA * DIAS_ANTES, postgres)
        cargar = mundo_lleno.load_as_consumer(settings, datos)
        return {
            "contendientes": Carrera(servicios, datos, carpeta, settings).run(quienes, vueltas),
            "sin_medir": [] if rivales else SIN_RIVALES,
            "puntuar_us": partes.scoring(datos, cargar, vueltas),
            "descifrar_us": partes.decoding(settings, datos),
            "anomalias": partes.cost_of_anomalies(settings, datos, cargar),
            "memoria": partes.memory(),
        }


class Carrera:
    """All consumers on the same readings, and what is left by the first for the others.

    ``carpeta``: for logs and what is handed over. ``lleno``: the base that all get a copy of.
    """

    def __init__(
        self, servicios: EmbeddedServices, datos: Datos, carpeta: Path, lleno: Settings
    ) -> None:
        self._servicios = servicios
        self._datos = datos
        self._carpeta = carpeta
        self._historia = carpeta / "historia.pkl"
        self._plantilla = lleno.postgres_db
        self._nuestros: dict[tuple[str, int], tuple[frozenset[str], float, str]] = {}
        self._filas: list[bytes] = []
        self._distintas: dict[str, int] = {}

    def run(self, quienes: Sequence[Contendiente], vueltas: int) -> list[dict[str, Any]]:
        """Return the figures of each; the first must be «producción»."""
        medidas = alternate(quienes, vueltas, self._measure)
        return [self._figures(quien, medidas) for quien in quienes]

    def _measure(self, quien: Contendiente) -> Medida:
        with fresh(self._servicios, self._plantilla) as settings:
            if quien is LIMITE:
                return self._copy(settings)
            medida = measure(settings, quien, self._datos, self._historia, self._carpeta)
            if quien.clave == "producción":
                self._keep(settings)
            elif quien.clave not in self._distintas:
                self._distintas[quien.clave] = self._differences(settings)
            return medida

    def _desde(self) -> str:
        return instante(int(self._datos.lecturas.hora_utc[self._datos.historia])).isoformat()

    def _keep(self, settings: Settings) -> None:
        """Take what production has stored, for the others and for the limit."""
        if self._filas:
            return
        self._nuestros = _verdicts(settings, self._desde())
        datos, ajenos = self._datos, self._nuestros.items()
        Pasado(
            datos.lecturas.propietario_id[: datos.clientes],
            PRIMERA_HORA,
            datos.lecturas.consumo_kwh[: datos.historia].reshape(-1, datos.clientes),
            {k: (score, sev) for k, (_, score, sev) in ajenos if sev != "normal"},
        ).save(self._historia)
        horas = sorted({hora for _, hora in self._nuestros})
        paso = max(1, LOTE // datos.clientes)
        with postgres(settings) as cursor:
            for k in range(0, len(horas), paso):
                trozo, fin = BytesIO(), horas[min(k + paso, len(horas)) - 1] + 1
                desde, hasta = instante(horas[k]), instante(fin)
                cursor.copy_expert(_FILAS.format(desde=desde, hasta=hasta), trozo)
                self._filas.append(trozo.getvalue())

    def _copy(self, settings: Settings) -> Medida:
        """Return what the same rows take in the same batches, each one transaction."""
        with postgres(settings) as cursor:
            cpu, inicio = CpuDeProcesos(), time.perf_counter()
            for trozo in self._filas:
                cursor.copy_expert(
                    "COPY consumos_diarios FROM STDIN (FORMAT binary)", BytesIO(trozo)
                )
            segundos, gastado = time.perf_counter() - inicio, cpu.elapsed()
        n = len(self._nuestros)
        return Medida(n, segundos, {k: 1e6 * s / n for k, s in gastado.items()})

    def _differences(self, settings: Settings) -> int:
        """Return in how many stored readings other rules fire than in ours."""
        suyos = _verdicts(settings, self._desde())
        return sum(self._nuestros[k][0] != tipos for k, (tipos, _, _) in suyos.items())

    def _figures(self, quien: Contendiente, medidas: dict[str, list[Medida]]) -> dict[str, Any]:
        """Return medians; ratios are those of each round."""
        suyas, nuestras = medidas[quien.clave], medidas["producción"]
        cifras = {
            "clave": quien.clave,
            "nombre": quien.nombre,
            "lecturas": suyas[0].lecturas,
            "por_segundo": median(m.por_segundo for m in suyas),
            "veces": median(
                n.por_segundo / s.por_segundo for n, s in zip(nuestras, suyas, strict=True)
            ),
            "veces_cpu": median(
                s.us_en_total / n.us_en_total for n, s in zip(nuestras, suyas, strict=True)
            ),
            "us_cpu": {p: median(m.us_cpu.get(p, 0.0) for m in suyas) for p in PROCESOS},
            "vueltas": [{"segundos": m.segundos, "us_cpu": m.us_cpu} for m in suyas],
            "distintas": self._distintas.get(quien.clave),
        }
        if quien.clave == "producción":
            anomalas = sum(sev != "normal" for _, _, sev in self._nuestros.values())
            cifras["anomalias"] = anomalas / len(self._nuestros)
        return cifras


def _verdicts(
    settings: Settings, desde: str
) -> dict[tuple[str, int], tuple[frozenset[str], float, str]]:
    """Return the rules that fire, the score and the severidad of stored readings."""
    with postgres(settings) as cursor:
        cursor.execute(_VEREDICTOS, (desde,))
        return {
            (p, hora_absoluta(t.astimezone(UTC))): (REGLAS & frozenset(tipos), float(score), sev)
            for p, t, tipos, score, sev in cursor
        }


def _show(consola: Console, cifras: dict[str, Any]) -> None:
    tabla = Table("qué", "lecturas/s", "producción, veces", "nota", title="La cadena entera")
    cpu = Table("qué", *PROCESOS, "en total", "veces", title="Procesador, µs por lectura")
    for uno in cifras["contendientes"]:
        tabla.add_row(
            uno["nombre"], numero(uno["por_segundo"], 0), numero(uno["veces"], 2), _note(uno)
        )
        us = [uno["us_cpu"].get(proceso, 0.0) for proceso in PROCESOS]
        cpu.add_row(
            uno["nombre"],
            *(numero(valor, 1) for valor in (*us, sum(us))),
            numero(uno["veces_cpu"], 2),
        )
    for nombre in cifras["sin_medir"]:
        tabla.add_row(nombre, "no medido", "", "falta .venv-rivales: make rivales")
    consola.print(tabla, cpu)
    sumas = Table(
        "puntuar, con…", "µs por lectura", "lo que añade", title="Lo que añade cada parte"
    )
    antes = 0.0
    for nombre, us in cifras["puntuar_us"].items():
        sumas.add_row(nombre, numero(us, 2), numero(us - antes, 2))
        antes = us
    consola.print(sumas)
    a, m = cifras["anomalias"], cifras["memoria"]
    consola.print(
        f"Descifrar, {numero(cifras['descifrar_us'], 2)} µs por lectura. 1.000 anomalías cuestan: "
        f"explicarlas {numero(1000 * a['explicar_s'], 0)} ms, guardarlas en MongoDB "
        f"{numero(1000 * a['nuevas_s'], 0)} ms, repetidas {numero(1000 * a['repetidas_s'], 0)} ms."
    )
    consola.print(
        f"100.000 clientes: {numero(m['mb'], 0)} MB ({numero(m['estado_por_cliente'], 0)} bytes de "
        "estado por cliente, más su nombre y el margen con que crecen las tablas)."
    )


def _note(uno: dict[str, Any]) -> str:
    nota = f"{numero(uno['lecturas'], 0)} lecturas"
    if "anomalias" in uno:
        nota += f"; {numero(100 * uno['anomalias'], 2)} % de anomalías"
    if uno["distintas"] is not None:
        nota += f"; reglas distintas en {uno['distintas']}"
    return nota


if __name__ == "__main__":
    sys.exit(run(main))
