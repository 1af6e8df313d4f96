"""What records are made of: words that describe them, counts by severidad and by estado."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pipeline.stores.presentation import kwh

T = TypeVar("T")

SeveridadTexto = Literal["normal", "baja", "media", "alta", "crítica"]
EstadoTexto = Literal["abierta", "confirmada", "descartada"]
Kwh = Annotated[float, AfterValidator(kwh)]
"""An energy without the noise of the additions that made it."""
Ratio = Annotated[float, AfterValidator(lambda valor: round(valor, 4))]
"""A part or a change, to a hundredth of a per cent."""

SEVERIDAD = "«normal», «baja», «media», «alta» o «crítica»"
SCORE = "Puntuación de anomalía, de 0 a 1; más alta, más anómala"
EXCESO = "Energía consumida por encima de la esperada en las horas anómalas, kWh; estimada"
DEFECTO = (
    "Energía por debajo de la esperada en las horas anómalas, kWh: lo que quizá se consumió sin "
    "medirse ni facturarse; estimada"
)
EN_JUEGO = (
    "exceso_kwh + defecto_kwh, kWh: una estimación, solo de las horas anómalas y frente a lo que "
    "se esperaba de ese cliente, que se va acostumbrando a lo que dura; no una pérdida probada"
)
EN_JUEGO_EUR = "energia_en_juego_kwh al precio de PRECIO_KWH_EUR, €; estimado"
COSTE = "El consumo al precio de PRECIO_KWH_EUR, €; estimado, sin potencia ni impuestos"


def de(
    descripcion: str,
    *,
    populate_by_name: bool = False,
    extra: Literal["allow", "ignore", "forbid"] = "ignore",
) -> ConfigDict:
    """Return the configuration of a model that is described in Spanish."""
    return ConfigDict(
        json_schema_extra={"description": descripcion},
        populate_by_name=populate_by_name,
        extra=extra,
        frozen=True,
    )


class StoredRecord(BaseModel):
    """A record that a store makes and the API serves as it is; nobody changes it."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def from_row(cls, fila: Sequence[Any]) -> Self:
        """Return the record of a row that has its fields in their order."""
        return cls(**dict(zip(cls.__pydantic_fields__, fila, strict=True)))


class Listado(BaseModel, Generic[T]):
    """A page of a list, as it is served."""

    elementos: list[T] = Field(description="Los elementos de esta página")
    siguiente: str | None = Field(
        None, description="«cursor» de la página que sigue; nulo = no hay más", examples=[None]
    )


class Variacion(StoredRecord):
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


class PorSeveridad(StoredRecord):
    """Counts of anomalies by severidad."""

    model_config = de("Cuántas hay de cada severidad.", populate_by_name=True)
    baja: int = Field(0, ge=0, description="Anomalías de severidad baja", examples=[3])
    media: int = Field(0, ge=0, description="Anomalías de severidad media", examples=[2])
    alta: int = Field(0, ge=0, description="Anomalías de severidad alta", examples=[1])
    critica: int = Field(
        0, ge=0, alias="crítica", description="Anomalías de severidad crítica", examples=[0]
    )

    @classmethod
    def of(cls, cuenta: Mapping[str, int]) -> PorSeveridad:
        """Return counts; a severidad that is not in the mapping has none."""
        return cls(
            baja=cuenta.get("baja", 0),
            media=cuenta.get("media", 0),
            alta=cuenta.get("alta", 0),
            critica=cuenta.get("crítica", 0),
        )

    def without(self, otras: PorSeveridad) -> PorSeveridad:
        """Return how many are left once others are taken away."""
        quedan = {s: max(n - getattr(otras, s), 0) for s, n in self.model_dump().items()}
        return PorSeveridad(**quedan)

    @property
    def total(self) -> int:
        """Return how many they are together."""
        return self.baja + self.media + self.alta + self.critica


class PorEstado(StoredRecord):
    """Counts of anomalies by what people said of them."""

    model_config = de("Cuántas hay en cada estado.")
    abierta: int = Field(0, ge=0, description="Que nadie ha juzgado", examples=[140])
    confirmada: int = Field(0, ge=0, description="Que una persona ha confirmado", examples=[7])
    descartada: int = Field(0, ge=0, description="Que una persona ha descartado", examples=[3])

    @classmethod
    def of(cls, cuenta: Mapping[str, int]) -> PorEstado:
        """Return counts; an estado that is not in the mapping has none."""
        return cls(**{estado: cuenta.get(estado, 0) for estado in cls.model_fields})
