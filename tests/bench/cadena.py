"""``make bench``: readings per second of the whole chain and of each stage, beside two others.

One run, one machine, the same readings: ours as it is in production; (a) the consumer most would
write first, one message at a time; (b) a competent one in plain Python. All decide the four rules
of the specification (their agreement is printed) and write the same rows and the same anomalies.
Ours also decides the two other detectors, the blend, suspicion and the explanations.
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
from datetime import UTC, date
from pathlib import Path
from typing import Any

import consumidor_competente
import consumidor_simple
import numpy as np
import psycopg2
from datos import ZONA, Datos, make_datos, make_detector, make_edificios, make_modelo
from medidas import (
    CpuDeProcesos,
    DecodificadorMedido,
    FuenteMedida,
    ProcesadorMedido,
    Tiempos,
    resident_mb,
    timed,
)
from rich.console import Console
from rich.table import Table

from detection.domain import SEVERIDADES, Lecturas, Veredictos, hora_absoluta, nombres_de_tipos
from detection.number_format import numero
from pipeline.consumer import hora_actual, open_procesador
from pipeline.embedded.services import EmbeddedServices
from pipeline.ingest.messages import MessageDecoder
from pipeline.stores.postgres.partitions import DIARIOS, ensure_months, months_of
from pipeline.stores.postgres.store import PostgresStore
from pipeline.streaming.batch import ScoringProcessor
from pipeline.streaming.consumer_loop import ConsumerLoop
from pipeline.streaming.kafka import KafkaProducer, ensure_topics
from pipeline.streaming.kafka_source import KafkaSource
from serving.cli import HECHO, Parser, entero, run
from serving.settings import Settings

REGLAS = 0b1111
LOTE = 5000
CLIENTES_MEMORIA = 100_000


def main(argv: Sequence[str]) -> int:
    """Measure and print; figures also as JSON if asked for."""
    parser = Parser("make bench", "Mide lecturas por segundo de la cadena y de cada etapa.")
    parser.add_argument("--lecturas", type=entero(20_000), default=1_000_000, metavar="N")
    parser.add_argument("--clientes", type=entero(50), default=1000, metavar="N")
    parser.add_argument("--semilla", type=entero(0), default=1, metavar="N")
    parser.add_argument("--rapido", action="store_true", help="la décima parte")
    parser.add_argument("--json", type=Path, metavar="ARCHIVO", help="guarda las cifras")
    opciones = parser.parse_args(argv)
    partes = 10 if opciones.rapido else 1
    lecturas = opciones.lecturas // partes
    consola = Console(highlight=False)
    consola.print(
        f"{date.today()}, {platform.machine()}, {os.cpu_count()} núcleos, Python "
        f"{platform.python_version()}; {numero(lecturas, 0)} lecturas de {opciones.clientes} "
        "clientes, 28 días de historia antes."
    )
    cifras: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as carpeta,
        EmbeddedServices(Path(carpeta), puertos_libres=True, mlflow=False) as servicios,
    ):
        datos = make_datos(lecturas, opciones.clientes, opciones.semilla, con_ataques=True)
        cifras["cadena"] = _chain(servicios, datos, "un 1 % sospechoso")
        tranquilos = make_edificios(lecturas, opciones.clientes, opciones.semilla)
        cifras["tranquila"] = _chain(servicios, tranquilos, "edificios (tranquilos)")
        cifras["otros"] = _others(servicios, datos, partes)
        cifras["anomalias"] = _cost_of_anomalies(servicios, datos)
    cifras["memoria"] = _memory()
    _show(consola, cifras)
    if opciones.json:
        opciones.json.write_text(json.dumps(cifras, indent=2, ensure_ascii=False))
    return HECHO


@contextmanager
def _fresh(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give settings with a database, a base and a topic of their own."""
    unico = f"b_{uuid.uuid4().hex[:12]}"
    servicios.crear_base(unico)
    valores = {k.lower(): v for k, v in servicios.variables().items()}
    valores |= {"postgres_db": unico, "mongo_db": unico, "lote_maximo": str(LOTE)}
    valores |= {"kafka_topic": f"t-{unico}", "kafka_grupo": f"g-{unico}"}
    yield Settings.model_validate(valores)
    servicios.borrar_base(unico)


def _produce(settings: Settings, datos: Datos, desde: int, hasta: int) -> float:
    """Send readings and return the rate, confirmed, messages per second."""
    ensure_topics(settings)
    productor = KafkaProducer(settings)
    trozos = list(datos.mensajes(desde, hasta))

    def send() -> None:
        for claves, valores in trozos:
            productor.send(claves, valores)
        productor.flush()

    return (hasta - desde) / timed(send)


def _chain(servicios: EmbeddedServices, datos: Datos, nombre: str) -> dict[str, Any]:
    """Measure our consumer: what is before the measured part is its customers' memory."""
    with _fresh(servicios) as settings:
        producidas = _produce(settings, datos, datos.historia, len(datos.lecturas))
        tiempos = Tiempos()
        with open_procesador(settings) as procesador:
            _remember(procesador, datos)
            decodificador = DecodificadorMedido(ZONA, settings.consumo_maximo_kwh, tiempos)
            bucle = ConsumerLoop(
                FuenteMedida(KafkaSource(settings), tiempos),
                ProcesadorMedido(procesador, tiempos),
                decodificador,
                lote_maximo=LOTE,
                hasta_vacio=True,
                reloj=hora_actual,
            )
            cpu = CpuDeProcesos()
            bucle.run()
            gastado = cpu.elapsed()
        n = tiempos.lecturas
        return {
            "nombre": nombre,
            "lecturas": n,
            "por_segundo": tiempos.por_segundo,
            "anomalias": tiempos.anomalias / n,
            "producir_por_segundo": producidas,
            "us_pared": {
                "descifrar": 1e6 * tiempos.decodificacion.pared_s / n,
                "puntuar": 1e6 * tiempos.puntuacion.pared_s / n,
                "guardar (otro hilo)": 1e6 * tiempos.guardado.pared_s / n,
            },
            "us_cpu": {k: 1e6 * s / n for k, s in gastado.items()},
            "etapas": _stages(settings, datos),
        }


def _remember(procesador: ScoringProcessor, datos: Datos) -> None:
    """Fill the customers' memory, and put a version of the models to work."""
    procesador._scorer.use(make_modelo(procesador._scorer.detector, datos))


def _stages(settings: Settings, datos: Datos) -> dict[str, float]:
    """Return the rate of each stage alone, on batches of the same readings."""
    n = min(datos.medidas, 40 * LOTE)
    lotes = [
        datos.parte(i, i + LOTE) for i in range(datos.historia, datos.historia + n - LOTE + 1, LOTE)
    ]
    n = LOTE * len(lotes)
    mensajes = [v for _, v in datos.mensajes(datos.historia, datos.historia + n)]
    decodificador = MessageDecoder(ZONA, settings.consumo_maximo_kwh)
    solo_reglas, detector = make_detector(), make_detector()
    make_modelo(solo_reglas, datos)
    detector.use(make_modelo(detector, datos))
    veredictos: list[Veredictos] = []
    guardar = PostgresStore(settings)
    with _postgres(settings) as cursor:
        cursor.execute("TRUNCATE consumos_diarios")
    ahora = hora_actual()
    segundos = {
        "descifrar": timed(lambda: [decodificador.decode(v, ahora) for v in mensajes]),
        "puntuar, solo reglas": timed(lambda: [solo_reglas.score(lote) for lote in lotes]),
        "puntuar, con los dos modelos": timed(
            lambda: veredictos.extend(detector.score(lote) for lote in lotes)
        ),
        "guardar en PostgreSQL": timed(
            lambda: [guardar.save(a, b) for a, b in zip(lotes, veredictos, strict=True)]
        ),
    }
    guardar.close()
    return {nombre: n / s for nombre, s in segundos.items()}


@contextmanager
def _postgres(settings: Settings) -> Iterator[Any]:
    conexion = psycopg2.connect(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        dbname=settings.postgres_db,
    )
    conexion.autocommit = True
    with conexion.cursor() as cursor:
        yield cursor
    conexion.close()


def _others(servicios: EmbeddedServices, datos: Datos, partes: int) -> list[dict[str, Any]]:
    """Measure (a) and (b) on the first part of the same readings."""
    nuestros = _verdicts(datos)
    historia = datos.parte(0, datos.historia)
    resultado = []
    for nombre, modulo, cuantas in (
        ("(a) mensaje a mensaje", consumidor_simple, 3_000 // partes),
        ("(b) competente", consumidor_competente, 150_000 // partes),
    ):
        n = min(cuantas, datos.medidas)
        with _fresh(servicios) as settings:
            with open_procesador(settings):
                pass  # the same tables and indexes as ours
            with _postgres(settings) as cursor:
                meses = months_of(datos.lecturas.hora_utc[datos.historia : datos.historia + n])
                ensure_months(cursor, DIARIOS, meses)
            _produce(settings, datos, datos.historia, datos.historia + n)
            decididos = {k: (s, sev) for k, (_, s, sev) in nuestros.items() if sev != "normal"}
            segundos = modulo.consume(settings, historia, n, decididos)
            distintas = _differences(settings, nuestros)
        resultado.append(
            {
                "nombre": nombre,
                "lecturas": n,
                "por_segundo": n / segundos,
                "distintas": distintas,
            }
        )
    return resultado


def _verdicts(datos: Datos) -> dict[tuple[str, int], tuple[frozenset[str], float, str]]:
    """Return our rules, score and severidad of the measured readings that (a) and (b) may get."""
    detector = make_detector()
    detector.score(datos.parte(0, datos.historia))
    parte = datos.parte(datos.historia, min(len(datos.lecturas), datos.historia + 150_000))
    v = detector.score(parte)
    reglas = [frozenset(nombres_de_tipos(mascara)) for mascara in range(REGLAS + 1)]
    return {
        (p, int(h)): (reglas[t & REGLAS], int(c) / 100, str(SEVERIDADES[s]))
        for p, h, t, c, s in zip(
            parte.propietario_id, parte.hora_utc, v.tipos, v.score_centesimas, v.severidad,
            strict=True,
        )
    }  # fmt: skip


def _differences(
    settings: Settings, nuestros: dict[tuple[str, int], tuple[frozenset[str], float, str]]
) -> int:
    """Return in how many stored readings other rules fire than in ours."""
    with _postgres(settings) as cursor:
        cursor.execute(
            "SELECT propietario_id, timestamp_consumo, tipos_anomalia FROM consumos_diarios"
        )
        return sum(
            nuestros[p, hora_absoluta(t.astimezone(UTC))][0] != frozenset(tipos)
            for p, t, tipos in cursor
        )


def _cost_of_anomalies(servicios: EmbeddedServices, datos: Datos) -> dict[str, float]:
    """Return the seconds of 1 000 anomalies in MongoDB, new and repeated, with explanations."""
    detector = make_detector()
    detector.score(datos.parte(0, datos.historia))
    parte = datos.parte(datos.historia, len(datos.lecturas))
    v = detector.score(parte)
    cuales = np.flatnonzero(v.severidad)[:1000]
    lecturas, veredictos = parte.elegir(cuales), v.elegir(cuales)
    explicaciones = [
        detector.explain(veredictos, i, float(lecturas.consumo_kwh[i])) for i in range(len(cuales))
    ]
    with _fresh(servicios) as settings, open_procesador(settings) as procesador:
        guardar = procesador._anomalias.save

        def save(repetida: bool) -> None:
            marca = np.full(len(cuales), repetida)
            guardar(lecturas, veredictos, explicaciones, marca, hora_actual())

        por_mil = 1000 / len(cuales)
        return {
            "explicar_s": por_mil * timed(_explain_all, detector, veredictos, lecturas),
            "nuevas_s": por_mil * timed(save, False),
            "repetidas_s": por_mil * timed(save, True),
        }


def _explain_all(detector: Any, veredictos: Veredictos, lecturas: Lecturas) -> None:
    for i in range(len(lecturas)):
        detector.explain(veredictos, i, float(lecturas.consumo_kwh[i]))


def _memory() -> dict[str, float]:
    """Return the memory of 100 000 customers, MB in all and bytes of state each."""
    detector = make_detector()
    ids = [f"CLI_{i:06d}" for i in range(CLIENTES_MEMORIA)]
    antes = resident_mb()
    for hora in range(490_000, 490_003):
        for i in range(0, CLIENTES_MEMORIA, LOTE):
            trozo = ids[i : i + LOTE]
            detector.score(Lecturas(trozo, np.full(LOTE, hora), np.full(LOTE, 0.3)))
    por_cliente = detector.ring.bytes_per_customer() + detector.days.bytes_per_customer()
    return {"mb": resident_mb() - antes, "estado_por_cliente": por_cliente}


def _show(consola: Console, cifras: dict[str, Any]) -> None:
    cadena = cifras["cadena"]
    tabla = Table("qué", "lecturas/s", "frente a nosotros", "nota", title="La cadena entera")
    for c in (cadena, cifras["tranquila"]):
        nota = f"{numero(100 * c['anomalias'], 2)} % de anomalías"
        tabla.add_row(f"Consumo, {c['nombre']}", numero(c["por_segundo"], 0), "", nota)
    for otro in cifras["otros"]:
        veces = cadena["por_segundo"] / otro["por_segundo"]
        nota = f"{numero(otro['lecturas'], 0)} lecturas; reglas distintas en {otro['distintas']}"
        tabla.add_row(
            otro["nombre"], numero(otro["por_segundo"], 0), f"1 / {numero(veces, 1)}", nota
        )
    consola.print(tabla)
    etapas = Table("etapa, sola", "lecturas/s", title="Cada etapa, sola")
    etapas.add_row("producir a Kafka, confirmado", numero(cadena["producir_por_segundo"], 0))
    for nombre, tasa in cadena["etapas"].items():
        etapas.add_row(nombre, numero(tasa, 0))
    consola.print(etapas)
    cpu = ", ".join(f"{k} {numero(v, 2)}" for k, v in cadena["us_cpu"].items())
    pared = ", ".join(f"{k} {numero(v, 2)}" for k, v in cadena["us_pared"].items())
    consola.print(f"En la cadena, µs por lectura. CPU: {cpu}. Tiempo: {pared}.")
    a = cifras["anomalias"]
    consola.print(
        f"1.000 anomalías cuestan: explicarlas {numero(1000 * a['explicar_s'], 0)} ms, guardarlas "
        f"en MongoDB {numero(1000 * a['nuevas_s'], 0)} ms, repetidas "
        f"{numero(1000 * a['repetidas_s'], 0)} ms."
    )
    m = cifras["memoria"]
    consola.print(
        f"100.000 clientes: {numero(m['mb'], 0)} MB ({numero(m['estado_por_cliente'], 0)} bytes de "
        "estado por cliente, más su nombre y el margen con que crecen las tablas)."
    )


if __name__ == "__main__":
    sys.exit(run(main))
