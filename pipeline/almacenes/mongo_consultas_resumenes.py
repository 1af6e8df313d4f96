"""What anomalies add up to, from columns of them that are kept in memory day by day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from detection.dominio import Calendario, hora_absoluta
from detection.params import DIAS_VENTANA, Params
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
    check_ids,
    check_limit,
    check_range,
    check_words,
    decode_cursor,
    encode_cursor,
)
from pipeline.almacenes.consultas_recuerdo import PorDias, Recuerdo
from pipeline.almacenes.consultas_tipos_anomalias import (
    Anomalia,
    ClienteRanking,
    Distribuciones,
    FiltroAnomalias,
    PaginaIncidentes,
    PuntoSerie,
    ResumenAnomalias,
    VentanaAnomalias,
)
from pipeline.almacenes.mongo_anomalias import ANOMALIAS, ARCHIVO, DESCARTADA
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
DIAS_RESUMEN = 30
DIAS_TODOS = 92
DIAS_UNO = 400
"""Days that a summary may span: of all customers, and of one."""
DIAS_HORAS = 31
HUECO_MAXIMO = 168
RANKING_MAXIMO = 500
CLIENTES_MOTIVOS = 50
MOTIVOS_MAXIMOS = 10
IDS_POR_PREGUNTA = 100
"""The embedded server takes ever longer over a larger ``$in``."""
VIDA_MOTIVOS_S = 300.0
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
        return _Miradas(join([make_columns((), self._nombres), *partes]), completas)

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
        self._frases: Recuerdo[list[str]] = Recuerdo(VIDA_MOTIVOS_S, 2_000)
        self._palabras = calculos.Palabras(self._nombres, ESTADOS)

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

    def ranking(
        self, limite: int = 10, ahora: datetime | None = None, orden: str = "evidencia"
    ) -> list[ClienteRanking]:
        """Return the customers to look at first, by their anomalies of the last 28 days.

        Those that a person has rejected do not count.

        Parameters
        ----------
        limite : int
            1 to ``RANKING_MAXIMO``.
        orden : str
            "evidencia", "kwh" (used above and below the expected) or "anomalias".
        """
        check_limit(limite, RANKING_MAXIMO)
        check_words("orden", [orden], ("evidencia", "kwh", "anomalias"))
        vivas = self._of_window(ahora)
        hora = hora_absoluta(ahora or self._reloj())
        semivida = Params().sospecha_semivida_dias * 24
        return calculos.ranking(vivas, hora, semivida, orden, limite, self._palabras)

    def _of_window(self, ahora: datetime | None) -> Columnas:
        """Return the anomalies of the last 28 days that nobody has rejected."""
        hasta = (ahora or self._reloj()) + timedelta(days=1)
        filtro = FiltroAnomalias(desde=hasta - timedelta(days=DIAS_VENTANA + 1), hasta=hasta)
        columnas, _ = self._look(filtro, con_archivo=False)
        return columnas.take(columnas.estado != _NUMERO[DESCARTADA])

    def motivos(
        self,
        propietario_ids: Sequence[str],
        por_cliente: int = 3,
        ahora: datetime | None = None,
    ) -> dict[str, list[str]]:
        """Return, for each customer, sentences on its gravest anomalies of the last 28 days.

        Each is what the loudest detector that fires says of an anomaly, the gravest one first;
        of a detector only the first sentence, so that a customer's reasons differ.
        """
        clientes = check_ids(propietario_ids, CLIENTES_MOTIVOS)
        check_limit(por_cliente, MOTIVOS_MAXIMOS)
        columnas = self._of_window(ahora)
        motivos = {}
        for cliente in clientes:
            suyas = columnas.take(columnas.cliente == self._nombres.known(cliente))
            ids = _gravest(suyas, MOTIVOS_MAXIMOS)
            frases = self._frases.get((cliente, *ids), partial(self._sentences, ids))
            motivos[cliente] = frases[:por_cliente]
        return motivos

    def _sentences(self, ids: Sequence[str]) -> list[str]:
        if not ids:
            return []
        docs = self._by_ids(ids, {"explicacion": 1}, con_archivo=False)
        frases: dict[str, str] = {}
        for uno in ids:
            dicho = docs[uno][0]["explicacion"] if uno in docs else []
            if dicho:
                mejor = max(dicho, key=lambda e: (e["dispara"], e["score"] or 0.0))
                frases.setdefault(mejor["detector"], mejor["frase"])
        return list(frases.values())

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
        columnas, completas = self._look(self._bounded(filtro), con_archivo)
        incidentes = calculos.Incidentes(columnas, hueco_horas, self._palabras)
        pagina, ultimo = incidentes.page(tras, limite)
        siguiente = None if ultimo is None else encode_cursor(_INCIDENTES, *ultimo)
        return PaginaIncidentes(pagina, siguiente, truncado=not completas)

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
        check_filter(filtro)
        desde, hasta = filtro.desde, filtro.hasta
        if desde is None or hasta is None:
            raise ValueError("el filtro no tiene los dos extremos")
        check_range(desde, hasta, dias)
        hoy = self._reloj().astimezone(UTC).date()
        columnas, completas = self._vivas.get(desde, hasta, hoy)
        if con_archivo:
            otras, tambien = self._archivadas.get(desde, hasta, hoy)
            # One that is just being moved is in both.
            vivas = {uno.tobytes() for uno in columnas.id} if len(otras) else set()
            solas = np.array([uno.tobytes() not in vivas for uno in otras.id], np.bool_)
            columnas = join([columnas, otras.take(solas)])
            completas = completas and tambien
        return _Miradas(choose(columnas, filtro, self._nombres, ESTADOS), completas)

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


def _gravest(columnas: Columnas, cuantas: int) -> tuple[str, ...]:
    """Return the ids of the gravest anomalies, one of each set of types."""
    orden = np.lexsort((-columnas.hora, -columnas.score))
    vistos: dict[int, str] = {}
    for i in orden.tolist():
        vistos.setdefault(int(columnas.tipos[i]), columnas.id[i].tobytes().hex())
        if len(vistos) == cuantas:
            break
    return tuple(vistos.values())


def _instant(millis: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
