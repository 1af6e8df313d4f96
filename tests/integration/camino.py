"""The main road, real servers and processes: send a file, consume it, look at both stores."""

from __future__ import annotations

import csv
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import forks
import numpy as np
import psycopg2
import pymongo
from forks import Fork

from detection.detector import DetectorConsumo
from detection.domain import SEVERIDADES, Lecturas, instante, nombres_de_tipos
from detection.simulation.synthesis import make_population
from pipeline.generator.service import generate_lecturas
from serving.base_version import load_base
from serving.local_time import load_calendario
from serving.settings import Settings

PLAZO_S = 120.0
Clave = tuple[str, datetime]


def esperar(
    que: Callable[[], bool], texto: str, plazo_s: float = PLAZO_S, registros: Sequence[Path] = ()
) -> None:
    """Return once a condition holds; fail with ``texto``, and what the logs end with, if not."""
    limite = time.monotonic() + plazo_s
    while not que():
        assert time.monotonic() < limite, f"not in time: {texto}{_said(registros)}"
        time.sleep(0.1)


def _said(registros: Sequence[Path]) -> str:
    return "".join(f"\n{r.name}: {r.read_text()[-3000:]}" for r in registros if r.exists())


def lecturas_de_prueba(clientes: int = 12, dias: int = 36, semilla: int = 5) -> Lecturas:
    """Return readings with attacks, hour by hour, ending some days ago, odd decimals among them."""
    hasta = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp()) // 3600
    poblacion = make_population(semilla, clientes, 4, hasta - 24 * dias, hasta)
    lecturas = generate_lecturas(poblacion, hasta - 24 * dias, hasta, "Europe/Madrid").lecturas()
    rng = np.random.default_rng(semilla)
    raras = rng.random(len(lecturas)) < 0.02
    kwh = np.where(raras, lecturas.consumo_kwh * rng.random(len(lecturas)), lecturas.consumo_kwh)
    return Lecturas(lecturas.propietario_id, lecturas.hora_utc, kwh)


def escribir_csv(ruta: Path, lecturas: Lecturas) -> Path:
    """Write a file of readings, times with offset, kWh in their shortest form."""
    with ruta.open("w", newline="", encoding="utf-8") as f:
        salida = csv.writer(f)
        salida.writerow(["propietario_id", "timestamp", "consumo_kwh"])
        for p, h, x in zip(
            lecturas.propietario_id, lecturas.hora_utc, lecturas.consumo_kwh.tolist(), strict=True
        ):
            salida.writerow([p, instante(int(h)).isoformat(), repr(x)])
    return ruta


def consumo(
    variables: Mapping[str, str], *argv: str, **mas: str
) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end."""
    return forks.run({**variables, **mas}, *argv, timeout=PLAZO_S)


def consumidor(variables: Mapping[str, str], registro: Path, *argv: str, **mas: str) -> Fork:
    """Start a consumer whose log goes to a file."""
    with registro.open("wb") as salida:
        return forks.start(
            {**variables, **mas}, "consumir", *argv, stdout=salida, stderr=subprocess.STDOUT
        )


def conectar(entorno: Settings, base: str | None = None) -> Any:
    """Return a connection to the history, or to another database of its server."""
    conexion = psycopg2.connect(
        host=entorno.postgres_host,
        port=entorno.postgres_port,
        user=entorno.postgres_user,
        dbname=base or entorno.postgres_db,
    )
    conexion.autocommit = True
    return conexion


def filas_guardadas(entorno: Settings) -> int:
    """Return how many readings PostgreSQL has; 0 while there is no table."""
    with closing(conectar(entorno)) as conexion, conexion.cursor() as cursor:
        cursor.execute("SELECT to_regclass('consumos_diarios')")
        if cursor.fetchone()[0] is None:
            return 0
        cursor.execute("SELECT count(*) FROM consumos_diarios")
        return int(cursor.fetchone()[0])


def historico(entorno: Settings) -> dict[Clave, tuple[Decimal, float, str, tuple[str, ...], bool]]:
    """Return every stored reading: kWh, score, severidad, types, es_sospechoso."""
    with closing(conectar(entorno)) as conexion, conexion.cursor() as cursor:
        cursor.execute(
            "SELECT propietario_id, timestamp_consumo, consumo_kwh, score_anomalia, severidad, "
            "tipos_anomalia, es_sospechoso FROM consumos_diarios"
        )
        filas = cursor.fetchall()
    leidas = {
        (p, t.astimezone(UTC)): (x, float(s), sev, tuple(tipos), sos)
        for p, t, x, s, sev, tipos, sos in filas
    }
    assert len(leidas) == len(filas), "a reading is stored twice"
    return leidas


def anomalias(entorno: Settings) -> dict[Clave, tuple[float, str, tuple[str, ...], bool]]:
    """Return every anomaly of MongoDB: score, severidad, types, es_sospechoso."""
    with pymongo.MongoClient(entorno.mongo_host, entorno.mongo_port, tz_aware=True) as cliente:
        documentos = list(cliente[entorno.mongo_db].anomalias_detectadas.find())
    leidas = {
        (d["propietario_id"], d["timestamp_consumo"].astimezone(UTC)): (
            d["score_anomalia"], d["severidad"], tuple(d["tipos_anomalia"]), d["es_sospechoso"],
        )
        for d in documentos
    }  # fmt: skip
    assert len(leidas) == len(documentos), "an anomaly is stored twice"
    return leidas


def comprobar_exactamente_una_vez(entorno: Settings, lecturas: Lecturas) -> None:
    """Check that each reading is there once, the same kWh, and that both stores agree."""
    guardadas = historico(entorno)
    enviadas = {
        (p, instante(int(h))): Decimal(repr(x))
        for p, h, x in zip(
            lecturas.propietario_id, lecturas.hora_utc, lecturas.consumo_kwh.tolist(), strict=True
        )
    }
    assert guardadas.keys() == enviadas.keys()
    assert {k: v[0] for k, v in guardadas.items()} == enviadas
    comprobar_acuerdo(entorno)


def comprobar_acuerdo(entorno: Settings) -> None:
    """Check that the anomalies of MongoDB are those of PostgreSQL, with the same verdicts."""
    de_postgres = {k: v[1:] for k, v in historico(entorno).items() if v[2] != "normal"}
    assert de_postgres, "the data has anomalies"
    assert anomalias(entorno) == de_postgres


def particion_de(clave: str, particiones: int) -> int:
    """Return the partition of a key, as Java's client chooses it (murmur2)."""
    datos, m = clave.encode(), 0x5BD1E995
    h = 0x9747B28C ^ len(datos)
    entero = len(datos) - len(datos) % 4
    for i in range(0, entero, 4):
        k = int.from_bytes(datos[i : i + 4], "little") * m & 0xFFFFFFFF
        h = h * m & 0xFFFFFFFF ^ (k ^ k >> 24) * m & 0xFFFFFFFF
    if resto := datos[entero:]:
        h = (h ^ int.from_bytes(resto, "little")) * m & 0xFFFFFFFF
    h = (h ^ h >> 13) * m & 0xFFFFFFFF
    return ((h ^ h >> 15) & 0x7FFFFFFF) % particiones


def comprobar_veredictos(entorno: Settings, lecturas: Lecturas) -> None:
    """Check that the stored verdicts are those of the detector undisturbed."""
    particiones = entorno.kafka_particiones
    propia = {p: particion_de(p, particiones) for p in set(lecturas.propietario_id)}
    v = DetectorConsumo(load_calendario(entorno.zona_horaria), base=load_base()).score(
        lecturas, np.array([propia[p] for p in lecturas.propietario_id])
    )
    esperados = {
        (p, instante(int(h))): (
            int(c) / 100, str(SEVERIDADES[s]), tuple(nombres_de_tipos(int(t))), bool(sos),
        )
        for p, h, c, s, t, sos in zip(
            lecturas.propietario_id, lecturas.hora_utc, v.score_centesimas, v.severidad, v.tipos,
            v.es_sospechoso, strict=True,
        )
    }  # fmt: skip
    assert {k: val[1:] for k, val in historico(entorno).items()} == esperados


def terminar(procesos: Sequence[Fork]) -> None:
    """Kill what a failed test has left running."""
    for proceso in procesos:
        if proceso.poll() is None:
            proceso.kill()
        proceso.wait()
