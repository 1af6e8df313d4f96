"""Anomalies one by one and in lists, from the live collection and from its archive.

A list by time is walked window by window, each wider than the one before: MongoDB would stop by
itself at the limit, and answers each in a moment; the embedded server reads all that the
conditions let through before it sorts, which a window keeps small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from detection.domain import SEVERIDADES
from pipeline.stores.anomaly_records import (
    Anomalia,
    AnomaliaDetalle,
    FiltroAnomalias,
    Puntuacion,
    VeredictoDado,
)
from pipeline.stores.mongo.anomalies import ABIERTA, ANOMALIAS, ARCHIVO
from pipeline.stores.mongo.query_documents import SIN_LO_LARGO, anomaly, detail, parse_id, scored
from pipeline.stores.mongo.query_filter import (
    CONSUMO,
    DETECCION,
    UN_INSTANTE,
    between,
    both,
    bounded,
    match,
)
from pipeline.stores.mongo.query_sums import AnomalySums
from pipeline.stores.mongo.reader import Documento, MongoReader
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import (
    LIMITE_PAGINA,
    PRIMER_INSTANTE,
    ULTIMO_INSTANTE,
    Pagina,
    check_limit,
    check_words,
    decode_cursor,
    encode_cursor,
)

VEREDICTO = "timestamp_veredicto"
ORDENES = {"deteccion": DETECCION, "consumo": CONSUMO, "score": "score_anomalia"}
PRIMERA_MAXIMA = 200
POR_SCORE_MAXIMO = 500
PUNTUACIONES_MAXIMAS = 2_000
_NUEVAS = "nuevas"
_MAYOR_ID = ObjectId("f" * 24)
_ADELANTO = timedelta(hours=25)
"""A reading may be up to a day ahead of the clock (contract 2), so found that long before it."""
_TODO = ULTIMO_INSTANTE - PRIMER_INSTANTE
_ANCHO = timedelta(days=1)
_CRECE = 8
"""Each window is so many times as wide as the one before: a day, eight, ... 90 years."""
_DE_PUNTUACION = dict.fromkeys(
    (
        *("propietario_id", CONSUMO, DETECCION, "score_anomalia", "severidad", "tipos_anomalia"),
        *("estado", "explicacion.detector", "explicacion.score"),
    ),
    1,
)
_TODAS = FiltroAnomalias()
_TODAS_Y_NORMALES = FiltroAnomalias(severidades=tuple(map(str, SEVERIDADES)))


class MongoAnomalyLists:
    """What is asked of anomalies one by one.

    ``sums``: gives who adds anomalies up. ``reloj``: the time, aware. ``margen``: anomalies younger
    than this are not yet given by ``new``: a batch is stored in less.
    """

    def __init__(
        self,
        lector: MongoReader,
        sums: Callable[[], AnomalySums],
        recuerdo: AnswerCache,
        reloj: Callable[[], datetime],
        margen: timedelta,
    ) -> None:
        self._lector = lector
        self._presenta = lector.presenta
        self._sums = sums
        self._recuerdo = recuerdo
        self._reloj = reloj
        self._margen = margen

    def page(
        self,
        filtro: FiltroAnomalias = _TODAS,
        *,
        orden: str = "deteccion",
        descendente: bool = True,
        limite: int = 50,
        cursor: str | None = None,
    ) -> Pagina[Anomalia]:
        """Return a page of anomalies (``AnomalyListQueries.page``)."""
        check_words("orden", [orden], tuple(ORDENES))
        check_limit(limite, POR_SCORE_MAXIMO if orden == "score" else LIMITE_PAGINA)
        load = self._by_score if orden == "score" else partial(self._by_time, orden)
        # Cursors are as many as there are pages; the first one is what all screens show.
        if cursor is not None or limite > PRIMERA_MAXIMA:
            return load(filtro, descendente, limite, cursor)
        clave = ("lista", filtro, orden, descendente, limite)
        return self._recuerdo.get(clave, partial(load, filtro, descendente, limite, None))

    def _by_time(
        self,
        orden: str,
        filtro: FiltroAnomalias,
        descendente: bool,
        limite: int,
        cursor: str | None,
    ) -> Pagina[Anomalia]:
        campo, lista = ORDENES[orden], f"{orden}{'-' if descendente else '+'}"
        posicion = None if cursor is None else _position(lista, cursor)
        filas = self._walk(filtro, campo, descendente, posicion, limite + 1)
        return self._page(filas, limite, lambda doc: (lista, doc[campo], str(doc["_id"])))

    def _by_score(
        self, filtro: FiltroAnomalias, descendente: bool, limite: int, cursor: str | None
    ) -> Pagina[Anomalia]:
        lista = "score-" if descendente else "score+"
        tras = None
        if cursor is not None:
            tras = decode_cursor(lista, cursor, float, datetime, parse_id)
        pedido = bounded(filtro, self._reloj())
        filas = self._sums().by_score(pedido, descendente, tras, limite + 1)
        return self._page(
            filas,
            limite,
            lambda doc: (lista, doc["score_anomalia"], doc[CONSUMO], str(doc["_id"])),
        )

    def _page(
        self,
        filas: Sequence[tuple[Documento, bool]],
        limite: int,
        place: Callable[[Documento], tuple[Any, ...]],
    ) -> Pagina[Anomalia]:
        """Return the first of some rows, with the place of the last one if there are more."""
        siguiente = None
        if len(filas) > limite:
            siguiente = encode_cursor(*place(filas[limite - 1][0]))
        return Pagina([anomaly(*fila, self._presenta) for fila in filas[:limite]], siguiente)

    def _walk(
        self,
        filtro: FiltroAnomalias,
        campo: str,
        descendente: bool,
        posicion: tuple[datetime, ObjectId] | None,
        limite: int,
        campos: Mapping[str, Any] = SIN_LO_LARGO,
        fin: datetime = ULTIMO_INSTANTE,
    ) -> list[tuple[Documento, bool]]:
        """Return the first documents after a position, each with whether it is archived.

        ``fin``: up to which value of ``campo``, without it.
        """
        condiciones = match(filtro)
        desde, hasta = _limits(filtro, campo)
        limites = desde, min(hasta, fin)
        primeras = _few(filtro)
        ancho = _TODO if primeras else _ANCHO
        ventanas = list(_windows(campo, descendente, limites, posicion, ancho, self._reloj()))
        sentido = DESCENDING if descendente else ASCENDING
        # What the index has told already, or the windows tell.
        for dicha in {campo, *(primeras[0] if primeras else ())}:
            condiciones.pop(dicha, None)

        def read(nombre: str) -> list[Documento]:
            orden = [(campo, sentido), ("_id", sentido)]
            todos: list[Documento] = []
            for primera in primeras or [{}]:
                docs: list[Documento] = []
                for ventana in ventanas:
                    if len(docs) == limite:
                        break
                    pedidas = {**primera, **ventana, **condiciones}
                    docs += self._lector.find(nombre, pedidas, campos, orden, limite - len(docs))
                todos += docs
            return todos

        hay = both(read, filtro.con_archivo)
        hay.sort(key=lambda fila: (fila[0][campo], fila[0]["_id"]), reverse=descendente)
        return hay[:limite]

    def one(self, id: str) -> AnomaliaDetalle | None:
        """Return an anomaly with all that was said of it (``AnomalyListQueries.one``)."""
        uno = parse_id(id)
        # The live ones once more: what was on its way out of the archive is there by now.
        for nombre in (ANOMALIAS, ARCHIVO, ANOMALIAS):
            if hay := self._lector.find(nombre, {"_id": uno}, None, [("_id", ASCENDING)], 1):
                return detail(hay[0], nombre == ARCHIVO, self._presenta)
        return None

    def new(self, cursor: str | None = None, limite: int = 100) -> Pagina[Anomalia]:
        """Return the anomalies stored after a cursor (``AnomalyListQueries.new``)."""
        check_limit(limite)
        hasta = self._reloj() - self._margen
        if cursor is None:
            desde = max(hasta, PRIMER_INSTANTE)
            return Pagina([], encode_cursor(_NUEVAS, desde, str(_MAYOR_ID)))
        posicion = _position(_NUEVAS, cursor)
        filas = self._walk(_TODAS, DETECCION, False, posicion, limite, fin=hasta)
        anomalias = [anomaly(*fila, self._presenta) for fila in filas]
        return Pagina(anomalias, self.cursor_of(anomalias[-1]) if anomalias else cursor)

    @staticmethod
    def cursor_of(anomalia: Anomalia) -> str:
        """Return the cursor with which ``new`` goes on after an anomaly."""
        return encode_cursor(_NUEVAS, anomalia.timestamp_deteccion, anomalia.id)

    def scores(self, filtro: FiltroAnomalias, limite: int = 500) -> list[Puntuacion]:
        """Return what each detector scored on anomalies (``AnomalyListQueries.scores``)."""
        check_limit(limite, PUNTUACIONES_MAXIMAS)
        todas = filtro._replace(con_archivo=True)
        filas = self._walk(todas, DETECCION, True, None, limite, _DE_PUNTUACION)
        return [scored(doc, self._presenta) for doc, _ in filas]

    def latest_reviews(
        self, limite: int = 50, propietario_id: str | None = None
    ) -> list[VeredictoDado]:
        """Return what people said last of anomalies (``AnomalyListQueries.latest_reviews``)."""
        check_limit(limite, 500)
        filtro = _TODAS_Y_NORMALES._replace(propietario_id=propietario_id, con_archivo=True)
        filas = self._walk(filtro, VEREDICTO, True, None, limite)
        anomalias = [anomaly(*fila, self._presenta) for fila in filas]
        return [
            VeredictoDado(anomalia=a, veredicto=a.veredicto)
            for a in anomalias
            if a.veredicto is not None
        ]


def _few(filtro: FiltroAnomalias) -> list[dict[str, str]]:
    """Return the values of which an index alone leaves few anomalies; none = there are no such.

    A customer's are few, and so are those of an estado that people give, which are asked for one
    after the other: the embedded server has no index for several.
    """
    if filtro.propietario_id is not None:
        return [{"propietario_id": filtro.propietario_id}]
    if not filtro.estados or ABIERTA in filtro.estados:
        return []
    return [{"estado": estado} for estado in dict.fromkeys(filtro.estados)]


def _limits(filtro: FiltroAnomalias, campo: str) -> tuple[datetime, datetime]:
    """Return between which values of ``campo`` the anomalies of a filter are."""
    desde, hasta = filtro.desde or PRIMER_INSTANTE, filtro.hasta or ULTIMO_INSTANTE
    if campo == CONSUMO:
        return desde, hasta
    return max(desde - _ADELANTO, PRIMER_INSTANTE), ULTIMO_INSTANTE


def _windows(
    campo: str,
    descendente: bool,
    limites: tuple[datetime, datetime],
    posicion: tuple[datetime, ObjectId] | None,
    ancho: timedelta,
    ahora: datetime,
) -> Iterator[dict[str, Any]]:
    """Yield the conditions on ``campo`` of one window after the other, those of a tie first."""
    desde, hasta = limites
    if posicion is not None and desde <= posicion[0] < hasta:
        yield {campo: posicion[0], "_id": {"$lt" if descendente else "$gt": posicion[1]}}
    if posicion is not None and descendente:
        hasta = min(hasta, posicion[0])
    elif posicion is not None:
        desde = max(desde, posicion[0] + UN_INSTANTE)
    # Nearly all are where the latest ones are: nobody walks down from 2100.
    corte = min(hasta, max(ahora, desde))
    while desde < hasta:
        if descendente:
            corte = max(desde, corte - ancho)
            yield {campo: between(corte, hasta)}
            hasta = corte
        else:
            corte = min(hasta, desde + ancho)
            yield {campo: between(desde, corte)}
            desde = corte
        ancho *= _CRECE


def _position(lista: str, cursor: str) -> tuple[datetime, ObjectId]:
    momento, uno = decode_cursor(lista, cursor, datetime, parse_id)
    return momento, uno
