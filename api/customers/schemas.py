"""What the API says of customers: who they are, who is suspicious, how they use energy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.schemas import Pagina
from pipeline.stores.anomaly_records import ClienteRanking
from pipeline.stores.presentation import Presentacion, kwh, kwh_or_none
from pipeline.stores.record_base import (
    DEFECTO,
    EN_JUEGO,
    EN_JUEGO_EUR,
    EXCESO,
    SCORE,
    SEVERIDAD,
    SeveridadTexto,
    de,
)
from pipeline.stores.records import (
    ComparacionPares,
    EstadoCliente,
    FranjaPerfil,
    PerfilComparado,
    PuntoPerfil,
)

ClaseDeDia = Literal["laborable", "fin_de_semana"]
_CLASE = Field(description="Días laborables o fin de semana", examples=["laborable"])
_HORA = Field(ge=0, le=23, description="Hora local, de 0 a 23", examples=[2])


class ClienteActual(BaseModel):
    """A customer at its latest reading."""

    model_config = de("Un cliente, en su última lectura.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00001"])
    ultima_lectura: datetime | None = Field(
        description="Instante en que empieza", examples=["2026-11-23T02:00:00+01:00"]
    )
    consumo_kwh: float | None = Field(description="Su energía, kWh", examples=[0.4])
    score_anomalia: float | None = Field(description=SCORE, examples=[0.1])
    severidad: SeveridadTexto | None = Field(description=SEVERIDAD, examples=["normal"])
    es_sospechoso: bool | None = Field(description="Está bajo sospecha", examples=[False])

    @classmethod
    def of(cls, nombre: str, estado: EstadoCliente | None, presenta: Presentacion) -> ClienteActual:
        """Return a customer as people read it; one whose rows have just gone has no more."""
        return cls(
            propietario_id=nombre,
            ultima_lectura=None if estado is None else presenta.hora(estado.ultima_lectura),
            consumo_kwh=None if estado is None else estado.consumo_kwh,
            score_anomalia=None if estado is None else estado.score_anomalia,
            severidad=None if estado is None else estado.severidad,
            es_sospechoso=None if estado is None else estado.es_sospechoso,
        )


class PaginaClientes(Pagina[ClienteActual]):
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


class PaginaSospechosos(Pagina[ClienteSospechoso]):
    """The ranking."""

    model_config = de("Los clientes, el más sospechoso primero.")
    truncado: bool = Field(
        description="Había demasiadas anomalías para mirarlas todas: faltan las más antiguas",
        examples=[False],
    )


class Franja(BaseModel):
    """What is usual at an hour."""

    model_config = de("Lo habitual a una hora, de los últimos 28 días.")
    clase: ClaseDeDia = _CLASE
    hora: int = _HORA
    lecturas: int = Field(ge=0, description="De cuántas lecturas", examples=[20])
    media_kwh: float | None = Field(description="Media, kWh", examples=[0.4])
    desviacion_kwh: float | None = Field(description="Desviación típica, kWh", examples=[0.1])
    p10_kwh: float | None = Field(description="Percentil 10, kWh", examples=[0.25])
    p50_kwh: float | None = Field(description="Mediana, kWh", examples=[0.38])
    p90_kwh: float | None = Field(description="Percentil 90, kWh", examples=[0.55])
    banda_inferior_kwh: float | None = Field(
        description="Media menos 3 desviaciones, sin bajar de 0, kWh", examples=[0.1]
    )
    banda_superior_kwh: float | None = Field(
        description="Media más 3 desviaciones, kWh", examples=[0.7]
    )

    @classmethod
    def of(cls, fila: FranjaPerfil) -> Franja:
        """Return an hour of the profile as people read it."""
        redondos = {
            n: kwh(v) if isinstance(v, float) else v
            for n, v in fila._asdict().items()
        }  # fmt: skip
        return cls(**redondos)


class HoraPerfil(BaseModel):
    """Mean of an hour."""

    model_config = de("Media de una hora.")
    clase: ClaseDeDia = _CLASE
    hora: int = _HORA
    consumo_kwh: float = Field(ge=0, description="Media, kWh en la hora", examples=[0.4])

    @classmethod
    def of(cls, fila: PuntoPerfil) -> HoraPerfil:
        """Return a mean as people read it."""
        return cls(clase=fila.clase, hora=fila.hora, consumo_kwh=kwh(fila.consumo_kwh))


class Perfil(BaseModel):
    """How a customer uses energy over the day."""

    model_config = de("Cómo consume un cliente a lo largo del día.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00001"])
    hasta: datetime = Field(description="Instante hasta el que se mira, sin incluirlo")
    franjas: list[Franja] = Field(description="Lo habitual a cada hora: 48 como mucho")
    ahora: list[HoraPerfil] = Field(description="Sus últimos 7 días")
    antes: list[HoraPerfil] = Field(description="Sus 28 días anteriores a esos")
    pares: list[HoraPerfil] = Field(
        description="Otros clientes, llevados a la media de este: solo cuenta la forma"
    )
    clientes_pares: int = Field(ge=0, description="Cuántos son esos otros", examples=[49])

    @classmethod
    def of(
        cls,
        propietario_id: str,
        hasta: datetime,
        franjas: Sequence[FranjaPerfil],
        comparado: PerfilComparado | None,
        presenta: Presentacion,
    ) -> Perfil:
        """Return a profile as people read it; empty where a customer has no reading before."""
        comparado = comparado or PerfilComparado(propietario_id, [], [], [], 0)
        return cls(
            propietario_id=propietario_id,
            hasta=presenta.hora(hasta),
            franjas=[Franja.of(f) for f in franjas],
            ahora=[HoraPerfil.of(p) for p in comparado.ahora],
            antes=[HoraPerfil.of(p) for p in comparado.antes],
            pares=[HoraPerfil.of(p) for p in comparado.pares],
            clientes_pares=comparado.clientes_pares,
        )


class HoraPares(BaseModel):
    """An hour of a customer beside others."""

    model_config = de("Una hora de un cliente, junto a la de los demás.")
    timestamp: datetime = Field(
        description="Instante en que empieza la hora", examples=["2026-11-23T02:00:00+01:00"]
    )
    consumo_kwh: float | None = Field(description="Del cliente, kWh", examples=[1.2])
    pares_kwh: float | None = Field(
        description="Media de los demás, llevada a la de este, kWh", examples=[0.9]
    )


class Pares(Pagina[HoraPares]):
    """A customer beside others, hour by hour."""

    model_config = de("Un cliente hora a hora, junto a los demás.")
    propietario_id: str = Field(description="Cliente", examples=["CLI_00001"])
    clientes_pares: int = Field(ge=0, description="Cuántos son los demás", examples=[49])
    correlacion: float | None = Field(
        description="Correlación de las dos series, de -1 a 1; nulo = no se puede calcular",
        examples=[0.71],
    )

    @classmethod
    def of(
        cls, propietario_id: str, fila: ComparacionPares | None, presenta: Presentacion
    ) -> Pares:
        """Return a comparison as people read it; empty where a customer has no reading."""
        fila = fila or ComparacionPares(propietario_id, [], 0, None)
        horas = [
            HoraPares(
                timestamp=presenta.hora(p.timestamp_consumo),
                consumo_kwh=p.consumo_kwh,
                pares_kwh=kwh_or_none(p.pares_kwh),
            )
            for p in fila.puntos
        ]
        correlacion = fila.correlacion
        return cls(
            propietario_id=propietario_id,
            clientes_pares=fila.clientes_pares,
            correlacion=None if correlacion is None else round(correlacion, 4),
            elementos=horas,
        )
