"""What the API takes and gives of cases."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api.anomalies.schemas import MotivoVeredicto
from api.cases.params import NOMBRE_MAXIMO
from pipeline.stores.case_records import (
    TEXTO_MAXIMO,
    CasoDetalle,
    CasoResumen,
    VeredictoCasoTexto,
)
from pipeline.stores.record_base import Listado, de

CANTIDAD_MAXIMA = 1e9


def _readable(texto: str) -> str:
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t" for c in texto):
        raise ValueError("lleva caracteres de control")
    return texto


TextoLibre = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXTO_MAXIMO),
    AfterValidator(_readable),
]
RevisionCaso = Annotated[
    str | None,
    Field(
        description="La «revision» que se vio: si el caso ha cambiado desde entonces, 409",
        pattern=r"^[0-9]{1,19}$",
        examples=["17"],
    ),
]
PorSorteo = Annotated[
    bool,
    Field(
        description="El caso salió en el sorteo de la lista del día («sorteo» de esa lista)",
        examples=[False],
    ),
]
Cantidad = Annotated[float, Field(ge=0, le=CANTIDAD_MAXIMA)]


class PaginaCasos(Listado[CasoResumen]):
    """A page of cases."""

    model_config = de("Una página de casos.")


class AsignacionPedida(BaseModel):
    """The body of an assignment."""

    model_config = de("Quién lleva un caso.", extra="forbid")
    asignado_a: str | None = Field(
        max_length=NOMBRE_MAXIMO,
        description="Uno de los nombres de `/api/personas`; nulo = nadie",
        examples=["ana"],
    )
    revision: RevisionCaso = None
    sorteo: PorSorteo = False


class ComentarioPedido(BaseModel):
    """The body of a comment."""

    model_config = de("Un comentario.", extra="forbid")
    texto: TextoLibre = Field(
        description=f"De 1 a {TEXTO_MAXIMO} caracteres", examples=["Llamar antes de ir."]
    )


class VisitaPedida(BaseModel):
    """The body of a visit."""

    model_config = de("Una visita.", extra="forbid")
    fecha: date = Field(description="Día local de la visita", examples=["2026-11-27"])
    revision: RevisionCaso = None
    sorteo: PorSorteo = False


class VeredictoCasoPedido(BaseModel):
    """The body of a verdict on a case."""

    model_config = de("Lo que se dice de un caso.", extra="forbid")
    veredicto: VeredictoCasoTexto = Field(
        description="«confirmado» o «descartado»", examples=["confirmado"]
    )
    motivo: MotivoVeredicto
    revision: RevisionCaso = None


class ResultadoPedido(BaseModel):
    """The body of an outcome."""

    model_config = de("Lo que se halló al ir a verlo.", extra="forbid")
    hallado: bool = Field(description="Si había algo", examples=[True])
    energia_recuperada_kwh: Cantidad | None = Field(
        None, description="Energía que se ha podido refacturar, kWh", examples=[2100.0]
    )
    recuperado_eur: Cantidad | None = Field(
        None, description="Lo que se ha recuperado, €", examples=[320.5]
    )
    texto: TextoLibre | None = Field(
        None,
        description="Lo que se quiera contar",
        examples=["Doble acometida tras el contador."],
    )
    revision: RevisionCaso = None


class DeshacerPedido(BaseModel):
    """The body of an undo."""

    model_config = de("Qué se deshace.", extra="forbid")
    anotacion: int = Field(
        ge=1, le=2**63 - 1, description="Número del movimiento en la auditoría", examples=[17]
    )


class CambioCaso(BaseModel):
    """What a movement of a case did."""

    model_config = de("Un caso tras un cambio.")
    anotacion: int = Field(
        description="Número del cambio en la auditoría, con el que se deshace", examples=[17]
    )
    caso: CasoDetalle = Field(description="El caso, como está ahora")
    horas: int = Field(
        ge=0, description="Anomalías que con él se han juzgado, o han vuelto atrás", examples=[412]
    )
