"""What the API says of readings: hours, days, weeks and months."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from pipeline.stores.anomaly_records import MesCliente, ResumenMes
from pipeline.stores.presentation import Presentacion, kwh_or_none
from pipeline.stores.record_base import SCORE, SEVERIDAD, Listado, SeveridadTexto, de
from pipeline.stores.records import (
    CeldaCalor,
    CeldaSemana,
    DiaCliente,
    LecturaPuntuada,
    PuntoBanda,
)

_CLIENTE = "Cliente"


class Consumo(BaseModel):
    """A reading with its verdict."""

    model_config = de("La lectura de una hora y su veredicto.")
    propietario_id: str = Field(description=_CLIENTE, examples=["CLI_00001"])
    timestamp: datetime = Field(
        description="Instante en que empieza la hora", examples=["2026-11-23T02:00:00+01:00"]
    )
    fecha: date = Field(description="Día, en hora local", examples=["2026-11-23"])
    hora: int = Field(ge=0, le=23, description="Hora local, de 0 a 23", examples=[2])
    consumo_kwh: float = Field(ge=0, description="Energía de esa hora, kWh", examples=[1.234])
    consumo_esperado_kwh: float | None = Field(
        description="Lo que se esperaba, kWh; nulo = falta historia del cliente", examples=[0.41]
    )
    banda_inferior_kwh: float | None = Field(
        description="Desde aquí es lo habitual, kWh; solo con con_banda", examples=[0.1]
    )
    banda_superior_kwh: float | None = Field(
        description="Hasta aquí es lo habitual, kWh; solo con con_banda", examples=[0.72]
    )
    score_anomalia: float = Field(ge=0, le=1, description=SCORE, examples=[0.83])
    severidad: SeveridadTexto = Field(description=SEVERIDAD, examples=["alta"])
    anomalia_detectada: bool = Field(description="La severidad no es normal", examples=[True])
    tipos_anomalia: list[str] = Field(
        description="Detectores cuya definición se cumple", examples=[["pico_consumo"]]
    )
    es_sospechoso: bool = Field(
        description="El cliente está bajo sospecha después de esta lectura", examples=[False]
    )
    version_modelo: str = Field(
        description="Qué emitió el veredicto", examples=["consumo-detector-3+reglas-1a2b3c4d5e6f"]
    )

    @classmethod
    def of(
        cls, fila: LecturaPuntuada, presenta: Presentacion, banda: PuntoBanda | None = None
    ) -> Consumo:
        """Return a stored reading as people read it, with what was usual if that is given."""
        return cls(**cls.row(fila, presenta, banda))

    @staticmethod
    def row(
        fila: LecturaPuntuada, presenta: Presentacion, banda: PuntoBanda | None = None
    ) -> dict[str, Any]:
        """Return the fields of ``of``, in their order."""
        return {
            "propietario_id": fila.propietario_id,
            "timestamp": fila.timestamp_consumo.astimezone(presenta.zona),
            "fecha": fila.fecha,
            "hora": fila.hora,
            "consumo_kwh": fila.consumo_kwh,
            "consumo_esperado_kwh": fila.consumo_esperado_kwh,
            "banda_inferior_kwh": kwh_or_none(banda.inferior_kwh) if banda else None,
            "banda_superior_kwh": kwh_or_none(banda.superior_kwh) if banda else None,
            "score_anomalia": fila.score_anomalia,
            "severidad": fila.severidad,
            "anomalia_detectada": fila.anomalia_detectada,
            "tipos_anomalia": fila.tipos_anomalia,
            "es_sospechoso": fila.es_sospechoso,
            "version_modelo": fila.version_modelo,
        }


class Consumos(Listado[Consumo]):
    """A page of readings."""

    model_config = de("Una página de lecturas.")


class ConsumosDiarios(Listado[DiaCliente]):
    """Days of some customers."""

    model_config = de("Los días de los clientes pedidos, por cliente y fecha.")


class Celda(BaseModel):
    """One hour of one day."""

    model_config = de("Una hora de un día.")
    fecha: date = Field(description="Día, en hora local", examples=["2026-11-23"])
    hora: int = Field(ge=0, le=23, description="Hora local, de 0 a 23", examples=[2])
    consumo_kwh: float = Field(ge=0, description="Energía de esa hora, kWh", examples=[1.2])
    score_anomalia: float = Field(ge=0, le=1, description=SCORE, examples=[0.12])
    severidad: SeveridadTexto = Field(description=SEVERIDAD, examples=["normal"])

    @classmethod
    def of(cls, fila: CeldaCalor) -> Celda:
        """Return an hour as people read it."""
        return cls(**fila._asdict())


class MapaCalor(Listado[Celda]):
    """Hours by day and hour."""

    model_config = de("Las horas de un cliente, por día y hora; las que faltan no están.")


class SemanaTipo(Listado[CeldaSemana]):
    """A typical week."""

    model_config = de("La semana típica de un cliente: hasta 168 medias.")


class ConsumosMensuales(Listado[MesCliente]):
    """Months of a customer, or customers of a month."""

    model_config = de("Una página de meses.")


class MesesGlobales(Listado[ResumenMes]):
    """Months of everybody."""

    model_config = de("Los meses que hay, el más reciente primero.")
