"""What the API says of customers: who is suspicious, how they use energy."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from pipeline.stores.anomaly_records import ClienteRanking
from pipeline.stores.record_base import (
    Listado,
    de,
)
from pipeline.stores.records import EstadoCliente, FranjaPerfil, PuntoPerfil


class PaginaClientes(Listado[EstadoCliente]):
    """A page of customers."""

    model_config = de("Una página de clientes.")


class PaginaSospechosos(Listado[ClienteRanking]):
    """The ranking."""

    model_config = de("Los clientes, el más sospechoso primero.")


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
