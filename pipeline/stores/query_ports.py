"""What the API asks of the stores; PostgreSQL and MongoDB answer it, each by subject.

Every question has limits, checked before a server hears of it (``ConsultaInvalidaError``), and
ends in time: ``TransientError`` while a store is away, takes too long or has too many asking.
All of it only reads, and is safe from many threads. ``desde`` is included and ``hasta`` is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.stores.anomaly_records import (
    Anomalia,
    AnomaliaDetalle,
    ClienteRanking,
    Distribuciones,
    EnergiaDescartada,
    FiltroAnomalias,
    Incidente,
    MesCliente,
    ParInteranual,
    PuestoMes,
    PuntoSerie,
    Puntuacion,
    ResumenAnomalias,
    ResumenMes,
    VeredictoDado,
)
from pipeline.stores.case_figures import Aciertos, ResumenCasos
from pipeline.stores.case_history import CambioVecinos, CustomerDay, NeighbourGroup
from pipeline.stores.case_records import (
    CasoDetalle,
    CasoResumen,
    EvidenciaDetector,
    FiltroCasos,
    MovedCase,
)
from pipeline.stores.customer_context import Companions, ContextoCliente
from pipeline.stores.query_limits import Pagina
from pipeline.stores.records import (
    CeldaCalor,
    CeldaSemana,
    ComparacionPares,
    ComparacionSombra,
    DiaCliente,
    DiaGlobal,
    EstadisticasCliente,
    EstadoCliente,
    FranjaPerfil,
    LecturaEnSombra,
    LecturaPuntuada,
    PerfilComparado,
    PuntoBanda,
    ResumenHistoria,
)

# ---- The history ----


class ReadingQueries(Protocol):
    """Readings of one customer, and of all one after the other."""

    def exists(self, propietario_id: str) -> bool:
        """Return whether a customer has ever had a reading."""
        ...

    def latest(self, propietario_id: str, limite: int = 100) -> list[LecturaPuntuada]:
        """Return a customer's latest readings, the newest first."""
        ...

    def range(
        self,
        propietario_id: str,
        desde: datetime,
        hasta: datetime,
        *,
        limite: int = 1_000,
        cursor: str | None = None,
        descendente: bool = False,
        severidades: Sequence[str] = (),
        tipos: Sequence[str] = (),
    ) -> Pagina[LecturaPuntuada]:
        """Return a page of a customer's readings between two instants, in order of time.

        ``severidades``, ``tipos``: only readings with one of these; empty = any.
        """
        ...

    def range_of_all(
        self,
        desde: datetime,
        hasta: datetime,
        *,
        limite: int = 1_000,
        cursor: str | None = None,
        severidades: Sequence[str] = (),
        tipos: Sequence[str] = (),
    ) -> Pagina[LecturaPuntuada]:
        """Return a page of all customers' readings, in order of time and of the name."""
        ...

    def heatmap(self, propietario_id: str, desde: datetime, hasta: datetime) -> list[CeldaCalor]:
        """Return every hour of a customer; the local day of 25 hours has hour 2 twice."""
        ...

    def typical_week(
        self, propietario_id: str, desde: datetime, hasta: datetime
    ) -> list[CeldaSemana]:
        """Return a customer's mean for each weekday and hour."""
        ...

    def daily(
        self, propietario_ids: Sequence[str], desde: datetime, hasta: datetime
    ) -> list[DiaCliente]:
        """Return what each of some customers used on each local day, by customer and day."""
        ...


class CustomerQueries(Protocol):
    """Customers as wholes."""

    def states(self, propietario_ids: Sequence[str]) -> dict[str, EstadoCliente]:
        """Return each customer at its latest reading; who has none is left out."""
        ...

    def statistics(
        self, propietario_id: str, hasta: datetime | None = None, dias: int = 28
    ) -> EstadisticasCliente | None:
        """Return a customer's figures of the last days; None = it has never had a reading.

        ``hasta``: end of its latest reading if not given.
        """
        ...

    def profile(
        self, propietario_id: str, hasta: datetime | None = None, dias: int = 28
    ) -> list[FranjaPerfil]:
        """Return what a customer uses at each hour of workdays and weekends, with its band.

        Hours without any reading are left out.
        """
        ...

    def search(self, texto: str = "", limite: int = 20, cursor: str | None = None) -> Pagina[str]:
        """Return the customers whose name begins with a text, then those that contain it."""
        ...


class PeerQueries(Protocol):
    """A customer beside others, and beside what the detector expects of it."""

    def profile(self, propietario_id: str, hasta: datetime | None = None) -> PerfilComparado:
        """Return a customer's last 7 days, its 28 days before them, and its peers' last 28.

        Empty where it has no reading in them.
        """
        ...

    def hours(self, propietario_id: str, desde: datetime, hasta: datetime) -> ComparacionPares:
        """Return a customer's hours beside its peers'; empty if it has no reading between."""
        ...

    def band(self, propietario_id: str, desde: datetime, hasta: datetime) -> list[PuntoBanda]:
        """Return what the detector expects of each reading and its band, from what is stored."""
        ...


class CaseHistoryQueries(Protocol):
    """What the history says of customers with a case."""

    def days(
        self, propietario_ids: Sequence[str], desde: date, hasta: date
    ) -> dict[str, list[CustomerDay]]:
        """Return the local days of customers, both ends included, in order, with one question.

        Days without a reading are left out, and who has none at all.
        """
        ...

    def hours(self, propietario_id: str, desde: date, hasta: date) -> NDArray[np.float64]:
        """Return the kWh of each local hour of days, both ends included: (t, 24); NaN = none."""
        ...

    def neighbours(self, propietario_id: str, inicio: date, hasta: date) -> CambioVecinos:
        """Return how a customer, and those most like it, changed on a day.

        ``hasta``: last day after the change that is looked at, four weeks at most, and as many
        before it.
        """
        ...

    def groups(self, propietario_id: str, inicio: date, hasta: date) -> list[NeighbourGroup]:
        """Return how those who share a tariff and power, or a transformer, with a customer changed.

        Days as in ``neighbours``. Only the groups that somebody is in: none where the utility has
        not told what is shared.
        """
        ...


class ContextQueries(Protocol):
    """What the utility knows of customers beside their readings."""

    def of(self, propietario_ids: Sequence[str]) -> dict[str, ContextoCliente]:
        """Return what is known of customers; of whom nothing is known is left out."""
        ...

    def same_tariff(self, propietario_id: str) -> Companions:
        """Return who has the customer's tariff and a like contracted power, most like first."""
        ...

    def same_transformer(self, propietario_id: str) -> Companions:
        """Return who hangs from the customer's transformer, by name."""
        ...


class TotalQueries(Protocol):
    """All customers at once."""

    def overview(self, ahora: datetime | None = None) -> ResumenHistoria:
        """Return the last day, week and month at a glance, to the hour."""
        ...

    def days(self, desde: date, hasta: date) -> list[DiaGlobal]:
        """Return every local day of an interval, both ends included."""
        ...

    def score_histogram(
        self, desde: date, hasta: date, propietario_id: str | None = None
    ) -> list[int]:
        """Return how many readings scored 0.00, 0.01 ... 1.00 (101,); both ends included."""
        ...


class ShadowQueries(Protocol):
    """Challengers that score in shadow."""

    def summary(self, version_aspirante: str) -> ComparacionSombra:
        """Return how a challenger in shadow compares with the champion."""
        ...

    def versions(self) -> list[str]:
        """Return the challengers that have scored in shadow, sorted."""
        ...

    def differences(self, version_aspirante: str, limite: int = 50) -> list[LecturaEnSombra]:
        """Return where champion and challenger differ most, the greatest difference first."""
        ...


class HistoryQueries(Protocol):
    """The questions to the history, by subject (PostgreSQL)."""

    @property
    def readings(self) -> ReadingQueries:
        """Return the questions about readings."""
        ...

    @property
    def customers(self) -> CustomerQueries:
        """Return the questions about customers."""
        ...

    @property
    def peers(self) -> PeerQueries:
        """Return the questions about a customer beside others."""
        ...

    @property
    def cases(self) -> CaseHistoryQueries:
        """Return the questions about customers with a case."""
        ...

    @property
    def context(self) -> ContextQueries:
        """Return the questions about what the utility knows of customers."""
        ...

    @property
    def totals(self) -> TotalQueries:
        """Return the questions about all customers."""
        ...

    @property
    def shadow(self) -> ShadowQueries:
        """Return the questions about challengers."""
        ...

    def warm_up(self) -> None:
        """Load what takes a second to load, so that nobody waits for it."""
        ...

    def ping(self) -> None:
        """Return if the store answers; raise ``TransientError`` otherwise."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


# ---- Anomalies ----


class AnomalyListQueries(Protocol):
    """Anomalies one by one, and in lists."""

    def page(
        self,
        filtro: FiltroAnomalias = ...,
        *,
        orden: str = "deteccion",
        descendente: bool = True,
        limite: int = 50,
        cursor: str | None = None,
    ) -> Pagina[Anomalia]:
        """Return a page of anomalies, each once.

        ``orden``: "deteccion" (when it was found), "consumo" (the instant of the reading) or
        "score"; the last one of at most 500 at a time, out of 92 days, or of 400 of one customer,
        and of the last 30 where no ``desde`` is given.
        """
        ...

    def one(self, id: str) -> AnomaliaDetalle | None:
        """Return an anomaly, archived or not, with all that was said of it; None = none."""
        ...

    def new(self, cursor: str | None = None, limite: int = 100) -> Pagina[Anomalia]:
        """Return the anomalies stored after a cursor, the oldest first; it always has a next one.

        Without a cursor, none: its ``siguiente`` is the place from which on they are new. What has
        just been stored comes a little later, since one that was stored before another may become
        visible after it.
        """
        ...

    def cursor_of(self, anomalia: Anomalia) -> str:
        """Return the cursor with which ``new`` goes on after an anomaly."""
        ...

    def scores(self, filtro: FiltroAnomalias, limite: int = 500) -> list[Puntuacion]:
        """Return what each detector scored on anomalies, archived or not, the latest first."""
        ...

    def latest_reviews(
        self, limite: int = 50, propietario_id: str | None = None
    ) -> list[VeredictoDado]:
        """Return the anomalies that people have judged, archived or not, the latest verdict first.

        Each anomaly comes once, with its latest verdict.
        """
        ...


class AnomalySummaryQueries(Protocol):
    """Anomalies as a whole; of the last 30 days where a filter has no ``desde``."""

    def overview(self, ahora: datetime | None = None) -> ResumenAnomalias:
        """Return the last week and month at a glance, to the hour."""
        ...

    def rejected(self, propietario_id: str, desde: datetime, hasta: datetime) -> EnergiaDescartada:
        """Return what people have rejected of a customer's anomalies, archived or not."""
        ...

    def series(
        self,
        desde: datetime,
        hasta: datetime,
        por: str = "dia",
        filtro: FiltroAnomalias = ...,
    ) -> list[PuntoSerie]:
        """Return anomalies by severidad for each hour ("hora") or local day ("dia"), zeros too."""
        ...

    def distributions(self, filtro: FiltroAnomalias) -> Distribuciones:
        """Return how anomalies are spread over severidad, type, state, local hour and weekday."""
        ...

    def incidents(
        self,
        filtro: FiltroAnomalias,
        *,
        hueco_horas: int = 3,
        limite: int = 50,
        cursor: str | None = None,
    ) -> Pagina[Incidente]:
        """Return incidents: anomalies of a customer with few hours between them, newest first.

        ``hueco_horas``: hours without an anomaly that may lie within one, 0 to 168.
        """
        ...


class RankingQueries(Protocol):
    """Customers by their open cases, and their anomalies of 28 days that nobody has judged.

    Whose case was judged and goes on is left out.
    """

    def first(
        self, limite: int = 10, ahora: datetime | None = None, orden: str = "evidencia"
    ) -> list[ClienteRanking]:
        """Return the customers to look at first.

        ``orden``: "evidencia", "kwh" (of the open case; without one, used above and below the
        expected), "visita" (the same times how probable it is that there is something) or
        "anomalias". By evidence and by visit those with an open case come before the others, by
        evidence the most probable first. ``motivos`` is the sentence of the case.
        """
        ...

    def reasons(
        self, propietario_ids: Sequence[str], por_cliente: int = 3, ahora: datetime | None = None
    ) -> dict[str, list[str]]:
        """Return, for each customer, sentences on its gravest anomalies.

        Each is what the loudest detector that fires says of an anomaly, the gravest one first;
        of a detector only the first sentence, so that a customer's reasons differ.
        """
        ...


class MonthlyQueries(Protocol):
    """Months of customers, as the nightly job left them; a month is a text like "2026-01"."""

    def of_customer(
        self,
        propietario_id: str,
        desde_mes: str | None = None,
        hasta_mes: str | None = None,
        limite: int = 24,
    ) -> list[MesCliente]:
        """Return a customer's months, both ends included, the newest first."""
        ...

    def of_month(
        self, mes: str, *, orden: str = "consumo_total", limite: int = 50, cursor: str | None = None
    ) -> Pagina[MesCliente]:
        """Return a page of a month's customers, those with most of ``orden`` first.

        ``orden``: "consumo_total" or "anomalias_detectadas".
        """
        ...

    def totals(self, limite: int = 36) -> list[ResumenMes]:
        """Return what each month adds up to, the newest first."""
        ...

    def place(self, propietario_id: str, mes: str) -> PuestoMes | None:
        """Return a customer's place in a month by what it used; None = it has none."""
        ...

    def year_on_year(
        self, propietario_id: str, meses: int = 12, hasta_mes: str | None = None
    ) -> list[ParInteranual]:
        """Return a customer's months beside the same months a year before, the newest first.

        ``hasta_mes``: the latest one; the customer's latest if not given.
        """
        ...


class CaseQueries(Protocol):
    """Cases, as they were last looked at."""

    def page(
        self,
        filtro: FiltroCasos = ...,
        *,
        orden: str = "recuperable",
        limite: int = 50,
        cursor: str | None = None,
    ) -> Pagina[CasoResumen]:
        """Return a page of cases, each once.

        ``orden``: "recuperable" (its energy times how probable it is, most first), "probabilidad"
        (most first) or "antiguedad" (what began first).
        """
        ...

    def one(self, id: str) -> CasoDetalle | None:
        """Return a case with its evidence; None = there is none."""
        ...

    def open_of(self, propietario_ids: Sequence[str]) -> dict[str, CasoResumen]:
        """Return each customer's open case; who has none is left out."""
        ...

    def going_on(self) -> list[CasoResumen]:
        """Return every case that goes on, judged or not, those that were opened first first."""
        ...

    def of_day(self, visitas: int, sorteados: int, ahora: datetime) -> list[CasoResumen]:
        """Return the cases to visit today, most to recover first; ``sorteo`` = drawn at random.

        ``sorteados`` of the ``visitas`` are drawn among the other open cases, the same all day.
        Where somebody has already been is left out.
        """
        ...

    def summary(self, ahora: datetime) -> ResumenCasos:
        """Return how many cases there are, what is to be recovered, and why it moved."""
        ...

    def outcomes(self, desde: date | None = None, hasta: date | None = None) -> Aciertos:
        """Return how often visits of some local days, both included, found something."""
        ...

    def detectors(self, caso: CasoResumen) -> list[EvidenciaDetector]:
        """Return what each detector says of the hours of a case, what fires most often first."""
        ...

    def new(self, cursor: str | None = None, limite: int = 100) -> Pagina[MovedCase]:
        """Return the cases found or changed after a cursor, the earliest first.

        It always has a next one, as ``AnomalyListQueries.new`` has, and for the same reason is a
        little late.
        """
        ...


class AnomalyQueries(Protocol):
    """The questions about anomalies, cases and months, by subject (MongoDB)."""

    @property
    def lists(self) -> AnomalyListQueries:
        """Return the questions about anomalies one by one."""
        ...

    @property
    def summaries(self) -> AnomalySummaryQueries:
        """Return the questions about what anomalies add up to."""
        ...

    @property
    def ranking(self) -> RankingQueries:
        """Return the questions about whom to look at first."""
        ...

    @property
    def cases(self) -> CaseQueries:
        """Return the questions about cases."""
        ...

    @property
    def months(self) -> MonthlyQueries:
        """Return the questions about months."""
        ...

    def ensure_indexes(self) -> None:
        """Create the indexes that are missing."""
        ...

    def forget(self) -> None:
        """Ask again next time: somebody has judged an anomaly."""
        ...

    def ping(self) -> None:
        """Return if the store answers; raise ``TransientError`` otherwise."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...
