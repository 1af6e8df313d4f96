"""/api/consumos gives every reading that is stored, in order, within limits."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest
from apoyo_api import Datos, es_problema
from apoyo_rutas import HORA, MADRID, de_cliente, lee, local, paginas, todo
from pydantic import BaseModel

from api.readings.schemas import Consumos, MapaCalor


def test_ultimas_son_las_100_mas_recientes(cliente: httpx.Client, datos: Datos) -> None:
    """Without a limit, the 100 latest readings, the newest first, each as it was stored."""
    quien = datos.clientes[1]
    suyas = de_cliente(datos, quien)
    elementos = lee(cliente, f"/api/consumos/últimas24h/{quien}")["elementos"]
    esperadas = sorted(suyas.items(), reverse=True)[:100]
    assert [(local(e["timestamp"]), e["consumo_kwh"]) for e in elementos] == esperadas
    for e in elementos:
        momento = local(e["timestamp"])
        assert (e["fecha"], e["hora"]) == (f"{momento:%Y-%m-%d}", momento.hour)
        assert e["anomalia_detectada"] == (e["severidad"] != "normal")


def test_ultimas_se_siguen_hasta_la_primera(cliente: httpx.Client, datos: Datos) -> None:
    """Page after page, the latest readings go back to the very first one, none twice."""
    quien = datos.clientes[0]
    vistas = [
        local(e["timestamp"])
        for e in todo(cliente, f"/api/consumos/últimas24h/{quien}", limite=199)
    ]
    assert vistas == sorted(de_cliente(datos, quien), reverse=True)


def test_rango_por_paginas_es_el_rango_entero(cliente: httpx.Client, datos: Datos) -> None:
    """Pages of any size together are the range: no reading is missing or comes twice."""
    quien, desde, hasta = datos.clientes[2], "2026-10-20", "2026-10-27"
    dias = {"propietario_id": quien, "desde": desde, "hasta": hasta}
    enteras = lee(cliente, "/api/consumos/rango", **dias)["elementos"]
    primera = next(paginas(cliente, "/api/consumos/rango", **dias, limite=50))
    assert primera == enteras[:50]
    assert todo(cliente, "/api/consumos/rango", **dias, limite=50) == enteras
    al_reves = todo(cliente, "/api/consumos/rango", **dias, limite=31, orden="desc")
    assert al_reves == enteras[::-1]
    suyas = [
        momento
        for momento in de_cliente(datos, quien)
        if desde <= f"{momento.astimezone(MADRID):%Y-%m-%d}" <= hasta
    ]
    assert [local(e["timestamp"]) for e in enteras] == suyas


def test_rango_sin_cliente_son_todos(cliente: httpx.Client, datos: Datos) -> None:
    """Without a customer a range has everybody's readings, by time and name, each once."""
    dias = {"desde": "2026-11-02", "hasta": "2026-11-03"}
    elementos = todo(cliente, "/api/consumos/rango", **dias, limite=100)
    esperadas = sorted(
        (momento, quien, kwh)
        for quien in datos.clientes
        for momento, kwh in de_cliente(datos, quien).items()
        if dias["desde"] <= f"{momento.astimezone(MADRID):%Y-%m-%d}" <= dias["hasta"]
    )
    assert [
        (local(e["timestamp"]), e["propietario_id"], e["consumo_kwh"]) for e in elementos
    ] == esperadas
    graves = todo(cliente, "/api/consumos/rango", **dias, severidad="crítica", limite=10)
    assert graves == [e for e in elementos if e["severidad"] == "crítica"]
    for consulta, campo in (
        ("desde=2026-10-01&hasta=2026-11-03", "desde"), ("orden=desc", "orden"),
        ("con_banda=true", "con_banda"),
    ):  # fmt: skip
        es_problema(cliente.get(f"/api/consumos/rango?{consulta}"), 422, campo)


def test_el_dia_de_25_horas_las_tiene(cliente: httpx.Client, datos: Datos) -> None:
    """The day on which summer time ends is all of its 25 hours, hour 2 twice."""
    for quien in datos.clientes:
        suyas = [
            m.astimezone(MADRID).hour
            for m in de_cliente(datos, quien)
            if f"{m.astimezone(MADRID):%Y-%m-%d}" == "2026-10-25"
        ]
        dia = {"propietario_id": quien, "desde": "2026-10-25", "hasta": "2026-10-25"}
        elementos = lee(cliente, "/api/consumos/rango", **dia)["elementos"]
        assert [e["hora"] for e in elementos] == suyas
        if len(suyas) == 25:
            assert suyas.count(2) == 2
            break
    else:
        pytest.fail("no customer has the whole day")


def test_instantes_con_y_sin_desfase(cliente: httpx.Client, datos: Datos) -> None:
    """A limit without an offset is local, and a "+" that was not encoded is understood."""
    quien = datos.clientes[0]
    cuerpos = {
        cliente.get(f"/api/consumos/rango?propietario_id={quien}&desde={desde}&hasta={hasta}").text
        for desde, hasta in (
            ("2026-11-10T00:00:00%2B01:00", "2026-11-11T00:00:00%2B01:00"),
            ("2026-11-10T00:00:00+01:00", "2026-11-11T00:00:00+01:00"),
            ("2026-11-09T23:00:00Z", "2026-11-10T23:00Z"),
            ("2026-11-10T00:00", "2026-11-11T00:00:00"),
            ("2026-11-10", "2026-11-10"),
        )
    }
    assert len(cuerpos) == 1
    assert '"2026-11-10T12:00:00+01:00"' in cuerpos.pop()


def test_la_banda_rodea_lo_esperado(cliente: httpx.Client, datos: Datos) -> None:
    """With the band, what was expected lies within it, and most of an ordinary past does too."""
    dias = {"desde": "2026-11-06", "hasta": "2026-11-19", "con_banda": True}
    dentro = fuera = 0
    for quien in datos.clientes:
        for e in lee(cliente, "/api/consumos/rango", propietario_id=quien, **dias)["elementos"]:
            if e["banda_inferior_kwh"] is None:
                continue
            assert 0 <= e["banda_inferior_kwh"] <= e["consumo_esperado_kwh"] + 1e-6
            assert e["consumo_esperado_kwh"] <= e["banda_superior_kwh"] + 1e-6
            if e["severidad"] == "normal":
                usual = e["banda_inferior_kwh"] <= e["consumo_kwh"] <= e["banda_superior_kwh"]
                dentro, fuera = dentro + usual, fuera + (not usual)
    assert dentro > 20 * fuera


def test_sin_pedirla_no_hay_banda(cliente: httpx.Client, datos: Datos) -> None:
    """A range without ``con_banda`` costs no band and gives none."""
    elementos = lee(cliente, "/api/consumos/rango", propietario_id=datos.clientes[0])["elementos"]
    assert elementos
    assert {e["banda_superior_kwh"] for e in elementos} == {None}


def test_los_filtros_de_rango_filtran(cliente: httpx.Client, datos: Datos) -> None:
    """The filters severidad and tipo, which may be repeated, leave the readings that have them."""
    dias = {"propietario_id": datos.clientes[0], "desde": "2026-10-12", "limite": 5000}
    todas = lee(cliente, "/api/consumos/rango", **dias)["elementos"]
    graves = lee(cliente, "/api/consumos/rango", **dias, severidad=["alta", "critica"])
    esperadas = [e for e in todas if e["severidad"] in {"alta", "crítica"}]
    assert esperadas
    assert graves["elementos"] == esperadas
    picos = lee(cliente, "/api/consumos/rango", **dias, tipo="pico_consumo")["elementos"]
    assert picos == [e for e in todas if "pico_consumo" in e["tipos_anomalia"]]
    assert picos


def test_los_dias_suman_sus_horas(cliente: httpx.Client, datos: Datos) -> None:
    """Each local day is the sum of its readings, for each of the customers that are asked for."""
    clientes = datos.clientes[:2]
    elementos = lee(cliente, "/api/consumos/diarios", propietario_id=clientes)["elementos"]
    for quien in clientes:
        sumas: dict[str, list[float]] = {}
        for momento, kwh in de_cliente(datos, quien).items():
            sumas.setdefault(f"{momento.astimezone(MADRID):%Y-%m-%d}", []).append(kwh)
        suyos = {e["fecha"]: e for e in elementos if e["propietario_id"] == quien}
        assert suyos.keys() == sumas.keys()
        for fecha, horas in sumas.items():
            assert suyos[fecha]["consumo_kwh"] == pytest.approx(sum(horas))
            assert suyos[fecha]["lecturas"] == len(horas)
    desconocido = lee(cliente, "/api/consumos/diarios", propietario_id="nadie")
    assert desconocido["elementos"] == []


def test_mapa_y_semana_salen_de_las_mismas_lecturas(cliente: httpx.Client, datos: Datos) -> None:
    """The heatmap has every hour, and the typical week their means."""
    quien = datos.clientes[3]
    dias = {"desde": "2026-10-26", "hasta": "2026-11-15"}
    suyas = {
        m.astimezone(MADRID): kwh
        for m, kwh in de_cliente(datos, quien).items()
        if dias["desde"] <= f"{m.astimezone(MADRID):%Y-%m-%d}" <= dias["hasta"]
    }
    celdas = lee(cliente, f"/api/consumos/mapa-calor/{quien}", **dias)["elementos"]
    assert [(c["fecha"], c["hora"], c["consumo_kwh"]) for c in celdas] == [
        (f"{m:%Y-%m-%d}", m.hour, kwh) for m, kwh in suyas.items()
    ]
    medias = {
        (h["dia_semana"], h["hora"]): h
        for h in lee(cliente, f"/api/consumos/semana/{quien}", **dias)["elementos"]
    }
    lunes_a_las_3 = [kwh for m, kwh in suyas.items() if (m.weekday(), m.hour) == (0, 3)]
    assert medias[0, 3]["lecturas"] == len(lunes_a_las_3)
    assert medias[0, 3]["consumo_kwh"] == pytest.approx(
        sum(lunes_a_las_3) / len(lunes_a_las_3), abs=1e-6
    )


def test_los_meses_son_los_del_agregador(cliente: httpx.Client, datos: Datos) -> None:
    """The monthly documents hold the month's readings; months come the newest first."""
    quien = datos.clientes[4]
    elementos = lee(cliente, f"/api/consumos/mensuales/{quien}")["elementos"]
    assert [e["mes_str"] for e in elementos] == ["2026-11", "2026-10"]
    octubre = [
        kwh
        for m, kwh in de_cliente(datos, quien).items()
        if f"{m.astimezone(MADRID):%Y-%m}" == "2026-10"
    ]
    assert elementos[1]["consumo_total"] == pytest.approx(sum(octubre))
    assert elementos[1]["lecturas"] == len(octubre)
    assert elementos[1]["coste_estimado_eur"] == pytest.approx(0.15 * sum(octubre), abs=0.01)
    for e in elementos:
        assert 0 <= e["parte_noche"] <= 1
        assert e["consumo_minimo"] <= e["consumo_promedio"] <= e["consumo_maximo"]
    solo = lee(cliente, f"/api/consumos/mensuales/{quien}", hasta_mes="2026-10")["elementos"]
    assert [e["mes_str"] for e in solo] == ["2026-10"]


def test_el_mes_de_todos_es_la_suma_de_cada_uno(cliente: httpx.Client, datos: Datos) -> None:
    """A month's ranking has every customer, the highest first, and adds up to the month."""
    elementos = todo(cliente, "/api/consumos/meses/2026-11", limite=2)
    totales = [e["consumo_total"] for e in elementos]
    assert sorted(e["propietario_id"] for e in elementos) == datos.clientes
    assert totales == sorted(totales, reverse=True)
    noviembre = lee(cliente, "/api/consumos/meses")["elementos"][0]
    assert noviembre["mes_str"] == "2026-11"
    assert noviembre["clientes"] == len(datos.clientes)
    assert noviembre["consumo_total"] == pytest.approx(sum(totales))
    es_problema(cliente.get("/api/consumos/meses/2020-01"), 404, "2020-01")


@pytest.mark.parametrize(
    "ruta",
    [
        "/api/consumos/mensuales/{}", "/api/consumos/meses", "/api/consumos/meses/2026-11",
        "/api/estadisticas/mensuales/{}",
    ],
)  # fmt: skip
def test_los_meses_llevan_etag(cliente: httpx.Client, datos: Datos, ruta: str) -> None:
    """Whoever has a month and sends its ETag is told that nothing has changed, without a body."""
    ruta = ruta.format(datos.clientes[0])
    primera = cliente.get(ruta)
    etag = primera.headers["etag"]
    assert "max-age" in primera.headers["cache-control"]
    segunda = cliente.get(ruta, headers={"If-None-Match": f'"otra", {etag}'})
    assert (segunda.status_code, segunda.content) == (304, b"")
    assert segunda.headers["etag"] == etag
    assert cliente.get(ruta, headers={"If-None-Match": '"otra"'}).status_code == 200


@pytest.mark.parametrize("nombre", ["CLI_99999", "' OR 1=1 --", '{"$gt": ""}', "año/ñ", "a;b"])
@pytest.mark.parametrize(
    "ruta",
    [
        "/api/consumos/últimas24h/{}", "/api/consumos/rango?propietario_id={}",
        "/api/consumos/mapa-calor/{}", "/api/consumos/semana/{}", "/api/consumos/mensuales/{}",
        "/api/anomalias/cliente/{}", "/api/anomalias/veredictos?propietario_id={}",
        "/api/clientes/{}/perfil", "/api/clientes/{}/pares", "/api/estadisticas/cliente/{}",
        "/api/estadisticas/mensuales/{}",
    ],
)  # fmt: skip
def test_cliente_desconocido(cliente: httpx.Client, ruta: str, nombre: str) -> None:
    """Who has never had a reading is 404, whatever the name looks like to a database."""
    es_problema(cliente.get(ruta.format(quote(nombre, safe=""))), 404, nombre)


@pytest.mark.parametrize("nombre", ["x" * 21, "%00", "a%09b", "%20", "a%7Fb", "%C2%85"])
@pytest.mark.parametrize(
    "ruta",
    [
        "/api/consumos/últimas24h/{}", "/api/consumos/rango?propietario_id={}",
        "/api/consumos/diarios?propietario_id={}", "/api/consumos/mensuales/{}",
        "/api/anomalias/últimas?propietario_id={}", "/api/anomalias/cliente/{}",
        "/api/clientes/{}/perfil", "/api/estadisticas/cliente/{}",
    ],
)  # fmt: skip
def test_nombre_imposible(cliente: httpx.Client, ruta: str, nombre: str) -> None:
    """A name that no customer can have is refused before any store is asked."""
    cuerpo = es_problema(cliente.get(ruta.format(nombre)), 422, "propietario_id")
    assert cuerpo["errores"]


@pytest.mark.parametrize(
    ("consulta", "campo"),
    [
        ("desde=0001-01-01", "desde"),
        ("desde=1999-12-31", "desde"),
        ("desde=2026-01-01&hasta=9999-12-31", "hasta"),
        ("desde=2016-01-01&hasta=2026-01-01", "desde"),
        ("desde=2025-11-18&hasta=2026-11-19", "desde"),
        ("desde=2026-02-30", "desde"),
        ("desde=ayer", "desde"),
        ("desde=20260101", "desde"),
        ("desde=2026-W01-1", "desde"),
        ("desde=2026-01-01T00:00:00%2B99:99", "desde"),
        ("desde=" + "1" * 41, "desde"),
        ("desde=2026-11-10&hasta=2026-11-01", "hasta"),
        ("desde=2026-11-10T00:00&hasta=2026-11-10T00:00", "hasta"),
        ("limite=0", "limite"),
        ("limite=5001", "limite"),
        ("limite=x", "limite"),
        ("limite=99999999999999999999", "limite"),
        ("severidad=grave", "severidad"),
        ("tipo=otro", "tipo"),
        ("orden=azar", "orden"),
        ("cursor=%27%3B", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("cursor=" + "A" * 301, "cursor"),
        ("con_banda=true&desde=2026-10-01&hasta=2026-11-19", "con_banda"),
        ("con_banda=quizá", "con_banda"),
        ("formato=xml", "formato"),
        ("formato=csv&limite=5", "limite"),
    ],
)
def test_lo_absurdo_es_422(cliente: httpx.Client, datos: Datos, consulta: str, campo: str) -> None:
    """Absurd limits, dates and words are refused in Spanish, naming the parameter."""
    ruta = f"/api/consumos/rango?propietario_id={datos.clientes[0]}&{consulta}"
    cuerpo = es_problema(cliente.get(ruta), 422, campo)
    assert "error" not in str(cuerpo["detail"]).lower()


def test_un_anio_y_un_dia_caben(cliente: httpx.Client, datos: Datos) -> None:
    """366 days are the longest range, and are given."""
    dias = {"propietario_id": datos.clientes[0], "desde": "2025-11-20", "hasta": "2026-11-20"}
    elementos = lee(cliente, "/api/consumos/rango", **dias, limite=5000)["elementos"]
    assert len(elementos) == len(de_cliente(datos, datos.clientes[0]))


def test_sin_fechas_son_los_ultimos_siete_dias(cliente: httpx.Client, datos: Datos) -> None:
    """Without dates a range begins at a local midnight seven days ago."""
    elementos = lee(cliente, "/api/consumos/rango", propietario_id=datos.clientes[0])["elementos"]
    momentos = [local(e["timestamp"]) for e in elementos]
    assert momentos[0].hour == 0
    assert timedelta(days=6) < datos.hasta - momentos[0] < timedelta(days=8)
    assert momentos[-1] == datos.hasta - HORA


@pytest.mark.parametrize(
    ("ruta", "parametros", "modelo"),
    [
        ("/api/consumos/últimas24h/{}", {}, Consumos),
        ("/api/consumos/rango?propietario_id={}", {"desde": "2026-10-20"}, Consumos),
        (
            "/api/consumos/rango?propietario_id={}", {"desde": "2026-10-24", "con_banda": "true"},
            Consumos,
        ),
        ("/api/consumos/mapa-calor/{}", {}, MapaCalor),
    ],
)  # fmt: skip
def test_las_listas_largas_son_las_de_su_modelo(
    cliente: httpx.Client, datos: Datos, ruta: str, parametros: dict[str, str],
    modelo: type[BaseModel],
) -> None:  # fmt: skip
    """Rows that are written without making a model of each are what the model would write."""
    pedida = httpx.URL(ruta.format(datos.clientes[1])).copy_merge_params(parametros)
    cuerpo = cliente.get(pedida).raise_for_status().content
    leido = modelo.model_validate_json(cuerpo)
    assert leido.model_dump_json(by_alias=True).encode() == cuerpo
    assert json.loads(cuerpo)["elementos"]
