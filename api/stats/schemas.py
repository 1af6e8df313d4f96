"""What the API says in figures: of a customer, of everybody, of anomalies over time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from pipeline.stores.anomaly_records import ParInteranual, PuntoSerie
from pipeline.stores.record_base import (
    EN_JUEGO,
    EN_JUEGO_EUR,
    Listado,
    PorEstado,
    PorSeveridad,
    Variacion,
    de,
)
from pipeline.stores.records import CLIENTES, SOSPECHOSOS, DiaGlobal, Ventana


class ResumenGeneral(BaseModel):
    """Everybody's figures."""

    model_config = de("Las cifras de todos los clientes.")
    momento: datetime = Field(description="De cuándo son estas cifras")
    ultimas_24h: Ventana = Field(description="Las últimas 24 horas")
    ultimos_7d: Ventana = Field(description="Los últimos 7 días")
    anteriores_7d: Ventana = Field(description="Los 7 días anteriores a esos")
    ultimos_30d: Ventana = Field(description="Los últimos 30 días")
    por_estado: PorEstado = Field(description="Anomalías de los últimos 30 días, por estado")
    lecturas_estimadas: int = Field(
        ge=0, description="Lecturas en todo el histórico, según PostgreSQL: una estimación",
        examples=[1_440_000],
    )  # fmt: skip
    ultima_lectura: datetime | None = Field(description="La última lectura que hay")
    ultima_deteccion: datetime | None = Field(description="Cuándo se detectó la última anomalía")
    completo: bool = Field(
        description="Falso = hay más anomalías de las que se pueden mirar: faltan las más antiguas",
        examples=[True],
    )


class ResumenTablero(BaseModel):
    """What the dashboard's first page shows."""

    model_config = de(
        "Los indicadores: los últimos 7 días frente a los 7 anteriores, si ambos están completos."
    )
    momento: datetime = Field(description="De cuándo son estas cifras")
    desde: datetime = Field(description="Desde cuándo, incluido")
    hasta: datetime = Field(description="Hasta cuándo, sin incluirlo")
    clientes: Variacion = Field(description=CLIENTES)
    lecturas: Variacion = Field(description="Lecturas")
    consumo_kwh: Variacion = Field(description="Energía, kWh")
    anomalias: Variacion = Field(description="Horas anómalas que nadie ha juzgado")
    criticas: Variacion = Field(description="De ellas, críticas")
    sospechosos: Variacion = Field(description=SOSPECHOSOS)
    energia_en_juego_kwh: Variacion = Field(description=EN_JUEGO)
    energia_en_juego_eur: Variacion = Field(description=EN_JUEGO_EUR)
    anomalias_24h: PorSeveridad = Field(description="Las de las últimas 24 horas")
    por_severidad: PorSeveridad = Field(
        description="Las de los últimos 7 días que nadie ha juzgado"
    )
    por_estado: PorEstado = Field(description="Las de los últimos 30 días")
    precio_kwh_eur: float = Field(description="PRECIO_KWH_EUR, €/kWh", examples=[0.15])
    ultima_lectura: datetime | None = Field(description="La última lectura que hay")
    ultima_deteccion: datetime | None = Field(description="Cuándo se detectó la última anomalía")
    completo: bool = Field(
        description="Falso = hay más anomalías de las que se pueden mirar: faltan las más antiguas",
        examples=[True],
    )


class EstadisticasMensuales(Listado[ParInteranual]):
    """A customer's months."""

    model_config = de("Los meses de un cliente, el más reciente primero, y sus cifras.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00001"])
    meses: int = Field(ge=0, description="Meses con datos, de los pedidos", examples=[12])
    consumo_total: float = Field(ge=0, description="Energía de esos meses, kWh", examples=[8600.1])
    consumo_promedio_mensual: float | None = Field(
        description="Media de los meses completos, kWh; nulo = no los hay", examples=[716.7]
    )
    mes_maximo: str | None = Field(
        description="El de más consumo, de los completos", examples=["2026-01"]
    )
    mes_minimo: str | None = Field(
        description="El de menos consumo, de los completos", examples=["2026-05"]
    )
    anomalias_detectadas: int = Field(ge=0, description="Horas anómalas", examples=[30])
    anomalias_criticas: int = Field(ge=0, description="De ellas, críticas", examples=[2])
    ultimo_mes: str | None = Field(description="El más reciente con datos", examples=["2026-11"])
    variacion_mensual: float | None = Field(
        description="Consumo por hora del último mes terminado frente al anterior: 0,05 = un 5 % "
        "más; nulo = no hay dos seguidos y completos",
        examples=[0.05],
    )
    posicion: int | None = Field(
        description="Puesto por consumo en ultimo_mes; 1 = el que más", examples=[3]
    )
    de: int | None = Field(description="Entre cuántos clientes", examples=[50])


class PaginaDias(Listado[DiaGlobal]):
    """Days of everybody."""

    model_config = de("Los días, el más antiguo primero.")


class Serie(Listado[PuntoSerie]):
    """Anomalies over time."""

    model_config = de("Anomalías a lo largo del tiempo; donde no hay, ceros.")
    por: Literal["hora", "dia"] = Field(description="Qué es cada punto", examples=["dia"])
    desde: datetime = Field(description="Desde cuándo, incluido")
    hasta: datetime = Field(description="Hasta cuándo, sin incluirlo")


class Reparto(BaseModel):
    """How anomalies are spread."""

    model_config = de("Cómo se reparten las anomalías.")
    desde: datetime = Field(description="Desde cuándo, incluido")
    hasta: datetime = Field(description="Hasta cuándo, sin incluirlo")
    total: int = Field(ge=0, description="Cuántas son", examples=[150])
    por_severidad: PorSeveridad = Field(description="Por severidad")
    por_tipo: dict[str, int] = Field(
        description="Por detector; una puede contar en varios", examples=[{"pico_consumo": 30}]
    )
    por_estado: PorEstado = Field(description="Por lo que se ha dicho de ellas")
    por_hora: list[int] = Field(
        min_length=24, max_length=24, description="Por hora local, de 0 a 23"
    )
    por_dia_semana: list[int] = Field(
        min_length=7, max_length=7, description="Por día de la semana, desde el lunes"
    )


class Umbrales(BaseModel):
    """Where each severidad begins."""

    model_config = de(
        "Puntuación a partir de la cual empieza cada severidad.", populate_by_name=True
    )
    baja: float = Field(description="De 0 a 1", examples=[0.5])
    media: float = Field(description="De 0 a 1", examples=[0.65])
    alta: float = Field(description="De 0 a 1", examples=[0.8])
    critica: float = Field(alias="crítica", description="De 0 a 1", examples=[0.9])


class Histograma(BaseModel):
    """How often each score is."""

    model_config = de("Cuántas lecturas hay de cada puntuación: para probar otros umbrales.")
    desde: date = Field(description="Primer día", examples=["2026-10-25"])
    hasta: date = Field(description="Último día, incluido", examples=["2026-11-24"])
    dias: int = Field(ge=1, description="Cuántos días son", examples=[31])
    lecturas: int = Field(ge=0, description="Cuántas lecturas son", examples=[720000])
    umbrales: Umbrales = Field(description="Los que están en uso")
    cuentas: list[int] = Field(
        min_length=101,
        max_length=101,
        description="Lecturas con puntuación 0,00, 0,01 ... 1,00. Con un umbral x habría tantos "
        "avisos como suman las cuentas desde la posición 100·x",
    )
