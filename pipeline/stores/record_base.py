"""What records are made of: words that describe them, counts by severidad and by estado."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SeveridadTexto = Literal["normal", "baja", "media", "alta", "crítica"]
EstadoTexto = Literal["abierta", "confirmada", "descartada"]

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


class Registro(BaseModel):
    """A record that a store makes and the API serves as it is; nobody changes it."""

    model_config = ConfigDict(frozen=True)


class PorSeveridad(Registro):
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

    @property
    def total(self) -> int:
        """Return how many they are together."""
        return self.baja + self.media + self.alta + self.critica


class PorEstado(Registro):
    """Counts of anomalies by what people said of them."""

    model_config = de("Cuántas hay en cada estado.")
    abierta: int = Field(0, ge=0, description="Que nadie ha juzgado", examples=[140])
    confirmada: int = Field(0, ge=0, description="Que una persona ha confirmado", examples=[7])
    descartada: int = Field(0, ge=0, description="Que una persona ha descartado", examples=[3])

    @classmethod
    def of(cls, cuenta: Mapping[str, int]) -> PorEstado:
        """Return counts; an estado that is not in the mapping has none."""
        return cls(**{estado: cuenta.get(estado, 0) for estado in cls.model_fields})
