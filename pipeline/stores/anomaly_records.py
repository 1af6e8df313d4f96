"""What MongoDB answers to whoever only asks: anomalies, what people said of them, and months.

Instants are aware and in UTC, energies in kWh; ``desde`` is included and ``hasta`` is not.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from detection.domain import Explicacion
from pipeline.stores.months import hours_of, is_whole, mes_de


class VeredictoHumano(NamedTuple):
    """What a person said of an anomaly; ``anotacion`` is its row of the audit, if it has one."""

    estado: str
    estado_anterior: str
    motivo: str
    quien: str
    cuando: datetime
    anotacion: int | None = None


REVISION_BYTES = 4
"""Two states of one anomaly are told apart but once in four thousand million times."""


class Anomalia(NamedTuple):
    """An anomaly without its explanation; ``veredicto`` is the latest one, None = nobody's."""

    id: str
    propietario_id: str
    timestamp_consumo: datetime
    timestamp_deteccion: datetime
    consumo_kwh: float
    consumo_esperado_kwh: float | None
    hora: int
    tipos_anomalia: list[str]
    score_anomalia: float
    severidad: str
    es_sospechoso: bool
    estado: str
    version_modelo: str
    veredicto: VeredictoHumano | None
    archivada: bool

    def revision(self) -> str:
        """Return a text that changes with whatever a person judges an anomaly by."""
        dicho = (
            None if self.veredicto is None else (self.veredicto.cuando, self.veredicto.anotacion)
        )
        visto = (self.estado, self.severidad, self.score_anomalia, self.consumo_kwh, dicho)
        return blake2b(repr(visto).encode(), digest_size=REVISION_BYTES).hexdigest()


class AnomaliaDetalle(NamedTuple):
    """An anomaly with what each detector said and what people said, the oldest first."""

    anomalia: Anomalia
    explicacion: list[Explicacion]
    veredictos: list[VeredictoHumano]


class VeredictoDado(NamedTuple):
    """An anomaly and the verdict on it."""

    anomalia: Anomalia
    veredicto: VeredictoHumano


class CambioVeredicto(NamedTuple):
    """An anomaly after a verdict, and what it was before."""

    anomalia: Anomalia
    estado_anterior: str


class CambiosVeredicto(NamedTuple):
    """What verdicts on several anomalies did, in the order in which they took effect.

    ``rechazadas`` are no longer what whoever judged them had seen: as they are now. ``sin_hacer``
    are those that MongoDB was away for; of the first of them nobody knows.
    """

    cambios: list[CambioVeredicto]
    no_encontradas: list[str]
    rechazadas: list[Anomalia]
    sin_hacer: list[str]


class Puntuacion(NamedTuple):
    """What each detector scored on an anomaly; None = it was not ready."""

    id: str
    propietario_id: str
    timestamp_consumo: datetime
    score_anomalia: float
    severidad: str
    tipos_anomalia: list[str]
    estado: str
    scores: dict[str, float | None]


class FiltroAnomalias(NamedTuple):
    """Which anomalies; nothing given = all.

    Parameters
    ----------
    propietario_id : str, optional
    desde, hasta : datetime, optional
        Of the reading, aware.
    severidades, tipos, estados : tuple of str
        One of these; empty = any. An anomaly that a correction has made normal and that a person
        had judged before comes only where "normal" is asked for.
    """

    propietario_id: str | None = None
    desde: datetime | None = None
    hasta: datetime | None = None
    severidades: tuple[str, ...] = ()
    tipos: tuple[str, ...] = ()
    estados: tuple[str, ...] = ()


class Incidente(NamedTuple):
    """Anomalies of a customer with few hours between one and the next, as one.

    ``id`` is its first anomaly's, ``fin`` the end of its last hour; ``horas`` counts all hours
    from the first to the last. The energies are of its anomalous hours; of those without an
    expected consumption nothing is in ``esperado_kwh``, ``exceso_kwh`` and ``defecto_kwh``.
    """

    id: str
    propietario_id: str
    inicio: datetime
    fin: datetime
    horas: int
    anomalias: int
    consumo_kwh: float
    esperado_kwh: float | None
    exceso_kwh: float
    defecto_kwh: float
    severidad: str
    score_maximo: float
    tipos_anomalia: list[str]
    estados: dict[str, int]
    anomalia_ids: list[str]


class PaginaIncidentes(NamedTuple):
    """A page of incidents; ``truncado`` = there were more anomalies than can be looked at."""

    elementos: list[Incidente]
    siguiente: str | None
    truncado: bool


class PuntoSerie(NamedTuple):
    """Anomalies by severidad in an hour or a local day, given by its start."""

    momento: datetime
    anomalias: dict[str, int]


class Distribuciones(NamedTuple):
    """How anomalies are spread; hours and weekdays (0 = Monday) are local."""

    total: int
    por_severidad: dict[str, int]
    por_tipo: dict[str, int]
    por_estado: dict[str, int]
    por_hora: list[int]
    por_dia_semana: list[int]


class VentanaAnomalias(NamedTuple):
    """Anomalies of readings between two instants, and how many customers have them.

    ``exceso_kwh`` and ``defecto_kwh`` are what they used above and below the expected, those left
    out that a person has rejected.
    """

    desde: datetime
    hasta: datetime
    total: int
    por_severidad: dict[str, int]
    clientes: int
    exceso_kwh: float
    defecto_kwh: float


class ResumenAnomalias(NamedTuple):
    """The anomalies at a glance; ``por_estado`` is of the last 30 days.

    ``completo`` = False: there are more than can be looked at, and the oldest are left out.
    """

    momento: datetime
    ultimas_24h: VentanaAnomalias
    ultimos_7d: VentanaAnomalias
    anteriores_7d: VentanaAnomalias
    ultimos_30d: VentanaAnomalias
    por_estado: dict[str, int]
    ultima_deteccion: datetime | None
    completo: bool


class ClienteRanking(NamedTuple):
    """A customer of the ranking, by its anomalies of 28 days that nobody has rejected.

    ``evidencia`` is >= 0, high = more suspicious, comparable within one ranking;
    ``probabilidad``, 0 to 1, that there is something to be found, 1 where a person has confirmed
    it; ``severidad`` and ``es_sospechoso`` are those of its latest anomaly; types come the most
    frequent first.
    """

    propietario_id: str
    evidencia: float
    probabilidad: float
    es_sospechoso: bool
    severidad: str
    score_maximo: float
    anomalias: int
    criticas: int
    confirmadas: int
    tipos_anomalia: list[str]
    ultima_anomalia: datetime
    exceso_kwh: float
    defecto_kwh: float


class MesCliente(NamedTuple):
    """A customer's month, as the nightly job left it."""

    id: str
    propietario_id: str
    mes_str: str
    consumo_total: float
    consumo_promedio: float
    consumo_minimo: float
    consumo_maximo: float
    anomalias_detectadas: int
    anomalias_criticas: int
    consumo_noche_promedio: float | None
    consumo_punta_promedio: float | None
    lecturas: int | None
    agregado_en: datetime | None

    def is_whole(self) -> bool:
        """Return whether it has (nearly) all of its hours; only whole months are compared."""
        return is_whole(self.lecturas, hours_of(mes_de(self.mes_str)))

    def change_from(self, otro: MesCliente) -> float | None:
        """Return how much more an hour of this month took than one of another: 0.1 = 10 % more.

        Per hour: months differ in length. None = one of them is not whole, or took nothing.
        """
        if not (self.is_whole() and otro.is_whole() and otro.consumo_total > 0):
            return None
        ahora, antes = (mes.consumo_total / (mes.lecturas or 1) for mes in (self, otro))
        return ahora / antes - 1


class ResumenMes(NamedTuple):
    """All customers' month; ``consumo_promedio`` is per customer, the others means of theirs."""

    mes_str: str
    clientes: int
    consumo_total: float
    consumo_promedio: float
    anomalias_detectadas: int
    anomalias_criticas: int
    consumo_noche_promedio: float | None
    consumo_punta_promedio: float | None
    lecturas: int

    def is_whole(self) -> bool:
        """Return whether its customers have (nearly) all of its hours."""
        return is_whole(self.lecturas, self.clientes * hours_of(mes_de(self.mes_str)))


class Posicion(NamedTuple):
    """A customer's place in a month, 1 = who used most."""

    posicion: int
    de: int


class ParInteranual(NamedTuple):
    """A month and the same month a year before; ``variacion`` as in ``MesCliente.change_from``."""

    mes_str: str
    actual: MesCliente | None
    anterior: MesCliente | None
    variacion: float | None
