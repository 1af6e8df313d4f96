"""Cases one by one and in lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from pymongo import ASCENDING, DESCENDING

from detection.cases.story import CASO
from detection.domain import ROTULOS, TIPOS_INOCENTES
from pipeline.stores.case_figures import (
    SEMANA,
    VISITAS_MAXIMAS,
    Aciertos,
    OpenCase,
    ResumenCasos,
    cases_of_day,
    hit_rates,
    summarize_cases,
)
from pipeline.stores.case_records import (
    CASOS_MAXIMOS,
    CLASES_CASO,
    ESTADOS_CASO,
    INOCENTE,
    JUZGADOS,
    SIN_VEREDICTO,
    SOSPECHOSO,
    TODOS,
    CasoDetalle,
    CasoResumen,
    EvidenciaDetector,
    FiltroCasos,
    MovedCase,
    fields_of,
)
from pipeline.stores.mongo.cases import CASOS, MOVIDO, NO_INOCENTES
from pipeline.stores.mongo.query_filter import CONSUMO, between, both
from pipeline.stores.mongo.reader import Documento, MongoReader
from pipeline.stores.presentation import Presentacion
from pipeline.stores.query_cache import AnswerCache
from pipeline.stores.query_limits import (
    PRIMER_INSTANTE,
    Pagina,
    check_id,
    check_ids,
    check_limit,
    check_text,
    check_words,
    decode_cursor,
    encode_cursor,
)

ORDENES: dict[str, tuple[str, int, type]] = {
    "recuperable": ("recuperable_kwh", DESCENDING, float),
    "probabilidad": ("probabilidad", DESCENDING, float),
    "antiguedad": ("fecha_inicio", ASCENDING, str),
}
"""Order -> field, which end comes first, and what its values are."""
CLIENTES_MAXIMOS = 500
HORAS_CASO = 700
"""The latest anomalies of a case that its evidence is made of, archived or not: four weeks."""
_SIN_EVIDENCIA = {"evidencia": 0, "comentarios": 0, "historial": 0}
_DE_RESUMEN = dict.fromkeys(
    (
        *("fecha_apertura", "fecha_cierre", "estado", "recuperable_kwh", "veredicto.cuando"),
        *("resultado.cuando", "resultado.recuperado_eur", "historial.cuando"),
        "historial.despues.estado",
    ),
    1,
)
_DE_ACIERTOS = dict.fromkeys(
    ("tipo", "estado", "version_modelo", "sorteo", "visita.fecha", "resultado", "veredicto.cuando"),
    1,
)
_EXPLICADAS = {f"explicacion.{campo}": 1 for campo in ("detector", "score", "dispara", "frase")}
_NUEVOS = "casos-nuevos"
_TODOS = FiltroCasos()
_GOING_ON = {"fecha_cierre": None, **NO_INOCENTES}


class MongoCases:
    """What is asked of cases.

    ``reloj``: the time, aware. ``margen``: what changed later than so long ago is not yet given by
    ``new``: a batch is stored in less.
    """

    def __init__(
        self,
        lector: MongoReader,
        recuerdo: AnswerCache,
        reloj: Callable[[], datetime],
        margen: timedelta,
    ) -> None:
        self._lector = lector
        self._presenta = lector.presenta
        self._recuerdo = recuerdo
        self._reloj = reloj
        self._margen = margen

    def page(
        self,
        filtro: FiltroCasos = _TODOS,
        *,
        orden: str = "recuperable",
        limite: int = 50,
        cursor: str | None = None,
    ) -> Pagina[CasoResumen]:
        """Return a page of cases (``CaseQueries.page``)."""
        check_words("orden", [orden], tuple(ORDENES))
        check_limit(limite, CASOS_MAXIMOS)
        if cursor is not None:
            return self._load(filtro, orden, limite, cursor)
        clave = ("casos", filtro, orden, limite)
        return self._recuerdo.get(clave, partial(self._load, filtro, orden, limite, None))

    def _load(
        self, filtro: FiltroCasos, orden: str, limite: int, cursor: str | None
    ) -> Pagina[CasoResumen]:
        condiciones = _match(filtro)
        if filtro.con_resultado:
            sabidos = self._known(filtro.visita_desde, filtro.visita_hasta)
            condiciones["_id"] = {"$in": [doc["_id"] for doc in sabidos]}
        campo, sentido, tipo = ORDENES[orden]
        lista = f"casos-{orden}"
        tramos: list[Documento] = [{}]
        if cursor is not None:
            valor, uno = decode_cursor(lista, cursor, tipo, str)
            detras = "$lt" if sentido == DESCENDING else "$gt"
            # Those that are equal first: of an "or" no index helps the embedded server.
            detras_de_uno = {**condiciones.get("_id", {}), "$gt": uno}
            tramos = [{campo: valor, "_id": detras_de_uno}, {campo: {detras: valor}}]
        en_orden = [(campo, sentido), ("_id", ASCENDING)]
        docs: list[Documento] = []
        for tramo in tramos:
            faltan = limite + 1 - len(docs)
            if faltan:
                pedidas = {**condiciones, **tramo}
                docs += self._lector.find(CASOS, pedidas, _SIN_EVIDENCIA, en_orden, faltan)
        siguiente = None
        if len(docs) > limite:
            ultimo = docs[limite - 1]
            siguiente = encode_cursor(lista, ultimo[campo], ultimo["_id"])
        return Pagina([self._case(doc) for doc in docs[:limite]], siguiente)

    def _case(self, doc: Documento) -> CasoResumen:
        return CasoResumen(**fields_of(doc, self._presenta))

    def one(self, id: str) -> CasoDetalle | None:
        """Return a case with its evidence (``CaseQueries.one``)."""
        hay = self._lector.find(CASOS, {"_id": check_text(id)}, None, [("_id", ASCENDING)], 1)
        return CasoDetalle(**fields_of(hay[0], self._presenta)) if hay else None

    def open_of(self, propietario_ids: Sequence[str]) -> dict[str, CasoResumen]:
        """Return the open cases of customers (``CaseQueries.open_of``)."""
        clientes = check_ids(propietario_ids, CLIENTES_MAXIMOS)
        if not clientes:
            return {}
        hay = self._all({"propietario_id": {"$in": clientes}, **_open()})
        return {caso.propietario_id: caso for caso in hay}

    def going_on(self) -> list[CasoResumen]:
        """Return every case that goes on, judged or not (``CaseQueries.going_on``)."""
        return self._recuerdo.get("casos que siguen", partial(self._all, _GOING_ON))

    def of_day(self, visitas: int, sorteados: int, ahora: datetime) -> list[CasoResumen]:
        """Return the cases to visit today (``CaseQueries.of_day``)."""
        check_limit(visitas, VISITAS_MAXIMAS)
        hoy = self._presenta.fecha(ahora)
        sorteados = min(sorteados, visitas)
        elegidos = self._recuerdo.get(
            ("lista del día", hoy, visitas, sorteados),
            lambda: cases_of_day(self._worth_a_visit(hoy), hoy, visitas, sorteados),
        )
        if not elegidos:
            return []
        hay = {caso.id: caso for caso in self._all({"_id": {"$in": list(elegidos)}})}
        return [
            hay[uno].model_copy(update={"sorteo": sorteo or hay[uno].sorteo})
            for uno, sorteo in elegidos.items()
            if uno in hay
        ]

    def _worth_a_visit(self, hoy: date) -> list[OpenCase]:
        return self._recuerdo.get(("candidatos", hoy), partial(self._candidates, hoy))

    def _candidates(self, hoy: date) -> list[OpenCase]:
        """Return the cases that are worth a visit today, and those that were when it began."""
        campos = dict.fromkeys(
            ("recuperable_kwh", "estado", "visita.fecha", "fecha_apertura", MOVIDO), 1
        )
        desde = self._presenta.medianoche(hoy)
        de_hoy = {MOVIDO: {"$gte": desde}, **_GOING_ON}
        docs = {
            doc["_id"]: doc
            for condiciones in (_open(), de_hoy)
            for doc in self._lector.find(CASOS, condiciones, campos, [("_id", ASCENDING)], 0)
        }
        candidatos = []
        for doc in docs.values():
            visita = (doc.get("visita") or {}).get("fecha", hoy.isoformat())
            abierto = doc["estado"] in SIN_VEREDICTO and visita >= hoy.isoformat()
            if abierto or doc[MOVIDO] >= desde:
                # Found at the end of a day: one of yesterday was found today.
                de_antes = doc["fecha_apertura"] < (hoy - timedelta(days=1)).isoformat()
                candidatos.append(OpenCase(doc["_id"], doc["recuperable_kwh"], abierto, de_antes))
        return candidatos

    def summary(self, ahora: datetime) -> ResumenCasos:
        """Return how many there are, and why it moved (``CaseQueries.summary``)."""
        hoy = self._presenta.fecha(ahora)
        return self._recuerdo.get(("resumen de casos", hoy), partial(self._load_summary, hoy))

    def _load_summary(self, hoy: date) -> ResumenCasos:
        desde = hoy - 2 * SEMANA
        docs = {
            doc["_id"]: doc
            for condiciones in (
                _GOING_ON,
                {"fecha_cierre": {"$gte": desde.isoformat()}, **NO_INOCENTES},
                {MOVIDO: {"$gte": self._presenta.medianoche(desde)}, **NO_INOCENTES},
            )
            for doc in self._lector.find(CASOS, condiciones, _DE_RESUMEN, [("_id", ASCENDING)], 0)
        }
        return summarize_cases(list(docs.values()), hoy, self._presenta)

    def outcomes(self, desde: date | None = None, hasta: date | None = None) -> Aciertos:
        """Return how often visits found something (``CaseQueries.outcomes``)."""
        return self._recuerdo.get(
            ("aciertos", desde, hasta), partial(self._load_outcomes, desde, hasta)
        )

    def _load_outcomes(self, desde: date | None, hasta: date | None) -> Aciertos:
        return hit_rates(self._known(desde, hasta), desde, hasta)

    def _known(self, desde: date | None, hasta: date | None) -> list[Documento]:
        """Return the cases with a visit of some days of which it is known what there was."""
        # A text comes after the empty one: who has no visit is left out.
        condiciones = {"visita.fecha": {"$gt": "", **_days_between(desde, hasta)}}
        docs = self._lector.find(CASOS, condiciones, _DE_ACIERTOS, [("_id", ASCENDING)], 0)
        return [doc for doc in docs if doc.get("resultado") or self._judged_after_visit(doc)]

    def _judged_after_visit(self, doc: Documento) -> bool:
        """Return whether a verdict may be that of the visit: one to come says nothing."""
        if doc["estado"] not in JUZGADOS:
            return False
        dicho = self._presenta.fecha(doc["veredicto"]["cuando"])
        return bool(doc["visita"]["fecha"] <= dicho.isoformat())

    def detectors(self, caso: CasoResumen) -> list[EvidenciaDetector]:
        """Return what each detector says of its hours (``CaseQueries.detectors``)."""
        clave = ("detectores", caso.id, caso.fecha_inicio, caso.hasta)
        return self._recuerdo.get(clave, partial(self._load_detectors, caso))

    def _load_detectors(self, caso: CasoResumen) -> list[EvidenciaDetector]:
        suyas = hours_of_case(caso, self._presenta)

        def read(nombre: str) -> list[Documento]:
            return self._lector.find(
                nombre, suyas, _EXPLICADAS, [(CONSUMO, DESCENDING)], HORAS_CASO
            )

        docs = [doc for doc, _ in both(read, con_archivo=True)]
        return detector_evidence([doc["explicacion"] for doc in docs])

    def new(self, cursor: str | None = None, limite: int = 100) -> Pagina[MovedCase]:
        """Return the cases that changed after a cursor (``CaseQueries.new``)."""
        check_limit(limite, CASOS_MAXIMOS)
        hasta = self._reloj() - self._margen
        if cursor is None:
            return Pagina([], encode_cursor(_NUEVOS, max(hasta, PRIMER_INSTANTE), ""))
        momento, uno = decode_cursor(_NUEVOS, cursor, datetime, str)
        orden = [(MOVIDO, ASCENDING), ("_id", ASCENDING)]
        docs: list[Documento] = []
        # Those that are equal first: of an "or" no index helps the embedded server.
        for tramo in ({MOVIDO: momento, "_id": {"$gt": uno}}, {MOVIDO: {"$gt": momento}}):
            faltan = limite - len(docs)
            if faltan:
                pedidos = {**tramo, **NO_INOCENTES}
                docs += self._lector.find(CASOS, pedidos, _SIN_EVIDENCIA, orden, faltan)
        docs = [doc for doc in docs if doc[MOVIDO] < hasta]
        casos = [
            MovedCase(self._case(doc), encode_cursor(_NUEVOS, doc[MOVIDO], doc["_id"]))
            for doc in docs
        ]
        return Pagina(casos, casos[-1].cursor if casos else cursor)

    def _all(self, condiciones: Documento) -> list[CasoResumen]:
        orden = [("fecha_apertura", ASCENDING), ("_id", ASCENDING)]
        docs = self._lector.find(CASOS, condiciones, _SIN_EVIDENCIA, orden, 0)
        return [self._case(doc) for doc in docs]


def _open(estados: Sequence[str] = SIN_VEREDICTO) -> dict[str, Any]:
    return {"fecha_cierre": None, "estado": {"$in": list(estados)}, **NO_INOCENTES}


def _match(filtro: FiltroCasos) -> Documento:
    """Return the conditions of a filter, after checking it; the most telling one first."""
    check_words("estado", filtro.estados, ESTADOS_CASO)
    check_words("tipo", filtro.tipos, tuple(ROTULOS))
    condiciones: Documento = {}
    if filtro.propietario_id is not None:
        condiciones["propietario_id"] = check_id(filtro.propietario_id)
    if filtro.solo_abiertos:
        pedidos = filtro.estados or SIN_VEREDICTO
        abiertos = [estado for estado in pedidos if estado in SIN_VEREDICTO]
        condiciones |= {"fecha_cierre": None, "estado": {"$in": abiertos}}
    elif filtro.estados:
        condiciones["estado"] = {"$in": list(filtro.estados)}
    condiciones |= _of_class(filtro)
    if filtro.tipos:
        condiciones["tipo"] = {"$in": list(filtro.tipos)}
    for campo in ("asignado_a", "version_modelo"):
        if (valor := getattr(filtro, campo)) is not None:
            condiciones[campo] = check_text(valor)
    if entre := _days_between(filtro.desde, filtro.hasta):
        condiciones["fecha_apertura"] = entre
    if entre := _days_between(filtro.visita_desde, filtro.visita_hasta):
        condiciones["visita.fecha"] = entre
    return condiciones


def _of_class(filtro: FiltroCasos) -> Documento:
    clase = filtro.clase
    if clase is None:
        clase = TODOS if set(filtro.tipos) & set(TIPOS_INOCENTES) else SOSPECHOSO
    check_words("clase", [clase], CLASES_CASO)
    de_clase: dict[str, Documento] = {
        SOSPECHOSO: NO_INOCENTES, INOCENTE: {"inocente": True}, TODOS: {},
    }  # fmt: skip
    return de_clase[clase]


def _days_between(desde: date | None, hasta: date | None) -> dict[str, str]:
    """Return the condition that a local day lies between two, both included."""
    limites = {"$gte": desde, "$lte": hasta}
    return {signo: dia.isoformat() for signo, dia in limites.items() if dia is not None}


def hours_of_case(
    caso: CasoResumen, presenta: Presentacion, until: datetime | None = None
) -> Documento:
    """Return which anomalies are a case's: its customer's, from its first local day to its last.

    ``until``: of a case that goes on, those of the day after it too, which has not ended yet, up
    to this instant.
    """
    fin = presenta.medianoche(caso.ultimo_dia + timedelta(days=1))
    if until is not None and caso.fecha_cierre is None:
        fin = max(fin, min(until, presenta.medianoche(caso.ultimo_dia + timedelta(days=2))))
    return {
        "propietario_id": caso.propietario_id,
        CONSUMO: between(presenta.medianoche(caso.fecha_inicio), fin),
    }


def detector_evidence(explicaciones: Sequence[Sequence[Documento]]) -> list[EvidenciaDetector]:
    """Return what the detectors that fire say of hours; an open case is no detector."""
    suyas: dict[str, list[Documento]] = defaultdict(list)
    for explicacion in explicaciones:
        for dicho in explicacion:
            if dicho["dispara"] and dicho["detector"] != CASO:
                suyas[dicho["detector"]].append(dicho)
    salida = []
    for detector, dichos in suyas.items():
        scores = [dicho["score"] for dicho in dichos if dicho["score"] is not None]
        fuerte = max(dichos, key=lambda dicho: dicho["score"] or 0.0)
        salida.append(
            EvidenciaDetector(
                detector=detector,
                horas=len(dichos),
                score_medio=sum(scores) / len(scores) if scores else None,
                frase=fuerte["frase"],
            )
        )
    return sorted(salida, key=lambda uno: (-uno.horas, uno.detector))
