"""What the API says of readings: hours, days, weeks and months."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from api.schemas import Pagina
from detection.domain import HORAS_POR_DIA
from pipeline.stores.anomaly_records import MesCliente, ResumenMes
from pipeline.stores.presentation import Presentacion, kwh, kwh_or_none
from pipeline.stores.record_base import COSTE, SCORE, SEVERIDAD, SeveridadTexto, de
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


class Consumos(Pagina[Consumo]):
    """A page of readings."""

    model_config = de("Una página de lecturas.")


class ConsumoDiario(BaseModel):
    """A customer's local day."""

    model_config = de("Lo que un cliente consumió en un día.")
    propietario_id: str = Field(description=_CLIENTE, examples=["CLI_00001"])
    fecha: date = Field(description="Día, en hora local", examples=["2026-11-23"])
    consumo_kwh: float = Field(ge=0, description="Energía del día, kWh", examples=[21.4])
    lecturas: int = Field(ge=0, description="Horas con lectura", examples=[24])
    anomalias: int = Field(ge=0, description="Horas anómalas", examples=[1])

    @classmethod
    def of(cls, fila: DiaCliente) -> ConsumoDiario:
        """Return a day as people read it."""
        return cls(**{**fila._asdict(), "consumo_kwh": kwh(fila.consumo_kwh)})


class ConsumosDiarios(Pagina[ConsumoDiario]):
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


class MapaCalor(Pagina[Celda]):
    """Hours by day and hour."""

    model_config = de("Las horas de un cliente, por día y hora; las que faltan no están.")


class HoraDeSemana(BaseModel):
    """What is usual at an hour of a weekday."""

    model_config = de("Lo que un cliente consume de media a una hora de un día de la semana.")
    dia_semana: int = Field(ge=0, le=6, description="De 0 = lunes a 6 = domingo", examples=[0])
    hora: int = Field(ge=0, le=23, description="Hora local, de 0 a 23", examples=[2])
    consumo_kwh: float = Field(ge=0, description="Media, kWh en la hora", examples=[0.8])
    lecturas: int = Field(ge=0, description="De cuántas lecturas", examples=[8])

    @classmethod
    def of(cls, fila: CeldaSemana) -> HoraDeSemana:
        """Return a mean as people read it."""
        return cls(**{**fila._asdict(), "consumo_kwh": kwh(fila.consumo_kwh)})


class SemanaTipo(Pagina[HoraDeSemana]):
    """A typical week."""

    model_config = de("La semana típica de un cliente: hasta 168 medias.")


COMPLETO = "Falso = le faltan horas, o no ha terminado: no se compara con otros"


class ConsumoMensual(BaseModel):
    """A customer's month."""

    model_config = de("El mes de un cliente; energías en kWh.")
    id: str = Field(description="Cliente y mes", examples=["CLI_00001_2026-01"])
    propietario_id: str = Field(description=_CLIENTE, examples=["CLI_00001"])
    mes_str: str = Field(description="Mes, AAAA-MM", examples=["2026-01"])
    consumo_total: float = Field(description="Energía del mes, kWh", examples=[720.5])
    consumo_promedio: float = Field(description="Media por lectura, kWh", examples=[0.97])
    consumo_minimo: float = Field(description="La menor de una hora, kWh", examples=[0.1])
    consumo_maximo: float = Field(description="La mayor de una hora, kWh", examples=[4.3])
    anomalias_detectadas: int = Field(description="Horas anómalas", examples=[3])
    anomalias_criticas: int = Field(description="De ellas, críticas", examples=[1])
    consumo_noche_promedio: float | None = Field(
        description="Media por lectura de noche (HORAS_NOCHE), kWh", examples=[0.4]
    )
    consumo_punta_promedio: float | None = Field(
        description="Media por lectura en punta (HORAS_PUNTA), kWh", examples=[1.2]
    )
    parte_noche: float | None = Field(
        description="Parte de la energía que cae de noche, de 0 a 1; de las medias",
        examples=[0.11],
    )
    parte_punta: float | None = Field(
        description="Parte de la energía que cae en punta, de 0 a 1; de las medias",
        examples=[0.4],
    )
    lecturas: int | None = Field(description="Horas con lectura", examples=[744])
    completo: bool = Field(description=COMPLETO, examples=[True])
    coste_estimado_eur: float | None = Field(description=COSTE, examples=[108.08])
    agregado_en: datetime | None = Field(
        description="Cuándo se sumó", examples=["2026-02-01T02:00:00+01:00"]
    )

    @classmethod
    def of(cls, fila: MesCliente, presenta: Presentacion) -> ConsumoMensual:
        """Return a monthly document as people read it."""
        valores = {n: v for n, v in fila._asdict().items() if n in cls.model_fields}
        valores["agregado_en"] = presenta.hora_o_nada(fila.agregado_en)
        return cls(
            **valores,
            parte_noche=share(
                fila.consumo_noche_promedio, fila.consumo_promedio, presenta.horas_noche
            ),
            parte_punta=share(
                fila.consumo_punta_promedio, fila.consumo_promedio, presenta.horas_punta
            ),
            completo=fila.is_whole(),
            coste_estimado_eur=presenta.euros(fila.consumo_total),
        )


class ConsumosMensuales(Pagina[ConsumoMensual]):
    """Months of a customer, or customers of a month."""

    model_config = de("Una página de meses.")


class MesGlobal(BaseModel):
    """Everybody's month."""

    model_config = de("El mes de todos los clientes juntos; energías en kWh.")
    mes_str: str = Field(description="Mes, AAAA-MM", examples=["2026-11"])
    clientes: int = Field(description="Clientes con lecturas", examples=[50])
    consumo_total: float = Field(description="Energía del mes, kWh", examples=[36020.1])
    consumo_promedio: float = Field(description="Media por cliente, kWh", examples=[720.4])
    anomalias_detectadas: int = Field(description="Horas anómalas", examples=[150])
    anomalias_criticas: int = Field(description="De ellas, críticas", examples=[12])
    consumo_noche_promedio: float | None = Field(
        description="Media de las medias de noche de los clientes, kWh", examples=[0.4]
    )
    consumo_punta_promedio: float | None = Field(
        description="Media de las medias en punta de los clientes, kWh", examples=[1.2]
    )
    lecturas: int = Field(description="Horas con lectura, de todos", examples=[37200])
    completo: bool = Field(description=COMPLETO, examples=[True])
    coste_estimado_eur: float | None = Field(description=COSTE, examples=[5403.02])

    @classmethod
    def of(cls, fila: ResumenMes, presenta: Presentacion) -> MesGlobal:
        """Return a month as people read it."""
        valores = {
            n: kwh(v) if isinstance(v, float) else v
            for n, v in fila._asdict().items()
            if n in cls.model_fields
        }
        return cls(
            **valores,
            completo=fila.is_whole(),
            coste_estimado_eur=presenta.euros(fila.consumo_total),
        )


class MesesGlobales(Pagina[MesGlobal]):
    """Months of everybody."""

    model_config = de("Los meses que hay, el más reciente primero.")


def share(media: float | None, media_total: float, horas: int) -> float | None:
    """Return the part of the energy that some hours of the day take, 0 to 1, from averages.

    Parameters
    ----------
    media, media_total : float or None
        Mean of a reading in those hours, and in all of them, kWh.
    horas : int
        How many hours of the day they are.

    Examples
    --------
    >>> share(0.5, 1.0, 6)
    0.125
    """
    if media is None or media_total <= 0:
        return None
    return min(1.0, round(media * horas / (media_total * HORAS_POR_DIA), 4))
