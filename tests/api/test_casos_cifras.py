"""Cases of a day and cases added up, over real stores: list, summary, calendar, hits, evidence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from apoyo_api import base_nueva, claves_de_prueba, es_problema, servir
from apoyo_rutas import lee
from contracts.fakes import explicar, hacer_caso, hacer_lote
from contracts.sondas import CasosMongo

from detection.domain import Lecturas, Veredictos, hora_absoluta
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.customer_context import ContextoCliente
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.customer_context import PostgresContextStore
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

INICIO = datetime(2026, 11, 2, 23, tzinfo=UTC)
"""The local midnight of the onset."""
DESDE, HASTA = datetime(2025, 10, 20, 22, tzinfo=UTC), datetime(2026, 11, 20, 0, tzinfo=UTC)
CASOS = [
    hacer_caso("A", energia_en_juego_kwh=1400.0, hasta=date(2026, 11, 19)),
    *(hacer_caso(f"C{i:02d}", energia_en_juego_kwh=1000.0 - i) for i in range(20)),
    hacer_caso("FIN", fecha_cierre=date(2026, 11, 18), energia_en_juego_kwh=50.0),
]
UNO = CASOS[0].clave
NADA = dict.fromkeys(ContextoCliente.model_fields)
SUYO = {
    **NADA, "propietario_id": "A", "direccion": "Calle del Olmo, 12", "latitud": 40.4,
    "longitud": -3.7, "potencia_contratada_kw": 5.75, "tarifa": "2.0TD", "transformador": "CT-1",
}  # fmt: skip
CONTEXTO = [
    ContextoCliente.model_validate({**NADA, **suyo})
    for suyo in (
        SUYO,
        *({**SUYO, "propietario_id": f"V{i}", "transformador": None} for i in range(2)),
        {"propietario_id": "V2", "transformador": "CT-1"},
        {"propietario_id": "C01", "transformador": "CT-1"},
        {"propietario_id": "C00", "latitud": -33.0, "longitud": 151.0},
    )
]
"""Of the case, of its neighbours and of two others; of most cases nothing is known."""


DE_CASO = (("A", DESDE, 10.0), *((f"V{i}", INICIO - timedelta(days=40), 1.0) for i in range(3)))
"""Customer, from when on, and how many times as much it uses since the onset."""


def lote_de(cliente: str, desde: datetime, factor: float) -> tuple[Lecturas, Veredictos]:
    """Return a customer that uses ``factor`` times as much since the onset; critical then."""
    horas = range(hora_absoluta(desde), hora_absoluta(HASTA))
    cambio = hora_absoluta(INICIO)
    azar = np.random.default_rng(7)
    kwh = [
        (0.2 + 0.02 * (h % 24)) * float(azar.uniform(0.9, 1.1)) * (factor if h >= cambio else 1)
        for h in horas
    ]
    malas = [4 * (h >= cambio and factor > 2) for h in horas]
    return hacer_lote(
        [(cliente, h) for h in horas], kwh, score=[90 * (m > 0) for m in malas],
        severidad=malas, tipos=[2 * (m > 0) for m in malas],
    )  # fmt: skip


def guardar(settings: Settings, lote: tuple[Lecturas, Veredictos]) -> None:
    """Store readings with their verdicts."""
    nuevas = np.zeros(len(lote[0]), np.bool_)
    with closing(PostgresStore(settings)) as historia:
        historia.save(*lote)
    with closing(MongoAnomalyStore(settings)) as anomalias:
        anomalias.save(*lote, explicar(lote[1]), nuevas, hora_absoluta(HASTA))


@pytest.fixture(scope="module")
def base(servicios: EmbeddedServices) -> Iterator[Settings]:
    """Give a case over a year of hours, neighbours, and cases of whom only MongoDB knows."""
    otras = {"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
    with base_nueva(servicios, migrada=True, **otras) as settings:
        for cliente in DE_CASO:
            guardar(settings, lote_de(*cliente))
        with closing(CasosMongo(settings)) as sonda:
            sonda.store.save(CASOS)
        with closing(PostgresContextStore(settings)) as contexto:
            contexto.save(CONTEXTO)
        yield settings


@pytest.fixture(scope="module")
def api(base: Settings) -> Iterator[httpx.Client]:
    with servir(base) as http:
        yield http


def ids(lista: dict[str, Any]) -> list[str]:
    return [caso["id"] for caso in lista["elementos"]]


def test_la_lista_de_hoy(api: httpx.Client) -> None:
    """Most to recover first; the drawn ones come out of the others, the same each time."""
    lista = lee(api, "/api/casos/hoy")
    assert (lista["fecha"], lista["visitas"], lista["sorteados"]) == ("2026-11-20", 10, 1)
    por_puesto = [c["id"] for c in lista["elementos"] if not c["sorteo"]]
    assert por_puesto == [caso.clave for caso in CASOS[:9]]
    (sorteado,) = [c["id"] for c in lista["elementos"] if c["sorteo"]]
    assert sorteado in {caso.clave for caso in CASOS[9:21]}
    assert ids(lee(api, "/api/casos/hoy")) == ids(lista)
    serie = lista["elementos"][0]["serie"]
    # Of today there is one hour: it is no day.
    assert len(serie) == 89
    assert (serie[0]["fecha"], serie[-1]["fecha"]) == ("2026-08-23", "2026-11-19")
    assert serie[-1]["consumo_kwh"] > 5 * serie[30]["consumo_kwh"]
    assert lista["elementos"][1]["serie"] == []
    todos = lee(api, "/api/casos/hoy", visitas=50, explorar=0)["elementos"]
    assert [c["id"] for c in todos] == [caso.clave for caso in CASOS[:21]]
    al_azar = lee(api, "/api/casos/hoy", visitas=4, explorar=1)["elementos"]
    assert [c["sorteo"] for c in al_azar] == [True] * 4


def test_lo_que_se_juzga_hoy_deja_la_lista_y_no_cambia_el_sorteo(
    servicios: EmbeddedServices, claves: dict[str, dict[str, str]]
) -> None:
    """The next one takes its place; where somebody has been is left out; the drawn one stays."""
    ana = claves["analista"]
    otras = {"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
    ahora = datetime.now(UTC)
    with base_nueva(servicios, migrada=True, **otras) as settings:
        with closing(CasosMongo(settings)) as sonda:
            sonda.store.save(CASOS)
        with servir(settings, lambda: ahora) as api:
            antes = lee(api, "/api/casos/hoy", visitas=5, explorar=0.2)["elementos"]
            (sorteado,) = [c["id"] for c in antes if c["sorteo"]]
            # Whom the lot falls on changes with the day.
            juzgado, visto = [c["id"] for c in antes if not c["sorteo"]][:2]
            dado = {"veredicto": "confirmado", "motivo": "se vio"}
            api.post(f"/api/casos/{juzgado}/veredicto", json=dado, headers=ana).raise_for_status()
            ayer = {"fecha": (ahora - timedelta(days=1)).date().isoformat()}
            ruta = f"/api/casos/{visto}/visita"
            api.post(ruta, json=ayer, headers=ana).raise_for_status()
            despues = lee(api, "/api/casos/hoy", visitas=5, explorar=0.2)["elementos"]
            resumen = lee(api, "/api/casos/resumen")
    assert [c["id"] for c in despues if c["sorteo"]] == [sorteado]
    otros = [caso.clave for caso in CASOS if caso.clave not in {sorteado, juzgado, visto}]
    assert [c["id"] for c in despues if not c["sorteo"]] == otros[:4]
    assert (resumen["abiertos"], resumen["en_curso"], resumen["hoy"]["confirmados"]) == (20, 1, 1)


def test_el_resumen_compara_dias_enteros(api: httpx.Client) -> None:
    """How many there are, how many there were a week ago, and what happened in between."""
    resumen = lee(api, "/api/casos/resumen")
    assert (resumen["hasta"], resumen["abiertos"], resumen["abiertos_antes"]) == (
        "2026-11-19", 21, 22,
    )  # fmt: skip
    assert (resumen["semana"]["terminados"], resumen["semana"]["abiertos"]) == (1, 0)
    assert resumen["semana_anterior"]["abiertos"] == 22
    kwh = sum(c.probabilidad * c.energia_en_juego_kwh for c in CASOS[:21])
    assert resumen["recuperable_eur"] == pytest.approx(kwh * 0.15, abs=0.01)


def test_el_calendario(api: httpx.Client) -> None:
    """A row for each open case, a place for each day; unknown days are null."""
    calendario = lee(api, "/api/casos/calendario", dias=30, limite=3)
    assert calendario["dias"][0::29] == ["2026-10-22", "2026-11-20"]
    assert [f["caso_id"] for f in calendario["filas"]] == [c.clave for c in CASOS[:3]]
    uno, otro = calendario["filas"][:2]
    assert uno["severidades"] == [0] * 12 + [4] * 18
    assert (uno["inicio"], uno["tipo"]) == ("2026-11-03", "plantacion_cannabis")
    assert otro["severidades"] == [None] * 30
    assert otro["sospechoso"] == [False] * 30


def test_los_dias_de_un_caso(api: httpx.Client) -> None:
    """Every day since 60 before; the reference is of before the onset, and last year's is there."""
    dias = lee(api, f"/api/casos/{UNO}/dias")
    assert dias["inicio"] == "2026-11-03"
    suyos = {dia["fecha"]: dia for dia in dias["elementos"]}
    assert list(suyos)[0::76] == ["2026-09-04", "2026-11-19"]
    ultimo = suyos["2026-11-19"]
    assert ultimo["consumo_kwh"] > 8 * ultimo["referencia_kwh"]
    assert ultimo["minimo_kwh"] < ultimo["referencia_kwh"] < ultimo["maximo_kwh"]
    assert ultimo["hace_un_ano_kwh"] == pytest.approx(ultimo["referencia_kwh"], rel=0.1)
    sin_nada = lee(api, f"/api/casos/{CASOS[1].clave}/dias")["elementos"]
    assert {dia["consumo_kwh"] for dia in sin_nada} == {None}
    es_problema(api.get("/api/casos/NADIE_2026-11-09/dias"), 404)


def test_los_vecinos(api: httpx.Client) -> None:
    """The customer's own change beside those who did not change."""
    vecinos = lee(api, f"/api/casos/{UNO}/vecinos")
    assert vecinos["dias"] == 17
    assert vecinos["propio"]["despues_kwh"] > 8 * vecinos["propio"]["antes_kwh"]
    assert {v["propietario_id"] for v in vecinos["elementos"]} == {"V0", "V1", "V2"}
    for vecino in vecinos["elementos"]:
        assert vecino["despues_kwh"] == pytest.approx(vecino["antes_kwh"], rel=0.1)
    assert lee(api, f"/api/casos/{CASOS[1].clave}/vecinos")["propio"] is None


def test_los_que_comparten_tarifa_o_transformador(api: httpx.Client) -> None:
    """How many they are, what they used and use, and who of them has an open case."""
    tarifa, transformador = lee(api, f"/api/casos/{UNO}/vecinos")["grupos"]
    assert (tarifa["clase"], tarifa["clientes"], tarifa["comparados"]) == (
        "tarifa_y_potencia", 2, 2,
    )  # fmt: skip
    assert [v["propietario_id"] for v in tarifa["elementos"]] == ["V0", "V1"]
    assert tarifa["despues_kwh"] == pytest.approx(tarifa["antes_kwh"], rel=0.1)
    assert tarifa["con_caso"] == []
    assert (transformador["clientes"], transformador["comparados"]) == (2, 1)
    assert transformador["con_caso"] == [
        {"propietario_id": "C01", "caso_id": CASOS[2].clave, "tipo": "plantacion_cannabis"}
    ]
    sin_lecturas = lee(api, f"/api/casos/{CASOS[2].clave}/vecinos")["grupos"]
    assert [(g["clase"], g["clientes"]) for g in sin_lecturas] == [("transformador", 2)]
    assert [v["caso_id"] for v in sin_lecturas[0]["con_caso"]] == [UNO]
    assert lee(api, f"/api/casos/{CASOS[5].clave}/vecinos")["grupos"] == []


def test_el_mapa(api: httpx.Client) -> None:
    """The cases of the list that have a place, in its order, and how many have none."""
    mapa = lee(api, "/api/casos/mapa")
    assert [(p["id"], p["latitud"], p["longitud"]) for p in mapa["elementos"]] == [
        (UNO, 40.4, -3.7), (CASOS[1].clave, -33.0, 151.0),
    ]  # fmt: skip
    assert (mapa["sin_coordenadas"], mapa["hay_mas"]) == (19, False)
    uno = lee(api, "/api/casos", limite=1)["elementos"][0]
    assert {campo: uno[campo] for campo in mapa["elementos"][0] if campo in uno} == {
        campo: valor for campo, valor in mapa["elementos"][0].items() if campo in uno
    }
    primero = lee(api, "/api/casos/mapa", limite=1)
    assert (len(primero["elementos"]), primero["hay_mas"]) == (1, True)
    ninguno = lee(api, "/api/casos/mapa", tipo="fraude")
    assert ninguno == {"elementos": [], "sin_coordenadas": 0, "hay_mas": False}
    es_problema(api.get("/api/casos/mapa?limite=2001"), 422, "limite")


def test_lo_que_se_sabe_del_cliente(api: httpx.Client) -> None:
    """A case carries it, and the hours above the contracted power; of others nothing is there."""
    caso = lee(api, f"/api/casos/{UNO}")
    assert caso["contexto"] == SUYO
    # 0.2 to 0.66 kWh an hour, a tenth up or down, and ten times as much since.
    assert 17 * 2 <= caso["exceso_potencia"]["horas"] <= 17 * 8
    assert 6.6 * 0.9 < caso["exceso_potencia"]["maximo_kw"] < 6.6 * 1.1
    solo_sitio = lee(api, f"/api/casos/{CASOS[1].clave}")
    assert (solo_sitio["contexto"]["tarifa"], solo_sitio["exceso_potencia"]) == (None, None)
    otro = lee(api, f"/api/casos/{CASOS[5].clave}")
    assert (otro["contexto"], otro["exceso_potencia"]) == (None, None)
    assert lee(api, f"/api/clientes/{caso['propietario_id']}/contexto") == SUYO
    poco = {**NADA, "propietario_id": "V2", "transformador": "CT-1"}
    assert lee(api, "/api/clientes/V2/contexto") == poco
    assert api.get("/api/clientes/NADIE/contexto").status_code == 404


def test_lo_que_habla_a_favor_y_en_contra(api: httpx.Client) -> None:
    """Which detectors fire in its hours, and which innocent explanations were weighed."""
    caso = lee(api, f"/api/casos/{UNO}")
    assert caso["detectores"]
    assert caso["detectores"][0]["horas"] == 17 * 24
    assert all(d["frase"] for d in caso["detectores"])
    contra = {c["tipo"]: c for c in caso["contra"]}
    assert contra["temporada"]["apartada"]
    assert "hace un año" in contra["temporada"]["frase"]
    otro = lee(api, f"/api/casos/{CASOS[1].clave}")
    assert (otro["detectores"], otro["contra"]) == ([], [])


def test_sin_el_historico_sigue_lo_que_no_es_suyo(
    base: Settings, api: httpx.Client, claves: dict[str, dict[str, str]]
) -> None:
    """Without PostgreSQL there is the list without days, the case without what is against it.

    Nothing can be written down, and so nothing is changed.
    """
    with servir(base.model_copy(update={"postgres_port": 9})) as sin:
        lista, con = (lee(cual, "/api/casos/hoy") for cual in (sin, api))
        for caso in (*lista["elementos"], *con["elementos"]):
            caso.pop("serie")
        assert lista == con
        assert lee(sin, "/api/casos/resumen") == lee(api, "/api/casos/resumen")
        caso = lee(sin, f"/api/casos/{UNO}")
        assert (caso["contra"], caso["contexto"]) == (None, None)
        assert caso["detectores"] == lee(api, f"/api/casos/{UNO}")["detectores"]
        for ruta in (
            f"/api/casos/{UNO}/dias",
            f"/api/casos/{UNO}/vecinos",
            "/api/casos/mapa",
            "/api/casos/calendario",
        ):
            es_problema(sin.get(ruta), 503, "PostgreSQL")
        cuerpo = {"veredicto": "confirmado", "motivo": "sin apuntarlo"}
        dado = sin.post(f"/api/casos/{UNO}/veredicto", json=cuerpo, headers=claves["analista"])
        es_problema(dado, 503, "PostgreSQL")
    assert lee(api, f"/api/casos/{UNO}")["estado"] == "nuevo"


def test_los_aciertos(servicios: EmbeddedServices, claves: dict[str, dict[str, str]]) -> None:
    """Visits of which it is known what there was, with an interval, by list and by chance."""
    ana = claves["analista"]
    otras = {"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
    with base_nueva(servicios, migrada=True, **otras) as settings:
        with closing(CasosMongo(settings)) as sonda:
            sonda.store.save(CASOS)
        with servir(settings) as api:
            vacio = lee(api, "/api/casos/aciertos")
            for i, caso in enumerate(CASOS[1:6]):
                ruta = f"/api/casos/{caso.clave}"
                visita = {"fecha": f"2026-{10 + i % 2}-15", "sorteo": i == 4}
                api.post(f"{ruta}/visita", json=visita, headers=ana).raise_for_status()
                if i < 4:
                    hallado = {"hallado": i < 3, "recuperado_eur": 100.0 if i < 3 else None}
                    api.post(f"{ruta}/resultado", json=hallado, headers=ana).raise_for_status()
                else:
                    dado = {"veredicto": "descartado", "motivo": "nada"}
                    api.post(f"{ruta}/veredicto", json=dado, headers=ana).raise_for_status()
            # Known by whoever has not been there: no visit.
            dado = {"veredicto": "confirmado", "motivo": "se ve"}
            ruta = f"/api/casos/{CASOS[6].clave}/veredicto"
            api.post(ruta, json=dado, headers=ana).raise_for_status()
            hay = lee(api, "/api/casos/aciertos")
            de_octubre = lee(api, "/api/casos/aciertos", hasta="2026-10-31")
            es_problema(
                api.get("/api/casos/aciertos?desde=2026-02-01&hasta=2026-01-01"), 422, "hasta"
            )
            contados = {"con_resultado": True, "abiertos": False}
            de_noviembre = {"visita_desde": "2026-11-01", "visita_hasta": "2026-11-30"}
            for suyos, cuantas in (
                ({}, 5), (de_noviembre, 2), ({"version_modelo": "v1"}, 5),
                ({"version_modelo": "v2"}, 0), ({"tipo": "plantacion_cannabis"}, 5),
            ):  # fmt: skip
                lista = lee(api, "/api/casos", **contados, **suyos)["elementos"]
                assert len(lista) == cuantas, suyos
            visitados = lee(api, "/api/casos", abiertos=False, **de_noviembre)["elementos"]
            assert len(visitados) == 2
            primera = lee(api, "/api/casos", **contados, limite=3)
            segunda = lee(api, "/api/casos", **contados, limite=3, cursor=primera["siguiente"])
            ids = [c["id"] for c in primera["elementos"] + segunda["elementos"]]
            assert sorted(ids) == sorted(caso.clave for caso in CASOS[1:6])
    assert (vacio["total"]["visitas"], vacio["total"]["tasa"]) == (0, None)
    total = hay["total"]
    assert (total["visitas"], total["hallados"], total["tasa"]) == (5, 3, 0.6)
    assert total["tasa_minima"] < 0.6 < total["tasa_maxima"]
    assert (total["recuperado_eur"], total["eur_por_visita"]) == (300.0, 60.0)
    assert (hay["por_lista"]["visitas"], hay["por_sorteo"]["hallados"]) == (4, 0)
    assert [(m["mes"], m["visitas"]) for m in hay["por_mes"]] == [("2026-10", 3), ("2026-11", 2)]
    assert [t["tipo"] for t in hay["por_tipo"]] == ["plantacion_cannabis"]
    assert hay["por_version"][0]["version_modelo"] == "v1"
    assert de_octubre["total"]["visitas"] == 3
