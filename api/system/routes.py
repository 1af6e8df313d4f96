"""``/salud``, ``/metrics`` and the audit: the service about itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from api.api_keys import ApiKey
from api.deps import Administrador, Ahora, LectorDep, Recursos, Todo, tope
from api.errors import respuestas, sin_direcciones
from api.models.schemas import version_number
from api.presentation import Presenta
from detection.errors import TransientError
from pipeline.stores.postgres.audit import Anotacion
from pipeline.stores.presentation import Presentacion
from pipeline.stores.record_base import de
from serving.consumer_health import (
    ConsumerState,
    ConsumersView,
    Gravedad,
    Heartbeats,
    seconds_since,
)
from serving.health import (
    CHAMPION,
    KAFKA,
    MLFLOW,
    MONGO,
    POSTGRES,
    ChampionStatus,
    PartHealth,
)
from serving.metrics import TIPO_METRICAS
from serving.settings import ROLES

router = APIRouter(tags=["sistema"])
metricas_router = APIRouter(tags=["sistema"])
auditoria_router = APIRouter(prefix="/api/auditoría", tags=["sistema"])
clave_router = APIRouter(prefix="/api/clave", tags=["sistema"])

SERVIDORES = (POSTGRES, MONGO, KAFKA, MLFLOW)
IMPRESCINDIBLES = (POSTGRES, MONGO)
"""Without these the API is alive but not ready."""

EstadoParte = Literal["bien", "mal"]


class ParteSalud(BaseModel):
    """One part's health."""

    model_config = de("Cómo está una parte.")
    nombre: str = Field(description="Qué parte", examples=["PostgreSQL"])
    estado: EstadoParte = Field(description="«bien» si responde")
    detalle: str | None = Field(None, description="Qué le pasa", examples=["no responde"])
    ms: float = Field(ge=0, description="Cuánto ha tardado, en ms", examples=[1.7])


class UnConsumidor(BaseModel):
    """One consumer's heartbeat; its machine is named by ``consumo salud`` alone."""

    model_config = de("Un consumidor, por su señal.")
    vivo: bool = Field(description="Si da señales")
    desde: datetime = Field(description="Cuándo arrancó")
    ultima_senal: datetime = Field(description="Su última señal, cada 5 s")
    fin: datetime | None = Field(None, description="Cuándo acabó, si lo ha dicho")
    particiones: list[int] = Field(description="Particiones que lee", examples=[[0, 1, 2]])
    lecturas: int = Field(ge=0, description="Guardadas desde que arrancó", examples=[72000])
    ultimo_lote: datetime | None = Field(None, description="Cuándo guardó el último lote")
    version_modelo: str | None = Field(
        None, description="Campeón que usa", examples=["consumo-detector-3"]
    )
    modelo_rechazado: str | None = Field(
        None, description="Campeón que no ha querido usar", examples=["consumo-detector-4"]
    )
    rechazo: str | None = Field(None, description="Por qué no lo usa")
    espera: str | None = Field(None, description="A qué espera", examples=["MongoDB no responde"])
    espera_desde: datetime | None = Field(None, description="Desde cuándo espera")


class ConsumidorSalud(BaseModel):
    """What is known of the consumers: heartbeats, lag and what was stored."""

    model_config = de("Los consumidores: sus señales, lo que espera en Kafka y lo guardado.")
    estado: ConsumerState = Field(
        description=(
            "«muerto» si lleva 30 s sin dar señales; «parado» si se le pidió; «atrasado» si hay "
            "lecturas que esperan desde hace más de 30 s; «sin lecturas nuevas» si está al día y "
            "hace más de 2 h que no llega ninguna"
        )
    )
    gravedad: Gravedad = Field("aviso", description="«mal» si hay que hacer algo")
    texto: str = Field(
        "",
        description="Lo mismo en una frase",
        examples=[
            "El consumidor no da señales desde las 12:31 (hace 2 min): 1.200 lecturas esperan"
        ],
    )
    desde: datetime | None = Field(None, description="Desde cuándo, si se sabe")
    lecturas_esperando: int | None = Field(
        None, ge=0, description="Sin leer en Kafka; null = no se sabe", examples=[1200]
    )
    espera_mas_antigua: datetime | None = Field(
        None, description="Cuándo dice su productor que envió la primera"
    )
    consumidores: list[UnConsumidor] = Field(
        default_factory=list, description="Cada arranque, el último que dio señales primero"
    )
    ultima_escritura: datetime | None = Field(None, description="Cuándo guardó lo último")
    antiguedad_s: float | None = Field(None, ge=0, description="Hace cuánto, en s", examples=[42.0])
    ultimo_consumo: datetime | None = Field(None, description="De qué hora es lo último")
    version_modelo: str | None = Field(
        None, description="Con qué se puntuó", examples=["consumo-detector-3"]
    )


class ModeloSalud(BaseModel):
    """What MLflow and the consumers say of the champion."""

    model_config = de("La versión campeona.")
    estado: Literal["bien", "rechazado", "sin campeón", "desconocido"] = Field(
        description="«rechazado» si un consumidor no la puede usar y puntúa con la anterior"
    )
    version: int | None = Field(None, description="Su número", examples=[3])
    detalle: str | None = Field(None, description="Por qué la rechaza")


class Salud(BaseModel):
    """The service's health."""

    model_config = de("El servicio y sus partes.")
    estado: Literal["bien", "degradado"] = Field(
        description=(
            "«degradado» si falla alguna parte, el consumidor está mal o el campeón está rechazado"
        )
    )
    lista: bool = Field(description="Si PostgreSQL y MongoDB responden")
    partes: list[ParteSalud] = Field(description="De qué depende")
    consumidor: ConsumidorSalud = Field(description="Si llegan lecturas")
    modelo: ModeloSalud = Field(description="Si los consumidores pueden usar el campeón")


class Viva(BaseModel):
    """That the process answers."""

    model_config = de("El proceso atiende.")
    estado: Literal["viva"] = Field("viva", description="Siempre «viva»")


class ClaveDada(BaseModel):
    """Whose the key of a request is."""

    model_config = de("De quién es una clave.")
    nombre: str = Field(description="De quién es", examples=["ana"])
    rol: str = Field(description="Su rol", examples=["analista"])
    puede: list[str] = Field(
        description="Los roles que incluye", examples=[["lectura", "analista"]]
    )


def whose(clave: ApiKey) -> ClaveDada:
    """Return whose a key is, and what it may do."""
    puede = [rol for rol in ROLES if clave.puede(rol)]
    return ClaveDada(nombre=clave.nombre, rol=clave.rol, puede=puede)


class Anotaciones(BaseModel):
    """A page of the audit."""

    model_config = de("Anotaciones, la última primero.")
    elementos: list[Anotacion] = Field(description="Las anotaciones")
    siguiente: int | None = Field(None, description="«antes_de» de la página que sigue")


@router.get(
    "/salud",
    summary="Salud del servicio y de sus partes",
    description=(
        "Responde 200 mientras el proceso viva, diga lo que diga de sus partes, que se miran como "
        "mucho cada 2 s. Para saber si puede atender, `/salud/lista`."
    ),
    response_description="Cómo está cada parte",
)
def salud(recursos: Todo, presenta: Presenta, ahora: Ahora, respuesta: Response) -> Salud:
    """Return the health of every part."""
    respuesta.headers["Cache-Control"] = "no-store"
    visto = recursos.vigia.look()
    partes = {nombre: visto[nombre] for nombre in SERVIDORES}
    vista = ConsumersView.of(visto, POSTGRES)
    modelo = modelo_de(visto[CHAMPION], vista.latidos)
    consumidor = _consumidor(vista, ahora, presenta)
    mal = (
        any(p.mal for p in partes.values())
        or consumidor.gravedad == "mal"
        or modelo.estado == "rechazado"
    )
    return Salud(
        estado="degradado" if mal else "bien",
        lista=_is_ready(partes, recursos),
        partes=[_parte(nombre, parte) for nombre, parte in partes.items()],
        consumidor=consumidor,
        modelo=modelo,
    )


@router.get(
    "/salud/viva",
    summary="Si el proceso atiende",
    description="No mira nada más: para que un orquestador sepa si hay que reiniciarlo.",
    response_description="Atiende",
)
async def viva() -> Viva:
    """Return that the process answers."""
    return Viva()


@router.get(
    "/salud/lista",
    summary="Si puede atender peticiones",
    description="503 mientras PostgreSQL o MongoDB no respondan.",
    response_description="Puede atender",
    responses=respuestas(503),
)
def lista(recursos: Todo) -> Viva:
    """Return that requests can be served."""
    partes = recursos.vigia.look()
    if not _is_ready(partes, recursos):
        caidas = [n for n in IMPRESCINDIBLES if partes[n].mal]
        raise TransientError(f"{' y '.join(caidas) or POSTGRES} no responde o no está listo", 2.0)
    return Viva()


@metricas_router.get(
    "/metrics",
    summary="Métricas para Prometheus",
    description=(
        "Peticiones por ruta y estado, su duración y los oyentes de anomalías; consumidores vivos, "
        "segundos desde su señal y desde lo último guardado, y lecturas que esperan por partición; "
        "casos abiertos, campeona, deriva, última noche y avisos."
    ),
    response_class=Response,
    responses={
        200: {
            "description": "Formato de texto de Prometheus",
            "content": {TIPO_METRICAS: {"schema": {"type": "string"}}},
        }
    },
)
def metricas(recursos: Todo, presenta: Presenta, ahora: Ahora) -> Response:
    """Return the metrics of this process and of the consumers."""
    visto = recursos.vigia.look()
    recursos.metricas.consumidores(ConsumersView.of(visto, POSTGRES), ahora, presenta.zona)
    partes = {nombre: visto[nombre] for nombre in SERVIDORES}
    recursos.metricas.sistema(recursos.medidas.read(partes, ahora))
    return Response(recursos.metricas.texto(), media_type=TIPO_METRICAS)


@clave_router.get(
    "",
    summary="De quién es la clave",
    description=(
        "De quién es la clave de `X-API-Key` y qué puede hacer; para saberlo antes de usarla."
    ),
    response_description="Su dueño y su rol",
    responses=respuestas(401),
)
async def de_quien(clave: LectorDep, respuesta: Response) -> ClaveDada:
    """Return whose the key of the request is."""
    respuesta.headers["Cache-Control"] = "no-store"
    return whose(clave)


@auditoria_router.get(
    "",
    summary="Quién cambió qué",
    description="Cada cambio pedido por la API, el último primero. Pide el rol administracion.",
    response_description="Una página de anotaciones",
    responses=respuestas(401, 403, 503),
)
def auditoria(
    recursos: Todo,
    _clave: Administrador,
    limite: Annotated[int, tope(100)] = 100,
    antes_de: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Solo anotaciones anteriores a esta")
    ] = None,
) -> Anotaciones:
    """Return a page of the audit."""
    recursos.preparacion.check()
    filas = recursos.auditoria.latest(limite + 1, antes_de)
    pagina = filas[:limite]
    return Anotaciones(
        elementos=pagina,
        siguiente=pagina[-1].id if len(filas) > limite else None,
    )


def _is_ready(partes: dict[str, PartHealth], recursos: Recursos) -> bool:
    try:
        recursos.preparacion.check()
    except TransientError:
        return False
    return not any(partes[nombre].mal for nombre in IMPRESCINDIBLES)


def _parte(nombre: str, parte: PartHealth) -> ParteSalud:
    return ParteSalud(
        nombre=nombre,
        estado="mal" if parte.mal else "bien",
        detalle=sin_direcciones(parte.mal) if parte.mal else None,
        ms=round(parte.ms, 1),
    )


def modelo_de(parte: PartHealth, latidos: Heartbeats | None) -> ModeloSalud:
    """Return what is known of the champion.

    The tag in MLflow is the last word of one consumer; a living one that does not use the champion
    says so itself, whatever the others can do and whether MLflow answers or not.
    """
    campeon = parte.dato if isinstance(parte.dato, ChampionStatus) else None
    for fila in latidos.vivos() if latidos else ():
        version = version_number(fila.modelo_rechazado)
        # It may speak of the champion before: it looks again within MODELO_SONDEO_S.
        if version is not None and (parte.mal or (campeon and version == campeon.version)):
            return ModeloSalud(
                estado="rechazado", version=version, detalle=sin_direcciones(fila.rechazo)
            )
    if parte.mal:
        return ModeloSalud(estado="desconocido")
    if campeon is None:
        return ModeloSalud(estado="sin campeón")
    if campeon.rechazo is None:
        return ModeloSalud(estado="bien", version=campeon.version)
    return ModeloSalud(
        estado="rechazado", version=campeon.version, detalle=sin_direcciones(campeon.rechazo)
    )


def _consumidor(vista: ConsumersView, ahora: datetime, presenta: Presentacion) -> ConsumidorSalud:
    """Return how the consumers are; with PostgreSQL away, that nothing is known."""
    diagnostico = vista.judge(ahora, presenta.zona)
    sabido: dict[str, Any] = {}
    if vista.retraso is not None and not vista.topic_hidden:
        sabido["lecturas_esperando"] = vista.retraso.total
        sabido["espera_mas_antigua"] = presenta.hora_o_nada(vista.retraso.mas_antigua)
    if (ultima := vista.ultima) is not None:
        sabido["ultima_escritura"] = presenta.hora(ultima.procesada)
        sabido["antiguedad_s"] = seconds_since(ultima.procesada, ahora)
        sabido["ultimo_consumo"] = presenta.hora(ultima.consumo)
        sabido["version_modelo"] = ultima.version_modelo
    return ConsumidorSalud(
        estado=diagnostico.estado,
        gravedad=diagnostico.gravedad,
        texto=sin_direcciones(diagnostico.texto),
        desde=presenta.hora_o_nada(diagnostico.desde),
        consumidores=_each(vista, presenta),
        **sabido,
    )


def _each(vista: ConsumersView, presenta: Presentacion) -> list[UnConsumidor]:
    if vista.latidos is None:
        return []
    vivos = vista.latidos.vivos()
    return [
        UnConsumidor(
            vivo=fila in vivos,
            desde=presenta.hora(fila.desde),
            ultima_senal=presenta.hora(fila.latido),
            fin=presenta.hora_o_nada(fila.fin),
            particiones=list(fila.particiones),
            lecturas=fila.lecturas,
            ultimo_lote=presenta.hora_o_nada(fila.ultimo_lote),
            version_modelo=fila.version_modelo or None,
            modelo_rechazado=fila.modelo_rechazado or None,
            rechazo=sin_direcciones(fila.rechazo) or None,
            espera=sin_direcciones(fila.espera) or None,
            espera_desde=presenta.hora_o_nada(fila.espera_desde),
        )
        for fila in vista.latidos.filas
    ]
