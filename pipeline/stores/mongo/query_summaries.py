"""What anomalies add up to, from columns of them that all who ask share for a moment.

All anomalies of the last month are read in one question, which serves the summary, the ranking, the
incidents, the series and the distributions, whatever their filters; a customer's, or other days',
are read by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from pymongo import DESCENDING

from detection.domain import Calendario, hora_absoluta
from pipeline.stores import query_calculations as calculos
from pipeline.stores.anomaly_records import (
    Anomalia,
    Distribuciones,
    FiltroAnomalias,
    PaginaIncidentes,
    PuntoSerie,
    ResumenAnomalias,
    VentanaAnomalias,
)
from pipeline.stores.mongo.anomalies import ANOMALIAS, ARCHIVO
from pipeline.stores.mongo.query_documents import (
    ESTADOS,
    IDS_POR_PREGUNTA,
    SIN_LO_LARGO,
    anomaly,
    check_filter,
    parse_id,
)
from pipeline.stores.mongo.query_lists import CONSUMO, ConsultasListas
from pipeline.stores.query_cache import Recuerdo
from pipeline.stores.query_columns import (
    Columnas,
    FilaAnomalia,
    choose,
    make_columns,
)
from pipeline.stores.query_limits import (
    ULTIMO_INSTANTE,
    ConsultaInvalidaError,
    Pagina,
    check_limit,
    check_range,
    check_words,
    decode_cursor,
    encode_cursor,
)
from serving.local_time import load_calendario

ANOMALIAS_MAXIMAS = 300_000
"""Anomalies of one question: some seconds of a large utility's month."""
DIAS_COMUNES = 34
"""Days back from now of which all anomalies are read together: what most questions are about."""
TRAMO = timedelta(days=7)
"""What one question reads of it: a slow server then needs several, none of them too long."""
MIRADAS_MAXIMAS = 8
"""Intervals of everybody's anomalies that are remembered: those that all ask for."""
DIAS_RESUMEN = 30
DIAS_TODOS = 92
DIAS_UNO = 400
"""Days that a summary may span: of all customers, and of one."""
DIAS_HORAS = 31
HUECO_MAXIMO = 168
RANKING_MAXIMO = 500
UN_INSTANTE = timedelta(milliseconds=1)
"""The least that MongoDB tells apart."""
_COLUMNAS = dict.fromkeys((*FilaAnomalia._fields[1:], "_id"), 1)
_TODAS = FiltroAnomalias()
_INCIDENTES = "incidentes"
_NUMERO = {estado: numero for numero, estado in enumerate(ESTADOS)}


class _Mirada(NamedTuple):
    """Anomalies as one look found them; from ``completa_desde`` on these are all that there are."""

    columnas: Columnas
    completa_desde: datetime


class ConsultasResumenes(ConsultasListas):
    """What is asked of anomalies as a whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._miradas = Recuerdo(MIRADAS_MAXIMAS, self._segundos)

    def forget(self, timestamp_consumo: datetime) -> None:
        """Look at the anomalies again: somebody has judged the one of a reading."""
        # What is added up may hold it whatever its instant is.
        del timestamp_consumo
        # First what the other is made of.
        self._miradas.clear()
        self._recuerdo.clear()

    def resumen(self, ahora: datetime | None = None) -> ResumenAnomalias:
        """Return the anomalies of the last day, week and month at a glance, to the hour."""
        ahora = ahora or self._reloj()
        hasta = ahora.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        semana, mes = timedelta(days=7), timedelta(days=DIAS_RESUMEN)
        filtro = FiltroAnomalias(desde=hasta - mes, hasta=hasta)
        columnas, completas = self._look(filtro)
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
        columnas = self._look_at_all(pedido, con_archivo, DIAS_UNO + 1)
        return calculos.series(columnas, desde, hasta, por == "dia", self._calendar())

    def distribuciones(self, filtro: FiltroAnomalias, con_archivo: bool = False) -> Distribuciones:
        """Return how anomalies are spread; of the last 30 days where no ``desde`` is given."""
        columnas = self._look_at_all(self._bounded(filtro), con_archivo)
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
        clave = ("incidentes", filtro, hueco_horas, con_archivo)
        incidentes, completas = self._recuerdo.get(
            clave, partial(self._group, filtro, hueco_horas, con_archivo)
        )
        pagina, ultimo = incidentes.page(tras, limite)
        siguiente = None if ultimo is None else encode_cursor(_INCIDENTES, *ultimo)
        return PaginaIncidentes(pagina, siguiente, truncado=not completas)

    def _group(
        self, filtro: FiltroAnomalias, hueco_horas: int, con_archivo: bool
    ) -> tuple[calculos.Incidentes, bool]:
        """Return incidents, and whether these are all."""
        columnas, completas = self._look(self._bounded(filtro), con_archivo)
        return calculos.Incidentes(columnas, hueco_horas, ESTADOS), completas

    def _by_score(
        self, filtro: FiltroAnomalias, descendente: bool, limite: int, cursor: str | None,
        con_archivo: bool,
    ) -> Pagina[Anomalia]:  # fmt: skip
        """Return a page of anomalies by their score; those of the last 30 days if not said."""
        check_limit(limite, RANKING_MAXIMO)
        columnas = self._look_at_all(self._bounded(filtro), con_archivo)
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

    def _look_at_all(
        self, filtro: FiltroAnomalias, con_archivo: bool = False, dias: int = DIAS_UNO
    ) -> Columnas:
        """Return the anomalies of a filter; refuse one of more than can be looked at."""
        columnas, completas = self._look(filtro, con_archivo, dias)
        if not completas:
            raise ConsultaInvalidaError(
                f"hay más de {ANOMALIAS_MAXIMAS} anomalías en esas fechas: pida menos días"
            )
        return columnas

    def _look(
        self, filtro: FiltroAnomalias, con_archivo: bool = False, dias: int = DIAS_UNO
    ) -> tuple[Columnas, bool]:
        """Return the anomalies that a filter with both ends lets through; whether these are all."""
        check_filter(filtro)
        desde, hasta, cliente = filtro.desde, filtro.hasta, filtro.propietario_id
        if desde is None or hasta is None:
            raise ValueError("el filtro no tiene los dos extremos")
        check_range(desde, hasta, dias)
        if cliente is not None:
            mirada = self._read(cliente, desde, hasta, con_archivo)
        else:
            mirada = self._look_around(desde, hasta, con_archivo)
        elegidas = choose(mirada.columnas, filtro, ESTADOS)
        return elegidas, mirada.completa_desde <= desde

    def _look_around(self, desde: datetime, hasta: datetime, con_archivo: bool) -> _Mirada:
        """Return everybody's anomalies of an interval and around it, as many ask for together.

        Where those around it leave no room for all of its own, it is looked at more closely.
        """
        dias = _midnight(desde), _midnight(hasta + timedelta(days=1))
        comun = _midnight(self._reloj() - timedelta(days=DIAS_COMUNES)), ULTIMO_INSTANTE
        primero = comun if desde >= comun[0] else dias
        mirada = self._remembered(*primero, con_archivo)
        for inicio, fin in (dias, (desde, hasta)):
            if mirada.completa_desde <= desde:
                break
            # Only what lies behind its end takes room from what is asked.
            tras = hora_absoluta(fin - timedelta(microseconds=1)) + 1
            if (mirada.columnas.hora >= tras).any():
                mirada = self._remembered(inicio, fin, con_archivo)
        return mirada

    def _remembered(self, desde: datetime, hasta: datetime, con_archivo: bool) -> _Mirada:
        return self._miradas.get(
            (desde, hasta, con_archivo), partial(self._read, None, desde, hasta, con_archivo)
        )

    def _read(
        self, cliente: str | None, desde: datetime, hasta: datetime, con_archivo: bool
    ) -> _Mirada:
        """Return the anomalies between two instants, of a customer or of all, the latest first."""
        de_quien = {} if cliente is None else {"propietario_id": cliente}
        tramos = [(desde, hasta)] if cliente else list(_stretches(desde, hasta, self._reloj()))
        filas: dict[Any, FilaAnomalia] = {}
        completa_desde = desde
        with self._turnos.taken():
            for nombre in (ANOMALIAS, ARCHIVO) if con_archivo else (ANOMALIAS,):
                quedan = ANOMALIAS_MAXIMAS
                for inicio, fin in tramos:
                    filtro = {**de_quien, CONSUMO: {"$gte": inicio, "$lt": fin}}
                    cursor = self._base[nombre].find(filtro, _COLUMNAS, max_time_ms=self._limite_ms)
                    # By the index, so that what lies beyond the limit is the oldest.
                    docs = list(cursor.sort(CONSUMO, DESCENDING).limit(quedan))
                    for doc in docs:
                        # One that is just being moved is in both: the live one counts.
                        filas.setdefault(doc["_id"], _row(doc))
                    quedan -= len(docs)
                    if quedan <= 0:
                        # Of the last one's instant there may be others.
                        ultima: datetime = docs[-1]["timestamp_consumo"]
                        completa_desde = max(completa_desde, ultima + UN_INSTANTE)
                        break
        return _Mirada(make_columns(filas.values()), completa_desde)

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


def _stretches(
    desde: datetime, hasta: datetime, ahora: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of an interval that are read at a time, the latest first.

    What lies ahead of now, next to nothing, goes with the first one.
    """
    arriba, corte = hasta, min(hasta, ahora)
    while arriba > desde:
        abajo = max(desde, corte - TRAMO)
        yield abajo, arriba
        arriba = corte = abajo


def _midnight(momento: datetime) -> datetime:
    """Return the start of an instant's UTC day."""
    return momento.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _instant(millis: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
