"""What anomalies add up to, from columns of them that are kept in memory day by day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from detection.dominio import Calendario
from pipeline.almacenes import consultas_calculos as calculos
from pipeline.almacenes.consultas_columnas import (
    Columnas,
    FilaAnomalia,
    Nombres,
    choose,
    join,
    make_columns,
)
from pipeline.almacenes.consultas_limites import (
    Pagina,
    check_limit,
    check_range,
    check_words,
    decode_cursor,
    encode_cursor,
)
from pipeline.almacenes.consultas_recuerdo import PorDias
from pipeline.almacenes.consultas_tipos_anomalias import (
    Anomalia,
    Distribuciones,
    FiltroAnomalias,
    PaginaIncidentes,
    PuntoSerie,
    ResumenAnomalias,
    VentanaAnomalias,
)
from pipeline.almacenes.mongo_anomalias import ANOMALIAS, ARCHIVO
from pipeline.almacenes.mongo_consultas_documentos import (
    ESTADOS,
    SIN_LO_LARGO,
    Turnos,
    anomaly,
    check_filter,
    parse_id,
)
from pipeline.almacenes.mongo_consultas_listas import CONSUMO, ConsultasListas
from serving.zona import load_calendario

DIAS_EN_MEMORIA = 800
ANOMALIAS_POR_DIA = 100_000
"""Anomalies of a day that are looked at: 20 MB of documents, 6 MB of columns."""
ANOMALIAS_MAXIMAS = 1_000_000
UNIDAS_MAXIMAS = 4
"""Intervals of days that are kept joined: those that all ask for."""
AGRUPADAS_MAXIMAS = 8
"""Filters whose incidents are kept together."""
DIAS_RESUMEN = 30
DIAS_TODOS = 92
DIAS_UNO = 400
"""Days that a summary may span: of all customers, and of one."""
DIAS_HORAS = 31
HUECO_MAXIMO = 168
RANKING_MAXIMO = 500
IDS_POR_PREGUNTA = 100
"""The embedded server takes ever longer over a larger ``$in``."""
_COLUMNAS = dict.fromkeys((*FilaAnomalia._fields[1:], "_id"), 1)
_TODAS = FiltroAnomalias()
_INCIDENTES = "incidentes"
_NUMERO = {estado: numero for numero, estado in enumerate(ESTADOS)}


class _Miradas(NamedTuple):
    """Anomalies between two instants; ``completas`` = these are all that there are."""

    columnas: Columnas
    completas: bool


class AnomaliasPorDias:
    """A collection's anomalies as columns, each UTC day read once and looked at again later."""

    def __init__(self, turnos: Turnos, coleccion: str, nombres: Nombres, limite_ms: int) -> None:
        self._turnos = turnos
        self._coleccion = turnos.base[coleccion]
        self._nombres = nombres
        self._limite_ms = limite_ms
        self._dias: PorDias[Columnas] = PorDias(self._load, DIAS_EN_MEMORIA)
        self._unidas: dict[date, tuple[list[Columnas], Columnas]] = {}

    def get(self, desde: datetime, hasta: datetime, hoy: date) -> _Miradas:
        """Return the anomalies of the days that an interval touches."""
        primero = desde.astimezone(UTC).date()
        ultimo = (hasta - timedelta(microseconds=1)).astimezone(UTC).date()
        pedidos = [primero + timedelta(days=i) for i in range((ultimo - primero).days + 1)]
        dias = self._dias.get(pedidos, hoy)
        partes: list[Columnas] = []
        n = 0
        for dia in sorted(dias, reverse=True):
            n += len(dias[dia])
            if n > ANOMALIAS_MAXIMAS:
                break
            partes.append(dias[dia])
        completas = len(partes) == len(pedidos) and all(
            len(parte) < ANOMALIAS_POR_DIA for parte in partes
        )
        return _Miradas(self._join(primero, partes), completas)

    def _join(self, primero: date, partes: list[Columnas]) -> Columnas:
        """Return the days' columns as one, the same as before while no day has changed."""
        hay = self._unidas.get(primero)
        if hay is not None and list(map(id, hay[0])) == list(map(id, partes)):
            return hay[1]
        unidas = join([make_columns((), self._nombres), *partes])
        if len(self._unidas) >= UNIDAS_MAXIMAS:
            self._unidas.clear()
        self._unidas[primero] = partes, unidas
        return unidas

    def forget(self, momento: datetime) -> None:
        """Look at the day of an instant again when it is next asked for."""
        self._dias.forget(momento.astimezone(UTC).date())

    def _load(self, dia: date) -> Columnas:
        inicio = datetime.combine(dia, time(), UTC)
        filtro = {CONSUMO: {"$gte": inicio, "$lt": inicio + timedelta(days=1)}}
        with self._turnos.taken():
            cursor = self._coleccion.find(filtro, _COLUMNAS, max_time_ms=self._limite_ms)
            return make_columns(map(_row, cursor.limit(ANOMALIAS_POR_DIA)), self._nombres)


class ConsultasResumenes(ConsultasListas):
    """What is asked of anomalies as a whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._nombres = Nombres()
        self._vivas, self._archivadas = (
            AnomaliasPorDias(self._turnos, nombre, self._nombres, self._limite_ms)
            for nombre in (ANOMALIAS, ARCHIVO)
        )
        self._palabras = calculos.Palabras(self._nombres, ESTADOS)
        self._agrupadas: dict[
            tuple[FiltroAnomalias, int], tuple[Columnas, calculos.Incidentes]
        ] = {}

    def forget(self, timestamp_consumo: datetime) -> None:
        """Look again at the anomalies of a reading's day: somebody has judged one of them."""
        self._vivas.forget(timestamp_consumo)
        self._archivadas.forget(timestamp_consumo)

    def resumen(self, ahora: datetime | None = None) -> ResumenAnomalias:
        """Return the anomalies of the last day, week and month at a glance, to the hour."""
        ahora = ahora or self._reloj()
        hasta = ahora.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        semana, mes = timedelta(days=7), timedelta(days=DIAS_RESUMEN)
        filtro = FiltroAnomalias(desde=hasta - mes, hasta=hasta)
        columnas, completas = self._look(filtro, con_archivo=False)
        ultima = int(columnas.deteccion.max()) if len(columnas) else None

        def look(desde: datetime, hasta: datetime) -> VentanaAnomalias:
            return calculos.window(columnas, desde, hasta, ESTADOS)

        return ResumenAnomalias(
            momento=ahora,
            ultimas_24h=look(hasta - timedelta(days=1), hasta),
            ultimos_7d=look(hasta - semana, hasta),
            anteriores_7d=look(hasta - 2 * semana, hasta - semana),
            ultimos_30d=look(hasta - mes, hasta),
            por_estado=calculos.by_state(columnas, ESTADOS),
            ultima_deteccion=None if ultima is None else _instant(ultima),
            completo=completas,
        )

    def series(
        self,
        desde: datetime,
        hasta: datetime,
        por: str = "dia",
        filtro: FiltroAnomalias = _TODAS,
        con_archivo: bool = False,
    ) -> list[PuntoSerie]:
        """Return anomalies by severidad for each hour ("hora") or local day ("dia")."""
        check_words("por", [por], ("hora", "dia"))
        check_range(desde, hasta, DIAS_HORAS if por == "hora" else DIAS_UNO)
        if por == "dia":
            # All of the first day, as all of the last.
            local = desde.astimezone(ZoneInfo(self._settings.zona_horaria))
            desde = local.replace(hour=0, minute=0, second=0, microsecond=0)
        pedido = filtro._replace(desde=desde, hasta=hasta)
        columnas, _ = self._look(pedido, con_archivo, DIAS_UNO + 1)
        return calculos.series(columnas, desde, hasta, por == "dia", self._calendar())

    def distribuciones(self, filtro: FiltroAnomalias, con_archivo: bool = False) -> Distribuciones:
        """Return how anomalies are spread; of the last 30 days where no ``desde`` is given."""
        columnas, _ = self._look(self._bounded(filtro), con_archivo)
        return calculos.distributions(columnas, self._calendar(), ESTADOS)

    def incidentes(
        self,
        filtro: FiltroAnomalias,
        *,
        hueco_horas: int = 3,
        limite: int = 50,
        cursor: str | None = None,
        con_archivo: bool = False,
    ) -> PaginaIncidentes:
        """Return incidents: anomalies of a customer with few hours between them, newest first.

        Parameters
        ----------
        filtro : FiltroAnomalias
            The last 30 days where no ``desde`` is given.
        hueco_horas : int
            Hours without an anomaly that may lie within one, 0 to ``HUECO_MAXIMO``.
        """
        check_limit(limite)
        check_limit(hueco_horas + 1, HUECO_MAXIMO + 1)
        tras = None if cursor is None else decode_cursor(_INCIDENTES, cursor, int, str)
        incidentes, completas = self._group(self._bounded(filtro), hueco_horas, con_archivo)
        pagina, ultimo = incidentes.page(tras, limite)
        siguiente = None if ultimo is None else encode_cursor(_INCIDENTES, *ultimo)
        return PaginaIncidentes(pagina, siguiente, truncado=not completas)

    def _group(
        self, filtro: FiltroAnomalias, hueco_horas: int, con_archivo: bool
    ) -> tuple[calculos.Incidentes, bool]:
        """Return incidents, grouped anew only where a day has changed; whether these are all."""
        if con_archivo:
            columnas, completas = self._look(filtro, con_archivo)
            return calculos.Incidentes(columnas, hueco_horas, self._palabras), completas
        todas, completas = self._days_of(self._vivas, filtro, DIAS_UNO)
        hay = self._agrupadas.get((filtro, hueco_horas))
        if hay is not None and hay[0] is todas:
            return hay[1], completas
        elegidas = self._choose(todas, filtro)
        incidentes = calculos.Incidentes(elegidas, hueco_horas, self._palabras)
        if len(self._agrupadas) >= AGRUPADAS_MAXIMAS:
            self._agrupadas.clear()
        self._agrupadas[filtro, hueco_horas] = todas, incidentes
        return incidentes, completas

    def _by_score(
        self, filtro: FiltroAnomalias, descendente: bool, limite: int, cursor: str | None,
        con_archivo: bool,
    ) -> Pagina[Anomalia]:  # fmt: skip
        """Return a page of anomalies by their score; those of the last 30 days if not said."""
        check_limit(limite, RANKING_MAXIMO)
        columnas, _ = self._look(self._bounded(filtro), con_archivo)
        signo, lista = (-1, "score-") if descendente else (1, "score+")
        puntos = np.round(columnas.score * 100).astype(np.int64)
        ids = [uno.tobytes().hex() for uno in columnas.id]
        claves = sorted(
            (signo * score, -hora, uno)
            for score, hora, uno in zip(puntos.tolist(), columnas.hora.tolist(), ids, strict=True)
        )
        if cursor is not None:
            tras = decode_cursor(lista, cursor, int, int, str)
            claves = [clave for clave in claves if clave > tras]
        pagina = claves[:limite]
        docs = self._by_ids([uno for *_, uno in pagina], SIN_LO_LARGO, con_archivo)
        anomalias = [anomaly(*docs[uno]) for *_, uno in pagina if uno in docs]
        siguiente = encode_cursor(lista, *pagina[-1]) if len(claves) > limite else None
        return Pagina(anomalias, siguiente)

    def _by_ids(
        self, ids: Sequence[str], proyeccion: dict[str, int], con_archivo: bool
    ) -> dict[str, tuple[dict[str, Any], bool]]:
        """Return documents by id, each with whether it is archived."""
        hallados: dict[str, tuple[dict[str, Any], bool]] = {}
        with self._turnos.taken():
            for nombre in (ANOMALIAS, ARCHIVO) if con_archivo else (ANOMALIAS,):
                faltan = [parse_id(uno) for uno in ids if uno not in hallados]
                for inicio in range(0, len(faltan), IDS_POR_PREGUNTA):
                    filtro = {"_id": {"$in": faltan[inicio : inicio + IDS_POR_PREGUNTA]}}
                    for doc in self._base[nombre].find(filtro, proyeccion):
                        hallados[str(doc["_id"])] = doc, nombre == ARCHIVO
        return hallados

    def _bounded(self, filtro: FiltroAnomalias) -> FiltroAnomalias:
        """Return the filter with both ends."""
        hasta = filtro.hasta or self._reloj() + timedelta(days=2)
        desde = filtro.desde or hasta - timedelta(days=DIAS_RESUMEN + 2)
        check_range(desde, hasta, DIAS_UNO if filtro.propietario_id else DIAS_TODOS)
        return filtro._replace(desde=desde, hasta=hasta)

    def _look(self, filtro: FiltroAnomalias, con_archivo: bool, dias: int = DIAS_UNO) -> _Miradas:
        """Return the anomalies that a filter with both ends lets through."""
        columnas, completas = self._days_of(self._vivas, filtro, dias)
        if con_archivo:
            otras, tambien = self._days_of(self._archivadas, filtro, dias)
            # One that is just being moved is in both.
            vivas = {uno.tobytes() for uno in columnas.id} if len(otras) else set()
            solas = np.array([uno.tobytes() not in vivas for uno in otras.id], np.bool_)
            columnas = join([columnas, otras.take(solas)])
            completas = completas and tambien
        return _Miradas(self._choose(columnas, filtro), completas)

    def _read(self, filtro: FiltroAnomalias) -> Columnas:
        """Return the live anomalies of a filter's days, the same object while none has changed."""
        return self._days_of(self._vivas, filtro, DIAS_UNO).columnas

    def _choose(self, columnas: Columnas, filtro: FiltroAnomalias) -> Columnas:
        return choose(columnas, filtro, self._nombres, ESTADOS)

    def _days_of(self, donde: AnomaliasPorDias, filtro: FiltroAnomalias, dias: int) -> _Miradas:
        check_filter(filtro)
        if filtro.desde is None or filtro.hasta is None:
            raise ValueError("el filtro no tiene los dos extremos")
        check_range(filtro.desde, filtro.hasta, dias)
        return donde.get(filtro.desde, filtro.hasta, self._reloj().astimezone(UTC).date())

    def _calendar(self) -> Calendario:
        return load_calendario(self._settings.zona_horaria)


def _row(doc: dict[str, Any]) -> FilaAnomalia:
    return FilaAnomalia(
        doc["_id"].binary,
        doc["propietario_id"],
        doc["timestamp_consumo"],
        doc["timestamp_deteccion"],
        doc["consumo_kwh"],
        doc["consumo_esperado_kwh"],
        doc["tipos_anomalia"],
        doc["score_anomalia"],
        doc["severidad"],
        doc["es_sospechoso"],
        _NUMERO.get(doc["estado"], 0),
    )


def _instant(millis: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
