"""What the API says of customers: who is suspicious, how they use energy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field

from pipeline.stores.anomaly_records import ClienteRanking
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.record_base import (
    DEFECTO,
    EN_JUEGO,
    EN_JUEGO_EUR,
    EXCESO,
    Listado,
    SeveridadTexto,
    de,
)
from pipeline.stores.records import EstadoCliente, FranjaPerfil, PuntoPerfil


class PaginaClientes(Listado[EstadoCliente]):
    """A page of customers."""

    model_config = de("Una página de clientes.")


class ClienteSospechoso(BaseModel):
    """A customer of the ranking."""

    model_config = de(
        "Un cliente del orden por sospecha: sus anomalías de los últimos 28 días, sin las "
        "descartadas."
    )
    puesto: int = Field(ge=1, description="Puesto, desde 1", examples=[1])
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    evidencia: float = Field(
        ge=0,
        description="Cuánto apunta a él; más alta, más sospechoso. Comparable dentro de una lista",
        examples=[12.3],
    )
    probabilidad: float = Field(
        ge=0,
        le=1,
        description="De que haya algo que hallar: por su evidencia; 1 si una persona lo confirmó",
        examples=[0.87],
    )
    es_sospechoso: bool = Field(description="Está bajo sospecha", examples=[True])
    severidad: SeveridadTexto = Field(description="De su última anomalía", examples=["crítica"])
    score_maximo: float = Field(ge=0, le=1, description="La mayor puntuación", examples=[0.98])
    anomalias: int = Field(ge=0, description="Horas anómalas", examples=[120])
    criticas: int = Field(ge=0, description="De ellas, críticas", examples=[40])
    confirmadas: int = Field(ge=0, description="De ellas, confirmadas", examples=[2])
    tipos_anomalia: list[str] = Field(
        description="Sus tipos, el más frecuente primero", examples=[["plantacion_cannabis"]]
    )
    ultima_anomalia: datetime = Field(description="Instante en que empieza la última")
    exceso_kwh: float = Field(description=EXCESO, examples=[510.2])
    defecto_kwh: float = Field(description=DEFECTO, examples=[0.0])
    energia_en_juego_kwh: float = Field(description=EN_JUEGO, examples=[510.2])
    energia_en_juego_eur: float | None = Field(description=EN_JUEGO_EUR, examples=[76.53])
    rinde_visita_kwh: float = Field(
        ge=0,
        description="kWh que cabe esperar de una visita: energia_en_juego_kwh por probabilidad",
        examples=[443.9],
    )
    rinde_visita_eur: float | None = Field(
        description="rinde_visita_kwh al precio de PRECIO_KWH_EUR, €; estimado", examples=[66.58]
    )
    motivos: list[str] = Field(
        description="Por qué, con números: tres frases como mucho, de los 50 primeros",
        examples=[["Lleva 5 horas de noche a 8,50 kWh por hora, 14,2 veces los 0,60 kWh..."]],
    )

    @classmethod
    def of(
        cls,
        puesto: int,
        fila: ClienteRanking,
        sospechoso: bool,
        motivos: Sequence[str],
        presenta: Presentacion,
    ) -> ClienteSospechoso:
        """Return a customer of the ranking as people read it.

        Parameters
        ----------
        sospechoso : bool
            As of its latest reading, which its latest anomaly may be far behind.
        """
        en_juego = kwh(fila.exceso_kwh + fila.defecto_kwh)
        rinde = kwh(fila.probabilidad * en_juego)
        return cls(
            **fila._asdict()
            | {
                "puesto": puesto,
                "evidencia": round(fila.evidencia, 4),
                "probabilidad": round(fila.probabilidad, 4),
                "es_sospechoso": sospechoso,
                "ultima_anomalia": presenta.hora(fila.ultima_anomalia),
                "exceso_kwh": kwh(fila.exceso_kwh),
                "defecto_kwh": kwh(fila.defecto_kwh),
                "energia_en_juego_kwh": en_juego,
                "energia_en_juego_eur": presenta.euros(en_juego),
                "rinde_visita_kwh": rinde,
                "rinde_visita_eur": presenta.euros(rinde),
                "motivos": list(motivos),
            }
        )


class PaginaSospechosos(Listado[ClienteSospechoso]):
    """The ranking."""

    model_config = de("Los clientes, el más sospechoso primero.")
    truncado: bool = Field(
        description="Había demasiadas anomalías para mirarlas todas: faltan las más antiguas",
        examples=[False],
    )


class Perfil(BaseModel):
    """How a customer uses energy over the day."""

    model_config = de("Cómo consume un cliente a lo largo del día.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00001"])
    hasta: datetime = Field(description="Instante hasta el que se mira, sin incluirlo")
    franjas: list[FranjaPerfil] = Field(description="Lo habitual a cada hora: 48 como mucho")
    ahora: list[PuntoPerfil] = Field(description="Sus últimos 7 días")
    antes: list[PuntoPerfil] = Field(description="Sus 28 días anteriores a esos")
    pares: list[PuntoPerfil] = Field(
        description="Otros clientes, llevados a la media de este: solo cuenta la forma"
    )
    clientes_pares: int = Field(ge=0, description="Cuántos son esos otros", examples=[49])
