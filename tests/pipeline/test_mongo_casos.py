"""What is asked of cases: the right ones, in order, each once; and the indexes that answer it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from bases import settings_de
from contracts.fakes import explicar, hacer_caso, hacer_lote
from contracts.sondas import AnomaliasMongo, CasosMongo

from detection.cases.records import Caso, DayEvidence
from detection.domain import TIPOS, hora_absoluta
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.case_records import ESTADOS_CASO, CasoResumen, FiltroCasos
from pipeline.stores.mongo.queries import MongoQueries
from pipeline.stores.query_limits import ConsultaInvalidaError, por_tramos
from serving.settings import Settings

DIA = timedelta(days=1)
HOY = date(2026, 11, 20)
AHORA = datetime(2026, 11, 20, 10, tzinfo=UTC)
CLAVES: dict[str, Callable[[Caso], Any]] = {
    "recuperable": lambda c: -c.probabilidad * c.energia_en_juego_kwh,
    "probabilidad": lambda c: -c.probabilidad,
    "antiguedad": lambda c: c.fecha_inicio,
}


def hacer_casos() -> list[tuple[Caso, str]]:
    """Return sixty cases of twenty customers, with ties, and the ``estado`` of each."""
    azar = np.random.default_rng(16)
    casos = []
    for i in range(60):
        inicio = HOY - int(azar.integers(40, 90)) * DIA - 100 * (i // 20) * DIA
        cierre = None if i < 20 and azar.random() < 0.8 else inicio + 30 * DIA
        caso = hacer_caso(
            f"C{i % 20:03d}",
            fecha_inicio=inicio,
            fecha_apertura=inicio + 9 * DIA,
            fecha_cierre=cierre,
            hasta=HOY,
            tipo=str(TIPOS[azar.integers(4, 6)]),
            probabilidad=float(azar.integers(5, 10) / 10),
            energia_en_juego_kwh=float(azar.integers(1, 9) * 100),
        )
        estado = "nuevo" if cierre is None else "terminado"
        if azar.random() < 0.5:
            estado = str(azar.choice([e for e in ESTADOS_CASO if e not in {"nuevo", "terminado"}]))
        casos.append((caso, estado))
    return casos


def _abierto(caso: Caso, estado: str) -> bool:
    return caso.fecha_cierre is None and estado in {"nuevo", "asignado", "visitado"}


CASOS = hacer_casos()
CON_ABIERTO = next(caso.propietario_id for caso, estado in CASOS if _abierto(caso, estado))
FILTROS = {
    "todos": FiltroCasos(),
    "abiertos": FiltroCasos(solo_abiertos=True),
    "de un cliente": FiltroCasos("C003"),
    "abiertos de un cliente": FiltroCasos(CON_ABIERTO, solo_abiertos=True),
    "juzgados": FiltroCasos(estados=("confirmado", "descartado")),
    "terminados": FiltroCasos(estados=("terminado",)),
    "asignados que siguen": FiltroCasos(estados=("asignado", "confirmado"), solo_abiertos=True),
    "fraudes abiertos": FiltroCasos(tipos=("fraude",), solo_abiertos=True),
    "ninguno": FiltroCasos("NADIE"),
}


@pytest.fixture(scope="module")
def con_casos(servicios: EmbeddedServices) -> Settings:
    """Give a MongoDB base with all cases."""
    entorno = settings_de(servicios, f"t_{uuid.uuid4().hex[:12]}")
    with closing(CasosMongo(entorno)) as sonda:
        sonda.store.save([caso for caso, _ in CASOS])
        for caso, estado in CASOS:
            sonda.poner_estado(caso.clave, estado)
    return entorno


@pytest.fixture
def consultas(con_casos: Settings) -> Iterator[MongoQueries]:
    with closing(MongoQueries(con_casos)) as abiertas:
        yield abiertas


def _esperados(filtro: FiltroCasos, orden: str) -> list[str]:
    elegidos = [
        caso
        for caso, estado in CASOS
        if filtro.propietario_id in {None, caso.propietario_id}
        and estado in (filtro.estados or ESTADOS_CASO)
        and caso.tipo in (filtro.tipos or (caso.tipo,))
        and (not filtro.solo_abiertos or _abierto(caso, estado))
    ]
    return [c.clave for c in sorted(elegidos, key=lambda c: (CLAVES[orden](c), c.clave))]


@pytest.mark.parametrize("orden", CLAVES)
@pytest.mark.parametrize("nombre", FILTROS)
def test_una_lista_entera_por_paginas(consultas: MongoQueries, nombre: str, orden: str) -> None:
    """Page after page each case of a filter comes once, in order, ties by its id."""
    tramos = por_tramos(
        lambda cursor: consultas.cases.page(FILTROS[nombre], orden=orden, limite=7, cursor=cursor)
    )
    assert [caso.id for tramo in tramos for caso in tramo] == _esperados(FILTROS[nombre], orden)
    assert nombre == "ninguno" or _esperados(FILTROS[nombre], orden)


def test_un_caso_con_todo(entorno_mongo: Settings) -> None:
    """What is stored comes back with what follows from it: days, euros, whether it is open."""
    caso = hacer_caso(evidencia=(DayEvidence(HOY - DIA, 0.81234), DayEvidence(HOY, 0.9)))
    sonda = CasosMongo(entorno_mongo)
    with closing(sonda), closing(MongoQueries(entorno_mongo)) as consultas:
        sonda.store.save([caso, hacer_caso("B", fecha_cierre=date(2026, 11, 19))])
        detalle = consultas.cases.one(caso.clave)
        assert detalle is not None
        assert [(e.fecha, e.probabilidad) for e in detalle.evidencia] == [
            (HOY - DIA, 0.8123), (HOY, 0.9),
        ]  # fmt: skip
        suyo = detalle.model_dump(exclude={"evidencia", "comentarios", "historial"})
        precio = entorno_mongo.precio_kwh_eur
        assert suyo == {
            "id": "CLI_00045_2026-11-09", "propietario_id": "CLI_00045",
            "fecha_inicio": date(2026, 11, 3), "fecha_apertura": date(2026, 11, 9),
            "fecha_cierre": None, "hasta": HOY, "dias": 18, "abierto": True,
            "tipo": "plantacion_cannabis", "estado": "nuevo", "probabilidad": 0.9,
            "consumo_antes_kwh": 8.0, "consumo_despues_kwh": 88.0,
            "energia_en_juego_kwh": 1440.0, "energia_minima_kwh": 1200.0,
            "energia_maxima_kwh": 1600.0, "energia_en_juego_eur": round(1440 * precio, 2),
            "energia_minima_eur": round(1200 * precio, 2),
            "energia_maxima_eur": round(1600 * precio, 2),
            "recuperable_kwh": 1296.0, "recuperable_eur": round(1296 * precio, 2),
            "frase": "Desde el 3 de noviembre gasta 88 kWh al día y no 8.", "version_modelo": "v1",
            "asignado_a": None, "visita": None, "veredicto": None, "resultado": None,
            "sorteo": False, "inocente": False, "revision": "0",
        }  # fmt: skip
        acabado = consultas.cases.one("B_2026-11-09")
        assert acabado is not None
        assert (acabado.dias, acabado.abierto, acabado.estado) == (17, False, "terminado")
        assert consultas.cases.one("NADIE_2026-11-09") is None


def test_el_caso_abierto_de_cada_cliente(consultas: MongoQueries) -> None:
    """Of some customers, those that have one."""
    hay = consultas.cases.open_of(["C004", CON_ABIERTO, "C007", "NADIE", "C004"])
    assert {cliente: caso.id for cliente, caso in hay.items()} == {
        caso.propietario_id: caso.clave
        for caso, estado in CASOS
        if caso.propietario_id in {"C004", CON_ABIERTO, "C007"} and _abierto(caso, estado)
    }
    assert consultas.cases.open_of([]) == {}
    assert all(isinstance(caso, CasoResumen) for caso in hay.values())


@pytest.mark.parametrize(
    ("pedir", "texto"),
    [
        (lambda c: c.page(orden="color"), "orden"),
        (lambda c: c.page(limite=0), "el límite"),
        (lambda c: c.page(limite=501), "el límite"),
        (lambda c: c.page(FiltroCasos(estados=("abierta",))), "estado"),
        (lambda c: c.page(FiltroCasos(tipos=("raro",))), "tipo"),
        (lambda c: c.page(FiltroCasos("x" * 21)), "nombre de un cliente"),
        (lambda c: c.page(cursor="zzz"), "cursor"),
        (lambda c: c.page(orden="antiguedad", cursor=c.page(limite=1).siguiente), "cursor"),
        (lambda c: c.one("\ud800"), "caracteres"),
        (lambda c: c.open_of([f"C{i}" for i in range(501)]), "500"),
    ],
)
def test_lo_que_no_se_puede_pedir(
    consultas: MongoQueries, pedir: Callable[[Any], object], texto: str
) -> None:
    """A question outside the limits is refused with a text, and nothing is asked of the server."""
    with pytest.raises(ConsultaInvalidaError, match=texto):
        pedir(consultas.cases)


def test_los_indices_son_los_suyos(con_casos: Settings) -> None:
    """Made twice they are the same, by the writer and by whoever only reads."""
    with closing(MongoQueries(con_casos)) as consultas:
        consultas.ensure_indexes()
    with closing(CasosMongo(con_casos)) as sonda:
        antes = sonda.coleccion.index_information()
        sonda.store.ensure_indexes()
        assert sonda.coleccion.index_information() == antes
    assert {tuple(indice["key"]) for nombre, indice in antes.items() if nombre != "_id_"} == {
        (("fecha_cierre", 1), ("recuperable_kwh", -1), ("_id", 1)),
        (("fecha_cierre", 1), ("probabilidad", -1), ("_id", 1)),
        (("fecha_cierre", 1), ("fecha_inicio", 1), ("_id", 1)),
        (("propietario_id", 1), ("fecha_apertura", -1)),
        (("estado", 1), ("fecha_inicio", 1)),
        (("movido", 1), ("_id", 1)),
        (("fecha_cierre", 1), ("asignado_a", 1)),
        (("visita.fecha", 1),),
    }


# ---- The ranking ----


@pytest.fixture(params=[True, False], ids=["embebido", "pipelines"])
def con_anomalias_y_casos(
    request: pytest.FixtureRequest, entorno_mongo: Settings
) -> Iterator[MongoQueries]:
    """Give customers with anomalies, with a case, with both, and with a case that is none now."""
    h = hora_absoluta(AHORA) - 20
    sonda = AnomaliasMongo(entorno_mongo)
    with closing(sonda.cliente), closing(sonda.store) as anomalias:
        claves = [
            (c, h + i)
            for c, n in (("GRAVE", 9), ("AMBOS", 2), ("CERRADO", 1), ("JUZGADO", 20))
            for i in range(n)
        ]
        n = len(claves)
        lote = hacer_lote(claves, [9.0] * n, score=[99] * n, severidad=[4] * n, tipos=[2] * n)
        anomalias.save(*lote, explicar(lote[1]), np.zeros(n, np.bool_), h)
    with closing(CasosMongo(entorno_mongo)) as casos:
        casos.store.save(
            [
                hacer_caso("AMBOS", probabilidad=0.7, energia_en_juego_kwh=50.0),
                hacer_caso("CALLADO", probabilidad=0.9, energia_en_juego_kwh=10.0),
                hacer_caso("CERRADO", fecha_cierre=date(2026, 11, 15)),
                hacer_caso("JUZGADO"),
            ]
        )
        casos.poner_estado("JUZGADO_2026-11-09", "descartado")
    una = MongoQueries(entorno_mongo, reloj=lambda: AHORA, embebido=request.param)
    with closing(una):
        yield una


@pytest.mark.parametrize(
    ("orden", "clientes"),
    [
        ("evidencia", ["CALLADO", "AMBOS", "GRAVE", "CERRADO"]),
        ("visita", ["AMBOS", "CALLADO", "GRAVE", "CERRADO"]),
        ("kwh", ["GRAVE", "AMBOS", "CALLADO", "CERRADO"]),
        ("anomalias", ["GRAVE", "AMBOS", "CERRADO", "CALLADO"]),
    ],
)
def test_quien_tiene_un_caso_va_antes(
    con_anomalias_y_casos: MongoQueries, orden: str, clientes: list[str]
) -> None:
    """By suspicion and by visit; its own figures decide among cases, and where a figure is asked.

    A case that is over or was rejected counts for nothing here.
    """
    puestos = con_anomalias_y_casos.ranking.first(10, orden=orden)
    assert [p.propietario_id for p in puestos] == clientes
    assert [p.puesto for p in puestos] == [1, 2, 3, 4]


def test_lo_que_dice_el_orden_de_quien_tiene_un_caso(con_anomalias_y_casos: MongoQueries) -> None:
    """What its case says of probability and stakes; what its anomalies say of the rest."""
    puestos = {p.propietario_id: p for p in con_anomalias_y_casos.ranking.first(10)}
    ambos, callado, grave = (puestos[c] for c in ("AMBOS", "CALLADO", "GRAVE"))
    frase = "Desde el 3 de noviembre gasta 88 kWh al día y no 8."
    for uno, probable, energia in ((ambos, 0.7, 50.0), (callado, 0.9, 10.0)):
        assert (uno.caso, uno.caso_desde) == (f"{uno.propietario_id}_2026-11-09", date(2026, 11, 3))
        assert (uno.probabilidad, uno.energia_en_juego_kwh) == (probable, energia)
        assert (uno.rinde_visita_kwh, uno.rinde_visita_eur) == (
            pytest.approx(probable * energia), pytest.approx(probable * energia * 0.15, abs=0.01),
        )  # fmt: skip
        assert uno.energia_en_juego_eur == pytest.approx(energia * 0.15, abs=0.01)
        assert (uno.motivos, uno.es_sospechoso) == ([frase], True)
    assert (ambos.anomalias, ambos.severidad) == (2, "crítica")
    assert ambos.tipos_anomalia == ["plantacion_cannabis", "pico_consumo"]
    assert (callado.anomalias, callado.severidad, callado.ultima_anomalia) == (0, "normal", None)
    assert callado.tipos_anomalia == ["plantacion_cannabis"]
    assert (grave.caso, grave.caso_desde, grave.motivos) == (None, None, [])
    assert grave.energia_en_juego_kwh == pytest.approx(9 * 8.0)
