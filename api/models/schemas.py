"""What the API says of models and of drift: fields with their units, in Spanish."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from api.params import SIN_CONTROL
from pipeline.stores.record_base import de

MotivoCambio = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=500, pattern=SIN_CONTROL),
    Field(description="Por qué; queda escrito con la versión", examples=["menos falsas alarmas"]),
]


def version_number(nombre: str) -> int | None:
    """Return the number at the end of a version's name, as reports and heartbeats carry it.

    Examples
    --------
    >>> version_number("consumo-detector-3"), version_number("reglas-x")
    (3, None)
    """
    numero = nombre.rpartition("-")[2]
    return int(numero) if numero.isdecimal() else None


class Promocion(BaseModel):
    """One time that a version became champion."""

    model_config = de("Una vez que la versión pasó a ser campeona.")
    por: str | None = Field(None, description="Quién lo hizo", examples=["ana (API)"])
    en: str | None = Field(None, description="Cuándo", examples=["2026-11-24T10:00:00+01:00"])
    motivo: str | None = Field(None, description="Por qué")
    desde: str | None = Field(None, description="A qué versión sustituyó", examples=["2"])
    via: str | None = Field(
        None,
        description="Cómo: «examen», «vuelta atrás», «a la fuerza» o «de base»",
        examples=["examen"],
    )
    pese_a: str | None = Field(None, description="Qué hablaba en contra, si fue a la fuerza")


class ExamenVersion(BaseModel):
    """What the gate said of a version."""

    model_config = de("Lo que dijo el examen de una versión frente a un campeón.")
    campeon: int | None = Field(
        None, description="Frente a cuál; nulo = la versión de base, sin campeón"
    )
    acepta: bool = Field(description="Si puede sustituirlo")
    motivo: str = Field(description="Por qué, o por qué no")
    cuando: str = Field(description="Cuándo", examples=["2026-11-24T10:00:00+01:00"])
    vigente: bool = Field(description="Si ese campeón es el actual: si no, el examen no vale")
    criterios: list[dict[str, Any]] = Field(default=[], description="Lo que se comparó")


class Version(BaseModel):
    """A registered version of the model."""

    model_config = de("Una versión registrada en MLflow.")
    version: int = Field(ge=1, description="Número", examples=[3])
    creada: datetime = Field(description="Cuándo se registró")
    alias: list[str] = Field(description="«champion» y «challenger»", examples=[["champion"]])
    metricas: dict[str, float | None] = Field(
        description="Medidas en los datos que no vio al aprender",
        examples=[{"precision_media": 0.71, "precision_media_azar": 0.12}],
    )
    precision_azar: float | None = Field(
        None,
        ge=0,
        le=1,
        examples=[0.12],
        description="La precisión media de puntuar al azar: la parte de lecturas atacadas",
    )
    etiquetas: dict[str, str] = Field(description="Lo que MLflow sabe de ella")
    promociones: list[Promocion] = Field(description="Cuándo ha sido campeona, la última al final")
    mlflow_url: str = Field(description="Su página en MLflow, con gráficas y ficheros")
    examen: ExamenVersion | None = Field(None, description="Lo que dijo el último examen")
    razones: list[str] = Field(
        default=[], description="Por qué no se puede promover ahora sin forzarlo; vacío = se puede"
    )
    puerta: str | None = Field(
        None,
        description="De la campeona: «examen», «vuelta atrás», «a la fuerza», «de base», o «fuera "
        "de la puerta», si se movió el alias a mano",
    )
    rechazo: str | None = Field(
        None, description="Por qué no la puede usar un consumidor; nulo = nadie la ha rechazado"
    )
    aviso: str | None = Field(
        None, description="De la campeona: lo que de este código no se usa con ella"
    )


class VersionesModelo(BaseModel):
    """All versions."""

    model_config = de("Las versiones, la más nueva primero.")
    elementos: list[Version] = Field(description="Las versiones")
    siguiente: None = Field(None, description="Siempre nulo: están todas las que se piden")
    campeon: int | None = Field(None, description="La que puntúa; nulo = la versión de base")
    aspirante: int | None = Field(None, description="La que espera a ser comparada")


class CambioCampeon(BaseModel):
    """The body of a promotion."""

    model_config = de("Por qué, y sobre qué campeón se decidió.", extra="forbid")
    motivo: MotivoCambio
    campeon: int | None = Field(
        None,
        strict=True,
        ge=0,
        le=2**31 - 1,
        description="Campeón que se veía al decidir (0 = ninguno): si ya es otro, 409",
        examples=[2],
    )
    forzar: bool = Field(
        False, strict=True, description="Aunque el examen no la acepte; el motivo queda anotado"
    )


class CampeonNuevo(BaseModel):
    """What a promotion did."""

    model_config = de("Quién puntúa desde ahora.")
    version: int = Field(ge=1, description="Versión que puntúa antes de 30 s", examples=[3])
    anterior: int | None = Field(None, description="La que lo hacía; nulo = la versión de base")
    motivo: str = Field(description="Por qué")
    quien: str = Field(description="Nombre de la clave", examples=["ana"])
    cuando: datetime = Field(description="Cuándo")
    puerta: str = Field(
        description="Cómo: «examen», «vuelta atrás» o «a la fuerza»", examples=["examen"]
    )


class Reentrenamiento(BaseModel):
    """One run of the retraining job."""

    model_config = de("Una vez que se pensó en reentrenar.")
    id: str = Field(description="Identificador")
    inicio: datetime | None = Field(None, description="Cuándo empezó")
    fin: datetime | None = Field(None, description="Cuándo terminó")
    motivo: str | None = Field(None, description="Por qué se reentrenó, o por qué no")
    semaforo: str | None = Field(None, description="La deriva de entonces", examples=["verde"])
    resultado: str | None = Field(None, description="Cómo acabó", examples=["promovido"])
    detalle: str | None = Field(None, description="Lo que dijo la comparación, o el fallo")
    version: int | None = Field(None, description="La versión entrenada; nulo = ninguna")
    criterios: list[dict[str, Any]] = Field(default=[], description="Lo que se comparó")


class Reentrenamientos(BaseModel):
    """The runs of the retraining job."""

    model_config = de("Reentrenamientos, el último primero.")
    elementos: list[Reentrenamiento] = Field(description="Las ejecuciones")
    siguiente: None = Field(None, description="Siempre nulo")


class Deriva(BaseModel):
    """A drift report without its HTML."""

    model_config = de("Un informe de deriva.")
    id: str = Field(description="Identificador", examples=["6745a1b2c3d4e5f6a7b8c9d0"])
    fecha: datetime = Field(description="Cuándo se hizo")
    desde: datetime = Field(description="Primera lectura comparada")
    hasta: datetime = Field(description="Hasta qué instante, sin incluirlo")
    version: int | None = Field(None, description="Con qué campeón", examples=[3])
    semaforo: Literal["verde", "ámbar", "rojo"] = Field(
        description="Verde: nada se ha movido; ámbar: algún rasgo; rojo: los scores o muchos rasgos"
    )
    columnas: list[dict[str, Any]] = Field(
        description="Cada rasgo: distancia de Jensen-Shannon (0 a 0,83), umbral y medias"
    )
    resumen: dict[str, Any] = Field(description="Cuántas lecturas y qué se ha movido")


class Derivas(BaseModel):
    """The latest drift reports."""

    model_config = de("Informes de deriva, el último primero.")
    elementos: list[Deriva] = Field(description="Los informes")
    siguiente: None = Field(None, description="Siempre nulo")
