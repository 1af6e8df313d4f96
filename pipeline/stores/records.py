"""What the history answers to whoever only asks: its rows and summaries.

Energies are in kWh; ``desde`` is included and ``hasta`` is not. What is described in Spanish is
served as it is, in local time.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, NamedTuple

from pydantic import Field

from pipeline.stores.record_base import (
    COSTE,
    DEFECTO,
    EN_JUEGO,
    EN_JUEGO_EUR,
    EXCESO,
    SCORE,
    SEVERIDAD,
    Kwh,
    Listado,
    PorSeveridad,
    Ratio,
    SeveridadTexto,
    StoredRecord,
    Variacion,
    de,
)

ClaseDeDia = Literal["laborable", "fin_de_semana"]
_CLASE = Field(description="Días laborables o fin de semana", examples=["laborable"])
_CLIENTE = Field(description="Cliente", examples=["CLI_00001"])
_DIA = Field(description="Día, en hora local", examples=["2026-11-23"])
_HORA = Field(ge=0, le=23, description="Hora local, de 0 a 23", examples=[2])
_DESDE = Field(description="Desde cuándo, incluido")
_HASTA = Field(description="Hasta cuándo, sin incluirlo")

CLIENTES = "Clientes con lecturas: en la hora que más tuvo"
SOSPECHOSOS = "Clientes bajo sospecha: en la hora que más tuvo"


class LecturaPuntuada(NamedTuple):
    """A reading with its verdict; ``fecha`` and ``hora`` are local.

    There may be thousands in an answer: to make a model of each takes a third of its time.
    """

    propietario_id: str
    timestamp_consumo: datetime
    fecha: date
    hora: int
    consumo_kwh: float
    anomalia_detectada: bool
    score_anomalia: float
    severidad: str
    es_sospechoso: bool
    tipos_anomalia: list[str]
    consumo_esperado_kwh: float | None
    version_modelo: str


class CeldaCalor(NamedTuple):
    """One hour of one local day; of them there may be thousands as well."""

    fecha: date
    hora: int
    consumo_kwh: float
    score_anomalia: float
    severidad: str


class CeldaSemana(StoredRecord):
    """What is usual at an hour of a weekday."""

    model_config = de("Lo que un cliente consume de media a una hora de un día de la semana.")
    dia_semana: int = Field(ge=0, le=6, description="De 0 = lunes a 6 = domingo", examples=[0])
    hora: int = _HORA
    consumo_kwh: Kwh = Field(ge=0, description="Media, kWh en la hora", examples=[0.8])
    lecturas: int = Field(ge=0, description="De cuántas lecturas", examples=[8])


class DiaCliente(StoredRecord):
    """A customer's local day."""

    model_config = de("Lo que un cliente consumió en un día.")
    propietario_id: str = _CLIENTE
    fecha: date = _DIA
    consumo_kwh: Kwh = Field(ge=0, description="Energía del día, kWh", examples=[21.4])
    lecturas: int = Field(ge=0, description="Horas con lectura", examples=[24])
    anomalias: int = Field(ge=0, description="Horas anómalas", examples=[1])


class EstadoCliente(StoredRecord):
    """A customer at its latest reading; of one without readings only the name is known."""

    model_config = de("Un cliente, en su última lectura.")
    propietario_id: str = _CLIENTE
    ultima_lectura: datetime | None = Field(
        description="Instante en que empieza", examples=["2026-11-23T02:00:00+01:00"]
    )
    consumo_kwh: float | None = Field(description="Su energía, kWh", examples=[0.4])
    score_anomalia: float | None = Field(description=SCORE, examples=[0.1])
    severidad: SeveridadTexto | None = Field(description=SEVERIDAD, examples=["normal"])
    es_sospechoso: bool | None = Field(description="Está bajo sospecha", examples=[False])

    @classmethod
    def nothing_of(cls, propietario_id: str) -> EstadoCliente:
        """Return a customer without readings."""
        return cls(**{**dict.fromkeys(cls.model_fields), "propietario_id": propietario_id})


class FranjaPerfil(StoredRecord):
    """What a customer uses at an hour of workdays or weekends.

    The band is the mean and what contract 5 allows around it, never below zero; None with fewer
    readings than it takes to speak of a deviation.
    """

    model_config = de("Lo habitual a una hora, de los últimos 28 días.")
    clase: ClaseDeDia = _CLASE
    hora: int = _HORA
    lecturas: int = Field(ge=0, description="De cuántas lecturas", examples=[20])
    media_kwh: Kwh | None = Field(description="Media, kWh", examples=[0.4])
    desviacion_kwh: Kwh | None = Field(description="Desviación típica, kWh", examples=[0.1])
    p10_kwh: Kwh | None = Field(description="Percentil 10, kWh", examples=[0.25])
    p50_kwh: Kwh | None = Field(description="Mediana, kWh", examples=[0.38])
    p90_kwh: Kwh | None = Field(description="Percentil 90, kWh", examples=[0.55])
    banda_inferior_kwh: Kwh | None = Field(
        description="Media menos 3 desviaciones, sin bajar de 0, kWh", examples=[0.1]
    )
    banda_superior_kwh: Kwh | None = Field(
        description="Media más 3 desviaciones, kWh", examples=[0.7]
    )


class PuntoPerfil(StoredRecord):
    """Mean of an hour of workdays or weekends."""

    model_config = de("Media de una hora.")
    clase: ClaseDeDia = _CLASE
    hora: int = _HORA
    consumo_kwh: Kwh = Field(ge=0, description="Media, kWh en la hora", examples=[0.4])


class PerfilComparado(NamedTuple):
    """A customer's last days, its own past before them, and its peers; empty without readings.

    ``pares`` is scaled to the customer's own mean, so that only the shape differs.
    """

    ahora: list[PuntoPerfil]
    antes: list[PuntoPerfil]
    pares: list[PuntoPerfil]
    clientes_pares: int


class PuntoPares(StoredRecord):
    """An hour of a customer beside its peers; None = nobody else has a reading."""

    model_config = de("Una hora de un cliente, junto a la de los demás.")
    timestamp: datetime = Field(
        description="Instante en que empieza la hora", examples=["2026-11-23T02:00:00+01:00"]
    )
    consumo_kwh: float | None = Field(description="Del cliente, kWh", examples=[1.2])
    pares_kwh: Kwh | None = Field(
        description="Media de los demás, llevada a la de este, kWh", examples=[0.9]
    )


class ComparacionPares(Listado[PuntoPares]):
    """A customer hour by hour beside its peers."""

    model_config = de("Un cliente hora a hora, junto a los demás.")
    propietario_id: str = _CLIENTE
    clientes_pares: int = Field(ge=0, description="Cuántos son los demás", examples=[49])
    correlacion: Ratio | None = Field(
        description="Correlación de las dos series, de -1 a 1; nulo = no se puede calcular",
        examples=[0.71],
    )


class PuntoBanda(NamedTuple):
    """What the detector expects of a reading, from what is stored now; None = little history."""

    timestamp_consumo: datetime
    esperado_kwh: float | None
    inferior_kwh: float | None
    superior_kwh: float | None


class EstadisticasCliente(StoredRecord):
    """A customer between two instants.

    What is at stake counts every anomalous hour until somebody says what a person has discarded.
    """

    model_config = de("Las cifras de un cliente en un intervalo.")
    propietario_id: str = _CLIENTE
    desde: datetime = _DESDE
    hasta: datetime = _HASTA
    primera_lectura: datetime = Field(description="La primera que hay de él, en todo el histórico")
    ultima_lectura: datetime = Field(description="La última que hay de él, en todo el histórico")
    lecturas: int = Field(ge=0, description="Horas con lectura", examples=[672])
    lecturas_posibles: int = Field(ge=0, description="Horas del intervalo", examples=[672])
    cobertura: Ratio | None = Field(
        description="lecturas / lecturas_posibles, de 0 a 1", examples=[1.0]
    )
    consumo_total_kwh: Kwh = Field(description="Energía, kWh", examples=[310.2])
    coste_estimado_eur: float | None = Field(description=COSTE, examples=[46.53])
    consumo_promedio_kwh: Kwh | None = Field(description="Media por hora, kWh", examples=[0.46])
    consumo_minimo_kwh: Kwh | None = Field(description="La menor hora, kWh", examples=[0.1])
    consumo_maximo_kwh: Kwh | None = Field(description="La mayor hora, kWh", examples=[4.3])
    desviacion_kwh: Kwh | None = Field(description="Desviación típica, kWh", examples=[0.3])
    p50_kwh: Kwh | None = Field(description="Mediana, kWh", examples=[0.38])
    p95_kwh: Kwh | None = Field(description="Percentil 95, kWh", examples=[1.4])
    consumo_noche_promedio_kwh: Kwh | None = Field(
        description="Media por hora de noche (HORAS_NOCHE), kWh", examples=[0.2]
    )
    consumo_punta_promedio_kwh: Kwh | None = Field(
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


class Ventana(StoredRecord):
    """All readings between two instants.

    ``clientes`` and ``sospechosos`` are the most that were heard, and that were under suspicion,
    in one hour.
    """

    model_config = de("Todos los clientes, entre dos instantes.")
    desde: datetime = _DESDE
    hasta: datetime = _HASTA
    lecturas: int = Field(ge=0, description="Lecturas", examples=[8400])
    consumo_kwh: Kwh = Field(ge=0, description="Energía, kWh", examples=[7200.5])
    clientes: int = Field(ge=0, description=CLIENTES, examples=[50])
    sospechosos: int = Field(ge=0, description=SOSPECHOSOS, examples=[3])
    anomalias: PorSeveridad = Field(description="Horas anómalas por severidad")
    anomalias_total: int = Field(ge=0, description="Horas anómalas", examples=[120])


class ResumenHistoria(NamedTuple):
    """The history at a glance.

    ``lecturas_estimadas`` is the server's own estimate of how many there are.
    """

    momento: datetime
    ultimas_24h: Ventana
    ultimos_7d: Ventana
    anteriores_7d: Ventana
    ultimos_30d: Ventana
    lecturas_estimadas: int
    ultima_lectura: datetime | None


class DiaGlobal(StoredRecord):
    """All readings of a local day; ``clientes`` and ``sospechosos`` as in ``Ventana``."""

    model_config = de("El día de todos los clientes.")
    fecha: date = _DIA
    lecturas: int = Field(ge=0, description="Lecturas", examples=[1200])
    consumo_kwh: Kwh = Field(ge=0, description="Energía, kWh", examples=[1030.2])
    clientes: int = Field(ge=0, description=CLIENTES, examples=[50])
    sospechosos: int = Field(ge=0, description=SOSPECHOSOS, examples=[3])
    anomalias: PorSeveridad = Field(description="Horas anómalas por severidad")
    anomalias_total: int = Field(ge=0, description="Horas anómalas", examples=[12])


class ParSombra(StoredRecord):
    """How many readings have one pair of severities."""

    model_config = de("Lecturas con una pareja de severidades.")
    campeon: str = Field(description="La del veredicto", examples=["normal"])
    aspirante: str = Field(description="La de la sombra", examples=["alta"])
    lecturas: int = Field(ge=0, description="Cuántas", examples=[12])


class LecturaEnSombra(StoredRecord):
    """A reading that champion and challenger judged."""

    model_config = de("Una lectura que han puntuado los dos.")
    propietario_id: str = _CLIENTE
    timestamp_consumo: datetime = Field(description="Comienzo de la hora")
    version_campeon: str = Field(description="Quién dio el veredicto")
    version_aspirante: str = Field(description="Quién puntuó en la sombra")
    score_campeon: float = Field(ge=0, le=1, description="Puntuación del veredicto, de 0 a 1")
    score_aspirante: float = Field(ge=0, le=1, description="Puntuación en la sombra, de 0 a 1")
    severidad_campeon: str = Field(description="Severidad del veredicto", examples=["normal"])
    severidad_aspirante: str = Field(description="Severidad en la sombra", examples=["alta"])


class ComparacionSombra(StoredRecord):
    """What a challenger in shadow would have said, where either had something to say."""

    model_config = de("Qué habría dicho el aspirante, donde importa.")
    version_aspirante: str | None = Field(
        None, description="El comparado; nulo = ninguno ha puntuado en la sombra"
    )
    lecturas: int = Field(0, ge=0, description="Lecturas comparadas: anómalas para uno de los dos")
    coinciden: int = Field(0, ge=0, description="Con la misma severidad")
    mas_graves: int = Field(0, ge=0, description="Más graves para el aspirante")
    menos_graves: int = Field(0, ge=0, description="Menos graves para el aspirante")
    pares: list[ParSombra] = Field(default=[], description="Por parejas de severidades")
    elementos: list[LecturaEnSombra] = Field(
        default=[], description="Las que más difieren, primero"
    )
    siguiente: None = Field(None, description="Siempre nulo")
