"""What is asked of anomalies one by one and in lists: the right ones, in order, each once."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apoyo_consultas import CLIENTES, HASTA, limite_archivo
from bson import ObjectId
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import AnomaliasMongo

from detection.domain import hora_absoluta
from detection.errors import TransientError
from pipeline.stores.anomaly_records import FiltroAnomalias
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.query_limits import ConsultaInvalidaError, por_tramos
from serving.settings import Settings

DIA = timedelta(days=1)
Documento = dict[str, Any]

FILTROS = {
    "todas": FiltroAnomalias(),
    "de un cliente": FiltroAnomalias(propietario_id=CLIENTES[4]),
    "de un cliente, graves": FiltroAnomalias(CLIENTES[4], severidades=("alta", "crítica")),
    "críticas": FiltroAnomalias(severidades=("crítica",)),
    "altas y críticas": FiltroAnomalias(severidades=("alta", "crítica")),
    "bajas de un tipo": FiltroAnomalias(severidades=("baja",), tipos=("fraude",)),
    "de dos tipos": FiltroAnomalias(tipos=("fraude", "pico_consumo")),
    "confirmadas": FiltroAnomalias(estados=("confirmada",)),
    "juzgadas y críticas": FiltroAnomalias(
        severidades=("crítica",), estados=("confirmada", "descartada")
    ),
    "abiertas o confirmadas": FiltroAnomalias(estados=("abierta", "confirmada")),
    "de unos días": FiltroAnomalias(desde=HASTA - 20 * DIA, hasta=HASTA - 9 * DIA),
    "críticas de unos días": FiltroAnomalias(
        desde=HASTA - 40 * DIA, hasta=HASTA - 2 * DIA, severidades=("crítica",)
    ),
    "de un cliente desde un día": FiltroAnomalias(CLIENTES[7], desde=HASTA - 12 * DIA),
    "hasta un día": FiltroAnomalias(hasta=HASTA - 30 * DIA),
    "normales ya": FiltroAnomalias(severidades=("normal",)),
    "ninguna": FiltroAnomalias(propietario_id="NADIE"),
}


def _pasa(doc: Documento, filtro: FiltroAnomalias) -> bool:
    return (
        filtro.propietario_id in {None, doc["propietario_id"]}
        and (filtro.desde is None or doc["timestamp_consumo"] >= filtro.desde)
        and (filtro.hasta is None or doc["timestamp_consumo"] < filtro.hasta)
        and doc["severidad"] in (filtro.severidades or ("baja", "media", "alta", "crítica"))
        and (not filtro.tipos or bool(set(filtro.tipos) & set(doc["tipos_anomalia"])))
        and doc["estado"] in (filtro.estados or (doc["estado"],))
    )


def _esperadas(
    docs: Sequence[Documento], filtro: FiltroAnomalias, campo: str, descendente: bool
) -> list[str]:
    elegidas = [doc for doc in docs if _pasa(doc, filtro)]
    elegidas.sort(key=lambda doc: (doc[campo], doc["_id"]), reverse=descendente)
    return [str(doc["_id"]) for doc in elegidas]


def _todas(pagina: Callable[[str | None], Any]) -> list[str]:
    return [anomalia.id for tramo in por_tramos(pagina) for anomalia in tramo]


FORMAS = [("deteccion", True, False), ("consumo", False, True)]
OTRAS_FORMAS = [("deteccion", False, True), ("consumo", True, True), ("consumo", True, False)]


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.mark.parametrize(
    ("caso", "orden", "descendente", "con_archivo"),
    [
        *((caso, *forma) for caso in FILTROS for forma in FORMAS),
        *((caso, *forma) for caso in ("todas", "críticas") for forma in OTRAS_FORMAS),
    ],
)
def test_una_lista_entera_por_paginas(
    anomalias: MongoQueries,
    documentos: list[Documento],
    caso: str,
    orden: str,
    descendente: bool,
    con_archivo: bool,
) -> None:
    """Page after page each anomaly of a filter comes once, in order, archived ones if asked for."""
    docs = [d for d in documentos if con_archivo or d["timestamp_consumo"] >= limite_archivo()]
    hay = _todas(
        lambda cursor: anomalias.lists.page(
            FILTROS[caso]._replace(con_archivo=con_archivo),
            orden=orden,
            descendente=descendente,
            limite=150,
            cursor=cursor,
        )
    )
    assert hay == _esperadas(docs, FILTROS[caso], f"timestamp_{orden}", descendente)


def test_paginas_de_una_en_una(anomalias: MongoQueries, documentos: list[Documento]) -> None:
    """Anomalies of the same instant are told apart by their ids, even one a page."""
    filtro = FiltroAnomalias(desde=HASTA - 4 * DIA)
    hay = _todas(
        lambda cursor: anomalias.lists.page(filtro, orden="consumo", limite=1, cursor=cursor)
    )
    assert hay == _esperadas(documentos, filtro, "timestamp_consumo", descendente=True)
    momentos = {d["timestamp_consumo"] for d in documentos if str(d["_id"]) in hay}
    assert len(momentos) < len(hay)


def test_dos_veces_lo_mismo(anomalias: MongoQueries) -> None:
    """What was learnt from a list, how wide to look, changes nothing of the next one."""
    for filtro in FILTROS.values():
        antes = anomalias.lists.page(filtro, limite=5)
        assert anomalias.lists.page(filtro, limite=5) == antes
        assert anomalias.lists.page(filtro, limite=50).elementos[:5] == antes.elementos


@pytest.mark.parametrize("caso", ["todas", "de un cliente", "altas y críticas", "confirmadas"])
def test_las_de_mayor_score(
    anomalias: MongoQueries, documentos: list[Documento], caso: str
) -> None:
    """By score, the latest first among equals, page after page."""
    filtro = FILTROS[caso]._replace(desde=HASTA - 40 * DIA)
    elegidas = [doc for doc in documentos if _pasa(doc, filtro)]
    elegidas.sort(
        key=lambda d: (-d["score_anomalia"], -d["timestamp_consumo"].timestamp(), d["_id"])
    )
    hay = _todas(
        lambda cursor: anomalias.lists.page(filtro, orden="score", limite=97, cursor=cursor)
    )
    assert hay == [str(doc["_id"]) for doc in elegidas]


def test_una_anomalia_entera(anomalias: MongoQueries, documentos: list[Documento]) -> None:
    """By its id, live or archived, with all that was said of it."""
    for doc in (documentos[0], documentos[-5]):
        detalle = anomalias.lists.one(str(doc["_id"]))
        assert detalle is not None
        suyos = {
            campo: valor for campo, valor in detalle if campo in doc and campo != "explicacion"
        }
        assert suyos == {campo: doc[campo] for campo in suyos}
        assert len(suyos) == len(doc) - 2
        assert detalle.id == str(doc["_id"])
        assert detalle.archivada == (doc["timestamp_consumo"] < limite_archivo())
        dicho = doc["explicacion"][0] | {"aporte": 1.0}
        assert [uno.model_dump() for uno in detalle.explicacion] == [dicho]
        assert detalle.resumen == dicho["frase"]
        assert (detalle.veredicto, detalle.veredictos) == (None, [])
    assert anomalias.lists.one(str(ObjectId())) is None


@pytest.mark.parametrize("caso", ["todas", "de unos días", "de un cliente", "confirmadas"])
def test_lo_que_puntuo_cada_detector(
    anomalias: MongoQueries, documentos: list[Documento], caso: str
) -> None:
    """Those found last first, archived or not, each with the score of every detector."""
    hay = anomalias.lists.scores(FILTROS[caso], 60)
    esperadas = _esperadas(documentos, FILTROS[caso], "timestamp_deteccion", descendente=True)
    assert [uno.id for uno in hay] == esperadas[:60]
    de = {str(doc["_id"]): doc for doc in documentos}
    for uno in hay:
        doc = de[uno.id]
        assert uno.detectores == {"fraude": 0.9}
        comunes = doc.keys() & dict(uno).keys()
        assert len(comunes) == 6
        assert all(doc[campo] == getattr(uno, campo) for campo in comunes)


def test_un_cursor_de_otro_orden_no_sirve(anomalias: MongoQueries) -> None:
    """A position in one order means nothing in another."""
    cursor = anomalias.lists.page(limite=5).siguiente
    for otro in ({"descendente": False}, {"orden": "consumo"}, {"orden": "score"}):
        with pytest.raises(ConsultaInvalidaError, match="cursor"):
            anomalias.lists.page(cursor=cursor, **otro)
    with pytest.raises(ConsultaInvalidaError, match="cursor"):
        anomalias.lists.new(cursor)


IMPOSIBLES: dict[str, dict[str, Any]] = {
    "orden ajeno": {"orden": "$where"},
    "ninguna": {"limite": 0},
    "demasiadas": {"limite": 5_001},
    "cursor ajeno": {"cursor": "{'$gt': ''}"},
    "cursor sin id": {"cursor": "MXx4"},
    "severidad ajena": {"filtro": FiltroAnomalias(severidades=("$ne",))},
    "tipo ajeno": {"filtro": FiltroAnomalias(tipos=("{$gt: ''}",))},
    "estado ajeno": {"filtro": FiltroAnomalias(estados=("cerrada",))},
    "nombre largo": {"filtro": FiltroAnomalias(propietario_id="x" * 21)},
    "al revés": {"filtro": FiltroAnomalias(desde=HASTA, hasta=HASTA - DIA)},
    "sin zona": {"filtro": FiltroAnomalias(desde=datetime(2026, 1, 1))},
    "año 1": {"filtro": FiltroAnomalias(desde=datetime(1, 1, 1, tzinfo=UTC), hasta=HASTA)},
    "año 1 sin fin": {"filtro": FiltroAnomalias(desde=datetime(1, 1, 1, tzinfo=UTC))},
    "años de scores": {
        "orden": "score",
        "filtro": FiltroAnomalias(desde=HASTA - 200 * DIA, hasta=HASTA),
    },
}


@pytest.mark.parametrize("caso", IMPOSIBLES)
def test_lo_imposible_se_rechaza(anomalias: MongoQueries, caso: str) -> None:
    """What lies outside the limits is refused with a clear line, before the server hears of it."""
    with pytest.raises(ConsultaInvalidaError) as error:
        anomalias.lists.page(**IMPOSIBLES[caso])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("texto", ["", "x" * 24, "$ne", "0" * 23, "0" * 25])
def test_lo_que_no_es_un_id_se_rechaza(anomalias: MongoQueries, texto: str) -> None:
    """Only 24 hexadecimal digits are an id."""
    with pytest.raises(ConsultaInvalidaError, match="hexadecimales"):
        anomalias.lists.one(texto)


def test_un_filtro_no_es_una_orden(anomalias: MongoQueries) -> None:
    """A customer's name that looks like a condition is a name that nobody has."""
    for texto in ("$ne", "{'$gt': ''}", "' || 1 == 1"):
        assert anomalias.lists.page(FiltroAnomalias(texto)).elementos == []


def test_las_nuevas_llegan_una_vez_y_en_orden(entorno: Settings) -> None:
    """From a cursor on every anomaly comes once, none too early, and the cursor never ends."""
    sonda = AnomaliasMongo(entorno)
    ahora = [datetime.now(UTC)]
    consultas = MongoQueries(entorno, margen_s=3.0, reloj=lambda: ahora[0])
    consultas.ensure_indexes()
    vacia = consultas.lists.new()
    assert vacia.elementos == []
    cursor = vacia.siguiente
    vistas: list[str] = []
    base = hora_absoluta(datetime(2050, 1, 1, tzinfo=UTC))
    for ronda in range(3):
        claves = [(f"C{i}", base + ronda) for i in range(5)]
        lote = hacer_lote(claves, severidad=[1, 2, 3, 4, 1], score=[60] * 5)
        sonda.store.save(*lote, explicar(lote[1]), lote[1].severidad < 0, base)
        ahora[0] = datetime.now(UTC) + timedelta(seconds=2)
        assert consultas.lists.new(cursor).elementos == []
        ahora[0] += timedelta(seconds=2)
        while (pagina := consultas.lists.new(cursor, limite=2)).elementos:
            vistas += [a.propietario_id for a in pagina.elementos]
            assert pagina.siguiente == consultas.lists.cursor_of(pagina.elementos[-1])
            cursor = pagina.siguiente
        assert pagina.siguiente == cursor
    assert sorted(vistas) == sorted([f"C{i}" for i in range(5)] * 3)
    assert [set(vistas[i : i + 5]) for i in (0, 5, 10)] == [{f"C{i}" for i in range(5)}] * 3
    consultas.close()
    sonda.store.close()
    sonda.cliente.close()


def test_sin_servidor_el_error_es_transitorio() -> None:
    """Nothing listens: try again later."""
    with socket.socket() as enchufe:
        enchufe.bind(("127.0.0.1", 0))
        ausente = Settings(mongo_host="127.0.0.1", mongo_port=enchufe.getsockname()[1])
    consultas = MongoQueries(ausente)
    with pytest.raises(TransientError, match="no responde"):
        consultas.lists.page()
    consultas.close()
