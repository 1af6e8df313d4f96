"""``/salud``, ``/metrics`` and the audit: the service about itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.deps import Administrador, Ahora, Recursos, Todo, tope
from api.errors import respuestas, sin_direcciones
from api.preparacion import MONGO, POSTGRES
from api.vigia import Parte
from detection.errors import TransientError
from pipeline.almacenes.postgres_salud import UltimaEscritura
from serving.metrics import TIPO_METRICAS

router = APIRouter(tags=["sistema"])
metricas_router = APIRouter(tags=["sistema"])
auditoria_router = APIRouter(prefix="/api/auditoría", tags=["sistema"])

ATRASO = timedelta(hours=2)
"""After which a consumer that feeds hourly readings is late. By hand, 2026-11-24."""
IMPRESCINDIBLES = (POSTGRES, MONGO)
"""Without these the API is alive but not ready."""

Estado = Literal["bien", "mal"]


class ParteSalud(BaseModel):
    """One part's health."""

    model_config = ConfigDict(json_schema_extra={"description": "Cómo está una parte."})
    nombre: str = Field(description="Qué parte", examples=["PostgreSQL"])
    estado: Estado = Field(description="«bien» si responde")
    detalle: str | None = Field(None, description="Qué le pasa", examples=["no responde"])
    ms: float = Field(ge=0, description="Cuánto ha tardado, en ms", examples=[1.7])


class ConsumidorSalud(BaseModel):
    """What is known of the consumer by what it has stored."""

    model_config = ConfigDict(
        json_schema_extra={"description": "El consumidor, por lo último que ha guardado."}
    )
    estado: Literal["al día", "atrasado", "sin datos", "desconocido"] = Field(
        description="«atrasado» si lleva más de 2 h sin guardar nada"
    )
    ultima_escritura: datetime | None = Field(None, description="Cuándo guardó lo último")
    antiguedad_s: float | None = Field(None, ge=0, description="Hace cuánto, en s", examples=[42.0])
    ultimo_consumo: datetime | None = Field(None, description="De qué hora es lo último")
    version_modelo: str | None = Field(
        None, description="Con qué se puntuó", examples=["consumo-detector-3"]
    )


class Salud(BaseModel):
    """The service's health."""

    model_config = ConfigDict(json_schema_extra={"description": "El servicio y sus partes."})
    estado: Literal["bien", "degradado"] = Field(description="«degradado» si falla alguna parte")
    lista: bool = Field(description="Si PostgreSQL y MongoDB responden")
    partes: list[ParteSalud] = Field(description="De qué depende")
    consumidor: ConsumidorSalud = Field(description="Si llegan lecturas")


class Viva(BaseModel):
    """That the process answers."""

    model_config = ConfigDict(json_schema_extra={"description": "El proceso atiende."})
    estado: Literal["viva"] = Field("viva", description="Siempre «viva»")


class Anotacion(BaseModel):
    """One row of the audit."""

    model_config = ConfigDict(json_schema_extra={"description": "Un cambio que alguien pidió."})
    id: int = Field(description="Número de anotación, creciente", examples=[17])
    momento: datetime = Field(description="Cuándo se pidió")
    clave: str = Field(description="De quién es la clave", examples=["ana (1f3a99c0)"])
    rol: str = Field(description="Rol de la clave", examples=["analista"])
    accion: str = Field(description="Qué se pidió", examples=["veredicto"])
    objeto: str = Field(description="Sobre qué", examples=["anomalia 6745a1b2c3d4e5f6a7b8c9d0"])
    detalle: dict[str, Any] = Field(
        description="Con qué valores; «fallo» si al final no se hizo",
        examples=[{"estado": "confirmada"}],
    )
    ip: str = Field(description="Desde qué dirección", examples=["10.0.0.7"])
    peticion_id: str = Field(description="La petición, en el registro de la API")


class Anotaciones(BaseModel):
    """A page of the audit."""

    model_config = ConfigDict(json_schema_extra={"description": "Anotaciones, la última primero."})
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
def salud(recursos: Todo, ahora: Ahora, respuesta: Response) -> Salud:
    """Return the health of every part."""
    respuesta.headers["Cache-Control"] = "no-store"
    partes = recursos.vigia.look()
    return Salud(
        estado="degradado" if any(p.mal for p in partes.values()) else "bien",
        lista=_is_ready(partes, recursos),
        partes=[_parte(nombre, parte) for nombre, parte in partes.items()],
        consumidor=_consumidor(recursos, ahora),
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
    description="Peticiones por ruta y estado, su duración y los oyentes de anomalías.",
    response_class=Response,
    responses={
        200: {
            "description": "Formato de texto de Prometheus",
            "content": {TIPO_METRICAS: {"schema": {"type": "string"}}},
        }
    },
)
async def metricas(recursos: Todo) -> Response:
    """Return the metrics of this process."""
    return Response(recursos.metricas.texto(), media_type=TIPO_METRICAS)


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
        elementos=[
            Anotacion.model_validate({c: getattr(f, c) for c in Anotacion.model_fields})
            for f in pagina
        ],
        siguiente=pagina[-1].id if len(filas) > limite else None,
    )


def _is_ready(partes: dict[str, Parte], recursos: Recursos) -> bool:
    try:
        recursos.preparacion.check()
    except TransientError:
        return False
    return not any(partes[nombre].mal for nombre in IMPRESCINDIBLES)


def _parte(nombre: str, parte: Parte) -> ParteSalud:
    return ParteSalud(
        nombre=nombre,
        estado="mal" if parte.mal else "bien",
        detalle=sin_direcciones(parte.mal) if parte.mal else None,
        ms=round(parte.ms, 1),
    )


def _consumidor(recursos: Recursos, ahora: datetime) -> ConsumidorSalud:
    """Return what the latest row says; with PostgreSQL away, that nothing is known."""
    parte = recursos.vigia.look()[POSTGRES]
    if parte.mal:
        return ConsumidorSalud(estado="desconocido")
    ultima = parte.dato
    if not isinstance(ultima, UltimaEscritura):
        return ConsumidorSalud(estado="sin datos")
    zona = ZoneInfo(recursos.settings.zona_horaria)
    antiguedad = max(timedelta(0), ahora - ultima.procesada)
    return ConsumidorSalud(
        estado="atrasado" if antiguedad > ATRASO else "al día",
        ultima_escritura=ultima.procesada.astimezone(zona),
        antiguedad_s=round(antiguedad.total_seconds(), 1),
        ultimo_consumo=ultima.consumo.astimezone(zona),
        version_modelo=ultima.version_modelo,
    )
