"""What the API says in figures: of a customer, of everybody, of anomalies over time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.readings.schemas import ConsumoMensual
from api.schemas import Pagina, Umbrales, Variacion
from pipeline.stores.anomaly_records import EnergiaDescartada, ParInteranual, PuntoSerie
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.record_base import (
    COSTE,
    DEFECTO,
    EN_JUEGO,
    EN_JUEGO_EUR,
    EXCESO,
    PorEstado,
    PorSeveridad,
    de,
)
from pipeline.stores.records import DiaGlobal, EstadisticasCliente, Ventana

_CLIENTES = "Clientes con lecturas: en la hora que más tuvo"
_SOSPECHOSOS = "Clientes bajo sospecha: en la hora que más tuvo"


class EstadisticasDeCliente(BaseModel):
    """A customer's figures."""

    model_config = de("Las cifras de un cliente en un intervalo.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00001"])
    desde: datetime = Field(description="Desde cuándo, incluido")
    hasta: datetime = Field(description="Hasta cuándo, sin incluirlo")
    primera_lectura: datetime = Field(description="La primera que hay de él, en todo el histórico")
    ultima_lectura: datetime = Field(description="La última que hay de él, en todo el histórico")
    lecturas: int = Field(ge=0, description="Horas con lectura", examples=[672])
    lecturas_posibles: int = Field(ge=0, description="Horas del intervalo", examples=[672])
    cobertura: float | None = Field(
        description="lecturas / lecturas_posibles, de 0 a 1", examples=[1.0]
    )
    consumo_total_kwh: float = Field(description="Energía, kWh", examples=[310.2])
    coste_estimado_eur: float | None = Field(description=COSTE, examples=[46.53])
    consumo_promedio_kwh: float | None = Field(description="Media por hora, kWh", examples=[0.46])
    consumo_minimo_kwh: float | None = Field(description="La menor hora, kWh", examples=[0.1])
    consumo_maximo_kwh: float | None = Field(description="La mayor hora, kWh", examples=[4.3])
    desviacion_kwh: float | None = Field(description="Desviación típica, kWh", examples=[0.3])
    p50_kwh: float | None = Field(description="Mediana, kWh", examples=[0.38])
    p95_kwh: float | None = Field(description="Percentil 95, kWh", examples=[1.4])
    consumo_noche_promedio_kwh: float | None = Field(
        description="Media por hora de noche (HORAS_NOCHE), kWh", examples=[0.2]
    )
    consumo_punta_promedio_kwh: float | None = Field(
        description="Media por hora en punta (HORAS_PUNTA), kWh", examples=[0.8]
    )
    anomalias: PorSeveridad = Field(description="Horas anómalas por severidad")
    anomalias_total: int = Field(ge=0, description="Horas anómalas", examples=[7])
    tipos: dict[str, int] = Field(
        description="Cuántas veces se cumple cada detector", examples=[{"pico_consumo": 3}]
    )
    score_maximo: float = Field(description="La mayor puntuación, de 0 a 1", examples=[0.83])
    es_sospechoso: bool = Field(description="Está bajo sospecha", examples=[False])
    descartadas: int | None = Field(
        description="De ellas, las que una persona ha descartado: no cuentan en lo que está en "
        "juego; nulo = MongoDB no responde",
        examples=[0],
    )
    exceso_kwh: float | None = Field(description=EXCESO, examples=[12.0])
    defecto_kwh: float | None = Field(description=DEFECTO, examples=[0.0])
    energia_en_juego_kwh: float | None = Field(description=EN_JUEGO, examples=[12.0])
    energia_en_juego_eur: float | None = Field(description=EN_JUEGO_EUR, examples=[1.8])
    semana: Variacion = Field(
        description="kWh de los últimos 7 días frente a los 7 de antes, si las dos semanas están "
        "completas"
    )

    @classmethod
    def of(
        cls,
        fila: EstadisticasCliente,
        descartadas: EnergiaDescartada | None,
        presenta: Presentacion,
    ) -> EstadisticasDeCliente:
        """Return a customer's figures as people read them.

        Parameters
        ----------
        descartadas : EnergiaDescartada or None
            What of the anomalies in them a person has rejected; None = it is not known.
        """
        instantes = ("desde", "hasta", "primera_lectura", "ultima_lectura")
        valores = {n: v for n, v in fila._asdict().items() if n in cls.model_fields}
        valores |= {n: presenta.hora(valores[n]) for n in instantes}
        valores |= {n: kwh(v) for n, v in valores.items() if n.endswith("_kwh") and v is not None}
        en_juego = _at_stake(fila, descartadas)
        valores |= en_juego
        posibles = fila.lecturas_posibles
        anomalias = PorSeveridad.of(fila.anomalias)
        return cls(
            **valores
            | {
                "cobertura": round(min(1.0, fila.lecturas / posibles), 4) if posibles else None,
                "coste_estimado_eur": presenta.euros(fila.consumo_total_kwh),
                "anomalias": anomalias,
                "anomalias_total": anomalias.total,
                "descartadas": None if descartadas is None else descartadas.anomalias,
                "energia_en_juego_eur": presenta.euros(en_juego["energia_en_juego_kwh"]),
                "semana": Variacion.of(
                    kwh(fila.consumo_7d_kwh),
                    kwh(fila.consumo_7d_anterior_kwh) if fila.semanas_enteras else None,
                ),
            }
        )


def _at_stake(
    fila: EstadisticasCliente, descartadas: EnergiaDescartada | None
) -> dict[str, float | None]:
    """Return the energy at stake of a customer, without what a person has rejected, kWh."""
    if descartadas is None:
        return dict.fromkeys(("exceso_kwh", "defecto_kwh", "energia_en_juego_kwh"))
    exceso = max(0.0, fila.exceso_kwh - descartadas.exceso_kwh)
    defecto = max(0.0, fila.defecto_kwh - descartadas.defecto_kwh)
    return {
        "exceso_kwh": kwh(exceso),
        "defecto_kwh": kwh(defecto),
        "energia_en_juego_kwh": kwh(exceso + defecto),
    }


class VentanaGlobal(BaseModel):
    """Everybody between two instants."""

    model_config = de("Todos los clientes, entre dos instantes.")
    desde: datetime = Field(description="Desde cuándo, incluido")
    hasta: datetime = Field(description="Hasta cuándo, sin incluirlo")
    lecturas: int = Field(ge=0, description="Lecturas", examples=[8400])
    consumo_kwh: float = Field(ge=0, description="Energía, kWh", examples=[7200.5])
    clientes: int = Field(ge=0, description=_CLIENTES, examples=[50])
    sospechosos: int = Field(ge=0, description=_SOSPECHOSOS, examples=[3])
    anomalias: PorSeveridad = Field(description="Horas anómalas por severidad")
    anomalias_total: int = Field(ge=0, description="Horas anómalas", examples=[120])

    @classmethod
    def of(cls, fila: Ventana, presenta: Presentacion) -> VentanaGlobal:
        """Return a window as people read it."""
        anomalias = PorSeveridad.of(fila.anomalias)
        return cls(
            **fila._asdict()
            | {
                "desde": presenta.hora(fila.desde),
                "hasta": presenta.hora(fila.hasta),
                "consumo_kwh": kwh(fila.consumo_kwh),
                "anomalias": anomalias,
                "anomalias_total": anomalias.total,
            }
        )


class ResumenGeneral(BaseModel):
    """Everybody's figures."""

    model_config = de("Las cifras de todos los clientes.")
    momento: datetime = Field(description="De cuándo son estas cifras")
    ultimas_24h: VentanaGlobal = Field(description="Las últimas 24 horas")
    ultimos_7d: VentanaGlobal = Field(description="Los últimos 7 días")
    anteriores_7d: VentanaGlobal = Field(description="Los 7 días anteriores a esos")
    ultimos_30d: VentanaGlobal = Field(description="Los últimos 30 días")
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
    clientes: Variacion = Field(description=_CLIENTES)
    lecturas: Variacion = Field(description="Lecturas")
    consumo_kwh: Variacion = Field(description="Energía, kWh")
    anomalias: Variacion = Field(description="Horas anómalas")
    criticas: Variacion = Field(description="De ellas, críticas")
    sospechosos: Variacion = Field(description=_SOSPECHOSOS)
    energia_en_juego_kwh: Variacion = Field(description=EN_JUEGO)
    energia_en_juego_eur: Variacion = Field(description=EN_JUEGO_EUR)
    anomalias_24h: PorSeveridad = Field(description="Las de las últimas 24 horas")
    por_severidad: PorSeveridad = Field(description="Las de los últimos 7 días")
    por_estado: PorEstado = Field(description="Las de los últimos 30 días")
    precio_kwh_eur: float = Field(description="PRECIO_KWH_EUR, €/kWh", examples=[0.15])
    ultima_lectura: datetime | None = Field(description="La última lectura que hay")
    ultima_deteccion: datetime | None = Field(description="Cuándo se detectó la última anomalía")
    completo: bool = Field(
        description="Falso = hay más anomalías de las que se pueden mirar: faltan las más antiguas",
        examples=[True],
    )


class ParDeMeses(BaseModel):
    """A month and the same one a year before."""

    model_config = de("Un mes y el mismo mes del año anterior.")
    mes_str: str = Field(description="Mes, AAAA-MM", examples=["2026-11"])
    actual: ConsumoMensual | None = Field(description="Nulo = no hay datos")
    anterior: ConsumoMensual | None = Field(description="Un año antes; nulo = no hay datos")
    variacion: float | None = Field(
        description="Cambio del consumo por hora: 0,1 = un 10 % más; nulo = no hay dos meses "
        "completos",
        examples=[0.1],
    )

    @classmethod
    def of(cls, fila: ParInteranual, presenta: Presentacion) -> ParDeMeses:
        """Return a pair of months as people read it."""
        meses = [
            None if mes is None else ConsumoMensual.of(mes, presenta)
            for mes in (fila.actual, fila.anterior)
        ]
        variacion = None if fila.variacion is None else round(fila.variacion, 4)
        return cls(mes_str=fila.mes_str, actual=meses[0], anterior=meses[1], variacion=variacion)


class EstadisticasMensuales(Pagina[ParDeMeses]):
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


class DiaDeTodos(BaseModel):
    """Everybody's day."""

    model_config = de("El día de todos los clientes.")
    fecha: date = Field(description="Día, en hora local", examples=["2026-11-23"])
    lecturas: int = Field(ge=0, description="Lecturas", examples=[1200])
    consumo_kwh: float = Field(ge=0, description="Energía, kWh", examples=[1030.2])
    clientes: int = Field(ge=0, description=_CLIENTES, examples=[50])
    sospechosos: int = Field(ge=0, description=_SOSPECHOSOS, examples=[3])
    anomalias: PorSeveridad = Field(description="Horas anómalas por severidad")
    anomalias_total: int = Field(ge=0, description="Horas anómalas", examples=[12])

    @classmethod
    def of(cls, fila: DiaGlobal) -> DiaDeTodos:
        """Return a day as people read it."""
        anomalias = PorSeveridad.of(fila.anomalias)
        return cls(
            **fila._asdict()
            | {
                "consumo_kwh": kwh(fila.consumo_kwh),
                "anomalias": anomalias,
                "anomalias_total": anomalias.total,
            }
        )


class PaginaDias(Pagina[DiaDeTodos]):
    """Days of everybody."""

    model_config = de("Los días, el más antiguo primero.")


class PuntoDeSerie(BaseModel):
    """Anomalies of an hour or a day."""

    model_config = de("Las anomalías de una hora o de un día.")
    momento: datetime = Field(
        description="Instante en que empieza", examples=["2026-11-23T00:00:00+01:00"]
    )
    anomalias: PorSeveridad = Field(description="Por severidad")
    total: int = Field(ge=0, description="En total", examples=[6])

    @classmethod
    def of(cls, fila: PuntoSerie, presenta: Presentacion) -> PuntoDeSerie:
        """Return a point as people read it."""
        anomalias = PorSeveridad.of(fila.anomalias)
        return cls(momento=presenta.hora(fila.momento), anomalias=anomalias, total=anomalias.total)


class Serie(Pagina[PuntoDeSerie]):
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
