"""/api/anomalias and /api/incidencias: what was found, why, and how much of it."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from apoyo_api import AHORA, Datos, es_problema
from apoyo_rutas import HORA, MADRID, de_cliente, lee, local, todo

from detection.domain import Explicacion
from detection.params import Params
from pipeline.stores.mongo.query_documents import contributions
from pipeline.stores.mongo.store import MongoAnomalyStore

GRAVES = ("baja", "media", "alta", "crítica")


@pytest.fixture(scope="module")
def todas(cliente: httpx.Client) -> list[dict[str, Any]]:
    """Return every anomaly, page by page."""
    return todo(cliente, "/api/anomalias/últimas", limite=150)


def test_las_paginas_dan_todas_una_vez(
    cliente: httpx.Client, datos: Datos, todas: list[dict[str, Any]]
) -> None:
    """The pages of the latest anomalies are all that MongoDB has, each once, newest first."""
    with closing(MongoAnomalyStore(datos.settings)) as almacen:
        guardadas = almacen.count_anomalies(datos.clientes, 0, 2**20)
    assert Counter(str(a["severidad"]) for a in todas) == guardadas
    assert len({a["id"] for a in todas}) == len(todas)
    detectadas = [local(str(a["timestamp_deteccion"])) for a in todas]
    assert detectadas == sorted(detectadas, reverse=True)
    assert len(lee(cliente, "/api/anomalias/últimas")["elementos"]) == 50


def test_criticas_son_las_criticas(cliente: httpx.Client, todas: list[dict[str, Any]]) -> None:
    """The critical ones are exactly those of the whole list, in the same order."""
    criticas = todo(cliente, "/api/anomalias/críticas", limite=70)
    assert criticas == [a for a in todas if a["severidad"] == "crítica"]
    assert criticas


@pytest.mark.parametrize("orden", ["deteccion", "consumo", "score"])
def test_los_filtros_se_suman(
    cliente: httpx.Client, todas: list[dict[str, Any]], orden: str
) -> None:
    """Customer, days, severidad, type and estado narrow any order of the list together."""
    quien = Counter(str(a["propietario_id"]) for a in todas).most_common(1)[0][0]
    halladas = todo(
        cliente, "/api/anomalias/últimas", propietario_id=quien, desde="2026-11-05",
        hasta="2026-11-12", severidad=["alta", "critica"], tipo=["pico_consumo", "fraude"],
        estado="abierta", orden=orden, limite=40,
    )  # fmt: skip
    esperadas = {
        str(a["id"])
        for a in todas
        if a["propietario_id"] == quien
        and "2026-11-05" <= str(a["timestamp_consumo"])[:10] <= "2026-11-12"
        and a["severidad"] in {"alta", "crítica"}
        and {"pico_consumo", "fraude"} & set(map(str, a["tipos_anomalia"]))
    }
    assert {a["id"] for a in halladas} == esperadas
    assert 40 < len(halladas) == len(esperadas) < len(todas)
    campo = {"consumo": "timestamp_consumo", "score": "score_anomalia"}.get(orden)
    if campo:
        valores = [a[campo] for a in halladas]
        assert valores == sorted(valores, reverse=True)


def test_un_estado_que_nadie_ha_dado(cliente: httpx.Client) -> None:
    """A list without anything is empty, and has no next page."""
    cuerpo = lee(cliente, "/api/anomalias/últimas", estado="descartada", tipo="modelo_online")
    assert cuerpo == {"elementos": [], "siguiente": None}


def test_de_un_cliente_por_hora_de_consumo(
    cliente: httpx.Client, datos: Datos, todas: list[dict[str, Any]]
) -> None:
    """A customer's anomalies come by the hour of the reading; one without any has none."""
    for quien in datos.clientes:
        suyas = todo(cliente, f"/api/anomalias/cliente/{quien}", limite=100)
        esperadas = [a for a in todas if a["propietario_id"] == quien]
        esperadas.sort(key=lambda a: local(str(a["timestamp_consumo"])), reverse=True)
        assert suyas == esperadas


def test_cada_anomalia_es_una_lectura(datos: Datos, todas: list[dict[str, Any]]) -> None:
    """What an anomaly says was consumed is what the meter said, and the difference fits."""
    por_cliente = {quien: de_cliente(datos, quien) for quien in datos.clientes}
    for a in todas:
        leido = por_cliente[str(a["propietario_id"])][local(str(a["timestamp_consumo"]))]
        assert a["consumo_kwh"] == leido
        if a["consumo_esperado_kwh"] is not None:
            assert a["diferencia_kwh"] == pytest.approx(
                leido - a["consumo_esperado_kwh"],
                abs=1e-6,
            )


def test_la_explicacion_suma_y_habla(cliente: httpx.Client, todas: list[dict[str, Any]]) -> None:
    """An anomaly says what each detector found, with numbers, and who raised the alarm."""
    una = next(a for a in todas if a["severidad"] == "crítica")
    detalle = lee(cliente, f"/api/anomalias/{una['id']}")
    assert {clave: detalle[clave] for clave in una} == una
    aportes = [d["aporte"] for d in detalle["explicacion"]]
    assert sum(aportes) == pytest.approx(1, abs=1e-3)
    assert aportes == sorted(aportes, reverse=True)
    primero = detalle["explicacion"][0]
    assert primero["score"] > 0.5
    assert any(cifra in primero["frase"] for cifra in "0123456789")
    disparan = [d["frase"] for d in detalle["explicacion"] if d["dispara"]]
    assert detalle["resumen"] == " ".join(disparan)
    assert disparan
    assert detalle["energia_en_juego_kwh"] == pytest.approx(abs(detalle["diferencia_kwh"]))
    assert detalle["energia_en_juego_eur"] == pytest.approx(
        0.15 * detalle["energia_en_juego_kwh"], abs=0.005
    )


def test_los_aportes_siguen_a_la_mezcla() -> None:
    """A detector's part grows with score and weight; one that is not ready has none."""
    fuerte = Explicacion("fraude", 0.9, 1.0, True, "")
    flojo = Explicacion("pico_consumo", 0.9, 0.5, True, "")
    bajo = Explicacion("consumo_constante", 0.5, 0.9, False, "")
    callado = Explicacion("modelo_online", None, 0.15, False, "")
    a, b, c, d = contributions([fuerte, flojo, bajo, callado])
    assert a > b > c == d == 0
    assert a + b == pytest.approx(1)
    # Certain, and of full weight: it is finite all the same.
    assert contributions([Explicacion("fraude", 1.0, 1.0, True, "")]) == [1.0]
    assert contributions([callado, bajo]) == [0.0, 1.0]
    assert contributions([]) == []


def test_una_que_no_existe(cliente: httpx.Client) -> None:
    """An id that nothing has is 404; what is no id, 422."""
    es_problema(cliente.get("/api/anomalias/" + "0" * 24), 404, "0" * 24)
    for malo in ("1", "g" * 24, "0" * 25, "%24ne"):
        es_problema(cliente.get(f"/api/anomalias/{malo}"), 422, "id_anomalia")


def test_la_serie_reparte_por_dias_locales(
    cliente: httpx.Client, todas: list[dict[str, Any]]
) -> None:
    """A series has a point for every local day, zeros where there is nothing, and misses none."""
    serie = lee(cliente, "/api/anomalias/serie", desde="2026-10-11", hasta="2026-11-19")
    dias = [f"{local(p['momento']):%Y-%m-%d %H}" for p in serie["elementos"]]
    primero = local(serie["elementos"][0]["momento"]).date()
    assert dias == [f"{primero + timedelta(days=i)} 00" for i in range(40)]
    esperadas = Counter(
        (str(a["timestamp_consumo"])[:10], a["severidad"])
        for a in todas
        if str(a["timestamp_consumo"]) < "2026-11-20"
    )
    for punto in serie["elementos"]:
        fecha = punto["momento"][:10]
        assert punto["anomalias"] == {s: esperadas[fecha, s] for s in GRAVES}
        assert punto["total"] == sum(punto["anomalias"].values())


def test_la_serie_por_horas(cliente: httpx.Client, todas: list[dict[str, Any]]) -> None:
    """Hour by hour, a series of one day has 24 points; by default it ends with this hour."""
    dia = {"desde": "2026-11-18", "hasta": "2026-11-18"}
    serie = lee(cliente, "/api/anomalias/serie", por="hora", **dia)
    assert len(serie["elementos"]) == 24
    assert sum(p["total"] for p in serie["elementos"]) == sum(
        str(a["timestamp_consumo"]).startswith("2026-11-18") for a in todas
    )
    reciente = lee(cliente, "/api/anomalias/serie", por="hora")
    assert local(reciente["hasta"]) - AHORA < HORA
    es_problema(
        cliente.get("/api/anomalias/serie?por=hora&desde=2026-10-01&hasta=2026-11-19"), 422, "desde"
    )


def test_las_distribuciones_cuentan_lo_mismo(
    cliente: httpx.Client, todas: list[dict[str, Any]]
) -> None:
    """Every way to spread the anomalies counts the same ones."""
    reparto = lee(cliente, "/api/anomalias/distribuciones", desde="2026-10-11")
    assert reparto["total"] == len(todas)
    assert reparto["por_severidad"] == {s: sum(a["severidad"] == s for a in todas) for s in GRAVES}
    tipos = Counter(t for a in todas for t in a["tipos_anomalia"])
    assert {t: n for t, n in reparto["por_tipo"].items() if n} == tipos
    assert reparto["por_hora"] == [sum(a["hora"] == h for a in todas) for h in range(24)]
    dias = Counter(local(str(a["timestamp_consumo"])).weekday() for a in todas)
    assert reparto["por_dia_semana"] == [dias[d] for d in range(7)]
    assert sum(reparto["por_estado"].values()) == len(todas)


def test_el_histograma_dice_cuantos_avisos_habria(
    cliente: httpx.Client, datos: Datos, todas: list[dict[str, Any]]
) -> None:
    """Cut at the thresholds in use, the histogram gives the alerts that there were."""
    dias = {"desde": "2026-10-26", "hasta": "2026-11-19"}
    params = Params()
    for quien in (None, datos.clientes[0]):
        de_quien = {} if quien is None else {"propietario_id": quien}
        cuerpo = lee(cliente, "/api/anomalias/histograma", **dias, **de_quien)
        suyas = [
            a
            for a in todas
            if quien in {None, a["propietario_id"]}
            and dias["desde"] <= str(a["timestamp_consumo"])[:10] <= dias["hasta"]
        ]
        cortes = (
            params.umbral_baja, params.umbral_media, params.umbral_alta, params.umbral_critica
        )  # fmt: skip
        for desde, corte in enumerate(cortes):
            graves = set(GRAVES[desde:])
            assert sum(cuerpo["cuentas"][corte:]) == sum(a["severidad"] in graves for a in suyas)
        assert list(cuerpo["umbrales"].values()) == [corte / 100 for corte in cortes]
        assert (
            cuerpo["lecturas"]
            == sum(cuerpo["cuentas"])
            == sum(
                dias["desde"] <= f"{m.astimezone(MADRID):%Y-%m-%d}" <= dias["hasta"]
                for uno in ([quien] if quien else datos.clientes)
                for m in de_cliente(datos, uno)
            )
        )
        assert cuerpo["dias"] == 25


def test_las_puntuaciones_son_las_de_la_explicacion(
    cliente: httpx.Client, todas: list[dict[str, Any]]
) -> None:
    """For the scatter, each anomaly has the scores that its explanation has, unready ones null."""
    filas = lee(cliente, "/api/anomalias/puntuaciones", desde="2026-10-11", limite=2000)[
        "elementos"
    ]
    assert [f["id"] for f in filas] == [a["id"] for a in todas]
    for fila in filas[:: len(filas) // 5]:
        detalle = lee(cliente, f"/api/anomalias/{fila['id']}")
        assert fila["detectores"] == {d["detector"]: d["score"] for d in detalle["explicacion"]}
        assert fila["score_anomalia"] == detalle["score_anomalia"]
    assert any(None in f["detectores"].values() for f in filas)
    assert filas[:3] == lee(cliente, "/api/anomalias/puntuaciones", limite=3)["elementos"]


def test_un_cursor_es_de_su_lista(cliente: httpx.Client, datos: Datos) -> None:
    """A cursor of another order, or of another list, is refused instead of giving some page."""
    siguiente = lee(cliente, "/api/anomalias/últimas", limite=2)["siguiente"]
    for ruta in (
        "/api/anomalias/últimas?orden=consumo", "/api/anomalias/últimas?orden=score",
        "/api/clientes?", "/api/incidencias?", "/api/consumos/rango?",
        "/api/consumos/meses/2026-11?", f"/api/consumos/últimas24h/{datos.clientes[0]}?",
    ):  # fmt: skip
        es_problema(cliente.get(f"{ruta}&cursor={siguiente}"), 422, "cursor")


def test_las_incidencias_reunen_todas_las_anomalias(
    cliente: httpx.Client, todas: list[dict[str, Any]]
) -> None:
    """Each anomaly is in one incident; within one no gap is over 3 hours, and between two it is."""
    halladas = todo(cliente, "/api/incidencias", desde="2026-10-11", limite=7)
    por_id = {a["id"]: a for a in todas}
    assert sorted(i for h in halladas for i in h["anomalia_ids"]) == sorted(por_id)
    inicios = [local(h["inicio"]) for h in halladas]
    assert inicios == sorted(inicios, reverse=True)
    fines: dict[str, datetime] = {}
    for h in reversed(halladas):
        suyas = sorted(
            (por_id[i] for i in h["anomalia_ids"]), key=lambda a: local(a["timestamp_consumo"])
        )
        horas = [local(str(a["timestamp_consumo"])) for a in suyas]
        assert {a["propietario_id"] for a in suyas} == {h["propietario_id"]}
        assert (local(h["inicio"]), local(h["fin"])) == (horas[0], horas[-1] + HORA)
        assert h["horas"] == (horas[-1] - horas[0]) // HORA + 1
        assert all(b - a <= 4 * HORA for a, b in pairwise(horas))
        anterior = fines.get(h["propietario_id"])
        assert anterior is None or horas[0] - anterior > 3 * HORA
        fines[h["propietario_id"]] = local(h["fin"])
        assert h["severidad"] == max((a["severidad"] for a in suyas), key=GRAVES.index)
        assert h["score_maximo"] == max(a["score_anomalia"] for a in suyas)
        assert h["consumo_kwh"] == pytest.approx(sum(a["consumo_kwh"] for a in suyas), abs=1e-3)
        diferencias = [a["diferencia_kwh"] or 0 for a in suyas]
        assert h["exceso_kwh"] == pytest.approx(sum(max(d, 0) for d in diferencias), abs=1e-2)
        assert h["defecto_kwh"] == pytest.approx(-sum(min(d, 0) for d in diferencias), abs=1e-2)
        assert h["energia_en_juego_kwh"] == pytest.approx(h["exceso_kwh"] + h["defecto_kwh"])


def test_las_incidencias_de_un_cliente(cliente: httpx.Client, datos: Datos) -> None:
    """Filtered by customer, incidents are that customer's."""
    quien = datos.clientes[0]
    cuerpo = lee(cliente, "/api/incidencias", propietario_id=quien, desde="2025-11-01")
    assert cuerpo["elementos"]
    assert {i["propietario_id"] for i in cuerpo["elementos"]} == {quien}
    es_problema(cliente.get("/api/incidencias?desde=2026-01-01"), 422, "desde")
    assert lee(cliente, "/api/incidencias", propietario_id="nadie")["elementos"] == []
