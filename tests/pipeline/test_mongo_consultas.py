"""What is asked of anomalies one by one and in lists: the right ones, in order, each once."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apoyo_consultas import AHORA, CLIENTES, HASTA, limite_archivo
from bson import ObjectId
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import AnomaliasMongo

from detection.domain import Explicacion, hora_absoluta
from detection.errors import TransientError
from pipeline.stores.anomaly_records import Anomalia, FiltroAnomalias
from pipeline.stores.mongo.queries import MongoConsultas
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


@pytest.mark.parametrize(
    ("caso", "orden", "descendente", "con_archivo"),
    [
        *((caso, *forma) for caso in FILTROS for forma in FORMAS),
        *((caso, *forma) for caso in ("todas", "críticas") for forma in OTRAS_FORMAS),
    ],
)
def test_una_lista_entera_por_paginas(
    anomalias: MongoConsultas,
    documentos: list[Documento],
    caso: str,
    orden: str,
    descendente: bool,
    con_archivo: bool,
) -> None:
    """Page after page each anomaly of a filter comes once, in order, archived ones if asked for."""
    docs = [d for d in documentos if con_archivo or d["timestamp_consumo"] >= limite_archivo()]
    hay = _todas(
        lambda cursor: anomalias.anomalias(
            FILTROS[caso],
            orden=orden,
            descendente=descendente,
            limite=150,
            cursor=cursor,
            con_archivo=con_archivo,
        )
    )
    assert hay == _esperadas(docs, FILTROS[caso], f"timestamp_{orden}", descendente)


def test_paginas_de_una_en_una(anomalias: MongoConsultas, documentos: list[Documento]) -> None:
    """Anomalies of the same instant are told apart by their ids, even one a page."""
    filtro = FiltroAnomalias(desde=HASTA - 4 * DIA)
    hay = _todas(
        lambda cursor: anomalias.anomalias(filtro, orden="consumo", limite=1, cursor=cursor)
    )
    assert hay == _esperadas(documentos, filtro, "timestamp_consumo", descendente=True)
    momentos = {d["timestamp_consumo"] for d in documentos if str(d["_id"]) in hay}
    assert len(momentos) < len(hay)


def test_dos_veces_lo_mismo(anomalias: MongoConsultas) -> None:
    """What was learnt from a list, how wide to look, changes nothing of the next one."""
    for filtro in FILTROS.values():
        antes = anomalias.anomalias(filtro, limite=5)
        assert anomalias.anomalias(filtro, limite=5) == antes
        assert anomalias.anomalias(filtro, limite=50).elementos[:5] == antes.elementos


@pytest.mark.parametrize("caso", ["todas", "de un cliente", "altas y críticas", "confirmadas"])
def test_las_de_mayor_score(
    anomalias: MongoConsultas, documentos: list[Documento], caso: str
) -> None:
    """By score, the latest first among equals, page after page."""
    filtro = FILTROS[caso]._replace(desde=HASTA - 40 * DIA)
    elegidas = [doc for doc in documentos if _pasa(doc, filtro)]
    elegidas.sort(
        key=lambda d: (-d["score_anomalia"], -d["timestamp_consumo"].timestamp(), d["_id"])
    )
    hay = _todas(
        lambda cursor: anomalias.anomalias(filtro, orden="score", limite=97, cursor=cursor)
    )
    assert hay == [str(doc["_id"]) for doc in elegidas]


def test_una_anomalia_entera(anomalias: MongoConsultas, documentos: list[Documento]) -> None:
    """By its id or by its reading, live or archived, with all that was said of it."""
    for doc in (documentos[0], documentos[-5]):
        detalle = anomalias.anomalia(str(doc["_id"]))
        assert detalle is not None
        assert detalle.anomalia == Anomalia(
            str(doc["_id"]), doc["propietario_id"], doc["timestamp_consumo"],
            doc["timestamp_deteccion"], doc["consumo_kwh"], doc["consumo_esperado_kwh"],
            doc["hora"], doc["tipos_anomalia"], doc["score_anomalia"], doc["severidad"],
            doc["es_sospechoso"], doc["estado"], doc["version_modelo"], None,
            archivada=doc["timestamp_consumo"] < limite_archivo(),
        )  # fmt: skip
        assert detalle.explicacion == [Explicacion(**doc["explicacion"][0])]
        assert detalle.veredictos == []
        assert detalle == anomalias.anomalia_de(doc["propietario_id"], doc["timestamp_consumo"])
    assert anomalias.anomalia(str(documentos[0]["_id"]), con_archivo=False) is None
    assert anomalias.anomalia(str(ObjectId())) is None
    assert anomalias.anomalia_de("NADIE", AHORA) is None


@pytest.mark.parametrize("caso", ["todas", "de unos días", "de un cliente", "confirmadas"])
def test_lo_que_puntuo_cada_detector(
    anomalias: MongoConsultas, documentos: list[Documento], caso: str
) -> None:
    """Those found last first, archived or not, each with the score of every detector."""
    hay = anomalias.puntuaciones(FILTROS[caso], 60)
    esperadas = _esperadas(documentos, FILTROS[caso], "timestamp_deteccion", descendente=True)
    assert [uno.id for uno in hay] == esperadas[:60]
    de = {str(doc["_id"]): doc for doc in documentos}
    for uno in hay:
        doc = de[uno.id]
        assert uno.scores == {"fraude": 0.9}
        assert all(doc[campo] == getattr(uno, campo) for campo in uno._fields[1:-1])


def test_un_cursor_de_otro_orden_no_sirve(anomalias: MongoConsultas) -> None:
    """A position in one order means nothing in another."""
    cursor = anomalias.anomalias(limite=5).siguiente
    for otro in ({"descendente": False}, {"orden": "consumo"}, {"orden": "score"}):
        with pytest.raises(ConsultaInvalidaError, match="cursor"):
            anomalias.anomalias(cursor=cursor, **otro)
    with pytest.raises(ConsultaInvalidaError, match="cursor"):
        anomalias.nuevas(cursor)


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
def test_lo_imposible_se_rechaza(anomalias: MongoConsultas, caso: str) -> None:
    """What lies outside the limits is refused with a clear line, before the server hears of it."""
    with pytest.raises(ConsultaInvalidaError) as error:
        anomalias.anomalias(**IMPOSIBLES[caso])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("texto", ["", "x" * 24, "$ne", "0" * 23, "0" * 25])
def test_lo_que_no_es_un_id_se_rechaza(anomalias: MongoConsultas, texto: str) -> None:
    """Only 24 hexadecimal digits are an id."""
    with pytest.raises(ConsultaInvalidaError, match="hexadecimales"):
        anomalias.anomalia(texto)


def test_un_filtro_no_es_una_orden(anomalias: MongoConsultas) -> None:
    """A customer's name that looks like a condition is a name that nobody has."""
    for texto in ("$ne", "{'$gt': ''}", "' || 1 == 1"):
        assert anomalias.anomalias(FiltroAnomalias(texto)).elementos == []


def test_las_nuevas_llegan_una_vez_y_en_orden(entorno: Settings) -> None:
    """From a cursor on every anomaly comes once, none too early, and the cursor never ends."""
    sonda = AnomaliasMongo(entorno)
    ahora = [datetime.now(UTC)]
    consultas = MongoConsultas(entorno, margen_s=3.0, reloj=lambda: ahora[0])
    consultas.ensure_indexes()
    vacia = consultas.nuevas()
    assert vacia.elementos == []
    cursor = vacia.siguiente
    vistas: list[str] = []
    base = hora_absoluta(datetime(2050, 1, 1, tzinfo=UTC))
    for ronda in range(3):
        claves = [(f"C{i}", base + ronda) for i in range(5)]
        lote = hacer_lote(claves, severidad=[1, 2, 3, 4, 1], score=[60] * 5)
        sonda.store.save(*lote, explicar(lote[1]), lote[1].severidad < 0, base)
        ahora[0] = datetime.now(UTC) + timedelta(seconds=2)
        assert consultas.nuevas(cursor).elementos == []
        ahora[0] += timedelta(seconds=2)
        while (pagina := consultas.nuevas(cursor, limite=2)).elementos:
            vistas += [a.propietario_id for a in pagina.elementos]
            assert pagina.siguiente == consultas.cursor_de(pagina.elementos[-1])
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
    consultas = MongoConsultas(ausente)
    with pytest.raises(TransientError, match="no responde"):
        consultas.anomalias()
    consultas.close()
