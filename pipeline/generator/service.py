"""The data-generator service (FastAPI, port 8000), and what the producer takes from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Body, FastAPI, HTTPException, Path, Request, Response
from fastapi.responses import StreamingResponse

from detection.domain import HORAS_POR_DIA, hora_absoluta, instante
from detection.errors import ConfiguracionError
from detection.simulation.population import SEMILLA, customer, customers, name_of
from detection.simulation.synthesis import (
    GeneratedReadings,
    SimulatedCustomer,
    attack_start,
    generate,
    make_customer,
)
from pipeline.generator.schemas import (
    CLIENTES_PEDIDOS,
    MAX_CUERPO_BYTES,
    RESPUESTAS_DE_ERROR,
    ClientesPedidos,
    LecturasGeneradas,
    LotePedido,
    SaludGenerador,
    SemillaPedida,
    SospechosoPedido,
    SospechososPedidos,
    indice_de,
)
from pipeline.ingest.messages import MessageEncoder
from serving.cli import HECHO, Parser, entero
from serving.local_time import PRIMER_ANIO, ULTIMO_ANIO, load_calendario
from serving.settings import Settings, anfitriones_de
from serving.web import server
from serving.web.docs import router as documentacion_router
from serving.web.middleware import AllowedHosts, BodyLimit, HeadAsGet
from serving.web.problems import install_problems, problem

_LOG = logging.getLogger("generador")

MAX_LECTURAS = 1_000_000
"""Readings of one answer, about 120 MB of JSON; it is streamed, so this bounds time, not memory."""

_LECTURAS_POR_TROZO = 20_000
_DIAS_PARA_ESPERAR = 16
"""In shorter intervals an attack starts at once: there would be little left of it."""

_DESDE_ANIO = PRIMER_ANIO + 1
"""What is asked needs some days before it in the calendar."""


def generate_lecturas(
    clientes: Sequence[SimulatedCustomer], desde_hora: int, hasta_hora: int, zona: str
) -> GeneratedReadings:
    """Return the readings of the absolute hours ``[desde_hora, hasta_hora)``, hour after hour.

    Days, hours of day and Spain's national holidays are those of ``zona``.
    """
    anios = range(instante(desde_hora).year - 1, instante(hasta_hora).year + 2)
    festivos = _festivos(anios.start, anios.stop)
    return generate(clientes, desde_hora, hasta_hora, load_calendario(zona), festivos)


@lru_cache(maxsize=16)
def _festivos(desde_anio: int, hasta_anio: int) -> frozenset[int]:
    """Return Spain's national holidays as days since 1970-01-01."""
    from holidays import country_holidays

    origen = date(1970, 1, 1)
    dias = country_holidays("ES", years=range(desde_anio, hasta_anio))
    return frozenset((dia - origen).days for dia in dias)


def _hora_de(anio: int) -> int:
    return hora_absoluta(datetime(anio, 1, 1, tzinfo=UTC))


class Generador:
    """What the endpoints ask: which customers, which hours, and their readings as JSON.

    ``zona``: IANA zone of local time. ``ahora``: the clock; an aware instant.
    """

    def __init__(self, zona: str, ahora: Callable[[], datetime]) -> None:
        load_calendario(zona)  # Refuses zones that are not whole hours from UTC, now and not later.
        self.zona = zona
        self.ahora = ahora

    def ultimas_24h(self) -> tuple[int, int]:
        """Return the absolute hours [first, end) of the last 24 full hours."""
        hasta = hora_absoluta(self.ahora())
        return hasta - HORAS_POR_DIA, hasta

    def hora(self, campo: str, momento: datetime) -> int:
        """Return the absolute hour of a given moment, or refuse it with 422."""
        if momento.tzinfo is None:
            momento = momento.replace(tzinfo=ZoneInfo(self.zona))
        if not _DESDE_ANIO <= momento.year < ULTIMO_ANIO:
            raise HTTPException(422, f"{campo}: el año va de {_DESDE_ANIO} a {ULTIMO_ANIO - 1}")
        momento = momento.astimezone(UTC)
        if momento.minute or momento.second or momento.microsecond:
            raise HTTPException(422, f"{campo}: ha de ser una hora en punto")
        return hora_absoluta(momento)

    def intervalo(self, lote: LotePedido) -> tuple[int, int]:
        """Return the absolute hours [first, end) that a batch asks for."""
        if lote.dias and lote.horas:
            raise HTTPException(422, "dias y horas no se admiten juntos")
        duracion = lote.horas or (lote.dias or 0) * HORAS_POR_DIA
        desde = None if lote.desde is None else self.hora("desde", lote.desde)
        hasta = None if lote.hasta is None else self.hora("hasta", lote.hasta)
        if desde is not None and hasta is not None and duracion:
            raise HTTPException(422, "con desde y hasta sobran dias y horas")
        if desde is not None and hasta is None and duracion:
            hasta = desde + duracion
        if hasta is None:
            hasta = self.ultimas_24h()[1]
        if desde is None:
            desde = hasta - (duracion or HORAS_POR_DIA)
        if hasta <= desde:
            raise HTTPException(422, "hasta: ha de ser posterior a desde")
        if desde < _hora_de(_DESDE_ANIO) or hasta > _hora_de(ULTIMO_ANIO):
            raise HTTPException(422, f"el intervalo sale de {_DESDE_ANIO} a {ULTIMO_ANIO - 1}")
        return desde, hasta

    def poblacion(self, lote: LotePedido, desde: int, hasta: int) -> list[SimulatedCustomer]:
        """Return the customers that a batch asks for."""
        if lote.propietarios is not None and lote.clientes is not None:
            raise HTTPException(422, "clientes y propietarios no se admiten juntos")
        if lote.propietarios is None:
            indices = list(range(1, (lote.clientes or CLIENTES_PEDIDOS) + 1))
        else:
            numeros = (indice_de(p, 422, lote.semilla) for p in lote.propietarios)
            indices = list(dict.fromkeys(numeros))
        if len(indices) * (hasta - desde) > MAX_LECTURAS:
            raise HTTPException(
                422,
                f"serían {len(indices) * (hasta - desde)} lecturas y el máximo es {MAX_LECTURAS}",
            )
        pedidos = lote.sospechosos
        if pedidos is None:
            return [customer(lote.semilla, i) for i in indices]
        if isinstance(pedidos, int):
            if lote.propietarios is None:
                return customers(lote.semilla, len(indices), pedidos, desde, hasta)
            if pedidos:
                raise HTTPException(422, "sospechosos: con propietarios, dé la lista con su tipo")
            pedidos = []
        ataques = self._ataques(pedidos, indices, lote.semilla, desde, hasta)
        visible = not lote.rango_completo
        poblacion = []
        for i in indices:
            tipo, inicio = ataques.get(i, (None, 0))
            cliente = make_customer(lote.semilla, i, tipo, inicio, visible)
            poblacion.append(replace(cliente, propietario_id=name_of(lote.semilla, i)))
        return poblacion

    def _ataques(
        self,
        pedidos: list[SospechosoPedido],
        indices: list[int],
        semilla: int,
        desde: int,
        hasta: int,
    ) -> dict[int, tuple[str, int]]:
        """Return kind and start of each attack, by customer."""
        corto = hasta - desde < _DIAS_PARA_ESPERAR * HORAS_POR_DIA
        nombrados = (p.propietario_id for p in pedidos)
        fijos = {indice_de(p, 422, semilla) for p in nombrados if p is not None}
        libres = [i for i in indices if i not in fijos]
        sueltos = sum(p.propietario_id is None for p in pedidos)
        if sueltos > len(libres):
            raise HTTPException(422, "sospechosos: hay más que clientes")
        # Those without a customer are spread evenly over the rest.
        reparto = iter([libres[(2 * k + 1) * len(libres) // (2 * sueltos)] for k in range(sueltos)])
        pedidos_de = set(indices)
        ataques: dict[int, tuple[str, int]] = {}
        for pedido in pedidos:
            id_ = pedido.propietario_id
            indice = next(reparto) if id_ is None else indice_de(id_, 422, semilla)
            if indice in ataques or indice not in pedidos_de:
                raise HTTPException(422, f"sospechosos: {id_} está repetido o no se pide")
            inicio = desde if corto else attack_start(0.0, desde, hasta)
            if pedido.desde is not None:
                inicio = self.hora("sospechosos.desde", pedido.desde)
            ataques[indice] = (pedido.tipo, inicio)
        return ataques

    def json(
        self, clientes: Sequence[SimulatedCustomer], desde: int, hasta: int
    ) -> Iterator[bytes]:
        """Yield a JSON list of messages (contract 2 and ``etiqueta``), some days at a time."""
        codificador = MessageEncoder(self.zona)
        dias = max(1, _LECTURAS_POR_TROZO // (HORAS_POR_DIA * max(1, len(clientes))))
        yield b"["
        for inicio in range(desde, hasta, dias * HORAS_POR_DIA):
            fin = min(hasta, inicio + dias * HORAS_POR_DIA)
            sinteticas = generate_lecturas(clientes, inicio, fin, self.zona)
            mensajes = codificador.encode(sinteticas.lecturas(), sinteticas.etiqueta)
            yield (b"" if inicio == desde else b",") + b",".join(mensajes)
        yield b"]"


def _ahora() -> datetime:
    return datetime.now(UTC)


def create_generator(settings: Settings, ahora: Callable[[], datetime] = _ahora) -> FastAPI:
    """Return the service.

    ``ahora``: the clock; an aware instant.
    """
    generador = Generador(settings.zona_horaria, ahora)
    app = FastAPI(
        title="Generador de consumos",
        version="0.1.0",
        summary="Consumo eléctrico sintético, horario y etiquetado",
        description=(
            "Hogares y comercios con su rutina, el tiempo que hace y las fiestas de España; "
            "algunos clientes ocultan una plantación, un fraude, picos o un contador congelado. "
            "Un cliente es siempre el mismo, y una hora suya, la misma lectura: la que envían "
            "«consumo producir» y la demo con ese nombre."
        ),
        docs_url=None,
        redoc_url=None,
    )
    _install_errors(app)
    app.include_router(documentacion_router)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, maximo=MAX_CUERPO_BYTES)
    propios = (settings.generador_host, *anfitriones_de(settings.generador_anfitriones))
    app.add_middleware(AllowedHosts, admitidos=propios)
    _add_salud(app, generador)
    _add_gets(app, generador)
    _add_lote(app, generador)
    return app


def _install_errors(app: FastAPI) -> None:
    """Make every error a problem in Spanish; what is asked for in vain is the client's."""
    install_problems(app)

    @app.exception_handler(ConfiguracionError)
    async def _configuracion(peticion: Request, error: ConfiguracionError) -> Response:
        return problem(peticion.scope, 422, str(error))

    @app.exception_handler(Exception)
    async def _inesperado(peticion: Request, error: Exception) -> Response:
        _LOG.error("fallo al atender %s", peticion.url.path, exc_info=error)
        return problem(peticion.scope, 500)


def _respuesta(trozos: Iterator[bytes]) -> StreamingResponse:
    return StreamingResponse(trozos, media_type="application/json")


def _add_salud(app: FastAPI, generador: Generador) -> None:
    """Add the health check."""

    @app.get(
        "/health",
        summary="Estado del servicio",
        description="Contesta mientras el servicio atiende; no depende de ningún otro.",
        response_description="El servicio atiende",
        tags=["salud"],
    )
    def health() -> SaludGenerador:
        return SaludGenerador(estado="ok", servicio="generador", zona_horaria=generador.zona)


def _add_gets(app: FastAPI, generador: Generador) -> None:
    """Add the last 24 hours of one customer and of all."""

    @app.get(
        "/generar/cliente/{propietario_id}",
        summary="Últimas 24 horas de un cliente",
        description="Las 24 horas que terminan en la última hora completa.",
        response_model=LecturasGeneradas,
        response_description="Una lectura por hora, en orden",
        responses={k: RESPUESTAS_DE_ERROR[k] for k in (404, 422)},
        tags=["generar"],
    )
    def generar_cliente(
        propietario_id: Annotated[
            str, Path(description="Identificador del cliente", examples=["CLI_00001"])
        ],
        clientes: ClientesPedidos = CLIENTES_PEDIDOS,
        sospechosos: SospechososPedidos = None,
        semilla: SemillaPedida = SEMILLA,
    ) -> StreamingResponse:
        nombre = name_of(semilla, indice_de(propietario_id, 404, semilla))
        desde, hasta = generador.ultimas_24h()
        poblacion = customers(semilla, clientes, sospechosos, desde, hasta)
        suyo = [c for c in poblacion if c.propietario_id == nombre]
        if not suyo:
            raise HTTPException(
                404, f"no existe el cliente «{propietario_id}»: la población tiene {clientes}"
            )
        return _respuesta(generador.json(suyo, desde, hasta))

    @app.get(
        "/generar/todos",
        summary="Últimas 24 horas de todos los clientes",
        description="Las 24 horas que terminan en la última hora completa, hora a hora.",
        response_model=LecturasGeneradas,
        response_description="Una lectura por hora y cliente",
        responses={422: RESPUESTAS_DE_ERROR[422]},
        tags=["generar"],
    )
    def generar_todos(
        clientes: ClientesPedidos = CLIENTES_PEDIDOS,
        sospechosos: SospechososPedidos = None,
        semilla: SemillaPedida = SEMILLA,
    ) -> StreamingResponse:
        desde, hasta = generador.ultimas_24h()
        poblacion = customers(semilla, clientes, sospechosos, desde, hasta)
        return _respuesta(generador.json(poblacion, desde, hasta))


def _add_lote(app: FastAPI, generador: Generador) -> None:
    """Add the custom batch."""

    @app.post(
        "/generar/batch",
        summary="Lote a medida",
        description=(
            f"Los clientes, el intervalo y los sospechosos que se pidan, hasta {MAX_LECTURAS} "
            "lecturas. «hasta» no se incluye; las horas sin desfase son locales."
        ),
        response_model=LecturasGeneradas,
        response_description="Una lectura por hora y cliente, hora a hora",
        responses={k: RESPUESTAS_DE_ERROR[k] for k in (413, 422)},
        tags=["generar"],
    )
    def generar_batch(lote: Annotated[LotePedido, Body()]) -> StreamingResponse:
        desde, hasta = generador.intervalo(lote)
        poblacion = generador.poblacion(lote, desde, hasta)
        return _respuesta(generador.json(poblacion, desde, hasta))


def main(argv: Sequence[str]) -> int:
    """Serve until Ctrl-C or SIGTERM; return the exit status."""
    parser = Parser("consumo generador", "Servicio que genera consumos sintéticos por HTTP.")
    parser.add_argument("--host", help="dirección en que escucha (GENERADOR_HOST)")
    parser.add_argument(
        "--port", type=entero(1, 65535), help="puerto en que escucha (GENERADOR_PORT)"
    )
    opciones, settings = parser.start(argv)
    # Its own lines are English and say nothing that ours do not.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    host = opciones.host or settings.generador_host
    puerto = opciones.port or settings.generador_port
    settings = settings.model_copy(update={"generador_host": host})
    enchufe = server.listen(host, puerto)
    atiende = server.make_server(create_generator(settings))
    _LOG.info("generador en http://%s:%d (documentación en /docs)", host, puerto)
    with enchufe:
        atiende.run(sockets=[enchufe])
    _LOG.info("generador parado")
    return HECHO
