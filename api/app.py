"""``consumo api``: the REST API, from its settings to its socket."""

from __future__ import annotations

import gc
import ipaddress
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from api.accents import AccentedPaths, without_accents
from api.anomalies.events import router as events
from api.anomalies.figures import router as figures
from api.anomalies.incidents import router as incidents
from api.anomalies.reviews import router as reviews
from api.anomalies.routes import router as anomalies
from api.api_keys import CABECERA_CLAVE, KnownKeys, RoleRequired, new_key
from api.cases.context import router as case_map
from api.cases.events import router as case_events
from api.cases.evidence import router as case_evidence
from api.cases.figures import router as case_figures
from api.cases.moves import router as case_moves
from api.cases.report import router as case_report
from api.cases.routes import router as cases
from api.customers.routes import router as customers
from api.deps import Recursos
from api.errors import install_errors, respuestas
from api.middleware import CUERPO_MAXIMO_BYTES, AccessLog, CallerLimit, RequestLimit
from api.models.drift import router as drift
from api.models.routes import router as models
from api.openapi import ETIQUETAS, PRESENTACION, check_consulta, known_params, make_documento
from api.readings.months import router as months
from api.readings.routes import router as readings
from api.startup import StorePreparation, WarmUp
from api.stats.overview import router as overview
from api.stats.routes import router as stats
from api.streams import EventStreams
from api.system.figures import SystemReader
from api.system.people import router as people
from api.system.routes import auditoria_router, clave_router, metricas_router
from api.system.routes import router as sistema_router
from detection.errors import ConfiguracionError, TransientError
from pipeline.stores.mongo.case_moves import MongoCaseMoves
from pipeline.stores.mongo.model_log import MongoModelLog
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.mongo.reviews import VeredictosMongo
from pipeline.stores.postgres.audit import AuditoriaPostgres
from pipeline.stores.postgres.health import PostgresHealth
from pipeline.stores.postgres.queries import PostgresQueries
from pipeline.stores.postgres.store import migrate
from pipeline.stores.postgres.time_zone import check_zone
from pipeline.stores.presentation import make_presentacion
from pipeline.stores.query_cache import RememberedAnswer
from pipeline.stores.watchdog import PREGUNTA
from pipeline.streaming.kafka import ping_kafka
from pipeline.streaming.kafka_lag import LagReader
from serving.cli import HECHO, Parser, entero, run
from serving.consumer_health import LATIDOS, RETRASO, ConsumerWatch, Heartbeats, LatestWrite
from serving.health import (
    CHAMPION,
    KAFKA,
    MLFLOW,
    MONGO,
    POSTGRES,
    HealthMonitor,
    look_at_champion,
    ping_mlflow,
)
from serving.logs import configure_logs
from serving.metrics import ApiMetrics
from serving.registry import ModelRegistry, configure_client
from serving.settings import (
    ROLES,
    Settings,
    anfitriones_de,
    claves_de,
    load_settings,
    origenes_de,
)
from serving.web import server
from serving.web.docs import router as documentacion_router
from serving.web.middleware import AllowedHosts, BodyLimit, HeadAsGet

log = logging.getLogger("api")

ESPERA_MLFLOW_S = 3
"""Silence of MLflow after which whoever looks at a screen is told so."""
RELEVO_S = 0.0005
"""Longest that a thread computes while the loop waits for its turn; Python's own is 5 ms, as long
as a whole answer takes. Measured with ``make bench-api``, 2026-11-24."""
RECOGIDA = (50_000, 20, 100)
"""Objects between two looks of the collector, and looks between two deeper ones: a list of 700
readings is thousands of objects, gone with the answer and without its help."""
_COMPRIMIR_DESDE = 1000
_COMPRESION = 5
"""Of zlib: within a few per cent of 9 and several times as fast on JSON."""
_SIN_COMPRIMIR = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/vnd.apache.parquet")


ROUTERS: tuple[APIRouter, ...] = (
    readings,
    months,
    # Before anomalies, whose last path takes whatever is left.
    events,
    reviews,
    figures,
    anomalies,
    incidents,
    case_moves,
    # Before cases, whose last path takes whatever is left.
    case_events,
    case_figures,
    case_map,
    case_evidence,
    case_report,
    cases,
    customers,
    stats,
    overview,
    models,
    drift,
)
"""Everything under ``/api``, in the order in which the documentation shows it."""


def _ahora() -> datetime:
    return datetime.now(UTC)


def open_recursos(
    settings: Settings, ahora: Callable[[], datetime], segundos: Callable[[], float]
) -> Recursos:
    """Return what an app holds; nothing has been sent to any server yet."""
    anomalias = MongoQueries(settings, segundos=segundos)
    modelos = MongoModelLog(settings, PREGUNTA)
    salud, registro = PostgresHealth(settings), ModelRegistry(settings, paciencia_s=ESPERA_MLFLOW_S)
    preparacion = StorePreparation(
        {POSTGRES: partial(migrate, settings), MONGO: partial(_make_indexes, anomalias, modelos)}
    )

    def latest_write() -> LatestWrite | None:
        preparacion.check()
        return salud.latest_write()

    def read_heartbeats() -> Heartbeats:
        preparacion.check()
        return salud.heartbeats()

    retraso, metricas = LagReader(settings), ApiMetrics()
    consumidores = ConsumerWatch(read_heartbeats, retraso.read)
    partes: dict[str, Callable[[], object]] = {
        POSTGRES: latest_write,
        MONGO: anomalias.ping,
        KAFKA: partial(ping_kafka, settings),
        MLFLOW: partial(ping_mlflow, settings.mlflow_tracking_uri),
        CHAMPION: partial(look_at_champion, registro),
        LATIDOS: consumidores.heartbeats,
        RETRASO: consumidores.lag,
    }
    return Recursos(
        settings=settings,
        ahora=ahora,
        historico=PostgresQueries(settings, segundos=segundos),
        anomalias=anomalias,
        veredictos=VeredictosMongo(settings, al_cambiar=anomalias.forget),
        casos=MongoCaseMoves(settings, al_cambiar=anomalias.forget),
        auditoria=AuditoriaPostgres(settings),
        salud=salud,
        modelos=modelos,
        registro=registro,
        versiones=RememberedAnswer(registro.versions, segundos),
        metricas=metricas,
        claves=KnownKeys(settings),
        preparacion=preparacion,
        vigia=HealthMonitor(partes, segundos),
        medidas=SystemReader(settings, registro, segundos),
        retraso=retraso,
        flujos=EventStreams(metricas.oyentes),
    )


_DOCUMENTOS: dict[bool, dict[str, Any]] = {}
"""By whether reading asks for a key: a second to make, and the same for every app of a process."""


def _make_indexes(anomalias: MongoQueries, modelos: MongoModelLog) -> None:
    anomalias.ensure_indexes()
    modelos.ensure_indexes()


def create_api(
    settings: Settings,
    ahora: Callable[[], datetime] = _ahora,
    *,
    segundos: Callable[[], float] = time.monotonic,
    calentar: bool = False,
) -> FastAPI:
    """Return the API.

    Parameters
    ----------
    ahora : callable
        The clock; an aware instant.
    segundos : callable
        Rising seconds: the age of what is remembered.
    calentar : bool
        Load right after the start what takes long to load, so that nobody waits for it.
    """
    recursos = open_recursos(settings, ahora, segundos)
    calor = WarmUp((recursos.historico.warm_up,))

    @asynccontextmanager
    async def vida(_app: FastAPI) -> AsyncIterator[None]:
        await anyio.to_thread.run_sync(recursos.preparacion.start)
        if calentar:
            calor.start()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(calor.close)
            await anyio.to_thread.run_sync(recursos.close)

    app = FastAPI(
        **PRESENTACION,
        openapi_tags=[dict(etiqueta) for etiqueta in ETIQUETAS],
        dependencies=[Depends(check_consulta)],
        responses=respuestas(400, 408, 421, 422, 429, 500),
        generate_unique_id_function=_nombre_de,
        lifespan=vida,
        docs_url=None,
        redoc_url=None,
    )
    app.state.recursos, app.state.presenta = recursos, make_presentacion(settings)
    app.openapi = partial(make_documento, app)  # type: ignore[method-assign]
    install_errors(app)
    _add_routes(app, recursos.claves)
    app.state.conocidos = known_params(app.openapi())
    _add_middleware(app, recursos)
    return app


def _nombre_de(ruta: APIRoute) -> str:
    """Return the id of an operation: what generated clients call it."""
    return f"{without_accents(str(ruta.tags[0]))}_{ruta.name}" if ruta.tags else ruta.name


def _add_routes(app: FastAPI, claves: KnownKeys) -> None:
    """Add every router, and the document of them; reading asks for a key if the settings say so."""
    leer: dict[str, Any] = {}
    if claves.leer_pide_clave:
        leer = {"dependencies": [Depends(RoleRequired(ROLES[0]))], "responses": respuestas(401)}
    for router in (*ROUTERS, people, auditoria_router, clave_router, metricas_router):
        app.include_router(router, **leer)
    for router in (sistema_router, documentacion_router):
        app.include_router(router)
    app.openapi_schema = _DOCUMENTOS.get(claves.leer_pide_clave)
    _DOCUMENTOS[claves.leer_pide_clave] = app.openapi()


def _add_middleware(app: FastAPI, recursos: Recursos) -> None:
    """Put around the routes what every request goes through; the last one added comes first."""
    app.add_middleware(AccentedPaths, plantillas=list(app.openapi()["paths"]))
    app.add_middleware(
        GZipMiddleware,
        minimum_size=_COMPRIMIR_DESDE,
        compresslevel=_COMPRESION,
        exclude_content_types=_SIN_COMPRIMIR,
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, maximo=CUERPO_MAXIMO_BYTES)
    limite = RequestLimit(recursos.settings.api_limite_minuto)
    app.add_middleware(CallerLimit, claves=recursos.claves, limite=limite)
    if origenes := origenes_de(recursos.settings.api_cors_origenes):
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origenes,
            allow_methods=["GET", "POST"],
            allow_headers=[CABECERA_CLAVE, "X-Request-ID", "If-None-Match", "Last-Event-ID"],
            expose_headers=["X-Request-ID", "Retry-After", "ETag"],
        )
    propios = (recursos.settings.api_host, *anfitriones_de(recursos.settings.api_anfitriones))
    app.add_middleware(AllowedHosts, admitidos=propios)
    app.add_middleware(AccessLog, metricas=recursos.metricas)


def check_exposure(settings: Settings, host: str, claves: KnownKeys) -> None:
    """Return if the API may listen at an address with the keys that there are; say what is open.

    ``ConfiguracionError``: others could reach it, and there is no key at all.
    """
    if _is_loopback(host):
        return
    if not claves:
        if not settings.api_sin_claves:
            raise ConfiguracionError(
                f"la API atendería a toda la red en {host} sin ninguna clave: defina API_CLAVES "
                "(«consumo api --nueva-clave NOMBRE» hace una) o, si es lo que quiere, "
                "API_SIN_CLAVES=True"
            )
        log.warning("la API atiende en %s SIN CLAVES (API_SIN_CLAVES): cualquiera puede leer", host)
    elif not claves.leer_pide_clave:
        log.warning("la API atiende en %s y leer no pide clave (API_CLAVES_LECTURA)", host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def api_server(app: FastAPI) -> server.Servidor:
    """Return a server for an app, which ends its open streams first when it stops."""
    return server.make_server(app, app.state.recursos.flujos.end)


def main(argv: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM; return the exit status."""
    parser = Parser("consumo api", "La API REST; su documentación está en /docs.")
    parser.add_argument("--host", help="dirección en que escucha (API_HOST)")
    parser.add_argument("--port", type=entero(1, 65535), help="puerto en que escucha (API_PORT)")
    parser.add_argument(
        "--nueva-clave",
        metavar="NOMBRE",
        help="hace una clave, la enseña una sola vez con la línea que va en API_CLAVES, y termina",
    )
    parser.add_argument(
        "--rol", choices=ROLES, default="analista", help="rol de la clave nueva (analista)"
    )
    opciones = parser.parse_args(argv)
    if opciones.nueva_clave is not None:
        return _say_clave(opciones.nueva_clave, opciones.rol)
    settings = load_settings()
    configure_logs(settings.nivel_log)
    # Its own lines are English and say nothing that ours do not.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    host, puerto = opciones.host or settings.api_host, opciones.port or settings.api_port
    settings = settings.model_copy(update={"api_host": host})
    check_exposure(settings, host, KnownKeys(settings))
    try:
        check_zone(settings)
    except TransientError as error:
        # Whoever fills the stores has checked it before there was anything to read.
        log.warning("no se ha podido comprobar ZONA_HORARIA: %s", error)
    configure_client(ESPERA_MLFLOW_S)
    enchufe = server.listen(host, puerto)
    atiende = api_server(create_api(settings, calentar=True))
    _tune_interpreter()
    log.info("API en http://%s:%d (documentación en /docs)", host, puerto)
    with enchufe:
        _leave_on_signals(atiende)
        atiende.run(sockets=[enchufe])
    log.info("API parada")
    return HECHO


def _tune_interpreter() -> None:
    """Keep the collector and the other threads from holding up the loop that all requests share."""
    sys.setswitchinterval(RELEVO_S)
    # What exists by now (routes, models, libraries) stays: looking through it takes 100 ms.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*RECOGIDA)


def _leave_on_signals(atiende: server.Servidor) -> None:
    """Make a signal the ordinary end: uvicorn raises it again once it has stopped."""

    def salir(_numero: int, _marco: object) -> None:
        atiende.should_exit = True

    for senal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(senal, salir)


def _say_clave(nombre: str, rol: str) -> int:
    clave, linea = new_key(nombre, rol)
    try:
        claves_de(linea)
    except ValueError as error:
        raise ConfiguracionError(
            f"«{nombre}» no sirve de nombre: de 1 a 40 letras, cifras, «.», «_» o «-»"
        ) from error
    print(f"Clave de {nombre} ({rol}); no se vuelve a ver:\n  {clave}")  # noqa: T201
    print(f"En API_CLAVES, con una coma si hay más:\n  {linea}")  # noqa: T201
    return HECHO


if __name__ == "__main__":
    sys.exit(run(main))
