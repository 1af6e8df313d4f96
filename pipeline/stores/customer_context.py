"""What the utility knows of a customer beside its readings: where it is and what it has contracted.

All of it is optional. Part of it is personal data: it can be deleted, and neither alerts nor
reports carry it.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from pipeline.stores.record_base import StoredRecord, de

LARGOS = {"direccion": 200, "tarifa": 40, "actividad": 100, "transformador": 40}
"""Characters of each text, at most. By hand, 2026-12-01."""
LIMITES = {
    "latitud": (-90.0, 90.0),
    "longitud": (-180.0, 180.0),
    "potencia_contratada_kw": (0.001, 100_000.0),
}
"""Between which each number lies, both included; of the power, from a watt to more than any supply
of a distributor's. By hand, 2026-12-01."""


class ContextoCliente(StoredRecord):
    """What the utility knows of a customer; None = not known."""

    model_config = de("Lo que la distribuidora sabe de un cliente además de sus lecturas.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00045"])
    direccion: str | None = Field(
        description="Dirección; nulo = no se sabe", examples=["Calle del Olmo, 12"]
    )
    latitud: float | None = Field(ge=-90, le=90, description="Grados (WGS 84)", examples=[40.4168])
    longitud: float | None = Field(
        ge=-180, le=180, description="Grados (WGS 84)", examples=[-3.7038]
    )
    potencia_contratada_kw: float | None = Field(
        gt=0, description="Potencia contratada, kW", examples=[5.75]
    )
    tarifa: str | None = Field(description="Tarifa de acceso", examples=["2.0TD"])
    actividad: str | None = Field(description="A qué se dedica", examples=["Vivienda"])
    transformador: str | None = Field(
        description="Transformador del que cuelga", examples=["CT-0017"]
    )


CAMPOS_CONTEXTO = tuple(ContextoCliente.model_fields)[1:]
"""What may be known of a customer."""


class Companions(NamedTuple):
    """Customers that share something with one, itself left out."""

    cuantos: int  # all of them
    clientes: list[str]  # those most like it, ``COMPANEROS_MAXIMOS`` of ``query_context`` at most
