"""What the API takes and gives of anomalies: verdicts, and pages of what the store has."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from pipeline.stores.anomaly_records import (
    Anomalia,
    CambioVeredicto,
    Incidente,
    Puntuacion,
    VeredictoDado,
)
from pipeline.stores.record_base import EstadoTexto, Listado, de

IDS_MAXIMOS = 500
"""Anomalies that one request may judge: what a person can have looked at, by far. By hand,
2026-11-24."""
ID_ANOMALIA = r"^[0-9a-fA-F]{24}$"


def _readable(texto: str) -> str:
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t" for c in texto):
        raise ValueError("lleva caracteres de control")
    return texto


MotivoVeredicto = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=500),
    AfterValidator(_readable),
    Field(description="Por qué, de 3 a 500 caracteres", examples=["Inspección del 20/11"]),
]


Revision = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]


class VeredictoPedido(BaseModel):
    """The body of a verdict."""

    model_config = de("Lo que se dice de una anomalía.", extra="forbid")
    veredicto: EstadoTexto = Field(
        description="«confirmada», «descartada» o, para volver a abrirla, «abierta»",
        examples=["confirmada"],
    )
    motivo: MotivoVeredicto
    revision: Revision | None = Field(
        None,
        description="La «revision» que se vio: si la anomalía ha cambiado desde entonces, 409",
        examples=["1f3a99c0"],
    )


class VeredictosPedidos(BaseModel):
    """The body of a verdict on several anomalies."""

    model_config = de("Lo que se dice de varias anomalías a la vez.", extra="forbid")
    ids: list[Annotated[str, StringConstraints(pattern=ID_ANOMALIA)]] = Field(
        min_length=1,
        max_length=IDS_MAXIMOS,
        description="Qué anomalías",
        examples=[["6745a1b2c3d4e5f6a7b8c9d0"]],
    )
    veredicto: EstadoTexto = Field(
        description="«confirmada», «descartada» o, para volver a abrirlas, «abierta»",
        examples=["descartada"],
    )
    motivo: MotivoVeredicto
    revisiones: list[Revision] | None = Field(
        None,
        max_length=IDS_MAXIMOS,
        description="La «revision» que se vio de cada una, en el orden de «ids»: las que hayan "
        "cambiado desde entonces no se juzgan",
        examples=[["1f3a99c0"]],
    )

    @model_validator(mode="after")
    def _one_each(self) -> VeredictosPedidos:
        if self.revisiones is not None and len(self.revisiones) != len(self.ids):
            raise ValueError("«revisiones» ha de tener tantas como «ids»")
        return self


class CambiosDeVeredicto(BaseModel):
    """What a verdict on several anomalies did."""

    model_config = de("Lo que ha hecho un veredicto sobre varias anomalías.")
    anotacion: int = Field(
        description="Número del veredicto en la auditoría, con el que se deshace", examples=[17]
    )
    cambiadas: list[CambioVeredicto] = Field(description="Las anomalías, como están ahora")
    no_encontradas: list[str] = Field(
        description="Identificadores que no existen", examples=[["6745a1b2c3d4e5f6a7b8c9d0"]]
    )
    rechazadas: list[Anomalia] = Field(
        description="Las que ya no son como se vieron: no se han tocado, y así están ahora"
    )
    sin_hacer: list[str] = Field(
        description="Las que faltan porque MongoDB ha dejado de responder: repítalo con ellas",
        examples=[[]],
    )


class PaginaAnomalias(Listado[Anomalia]):
    """A page of anomalies."""

    model_config = de("Una página de anomalías.")


class PaginaVeredictos(Listado[VeredictoDado]):
    """The latest verdicts."""

    model_config = de("Los últimos veredictos, el más reciente primero.")


class PaginaPuntuaciones(Listado[Puntuacion]):
    """What the detectors scored on many anomalies."""

    model_config = de("Lo que puntuaron los detectores, lo detectado más tarde primero.")


class PaginaIncidentes(Listado[Incidente]):
    """A page of incidents."""

    model_config = de("Una página de incidencias, la más reciente primero.")
