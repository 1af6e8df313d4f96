"""What the history answers to whoever only asks: its rows and summaries.

Instants are aware and in UTC, energies in kWh; ``desde`` is included and ``hasta`` is not.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple


class LecturaPuntuada(NamedTuple):
    """A reading with its verdict; ``fecha`` and ``hora`` are local."""

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
    """One hour of one local day."""

    fecha: date
    hora: int
    consumo_kwh: float
    score_anomalia: float
    severidad: str


class CeldaSemana(NamedTuple):
    """What a customer uses on average at an hour of a weekday; 0 = Monday."""

    dia_semana: int
    hora: int
    consumo_kwh: float
    lecturas: int


class DiaCliente(NamedTuple):
    """A customer's local day."""

    propietario_id: str
    fecha: date
    consumo_kwh: float
    lecturas: int
    anomalias: int


class FranjaPerfil(NamedTuple):
    """What a customer uses at an hour of workdays or weekends.

    The band is the mean and what contract 5 allows around it, never below zero; None with fewer
    readings than it takes to speak of a deviation.
    """

    clase: str
    hora: int
    lecturas: int
    media_kwh: float
    desviacion_kwh: float | None
    p10_kwh: float
    p50_kwh: float
    p90_kwh: float
    banda_inferior_kwh: float | None
    banda_superior_kwh: float | None


class PuntoPerfil(NamedTuple):
    """Mean of an hour of workdays or weekends."""

    clase: str
    hora: int
    consumo_kwh: float


class PerfilComparado(NamedTuple):
    """A customer's last days, its own past before them, and its peers.

    ``pares`` is scaled to the customer's own mean, so that only the shape differs.
    """

    propietario_id: str
    ahora: list[PuntoPerfil]
    antes: list[PuntoPerfil]
    pares: list[PuntoPerfil]
    clientes_pares: int


class PuntoPares(NamedTuple):
    """An hour of a customer beside its peers; None = nobody else has a reading."""

    timestamp_consumo: datetime
    consumo_kwh: float
    pares_kwh: float | None


class ComparacionPares(NamedTuple):
    """A customer hour by hour beside its peers; None = too few hours to correlate."""

    propietario_id: str
    puntos: list[PuntoPares]
    clientes_pares: int
    correlacion: float | None


class PuntoBanda(NamedTuple):
    """What the detector expects of a reading, from what is stored now; None = little history."""

    timestamp_consumo: datetime
    esperado_kwh: float | None
    inferior_kwh: float | None
    superior_kwh: float | None


class EstadisticasCliente(NamedTuple):
    """A customer between two instants.

    ``exceso_kwh`` and ``defecto_kwh`` are what its anomalous hours used above and below the
    expected; ``es_sospechoso`` is as of its latest reading.
    """

    propietario_id: str
    desde: datetime
    hasta: datetime
    primera_lectura: datetime
    ultima_lectura: datetime
    lecturas: int
    lecturas_posibles: int
    consumo_total_kwh: float
    consumo_promedio_kwh: float | None
    consumo_minimo_kwh: float | None
    consumo_maximo_kwh: float | None
    desviacion_kwh: float | None
    p50_kwh: float | None
    p95_kwh: float | None
    consumo_noche_promedio_kwh: float | None
    consumo_punta_promedio_kwh: float | None
    anomalias: dict[str, int]
    tipos: dict[str, int]
    score_maximo: float
    es_sospechoso: bool
    exceso_kwh: float
    defecto_kwh: float
    consumo_7d_kwh: float
    consumo_7d_anterior_kwh: float
    semanas_enteras: bool


class EstadoCliente(NamedTuple):
    """A customer at its latest reading."""

    propietario_id: str
    ultima_lectura: datetime
    consumo_kwh: float
    severidad: str
    score_anomalia: float
    es_sospechoso: bool


class HoraGlobal(NamedTuple):
    """All readings of an absolute hour."""

    hora_utc: int
    lecturas: int
    consumo_kwh: float
    baja: int
    media: int
    alta: int
    critica: int
    sospechosos: int


class Ventana(NamedTuple):
    """All readings between two instants.

    ``clientes`` and ``sospechosos`` are the most that were heard, and that were under suspicion,
    in one hour.
    """

    desde: datetime
    hasta: datetime
    lecturas: int
    consumo_kwh: float
    clientes: int
    sospechosos: int
    anomalias: dict[str, int]


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


class DiaGlobal(NamedTuple):
    """All readings of a local day; ``clientes`` and ``sospechosos`` as in ``Ventana``."""

    fecha: date
    lecturas: int
    consumo_kwh: float
    clientes: int
    sospechosos: int
    anomalias: dict[str, int]


class ResumenSombra(NamedTuple):
    """A challenger in shadow beside the champion, where either had something to say.

    ``pares`` counts (champion's severidad, challenger's).
    """

    version_aspirante: str
    pares: dict[tuple[str, str], int]
    lecturas: int
    coinciden: int
    mas_graves: int
    menos_graves: int


class LecturaEnSombra(NamedTuple):
    """A reading that champion and challenger judged."""

    propietario_id: str
    timestamp_consumo: datetime
    version_campeon: str
    version_aspirante: str
    score_campeon: float
    score_aspirante: float
    severidad_campeon: str
    severidad_aspirante: str
