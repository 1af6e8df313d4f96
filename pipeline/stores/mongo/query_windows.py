"""Lists by time, newest or oldest first, walked window by window.

MongoDB would stop by itself at the limit; the embedded server reads all that the conditions let
through before it sorts. So each question has both ends: it begins with a window that has been wide
enough before, and goes on with wider ones while there are too few. A page begins after a position
(instant, id), and those of the same instant are asked for first.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from pipeline.stores.query_limits import PRIMER_INSTANTE, ULTIMO_INSTANTE

Documento = dict[str, Any]
Posicion = tuple[datetime, ObjectId]

ANCHO_INICIAL = timedelta(days=1)
ANCHO_MINIMO = timedelta(seconds=1)
ANCHO_MAXIMO = timedelta(days=4_000)
CRECE = 8
"""The next window is at most so many times as wide: a day, eight, ... 90 years, in six steps."""
HOLGURA = 1.25
"""A window is made so much wider than what it seems to need."""
ANCHOS_RECORDADOS = 256


@dataclass(frozen=True, slots=True)
class Pregunta:
    """Which documents of a collection, in which order of time.

    Parameters
    ----------
    campo : str
        The instant by which they are ordered; an index begins with ``igual`` and goes on with it.
    descendente : bool
    igual : mapping
        Fields that have a value.
    resto : mapping
        Other conditions, on top.
    desde, hasta : datetime or None
        Of ``campo``; ``hasta`` excluded.
    primero_igual : bool
        ``igual`` alone leaves few enough: one window holds all of them.
    """

    campo: str
    descendente: bool
    igual: Mapping[str, Any]
    resto: Mapping[str, Any]
    desde: datetime | None
    hasta: datetime | None
    primero_igual: bool

    def conditions(self, de_campo: Any, mas: Mapping[str, Any] | None = None) -> Documento:
        """Return the filter with a condition on ``campo``.

        The embedded server takes the first condition that has an index where no index has all.
        """
        if self.primero_igual:
            return {**self.igual, self.campo: de_campo, **(mas or {}), **self.resto}
        return {self.campo: de_campo, **self.igual, **(mas or {}), **self.resto}


class Ventanas:
    """Walks lists, and remembers how wide a window each kind of list needs.

    Parameters
    ----------
    reloj : callable
        The time, aware.
    limite_ms : int
        Longest question to the server, ms.
    """

    def __init__(self, reloj: Callable[[], datetime], limite_ms: int) -> None:
        self._reloj = reloj
        self._limite_ms = limite_ms
        self._mutex = threading.Lock()
        self._anchos: OrderedDict[Hashable, timedelta] = OrderedDict()
        self._ultimos: dict[Hashable, datetime] = {}

    def walk(
        self,
        coleccion: Collection[Documento],
        preguntas: Sequence[Pregunta],
        proyeccion: Mapping[str, Any],
        posicion: Posicion | None,
        limite: int,
        vale: Callable[[Documento], bool],
    ) -> list[Documento]:
        """Return the first ``limite`` documents after a position that answer any question.

        Parameters
        ----------
        preguntas : sequence of Pregunta
            All in the same order; no document answers two.
        vale : callable
            Whether a document counts: for what is so rare that the server need not look for it.
        """
        listas = []
        for pregunta in preguntas:
            paseo = _Paseo(coleccion, pregunta, proyeccion, limite, self._limite_ms)
            with self._mutex:
                paseo.ancho = self._anchos.get(paseo.clave, ANCHO_INICIAL)
                ultimo = self._ultimos.get(paseo.clave)
            docs = filter(vale, paseo.documents(posicion, ultimo or self._reloj()))
            listas.append(list(itertools.islice(docs, limite)))
            self._remember(paseo, posicion, listas[-1])
        return merge(listas, preguntas[0].campo, preguntas[0].descendente)[:limite]

    def _remember(
        self, paseo: _Paseo, posicion: Posicion | None, docs: Sequence[Documento]
    ) -> None:
        pregunta = paseo.pregunta
        if not docs or pregunta.primero_igual:
            return
        primero, ultimo = docs[0][pregunta.campo], docs[-1][pregunta.campo]
        necesario = abs(ultimo - (primero if posicion is None else posicion[0])) * HOLGURA
        with self._mutex:
            self._anchos[paseo.clave] = min(max(necesario, ANCHO_MINIMO), ANCHO_MAXIMO)
            self._anchos.move_to_end(paseo.clave)
            if pregunta.descendente and posicion is None and pregunta.hasta is None:
                self._ultimos[paseo.clave] = primero
            while len(self._anchos) > ANCHOS_RECORDADOS:
                olvidada, _ = self._anchos.popitem(last=False)
                self._ultimos.pop(olvidada, None)


class _Paseo:
    """A walk along one question's list.

    Parameters
    ----------
    limite : int
        Documents at a time.
    """

    def __init__(
        self,
        coleccion: Collection[Documento],
        pregunta: Pregunta,
        proyeccion: Mapping[str, Any],
        limite: int,
        limite_ms: int,
    ) -> None:
        self._coleccion = coleccion
        self.pregunta = pregunta
        self._proyeccion = proyeccion
        self._limite = limite
        self._limite_ms = limite_ms
        self.ancho = ANCHO_INICIAL
        # Customers are much alike, and there are many.
        iguales = sorted(
            (campo, "" if campo == "propietario_id" else str(valor))
            for campo, valor in pregunta.igual.items()
        )
        resto = sorted(
            (campo, str(valor))
            for campo, valor in pregunta.resto.items()
            if not campo.startswith("timestamp")
        )
        self.clave = (coleccion.name, pregunta.campo, *iguales, *resto)

    def documents(self, posicion: Posicion | None, ultimo: datetime) -> Iterator[Documento]:
        """Yield the documents after a position in order, reading on as they are asked for.

        Parameters
        ----------
        ultimo : datetime
            Where the latest one is likely to be.
        """
        completa = False
        while not completa:
            completa = True
            for docs in self._windows(posicion, ultimo):
                yield from docs
                if len(docs) == self._limite:
                    # There may be more in this window.
                    posicion = docs[-1][self.pregunta.campo], docs[-1]["_id"]
                    completa = False
                    break

    def _windows(self, posicion: Posicion | None, ultimo: datetime) -> Iterator[list[Documento]]:
        pregunta = self.pregunta
        if posicion is not None and _within(posicion[0], pregunta):
            tras = {"$lt" if pregunta.descendente else "$gt": posicion[1]}
            yield self._find(pregunta.conditions(posicion[0], {"_id": tras}))
        ancho = ANCHO_MAXIMO * CRECE if pregunta.primero_igual else self.ancho
        limites = _limits(pregunta, posicion, ultimo)
        primera = True
        while limites is not None:
            filtro, limites = _next_window(pregunta, limites, ancho)
            docs = self._find(pregunta.conditions(filtro))
            yield docs
            # Most customers have nothing in the archive: one look instead of one a window.
            buscar = primera and not docs and bool(pregunta.igual)
            if buscar and limites is not None and not self._any(limites):
                return
            primera = False
            # As wide as the rest is likely to need.
            crece = HOLGURA * (self._limite - len(docs)) / len(docs) if docs else CRECE
            ancho = min(ancho * min(max(crece, 1.0), CRECE), ANCHO_MAXIMO)

    def _any(self, limites: _Limites) -> bool:
        """Return whether there is anything in what is still to be walked."""
        entre = {"$gte": limites.desde, "$lt": limites.hasta}
        filtro = self.pregunta.conditions(entre)
        una = self._coleccion.find_one(filtro, {"_id": 1}, max_time_ms=self._limite_ms)
        return una is not None

    def _find(self, filtro: Documento) -> list[Documento]:
        sentido = DESCENDING if self.pregunta.descendente else ASCENDING
        cursor = self._coleccion.find(filtro, self._proyeccion, max_time_ms=self._limite_ms)
        cursor.sort([(self.pregunta.campo, sentido), ("_id", sentido)])
        return list(cursor.limit(self._limite))


@dataclass(frozen=True, slots=True)
class _Limites:
    """What is still to be walked: [desde, hasta), without ``desde`` itself if ``abierta``.

    ``salto`` = from where on downwards the first window is measured; what lies above is in it too.
    """

    desde: datetime
    hasta: datetime
    abierta: bool
    salto: datetime | None


def _limits(pregunta: Pregunta, posicion: Posicion | None, ultimo: datetime) -> _Limites | None:
    """Return what lies between the position and the list's end; None = nothing."""
    desde = max(pregunta.desde or PRIMER_INSTANTE, PRIMER_INSTANTE)
    hasta = min(pregunta.hasta or ULTIMO_INSTANTE, ULTIMO_INSTANTE)
    if posicion is not None:
        desde, hasta = (
            (desde, min(hasta, posicion[0]))
            if pregunta.descendente
            else (max(desde, posicion[0]), hasta)
        )
    if desde >= hasta:
        return None
    abierta = posicion is not None and not pregunta.descendente and desde == posicion[0]
    # Nearly all are where the latest one was: nobody walks down from 2100.
    salto = min(hasta, ultimo) if pregunta.descendente and hasta > ultimo >= desde else None
    return _Limites(desde, hasta, abierta, salto)


def _next_window(
    pregunta: Pregunta, limites: _Limites, ancho: timedelta
) -> tuple[dict[str, datetime], _Limites | None]:
    """Return the condition of the next window, and what is left after it; None = nothing."""
    desde, hasta = limites.desde, limites.hasta
    if pregunta.descendente:
        arriba = limites.salto or hasta
        corte = arriba - ancho if arriba - desde > ancho else desde
        resto = None if corte == desde else _Limites(desde, corte, False, None)
        return {"$gte": corte, "$lt": hasta}, resto
    corte = desde + ancho if hasta - desde > ancho else hasta
    resto = None if corte == hasta else _Limites(corte, hasta, False, None)
    return {"$gt" if limites.abierta else "$gte": desde, "$lt": corte}, resto


def _within(momento: datetime, pregunta: Pregunta) -> bool:
    return (pregunta.desde is None or pregunta.desde <= momento) and (
        pregunta.hasta is None or momento < pregunta.hasta
    )


def merge(listas: Sequence[list[Documento]], campo: str, descendente: bool) -> list[Documento]:
    """Return the documents of some ordered lists in the same order, each id once."""
    juntos = heapq.merge(*listas, key=lambda doc: (doc[campo], doc["_id"]), reverse=descendente)
    vistos: dict[Any, Documento] = {}
    for doc in juntos:
        vistos.setdefault(doc["_id"], doc)
    return list(vistos.values())
