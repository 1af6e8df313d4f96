"""What anomalies add up to on the embedded server, which is slow: out of one read, kept a moment.

It takes as long over each pipeline as over reading what goes into it. So all anomalies of the last
month are read in one go, which serves whatever is asked of them with whatever filter; those of
other days, or of a customer, are read by themselves.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from math import fsum
from operator import ne
from typing import Any

from pymongo import DESCENDING

from pipeline.stores.anomaly_records import FiltroAnomalias
from pipeline.stores.mongo.anomalies import ANOMALIAS, ARCHIVO
from pipeline.stores.mongo.chunks import find_ids
from pipeline.stores.mongo.query_documents import SIN_LO_LARGO
from pipeline.stores.mongo.query_filter import CONSUMO, DETECCION, UN_INSTANTE, between, both, match
from pipeline.stores.mongo.query_sums import (
    CRITICA,
    DE_INCIDENTE,
    DIA,
    HORA,
    SEMANA,
    SEMIVIDA,
    AnomalySums,
    Explicado,
    Lugar,
    Puesto,
    SumaSemana,
    place_of,
    score_order,
    split,
)
from pipeline.stores.mongo.reader import Documento, MongoReader
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import ULTIMO_INSTANTE, ConsultaInvalidaError

ANOMALIAS_MAXIMAS = 50_000
"""Anomalies of one question: some seconds of the embedded server. By hand, 2026-11-30."""
DIAS_COMUNES = 34
"""Days back from now of which all anomalies are read together: what most questions are about."""
MITAD = timedelta(days=DIAS_COMUNES) / 2
TRAMO = timedelta(days=4)
"""What one request reads of it: the server holds everybody else up while it reads."""
LECTURAS_MAXIMAS = 4
"""Reads of everybody's anomalies that are remembered."""
ARCHIVADA = "archivada"
"""What is noted of each anomaly beside its fields."""
_CAMPOS = dict.fromkeys((*DE_INCIDENTE, DETECCION, "es_sospechoso"), 1)


class EmbeddedSums(AnomalySums):
    """The same, out of one read of a month that serves every question for some seconds.

    ``recuerdo``: of reads, ``LECTURAS_MAXIMAS`` of them. ``reloj``: the time, aware.
    """

    def __init__(
        self, lector: MongoReader, recuerdo: AnswerCache, reloj: Callable[[], datetime]
    ) -> None:
        super().__init__(lector)
        self._recuerdo = recuerdo
        self._reloj = reloj

    def by_week(self, filtro: FiltroAnomalias, hasta: datetime) -> list[SumaSemana]:
        """Return the sums of each ``estado``, severidad and week (``AnomalySums.by_week``)."""
        grupos: dict[tuple[str, str, int], list[Documento]] = defaultdict(list)
        for doc in self._docs(filtro):
            semana = (hasta - HORA - doc[CONSUMO]) // SEMANA
            grupos[doc["estado"], doc["severidad"], semana].append(doc)
        return [
            SumaSemana(
                *cual,
                len(docs),
                fsum(abs(_over(doc)) for doc in docs),
                max(doc[DETECCION] for doc in docs),
            )
            for cual, docs in grupos.items()
        ]

    def beside_expected(self, filtro: FiltroAnomalias) -> tuple[int, float, float]:
        """Return how many, kWh above and below (``AnomalySums.beside_expected``)."""
        docs = self._docs(filtro)
        return len(docs), *_above_and_below(docs)

    def over_time(self, filtro: FiltroAnomalias, por: str) -> Mapping[tuple[datetime, str], int]:
        """Return how many there are of each moment and severidad (``AnomalySums.over_time``)."""
        horas = Counter((doc[CONSUMO], doc["severidad"]) for doc in self._docs(filtro))
        if por == "hora":
            return horas
        presenta = self._lector.presenta
        dias: Counter[tuple[datetime, str]] = Counter()
        for (momento, severidad), n in horas.items():
            dias[presenta.medianoche(presenta.fecha(momento)), severidad] += n
        return dias

    def spread(self, filtro: FiltroAnomalias) -> Mapping[str, Mapping[Any, int]]:
        """Return how many there are of each value (``AnomalySums.spread``)."""
        docs = self._docs(filtro)
        locales = [doc[CONSUMO].astimezone(self._lector.presenta.zona) for doc in docs]
        return {
            "severidad": Counter(doc["severidad"] for doc in docs),
            "estado": Counter(doc["estado"] for doc in docs),
            "tipo": Counter(tipo for doc in docs for tipo in doc["tipos_anomalia"]),
            "hora": Counter(momento.hour for momento in locales),
            "dia": Counter(momento.isoweekday() for momento in locales),
        }

    def incidents(
        self,
        filtro: FiltroAnomalias,
        hueco_horas: int,
        tras: Lugar | None,
        limite: int,
    ) -> tuple[list[list[Documento]], Lugar | None]:
        """Return the anomalies of each incident after another (``AnomalySums.incidents``)."""
        suyas = _by_customer(self._docs(filtro))
        todos = [uno for cliente in sorted(suyas) for uno in split(suyas[cliente], hueco_horas)]
        todos.sort(key=lambda uno: uno[0][CONSUMO], reverse=True)
        if tras is not None:
            momento, nombre = tras
            todos = [
                uno
                for uno in todos
                if uno[0][CONSUMO] < momento
                or (uno[0][CONSUMO] == momento and uno[0]["propietario_id"] > nombre)
            ]
        pagina = todos[:limite]
        if len(todos) <= limite:
            return pagina, None
        return pagina, (pagina[-1][0][CONSUMO], pagina[-1][0]["propietario_id"])

    def by_customer(self, filtro: FiltroAnomalias, hora: datetime) -> list[Documento]:
        """Return the sums of each customer (``AnomalySums.by_customer``)."""
        suyas = _by_customer(self._docs(filtro))
        return [_customer(cliente, suyas[cliente], hora) for cliente in sorted(suyas)]

    def gravest(
        self, filtro: FiltroAnomalias, clientes: Sequence[str], cuantas: int
    ) -> dict[str, list[Explicado]]:
        """Return the explanations of customers' gravest anomalies (``AnomalySums.gravest``)."""
        suyas = _by_customer(self._docs(filtro, clientes))
        ids: dict[str, list[Any]] = {}
        for cliente in clientes:
            de_tipos: dict[tuple[str, ...], Any] = {}
            for doc in sorted(suyas.get(cliente, ()), key=_gravity, reverse=True):
                de_tipos.setdefault(tuple(doc["tipos_anomalia"]), doc["_id"])
            ids[cliente] = list(de_tipos.values())[:cuantas]
        todas = [uno for suyos in ids.values() for uno in suyos]
        with self._lector.taken():
            docs = find_ids(self._lector.base[ANOMALIAS], todas, {"explicacion": 1})
            dicho = {doc["_id"]: doc["explicacion"] for doc in docs}
        return {
            cliente: [dicho[uno] for uno in suyos if uno in dicho] for cliente, suyos in ids.items()
        }

    def by_score(
        self, filtro: FiltroAnomalias, descendente: bool, tras: Puesto | None, limite: int
    ) -> list[tuple[Documento, bool]]:
        """Return the first anomalies after a place (``AnomalySums.by_score``)."""
        puestos = sorted(score_order(*place_of(doc), descendente) for doc in self._docs(filtro))
        if tras is not None:
            puestos = [uno for uno in puestos if uno > score_order(*tras, descendente)]
        ids = [uno for *_, uno in puestos[:limite]]
        with self._lector.taken():
            filas = both(
                lambda nombre: find_ids(self._lector.base[nombre], ids, SIN_LO_LARGO),
                filtro.con_archivo,
            )
        return sorted(filas, key=lambda fila: ids.index(fila[0]["_id"]))

    def _docs(
        self, filtro: FiltroAnomalias, clientes: Sequence[str] | None = None
    ) -> list[Documento]:
        """Return the anomalies that a filter with both ends lets through, by time.

        ``clientes``: of these alone, if they are given.
        """
        condiciones = match(filtro)
        desde, hasta = filtro.desde, filtro.hasta
        if desde is None or hasta is None:
            raise ValueError("el filtro no tiene los dos extremos")
        docs = None
        if filtro.propietario_id is None:
            docs = self._shared(desde, hasta, filtro.con_archivo)
        if docs is not None:
            de_ellos = {} if clientes is None else {"propietario_id": {"$in": list(clientes)}}
            # They are by time, so that it is looked for and not compared.
            primera = bisect_right(docs, desde - UN_INSTANTE, key=_moment)
            entre = slice(primera, bisect_left(docs, hasta, key=_moment))
            del condiciones[CONSUMO]
            de_archivo = {} if filtro.con_archivo else {ARCHIVADA: False}
            docs = docs[entre]
            for campo, check in _checks({**de_ellos, **condiciones, **de_archivo}):
                docs = [doc for doc in docs if check(doc[campo])]
            return docs
        # Of a customer, or what may fit by itself though all that lies around it does not.
        if filtro.propietario_id is not None or hasta - desde <= MITAD:
            docs = self._read(condiciones, desde, hasta, filtro.con_archivo)
        if docs is None:
            raise ConsultaInvalidaError(
                f"hay más de {ANOMALIAS_MAXIMAS} anomalías en esas fechas: pida menos días"
            )
        return docs

    def _shared(
        self, desde: datetime, hasta: datetime, con_archivo: bool
    ) -> list[Documento] | None:
        """Return everybody's anomalies of an interval and around it; None = too many.

        The archived ones too, where not all of them are too many: one read for both.
        """
        comun = _midnight(self._reloj() - timedelta(days=DIAS_COMUNES))
        fin = min(_midnight(hasta + DIA), ULTIMO_INSTANTE)
        entre = [(comun, ULTIMO_INSTANTE)]
        if desde < comun and fin > self._reloj():
            # Up to now, what most questions are about serves this one too.
            entre.insert(0, (_midnight(desde), comun))
        elif desde < comun:
            entre = [(_midnight(desde), fin)]
        for con_las_demas in (True,) if con_archivo else (True, False):
            partes = [
                self._recuerdo.get(
                    (*uno, con_las_demas), partial(self._read, {}, *uno, con_las_demas)
                )
                for uno in entre
            ]
            docs = [doc for parte in partes for doc in parte or ()]
            if None not in partes and len(docs) <= ANOMALIAS_MAXIMAS:
                return docs
        return None

    def _read(
        self, condiciones: Mapping[str, Any], desde: datetime, hasta: datetime, con_archivo: bool
    ) -> list[Documento] | None:
        """Return the anomalies between two instants, by time; None = too many."""
        hay: dict[Any, Documento] = {}
        orden, limite = [(CONSUMO, DESCENDING)], ANOMALIAS_MAXIMAS + 1
        # A customer's are few, and have an index of their own.
        tramo = hasta - desde if "propietario_id" in condiciones else TRAMO
        for nombre in (ANOMALIAS, ARCHIVO) if con_archivo else (ANOMALIAS,):
            # What lies ahead of now, next to nothing, goes with the latest stretch.
            arriba, corte = hasta, min(hasta, self._reloj())
            while arriba > desde:
                abajo = max(desde, corte - tramo)
                pedidas = {**condiciones, CONSUMO: between(abajo, arriba)}
                for doc in self._lector.find(nombre, pedidas, _CAMPOS, orden, limite):
                    doc[ARCHIVADA] = nombre == ARCHIVO
                    # One that is just being moved is in both: the live one counts.
                    hay.setdefault(doc["_id"], doc)
                if len(hay) > ANOMALIAS_MAXIMAS:
                    return None
                arriba = corte = abajo
        return sorted(hay.values(), key=lambda doc: doc[CONSUMO])


def _midnight(momento: datetime) -> datetime:
    """Return the start of an instant's UTC day."""
    return momento.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _checks(condiciones: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[Any], bool]]]:
    """Yield the fields that the conditions of ``match`` are about, and what each has to meet."""
    for campo, condicion in condiciones.items():
        dichas = condicion if isinstance(condicion, dict) else {"$in": [condicion]}
        for operador, dado in dichas.items():
            if operador == "$in" and campo == "tipos_anomalia":
                yield campo, partial(_has_any, frozenset(dado))
            elif operador == "$in":
                yield campo, frozenset(dado).__contains__
            else:
                yield campo, partial(_COMPARA[operador], dado)


_COMPARA = {"$ne": ne}


def _has_any(dados: frozenset[Any], valores: Sequence[Any]) -> bool:
    return not dados.isdisjoint(valores)


def _by_customer(docs: Sequence[Documento]) -> dict[str, list[Documento]]:
    suyas: dict[str, list[Documento]] = defaultdict(list)
    for doc in docs:
        suyas[doc["propietario_id"]].append(doc)
    return suyas


def _over(doc: Documento) -> float:
    """Return what an anomaly used above the expected, kWh; 0 where nothing was expected."""
    esperado = doc["consumo_esperado_kwh"]
    return 0.0 if esperado is None else float(doc["consumo_kwh"] - esperado)


def _above_and_below(docs: Sequence[Documento]) -> tuple[float, float]:
    """Return what anomalies used above and below the expected, kWh."""
    diferencias = [_over(doc) for doc in docs]
    return fsum(max(una, 0.0) for una in diferencias), fsum(max(-una, 0.0) for una in diferencias)


def _moment(doc: Documento) -> datetime:
    momento: datetime = doc[CONSUMO]
    return momento


def _gravity(doc: Documento) -> tuple[float, datetime]:
    return doc["score_anomalia"], doc[CONSUMO]


def _evidence(doc: Documento, hora: datetime) -> float:
    vigencia: float = 0.5 ** (max(hora - doc[CONSUMO], timedelta(0)) / SEMIVIDA)
    sobre: float = max(2 * doc["score_anomalia"] - 1, 0.0)
    return sobre**2 * vigencia


def _customer(cliente: str, docs: Sequence[Documento], hora: datetime) -> Documento:
    exceso, defecto = _above_and_below(docs)
    return {
        "_id": cliente,
        "evidencia": fsum(_evidence(doc, hora) for doc in docs),
        "es_sospechoso": docs[-1]["es_sospechoso"],
        "severidad": docs[-1]["severidad"],
        "score_maximo": max(doc["score_anomalia"] for doc in docs),
        "anomalias": len(docs),
        "criticas": sum(doc["severidad"] == CRITICA for doc in docs),
        "tipos": [doc["tipos_anomalia"] for doc in docs],
        "ultima_anomalia": docs[-1][CONSUMO],
        "exceso_kwh": exceso,
        "defecto_kwh": defecto,
    }
