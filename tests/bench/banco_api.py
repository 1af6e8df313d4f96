"""``make bench-api``: the API over embedded stores, each endpoint alone and all of them together.

First each endpoint is asked by one client, one request after the other; then all of them together
at a fixed rate, each request at its own time whatever became of those before it, and its latency
counts from that time. The client is a process of its own on the same machine: what it takes of the
cores is part of what is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from banco_mundo import Mundo, fill, serve_api
from rich.console import Console
from rich.table import Table

from detection.number_format import numero
from pipeline.embedded.services import EmbeddedServices
from serving.cli import HECHO, Parser, entero, run
from serving.settings import Settings

META_P99_MS = 50.0
META_P50_MS = 10.0
"""The goals: of every read at 200 requests a second, and of the monthly and the top ones alone."""
CON_META_P50 = ("mensuales", "un mes entero", "mensuales del cliente", "ranking", "top anomalías")
CONEXIONES = 32
ARRANQUE_S = 90.0
RESPUESTA_S = 30.0
ANCHO = 130
"""Columns of what is printed into a file."""


def main(argv: Sequence[str]) -> int:
    """Measure and print; figures also as JSON if asked for."""
    parser = Parser("make bench-api", "Mide las respuestas por segundo y su tardanza en la API.")
    parser.add_argument("--clientes", type=entero(50), default=1000, metavar="N")
    parser.add_argument("--dias", type=entero(35), default=60, metavar="N")
    parser.add_argument("--ritmo", type=entero(1), default=200, metavar="N", help="por segundo")
    parser.add_argument("--segundos", type=entero(1), default=40, metavar="N")
    parser.add_argument("--solas", type=entero(5), default=100, metavar="N", help="de cada una")
    parser.add_argument("--semilla", type=entero(0), default=1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="ARCHIVO", help="guarda las cifras")
    opciones = parser.parse_args(argv)
    consola = Console(highlight=False, width=None if sys.stdout.isatty() else ANCHO)
    with (
        tempfile.TemporaryDirectory() as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True, mlflow=False) as servicios,
    ):
        settings = Settings.model_validate(
            {clave.lower(): valor for clave, valor in servicios.variables().items()}
        )
        mundo = fill(settings, opciones.clientes, opciones.dias, opciones.semilla)
        consola.print(
            f"{date.today()}, {platform.machine()}, {os.cpu_count()} núcleos, Python "
            f"{platform.python_version()}; {opciones.clientes} clientes, {opciones.dias} días, "
            f"{len(mundo.anomalias)} anomalías."
        )
        with serve_api(settings, Path(carpeta)) as puerto:
            cifras = asyncio.run(_measure(puerto, mundo, opciones))
    _show(consola, cifras, opciones.ritmo)
    if opciones.json:
        opciones.json.write_text(json.dumps(cifras, indent=2, ensure_ascii=False))
    return HECHO


# ---- What is asked ----


def _paths(mundo: Mundo, azar: random.Random) -> dict[str, str]:
    """Return one path of each endpoint, of customers and anomalies drawn at random."""
    uno, grave = azar.choice(mundo.clientes), azar.choice(mundo.graves)
    dias_30 = f"desde={(mundo.ahora - timedelta(days=30)).date()}"
    return {
        "últimas 24 h": f"/api/consumos/últimas24h/{uno}",
        "rango de 7 días": f"/api/consumos/rango?propietario_id={uno}",
        "rango de 30 días con banda": (
            f"/api/consumos/rango?propietario_id={uno}&{dias_30}&con_banda=true"
        ),
        "días de un cliente": f"/api/consumos/diarios?propietario_id={uno}",
        "mapa de calor": f"/api/consumos/mapa-calor/{uno}?{dias_30}",
        "mensuales": f"/api/consumos/mensuales/{uno}",
        "un mes entero": f"/api/consumos/meses/{mundo.mes}",
        "anomalías últimas": "/api/anomalias/últimas",
        "anomalías críticas": "/api/anomalias/críticas",
        "anomalías con filtro": f"/api/anomalias/últimas?{dias_30}&severidad=alta&orden=consumo",
        "anomalías de un cliente": f"/api/anomalias/cliente/{grave}",
        "una anomalía": f"/api/anomalias/{azar.choice(mundo.anomalias)}",
        "serie de anomalías": "/api/anomalias/serie",
        "distribuciones": "/api/anomalias/distribuciones",
        "incidencias": "/api/incidencias",
        "casos": "/api/casos",
        "casos de hoy": "/api/casos/hoy",
        "resumen de casos": "/api/casos/resumen",
        "calendario de casos": "/api/casos/calendario",
        "un caso": f"/api/casos/{azar.choice(mundo.casos)}",
        "días de un caso": f"/api/casos/{azar.choice(mundo.casos)}/dias",
        "buscar clientes": f"/api/clientes?buscar={uno[:7]}",
        "ranking": "/api/clientes/ranking",
        "perfil": f"/api/clientes/{uno}/perfil",
        "pares": f"/api/clientes/{uno}/pares",
        "estadísticas de cliente": f"/api/estadisticas/cliente/{uno}",
        "resumen": "/api/estadisticas/resumen",
        "mensuales del cliente": f"/api/estadisticas/mensuales/{uno}",
        "indicadores": "/api/dashboard/resumen",
        "top anomalías": "/api/dashboard/top-anomalias",
    }


class Conexion(asyncio.Protocol):
    """One HTTP/1.1 connection that is used again; as light as it can be, to take little CPU."""

    def __init__(self, puerto: int) -> None:
        self._puerto = puerto
        self._salida: asyncio.Transport | None = None
        self._llegado = bytearray()
        self._falta = self._cuerpo = self._estado = 0
        self._respuesta: asyncio.Future[tuple[int, int]] | None = None

    async def get(self, ruta: str) -> tuple[int, int]:
        """Return status and bytes of an answer."""
        bucle = asyncio.get_running_loop()
        if self._salida is None or self._salida.is_closing():
            await bucle.create_connection(lambda: self, "127.0.0.1", self._puerto)
        assert self._salida is not None
        self._respuesta = bucle.create_future()
        peticion = f"GET {quote(ruta, safe='/?&=%:+')} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        self._salida.write(peticion.encode())
        return await self._respuesta

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._salida = transport

    def data_received(self, data: bytes) -> None:
        self._llegado += data
        if not self._falta:
            fin = self._llegado.find(b"\r\n\r\n")
            if fin < 0:
                return
            largo = _LARGO.search(self._llegado, 0, fin + 2)
            if largo is None:
                raise SystemExit("la API ha respondido sin decir cuánto")
            self._estado = int(self._llegado[9:12])
            self._falta = fin + 4 + int(largo[1])
            self._cuerpo = int(largo[1])
        if len(self._llegado) >= self._falta and self._respuesta is not None:
            self._llegado, self._falta = bytearray(), 0
            self._respuesta.set_result((self._estado, self._cuerpo))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._respuesta is not None and not self._respuesta.done():
            self._respuesta.set_exception(exc or ConnectionResetError())

    def close(self) -> None:
        if self._salida is not None:
            self._salida.close()


_LARGO = re.compile(rb"content-length: *(\d+)\r\n", re.IGNORECASE)


# ---- Measuring ----


async def _measure(puerto: int, mundo: Mundo, opciones: Any) -> dict[str, Any]:
    await _wait_until_ready(puerto)
    azar = random.Random(opciones.semilla)
    solas = await _alone(puerto, mundo, azar, opciones.solas)
    a_la_vez = await _together(puerto, mundo, azar, opciones.ritmo, opciones.segundos)
    maximo = await _saturated(puerto, mundo, azar, opciones.segundos / 2)
    return {"solas": solas, "a_la_vez": a_la_vez, "por_segundo_maximo": maximo}


async def _wait_until_ready(puerto: int) -> None:
    limite = time.monotonic() + ARRANQUE_S
    while time.monotonic() < limite:
        conexion = Conexion(puerto)
        try:
            estado, _ = await asyncio.wait_for(conexion.get("/salud/lista"), 5)
            if estado == 200:
                return
            if estado != 503:
                raise SystemExit(f"/salud/lista responde {estado}")
        except (OSError, TimeoutError):
            pass
        finally:
            conexion.close()
        await asyncio.sleep(0.2)
    raise SystemExit("la API no ha llegado a estar lista")


async def _ask(conexion: Conexion, ruta: str) -> int:
    """Return the bytes of an answer; only "come back later" may come instead of one, as -1."""
    estado, largo = await conexion.get(ruta)
    if estado not in {200, 503}:
        raise SystemExit(f"{ruta} responde {estado}")
    return largo if estado == 200 else -1


async def _alone(
    puerto: int, mundo: Mundo, azar: random.Random, veces: int
) -> dict[str, dict[str, float]]:
    """Return the latencies of each endpoint with nobody else asking; the first one apart."""
    conexion = Conexion(puerto)
    cifras = {}
    for nombre in _paths(mundo, azar):
        tardanzas = []
        largo = 0
        for _ in range(veces + 1):
            ruta = _paths(mundo, azar)[nombre]
            inicio = time.perf_counter()
            largo = await asyncio.wait_for(_ask(conexion, ruta), RESPUESTA_S)
            tardanzas.append(time.perf_counter() - inicio)
        cifras[nombre] = {
            "primera_ms": 1e3 * tardanzas[0],
            **_summary(tardanzas[1:]),
            "kb": largo / 1e3,
        }
        cifras[nombre]["por_segundo"] = veces / sum(tardanzas[1:])
    conexion.close()
    return cifras


async def _together(
    puerto: int, mundo: Mundo, azar: random.Random, ritmo: int, segundos: float
) -> dict[str, dict[str, float]]:
    """Return the latencies of all endpoints at a fixed rate, by endpoint and of all."""
    tardanzas: dict[str, list[float]] = defaultdict(list)
    libres: asyncio.Queue[Conexion] = asyncio.Queue()
    for _ in range(CONEXIONES):
        libres.put_nowait(Conexion(puerto))

    # Drawn before the clock starts; in rounds, each in an order of its own.
    pedidas: list[tuple[str, str]] = []
    while len(pedidas) < ritmo * segundos:
        ronda = list(_paths(mundo, azar).items())
        azar.shuffle(ronda)
        pedidas += ronda
    rechazadas = 0

    async def one(nombre: str, ruta: str, cuando: float) -> None:
        nonlocal rechazadas
        conexion = await libres.get()
        largo = await _ask(conexion, ruta)
        rechazadas += largo < 0
        tardanzas[nombre].append(time.perf_counter() - cuando)
        libres.put_nowait(conexion)

    inicio = time.perf_counter() + 0.1
    async with asyncio.timeout(segundos + RESPUESTA_S), asyncio.TaskGroup() as grupo:
        for i, (nombre, ruta) in enumerate(pedidas):
            cuando = inicio + i / ritmo
            await asyncio.sleep(max(cuando - time.perf_counter(), 0))
            grupo.create_task(one(nombre, ruta, cuando))
    todas = [t for suyas in tardanzas.values() for t in suyas]
    while not libres.empty():
        libres.get_nowait().close()
    cifras = {nombre: _summary(suyas) for nombre, suyas in tardanzas.items()}
    return {**cifras, "todas": {**_summary(todas), "rechazadas": rechazadas}}


async def _saturated(puerto: int, mundo: Mundo, azar: random.Random, segundos: float) -> float:
    """Return the answers per second that eight clients get who never wait."""
    rutas = [ruta for _ in range(50) for ruta in _paths(mundo, azar).values()]
    fin = time.perf_counter() + segundos
    hechas = 0

    async def client() -> None:
        nonlocal hechas
        conexion = Conexion(puerto)
        while time.perf_counter() < fin:
            largo = await _ask(conexion, azar.choice(rutas))
            # Not in one line: the sum would be that of before the wait.
            hechas += largo >= 0
        conexion.close()

    await asyncio.gather(*(client() for _ in range(8)))
    return hechas / segundos


def _summary(tardanzas: Sequence[float]) -> dict[str, float]:
    centiles = statistics.quantiles(tardanzas, n=100, method="inclusive")
    return {"p50_ms": 1e3 * centiles[49], "p99_ms": 1e3 * centiles[98], "n": len(tardanzas)}


def _show(consola: Console, cifras: Mapping[str, Any], ritmo: int) -> None:
    tabla = Table(title="Tardanza, ms")
    tabla.add_column("")
    titulos = ("primera", "p50 sola", "p99 sola", "por s sola", "kB", f"p50 a {ritmo}/s")
    for titulo in (*titulos, f"p99 a {ritmo}/s"):
        tabla.add_column(titulo, justify="right")
    for nombre, sola in cifras["solas"].items():
        junta = cifras["a_la_vez"][nombre]
        tabla.add_row(
            nombre, numero(sola["primera_ms"], 0), _marked(sola["p50_ms"], nombre in CON_META_P50),
            numero(sola["p99_ms"], 1), numero(sola["por_segundo"], 0), numero(sola["kb"], 1),
            numero(junta["p50_ms"], 1), numero(junta["p99_ms"], 1),
        )  # fmt: skip
    consola.print(tabla)
    todas = cifras["a_la_vez"]["todas"]
    consola.print(
        f"A {ritmo}/s: una petición cada {numero(1e3 / ritmo, 1)} ms, de todas las rutas por "
        f"igual, hayan acabado o no las de antes, por {CONEXIONES} conexiones; la tardanza cuenta "
        "desde la hora en que tocaba. El cliente es otro proceso en los mismos núcleos."
    )
    consola.print(
        f"Todas a {ritmo}/s: p50 {numero(todas['p50_ms'], 1)} ms, p99 "
        f"{numero(todas['p99_ms'], 1)} ms (meta {numero(META_P99_MS, 0)}), "
        f"{todas['rechazadas']:.0f} de {todas['n']:.0f} con «vuelva luego»; con ocho clientes "
        f"sin pausa, {numero(cifras['por_segundo_maximo'], 0)} respuestas/s."
    )


def _marked(ms: float, con_meta: bool) -> str:
    return numero(ms, 1) + (" *" if con_meta and ms > META_P50_MS else "")


if __name__ == "__main__":
    sys.exit(run(main))
