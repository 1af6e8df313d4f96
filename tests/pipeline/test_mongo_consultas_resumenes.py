"""What anomalies and months add up to, beside the same added up the plain way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from apoyo_consultas import AHORA, CLIENTES, DESDE, HASTA, ZONA, limite_archivo
from contracts.fakes import hacer_lote
from contracts.sondas import AnomaliasMongo

from detection.blend.suspicion import probability
from detection.domain import Explicacion, hora_absoluta
from detection.params import Params
from pipeline.stores.anomaly_records import FiltroAnomalias, Incidente
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.query_limits import ConsultaInvalidaError
from pipeline.stores.record_base import PorEstado
from serving.settings import Settings

DIA = timedelta(days=1)
HORA = timedelta(hours=1)
MADRID = ZoneInfo(ZONA)
GRAVES = ("baja", "media", "alta", "crítica")
Documento = dict[str, Any]


@pytest.fixture
def entorno(entorno_mongo: Settings) -> Settings:
    return entorno_mongo


@pytest.fixture(params=[True, False], ids=["embebido", "mongodb"])
def anomalias(con_anomalias: Settings, request: pytest.FixtureRequest) -> Iterator[MongoQueries]:
    """Give what is asked of ``con_anomalias``, added up either way."""
    abierta = MongoQueries(con_anomalias, reloj=lambda: AHORA, embebido=request.param)
    yield abierta
    abierta.close()


def _entre(
    docs: Sequence[Documento], desde: datetime, hasta: datetime, severidades: Sequence[str] = GRAVES
) -> list[Documento]:
    return [
        d for d in docs if desde <= d["timestamp_consumo"] < hasta and d["severidad"] in severidades
    ]


def _vivos(docs: Sequence[Documento]) -> list[Documento]:
    return [d for d in docs if d["timestamp_consumo"] >= limite_archivo()]


def _cuenta(docs: Sequence[Documento]) -> dict[str, int]:
    hay = Counter(d["severidad"] for d in docs)
    return {severidad: hay[severidad] for severidad in GRAVES}


def _diferencia(doc: Documento) -> float:
    esperado = doc["consumo_esperado_kwh"]
    return 0.0 if esperado is None else float(doc["consumo_kwh"] - esperado)


def test_el_resumen(anomalias: MongoQueries, documentos: list[Documento]) -> None:
    """States and latest detection of a month, energy at stake of two weeks, to the hour of now."""
    resumen = anomalias.summaries.overview()
    for hay, desde, hasta in (
        (resumen.en_juego_7d_kwh, HASTA - 7 * DIA, HASTA),
        (resumen.en_juego_7d_anterior_kwh, HASTA - 14 * DIA, HASTA - 7 * DIA),
    ):
        suyas = [d for d in _entre(documentos, desde, hasta) if d["estado"] == "abierta"]
        assert hay == pytest.approx(sum(abs(_diferencia(d)) for d in suyas))
    for juzgadas, desde, hasta in (
        (resumen.juzgadas_7d, HASTA - 7 * DIA, HASTA),
        (resumen.juzgadas_7d_anterior, HASTA - 14 * DIA, HASTA - 7 * DIA),
    ):
        suyas = [d for d in _entre(documentos, desde, hasta) if d["estado"] != "abierta"]
        assert juzgadas.model_dump(by_alias=True) == _cuenta(suyas)
    mes = _entre(documentos, HASTA - 30 * DIA, HASTA)
    assert resumen.por_estado.model_dump() == dict(Counter(d["estado"] for d in mes))
    assert resumen.ultima_deteccion == max(d["timestamp_deteccion"] for d in mes)


def test_lo_descartado_de_un_cliente(anomalias: MongoQueries, documentos: list[Documento]) -> None:
    """What people rejected of a customer, archived or not, and what it used above and below."""
    hubo = 0
    for cliente in CLIENTES:
        suyas = [
            d
            for d in _entre(documentos, DESDE, HASTA - 9 * DIA)
            if (d["propietario_id"], d["estado"]) == (cliente, "descartada")
        ]
        hay = anomalias.summaries.rejected(cliente, DESDE, HASTA - 9 * DIA)
        assert hay.anomalias == len(suyas)
        assert hay.exceso_kwh == pytest.approx(sum(max(_diferencia(d), 0) for d in suyas))
        assert hay.defecto_kwh == pytest.approx(sum(max(-_diferencia(d), 0) for d in suyas))
        hubo += len(suyas)
    assert hubo > 20


@pytest.mark.parametrize("orden", ["evidencia", "kwh", "visita", "anomalias"])
def test_el_ranking(anomalias: MongoQueries, documentos: list[Documento], orden: str) -> None:
    """Customers by what their anomalies of 28 days weigh, those judged left out."""
    desde = HASTA - 28 * DIA
    por_cliente = defaultdict(list)
    for doc in _entre(documentos, desde, HASTA):
        if doc["estado"] == "abierta":
            por_cliente[doc["propietario_id"]].append(doc)
    puestos = anomalias.ranking.first(500, orden=orden)
    assert {puesto.propietario_id for puesto in puestos} == set(por_cliente)
    semivida = Params().sospecha_semivida_dias * 24
    for puesto in puestos:
        docs = sorted(por_cliente[puesto.propietario_id], key=lambda d: d["timestamp_consumo"])
        evidencia = sum(
            (2 * d["score_anomalia"] - 1) ** 2
            * 0.5 ** ((hora_absoluta(AHORA) - hora_absoluta(d["timestamp_consumo"])) / semivida)
            for d in docs
        )
        assert puesto.evidencia == pytest.approx(evidencia, abs=1e-4)
        suya = probability(np.array([evidencia]))[0]
        assert puesto.probabilidad == pytest.approx(suya, abs=1e-4)
        assert puesto.anomalias == len(docs)
        assert puesto.criticas == sum(d["severidad"] == "crítica" for d in docs)
        assert puesto.score_maximo == max(d["score_anomalia"] for d in docs)
        assert (puesto.es_sospechoso, puesto.severidad) == (
            docs[-1]["es_sospechoso"],
            docs[-1]["severidad"],
        )
        assert puesto.ultima_anomalia == docs[-1]["timestamp_consumo"]
        assert puesto.exceso_kwh == pytest.approx(
            sum(max(_diferencia(d), 0) for d in docs), abs=1e-6
        )
        assert puesto.defecto_kwh == pytest.approx(sum(max(-_diferencia(d), 0) for d in docs))
        tipos = Counter(tipo for d in docs for tipo in d["tipos_anomalia"])
        assert puesto.tipos_anomalia == sorted(tipos, key=lambda t: (-tipos[t], t))
    clave = {
        "evidencia": lambda p: p.evidencia,
        "kwh": lambda p: p.energia_en_juego_kwh,
        "visita": lambda p: p.rinde_visita_kwh,
        "anomalias": lambda p: p.anomalias,
    }[orden]
    valores = [clave(puesto) for puesto in puestos]
    assert valores == sorted(valores, reverse=True)
    assert anomalias.ranking.first(3, orden=orden) == puestos[:3]


@pytest.mark.parametrize("embebido", [True, False])
def test_los_motivos_son_de_las_anomalias_mas_graves(entorno: Settings, embebido: bool) -> None:
    """The loudest firing detector of the gravest anomaly speaks first; each detector once."""

    def dice(detector: str, score: float | None, dispara: bool, frase: str) -> Explicacion:
        return Explicacion(detector, score, 0.5, dispara, frase)

    hora = hora_absoluta(AHORA)
    claves = [*(("A", hora - i) for i in range(5)), ("B", hora)]
    lote = hacer_lote(
        claves, severidad=[2, 4, 4, 4, 3, 1], score=[70, 99, 95, 94, 80, 50],
        tipos=[2, 4, 8, 8, 16, 32],
    )  # fmt: skip
    ex = [
        [dice("pico_consumo", 0.9, True, "pico")],
        [dice("fraude", 1.0, True, "descartada")],
        [dice("fraude", 0.99, False, "calla"), dice("plantacion_cannabis", 0.9, True, "planta 1")],
        [dice("plantacion_cannabis", 0.9, True, "planta 2")],
        [dice("fraude", 0.7, True, "caída"), dice("consumo_constante", None, False, "no sabe")],
        [dice("modelo_online", 0.5, False, "raro")],
    ]
    sonda = AnomaliasMongo(entorno)
    sonda.store.save(*lote, ex, lote[1].severidad < 0, hora)
    sonda.poner_estado(claves[1], "descartada")
    consultas = MongoQueries(entorno, reloj=lambda: AHORA, embebido=embebido)
    assert consultas.ranking.reasons(["A", "B", "X"], 2) == {
        "A": ["planta 1", "caída"],
        "B": ["raro"],
        "X": [],
    }
    assert consultas.ranking.reasons(["A"], ahora=AHORA)["A"] == ["planta 1", "caída", "pico"]
    assert consultas.ranking.reasons(["A"], ahora=AHORA + 40 * DIA)["A"] == []
    consultas.close()
    sonda.store.close()
    sonda.cliente.close()


def _incidentes(docs: Sequence[Documento], hueco: int) -> list[list[Documento]]:
    """Return the incidents the plain way, newest first."""
    hechos: list[list[Documento]] = []
    for doc in sorted(docs, key=lambda d: (d["propietario_id"], d["timestamp_consumo"])):
        ultima = hechos[-1][-1] if hechos else None
        if (
            ultima is not None
            and ultima["propietario_id"] == doc["propietario_id"]
            and doc["timestamp_consumo"] - ultima["timestamp_consumo"] <= (hueco + 1) * HORA
        ):
            hechos[-1].append(doc)
        else:
            hechos.append([doc])
    hechos.sort(key=lambda i: i[0]["propietario_id"])
    hechos.sort(key=lambda i: i[0]["timestamp_consumo"], reverse=True)
    return hechos


@pytest.mark.parametrize(("hueco", "con_archivo"), [(0, False), (12, True), (168, False)])
def test_los_incidentes(
    anomalias: MongoQueries, documentos: list[Documento], hueco: int, con_archivo: bool
) -> None:
    """Anomalies with few hours between them are one incident; page after page each comes once."""
    filtro = FiltroAnomalias(desde=DESDE, hasta=HASTA, con_archivo=con_archivo)
    docs = _entre(documentos if con_archivo else _vivos(documentos), DESDE, HASTA)
    esperados = _incidentes(docs, hueco)
    hay: list[Incidente] = []
    cursor: str | None = None
    while True:
        pagina = anomalias.summaries.incidents(filtro, hueco_horas=hueco, limite=37, cursor=cursor)
        hay += pagina.elementos
        cursor = pagina.siguiente
        if cursor is None:
            break
    assert len(hay) == len(esperados) > 0
    for uno, suyas in zip(hay, esperados, strict=True):
        primera, ultima = suyas[0], suyas[-1]
        assert uno.anomalia_ids == [str(d["_id"]) for d in suyas]
        assert (uno.id, uno.propietario_id) == (str(primera["_id"]), primera["propietario_id"])
        assert (uno.inicio, uno.fin) == (
            primera["timestamp_consumo"],
            ultima["timestamp_consumo"] + HORA,
        )
        assert uno.horas == (uno.fin - uno.inicio) / HORA
        assert uno.anomalias == len(suyas)
        assert uno.consumo_kwh == pytest.approx(sum(d["consumo_kwh"] for d in suyas))
        esperado = [d["consumo_esperado_kwh"] for d in suyas if d["consumo_esperado_kwh"]]
        assert uno.consumo_esperado_kwh == (pytest.approx(sum(esperado)) if esperado else None)
        assert uno.exceso_kwh - uno.defecto_kwh == pytest.approx(sum(map(_diferencia, suyas)))
        assert uno.severidad == max((d["severidad"] for d in suyas), key=GRAVES.index)
        assert uno.score_maximo == max(d["score_anomalia"] for d in suyas)
        assert set(uno.tipos_anomalia) == {tipo for d in suyas for tipo in d["tipos_anomalia"]}
        assert uno.estados == PorEstado.of(Counter(d["estado"] for d in suyas))


@pytest.mark.parametrize("severidades", [(), ("crítica",), ("media", "alta")])
def test_la_serie_por_dias(
    anomalias: MongoQueries, documentos: list[Documento], severidades: tuple[str, ...]
) -> None:
    """Every local day has its anomalies, those without any too; the days of 25 hours as well."""
    desde = datetime(2026, 10, 20, 15, tzinfo=UTC)
    filtro = FiltroAnomalias(severidades=severidades)
    puntos = anomalias.summaries.series(desde, HASTA, filtro=filtro)
    dias = [punto.momento.astimezone(MADRID) for punto in puntos]
    assert [(dia.hour, dia.minute) for dia in dias] == [(0, 0)] * 36
    assert [dia.date() for dia in dias] == [dias[0].date() + i * DIA for i in range(36)]
    for punto in puntos:
        del_dia = [
            d
            for d in _entre(documentos, DESDE, HASTA, severidades or GRAVES)
            if d["timestamp_consumo"].astimezone(MADRID).date()
            == punto.momento.astimezone(MADRID).date()
        ]
        assert punto.anomalias.model_dump(by_alias=True) == _cuenta(del_dia)
        assert punto.total == len(del_dia)


def test_la_serie_por_horas(anomalias: MongoQueries, documentos: list[Documento]) -> None:
    """Every hour has its anomalies."""
    desde = HASTA - 6 * DIA
    puntos = anomalias.summaries.series(desde, HASTA, "hora")
    assert [punto.momento for punto in puntos] == [desde + i * HORA for i in range(6 * 24)]
    for punto in puntos:
        suyas = _entre(documentos, punto.momento, punto.momento + HORA)
        assert punto.anomalias.model_dump(by_alias=True) == _cuenta(suyas)


def test_las_distribuciones(anomalias: MongoQueries, documentos: list[Documento]) -> None:
    """Severidad, type, state, local hour and weekday, with any filter."""
    filtro = FiltroAnomalias(desde=DESDE, hasta=HASTA, tipos=("fraude",), con_archivo=True)
    docs = [d for d in _entre(documentos, DESDE, HASTA) if "fraude" in d["tipos_anomalia"]]
    hay = anomalias.summaries.distributions(filtro)
    local = [d["timestamp_consumo"].astimezone(MADRID) for d in docs]
    assert hay.total == len(docs) > 50
    assert hay.por_severidad.model_dump(by_alias=True) == _cuenta(docs)
    assert hay.por_estado.model_dump() == dict(Counter(d["estado"] for d in docs))
    tipos = Counter(tipo for d in docs for tipo in d["tipos_anomalia"])
    assert hay.por_tipo == dict(tipos)
    assert hay.por_hora == [sum(t.hour == h for t in local) for h in range(24)]
    assert hay.por_dia_semana == [sum(t.weekday() == d for t in local) for d in range(7)]


@pytest.mark.parametrize("embebido", [True, False])
def test_una_base_vacia(entorno: Settings, embebido: bool) -> None:
    """With no anomalies and no months at all every question has an answer."""
    consultas = MongoQueries(entorno, reloj=lambda: AHORA, embebido=embebido)
    consultas.ensure_indexes()
    assert set(consultas.summaries.overview().por_estado.model_dump().values()) == {0}
    assert consultas.summaries.rejected("A", DESDE, HASTA) == (0, 0.0, 0.0)
    assert consultas.summaries.overview().ultima_deteccion is None
    assert consultas.ranking.first() == consultas.lists.latest_reviews() == []
    assert consultas.summaries.incidents(FiltroAnomalias()).elementos == []
    assert consultas.summaries.distributions(FiltroAnomalias()).total == 0
    assert len(consultas.summaries.series(HASTA - 3 * DIA, HASTA)) == 4
    assert consultas.lists.page(orden="score").elementos == []
    consultas.close()


IMPOSIBLES = {
    "puestos": lambda c: c.ranking.first(501),
    "orden": lambda c: c.ranking.first(orden="$where"),
    "años": lambda c: c.summaries.distributions(
        FiltroAnomalias(desde=HASTA - 99 * DIA, hasta=HASTA)
    ),
    "años de uno": lambda c: c.summaries.incidents(
        FiltroAnomalias("A", desde=HASTA - 401 * DIA, hasta=HASTA)
    ),
    "hueco": lambda c: c.summaries.incidents(FiltroAnomalias(), hueco_horas=169),
    "hueco negativo": lambda c: c.summaries.incidents(FiltroAnomalias(), hueco_horas=-1),
    "cursor": lambda c: c.summaries.incidents(FiltroAnomalias(), cursor="x"),
    "horas": lambda c: c.summaries.series(HASTA - 32 * DIA, HASTA, "hora"),
    "paso": lambda c: c.summaries.series(HASTA - DIA, HASTA, "minuto"),
    "clientes": lambda c: c.ranking.reasons([f"C{i}" for i in range(51)]),
    "mes": lambda c: c.months.of_month("2026-13"),
    "mes de otro siglo": lambda c: c.months.total("1999-01"),
    "meses": lambda c: c.months.of_customer("A", limite=121),
    "cursor de mes": lambda c: c.months.of_month("2026-01", cursor="bmFufHg"),
    "orden de mes": lambda c: c.months.of_month("2026-01", orden="_id"),
}


@pytest.mark.parametrize("caso", IMPOSIBLES)
def test_lo_imposible_se_rechaza(anomalias: MongoQueries, caso: str) -> None:
    """What lies outside the limits is refused."""
    with pytest.raises(ConsultaInvalidaError):
        IMPOSIBLES[caso](anomalias)
