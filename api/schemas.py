"""What all answers are made of: pages, thresholds, changes."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from pipeline.stores.record_base import de

T = TypeVar("T")

SIGUIENTE = "«cursor» de la página que sigue; nulo = no hay más"


class Pagina(BaseModel, Generic[T]):
    """A page of a list."""

    elementos: list[T] = Field(description="Los elementos de esta página")
    siguiente: str | None = Field(None, description=SIGUIENTE, examples=[None])


class Umbrales(BaseModel):
    """Where each severidad begins."""

    model_config = de(
        "Puntuación a partir de la cual empieza cada severidad.", populate_by_name=True
    )
    baja: float = Field(description="De 0 a 1", examples=[0.5])
    media: float = Field(description="De 0 a 1", examples=[0.65])
    alta: float = Field(description="De 0 a 1", examples=[0.8])
    critica: float = Field(alias="crítica", description="De 0 a 1", examples=[0.9])


class Variacion(BaseModel):
    """A figure against the one before."""

    model_config = de("Una cifra frente a la del período anterior.")
    valor: float = Field(description="La cifra", examples=[120.0])
    anterior: float | None = Field(
        None, description="La del período anterior; nulo = no se sabe", examples=[100.0]
    )
    variacion: float | None = Field(
        None,
        description="valor / anterior - 1: 0,2 = un 20 % más; nulo = no se puede comparar",
        examples=[0.2],
    )

    @classmethod
    def of(cls, valor: float, anterior: float | None) -> Variacion:
        """Return a figure with its change.

        Examples
        --------
        >>> Variacion.of(120, 100).variacion, Variacion.of(3, 0).variacion
        (0.2, None)
        """
        cambio = None if not anterior else round(valor / anterior - 1, 4)
        return cls(valor=valor, anterior=anterior, variacion=cambio)
