"""What the generator's service is asked for and says over HTTP: its models and its limits."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, RootModel

from detection.simulation.attacks import ETIQUETAS
from detection.simulation.population import SEMILLA, SEMILLA_MAXIMA, name_of
from detection.simulation.synthesis import TIPOS_SOSPECHOSOS
from serving.web.problems import TIPO_PROBLEMA, ProblemaSinPeticion

MAX_CLIENTES = 10_000
MAX_HORAS = 1_000_000
MAX_CUERPO_BYTES = 1_000_000
"""Ten thousand ids fit, or as many suspicious customers with their ids and starts."""

CLIENTES_PEDIDOS = 50

_ID = re.compile(r"(?:CLI|S\d+)_(\d{5,9})", re.ASCII)


def _texto(descripcion: str, ejemplo: object = None) -> ConfigDict:
    """Return a model's settings with its Spanish description; the docstring is for us."""
    extra: dict[str, Any] = {"description": descripcion}
    if ejemplo is not None:
        extra["examples"] = [ejemplo]
    return ConfigDict(extra="forbid", json_schema_extra=extra)


class LecturaGenerada(BaseModel):
    """A reading as the topic carries it (contract 2), with its label."""

    model_config = _texto(
        "Consumo de un cliente en una hora, tal como viaja por Kafka.",
        {
            "propietario_id": "CLI_00001",
            "timestamp": "2026-01-15T02:00:00+01:00",
            "consumo_kwh": 1.234,
            "etiqueta": "normal",
        },
    )
    propietario_id: str = Field(description="Identificador del cliente")
    timestamp: datetime = Field(description="Comienzo de la hora, ISO 8601 con desfase")
    consumo_kwh: float = Field(ge=0, description="Energía de esa hora, en kWh")
    etiqueta: Literal[ETIQUETAS] = Field(  # type: ignore[valid-type]
        description="La verdad de la lectura; el detector nunca la lee"
    )


class LecturasGeneradas(RootModel[list[LecturaGenerada]]):
    """A list of readings."""

    model_config = ConfigDict(json_schema_extra={"description": "Lecturas, hora a hora."})


class ProblemaConRuta(ProblemaSinPeticion):
    """An error of the generator."""

    model_config = _texto("Error según la RFC 9457 (application/problem+json).")
    instance: str = Field(description="Ruta pedida", examples=["/generar/todos"])


class SaludGenerador(BaseModel):
    """The service's health."""

    model_config = _texto("Estado del servicio.")
    estado: Literal["ok"] = Field(description="«ok» mientras el servicio atiende")
    servicio: Literal["generador"] = Field(description="Quién contesta")
    zona_horaria: str = Field(description="Zona de las horas locales", examples=["Europe/Madrid"])


class SospechosoPedido(BaseModel):
    """A suspicious customer that is asked for."""

    model_config = _texto("Un cliente con comportamiento sospechoso.", {"tipo": "cannabis"})
    tipo: Literal[TIPOS_SOSPECHOSOS] = Field(  # type: ignore[valid-type]
        description="Comportamiento; «fraude» elige uno de los siete fraudes"
    )
    propietario_id: str | None = Field(
        None, description="Cliente; si falta, se reparten entre todos", examples=["CLI_00003"]
    )
    desde: datetime | None = Field(
        None, description="Comienzo; si falta, tras un tiempo limpio (en menos de 16 días, ya)"
    )


SospechososDelLote = list[SospechosoPedido] | Annotated[int, Field(ge=0, le=MAX_CLIENTES)] | None


class LotePedido(BaseModel):
    """The body of a custom batch."""

    model_config = _texto(
        "Qué generar. El intervalo se da con «desde» y «hasta», o con uno de ellos y «dias» u "
        "«horas»; sin extremos termina en la última hora completa, y sin nada son 24 horas.",
        {"clientes": 20, "dias": 60, "sospechosos": [{"tipo": "cannabis"}], "semilla": 1},
    )
    clientes: int | None = Field(None, ge=1, le=MAX_CLIENTES, description="Cuántos (50 si falta)")
    propietarios: list[str] | None = Field(
        None, min_length=1, max_length=MAX_CLIENTES, description="O cuáles, uno a uno"
    )
    dias: int | None = Field(None, ge=1, le=MAX_HORAS, description="Duración en días de 24 h")
    horas: int | None = Field(None, ge=1, le=MAX_HORAS, description="Duración en horas")
    desde: datetime | None = Field(None, description="Primera hora; sin desfase es hora local")
    hasta: datetime | None = Field(None, description="Hora en que termina, sin incluirla")
    sospechosos: SospechososDelLote = Field(
        None,
        description="Cuántos hacen algo en el intervalo; si falta, los que sean entre los que se "
        "piden. Una lista hace otra versión de esos clientes, para probar: no la guarde junto a "
        "las lecturas de «consumo producir», que los llama igual",
    )
    semilla: int = Field(
        SEMILLA,
        ge=0,
        le=SEMILLA_MAXIMA,
        description="Otra semilla, otros clientes, con ella en su nombre",
    )
    rango_completo: bool = Field(
        False, description="Admite también ataques tan leves que casi no se aprecian"
    )


ClientesPedidos = Annotated[
    int, Query(ge=1, le=MAX_CLIENTES, description="Clientes de la población")
]
SospechososPedidos = Annotated[
    int | None,
    Query(
        ge=0,
        le=MAX_CLIENTES,
        description="Cuántos de ellos hacen algo sospechoso en esas horas; si falta, los que sean "
        "entre los primeros, unos 8 de cada 50",
    ),
]
SemillaPedida = Annotated[
    int,
    Query(
        ge=0,
        le=SEMILLA_MAXIMA,
        description=f"Otra que {SEMILLA}, otros clientes, con ella en su nombre: S9_00001",
    ),
]

RESPUESTAS_DE_ERROR: dict[int | str, dict[str, Any]] = {
    codigo: {
        "description": texto,
        "content": {TIPO_PROBLEMA: {"schema": ProblemaConRuta.model_json_schema()}},
    }
    for codigo, texto in (
        (404, "No existe ese cliente"),
        (413, "El cuerpo es demasiado grande"),
        (422, "La petición no es válida"),
    )
}


def indice_de(propietario_id: str, estado: int, semilla: int) -> int:
    """Return the number of a customer of a seed, or refuse its id with an HTTP status.

    With the names of no seed, it is the number of the seed that was asked for.
    """
    partes = _ID.fullmatch(propietario_id)
    numero = int(partes[1]) if partes else 0
    if not numero or propietario_id not in {name_of(semilla, numero), name_of(SEMILLA, numero)}:
        raise HTTPException(
            estado, f"no existe el cliente «{propietario_id[:40]}»; los hay desde CLI_00001"
        )
    return numero
