"""What is asked of customers as wholes: figures, profiles, peers, and who they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from apoyo_consultas import (
    ANTIGUO,
    CLIENTES,
    DESDE,
    HASTA,
    ZONA,
    Fila,
    contar,
    elegir,
    media,
)

from detection.detector import DetectorConsumo
from detection.domain import Lecturas
from pipeline.stores.postgres.queries import PostgresQueries
from pipeline.stores.query_limits import por_tramos
from serving.local_time import load_calendario

UNO = CLIENTES[2]
DIA = timedelta(days=1)
MES = slice(HASTA - 28 * DIA, HASTA)


def _clase(fila: Fila) -> str:
    return "fin_de_semana" if fila.fecha.weekday() > 4 else "laborable"


def test_el_perfil_y_su_banda(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """Workdays and weekends hour by hour: mean, deviation, quantiles, band of 3 sigma from 0."""
    suyas = elegir(filas, UNO, MES.start, HASTA)
    franjas = consultas.customers.profile(UNO)
    assert len(franjas) == 48
    for franja in franjas:
        iguales = np.array(
            [f.kwh for f in suyas if (_clase(f), f.hora) == (franja.clase, franja.hora)]
        )
        sd = iguales.std(ddof=1)
        assert franja.lecturas == iguales.size
        dichas = franja.model_dump(exclude={"clase", "hora", "lecturas"})
        assert list(dichas.values()) == pytest.approx(
            [
                iguales.mean(), sd, *np.quantile(iguales, (0.1, 0.5, 0.9)),
                max(iguales.mean() - 3 * sd, 0), iguales.mean() + 3 * sd,
            ], abs=1e-6,
        )  # fmt: skip


def test_un_perfil_de_dos_lecturas_no_tiene_banda(consultas: PostgresQueries) -> None:
    """Where there are too few readings to know what is usual no band is claimed."""
    franjas = consultas.customers.profile(UNO, DESDE + 2 * DIA, 2)
    assert franjas
    assert all(f.banda_inferior_kwh is f.banda_superior_kwh is None for f in franjas)
    assert consultas.customers.profile("NADIE") == []


def test_la_banda_es_la_del_detector(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """Expected consumption and band of every reading are the detector's, to its precision."""
    suyas = elegir(filas, UNO)
    lecturas = Lecturas(
        [UNO] * len(suyas),
        np.array([f.hora_utc for f in suyas]),
        np.array([f.kwh for f in suyas]),
    )
    veredictos = DetectorConsumo(load_calendario(ZONA)).score(lecturas)
    desde = HASTA - 35 * DIA
    puntos = consultas.peers.band(UNO, desde, HASTA)
    assert [p.timestamp_consumo for p in puntos] == [f.momento for f in suyas if f.momento >= desde]
    ultimos = slice(len(suyas) - len(puntos), None)
    assert [p.esperado_kwh for p in puntos] == pytest.approx(veredictos.esperado_kwh[ultimos])
    assert [p.inferior_kwh for p in puntos] == pytest.approx(
        veredictos.banda_inferior_kwh[ultimos], abs=1e-6
    )
    assert [p.superior_kwh for p in puntos] == pytest.approx(veredictos.banda_superior_kwh[ultimos])
    temprana = consultas.peers.band(UNO, DESDE, DESDE + 2 * DIA)
    assert len(temprana) == 48
    assert all(p.esperado_kwh is p.inferior_kwh is p.superior_kwh is None for p in temprana)
    assert consultas.peers.band("NADIE", desde, HASTA) == []


def test_un_cliente_junto_a_su_pasado_y_a_los_demas(
    consultas: PostgresQueries, filas: list[Fila]
) -> None:
    """Its last 7 days, its 28 before, and the others' shapes scaled to its own mean."""
    perfil = consultas.peers.profile(UNO)
    corte = HASTA - 7 * DIA
    suyas = elegir(filas, UNO, HASTA - 35 * DIA, HASTA)
    for puntos, tramo in (
        (perfil.ahora, [f for f in suyas if f.momento >= corte]),
        (perfil.antes, [f for f in suyas if f.momento < corte]),
    ):
        assert len(puntos) == 48
        for punto in puntos:
            iguales = [f for f in tramo if (_clase(f), f.hora) == (punto.clase, punto.hora)]
            assert punto.consumo_kwh == pytest.approx(media(iguales), abs=1e-6)
    fin = datetime(2026, 11, 25, tzinfo=UTC)
    otros = [c for c in CLIENTES if c != UNO]
    assert perfil.clientes_pares == len(otros)
    formas = []
    for cliente in otros:
        suyas_otro = elegir(filas, cliente, fin - 28 * DIA, HASTA)
        iguales = [f for f in suyas_otro if (_clase(f), f.hora) == ("laborable", 20)]
        formas.append(media(iguales) / media(suyas_otro))
    (punto,) = [p for p in perfil.pares if (p.clase, p.hora) == ("laborable", 20)]
    assert punto.consumo_kwh == pytest.approx(np.mean(formas) * media(suyas), abs=1e-6)
    assert consultas.peers.profile("NADIE") == ([], [], [], 0)


def test_hora_por_hora_junto_a_los_demas(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """The peers' curve is the mean of their shapes, and the correlation is Pearson's."""
    desde = HASTA - 10 * DIA
    comparacion = consultas.peers.hours(UNO, desde, HASTA)
    assert comparacion.clientes_pares == len(CLIENTES) - 1
    propias = np.array([f.kwh for f in elegir(filas, UNO, desde, HASTA)])
    formas = []
    for cliente in CLIENTES:
        kwh = np.array([f.kwh for f in elegir(filas, cliente, desde, HASTA)])
        if cliente != UNO:
            formas.append(kwh / kwh.mean())
    esperada = np.mean(formas, axis=0) * propias.mean()
    assert [p.consumo_kwh for p in comparacion.elementos] == propias.tolist()
    assert [p.pares_kwh for p in comparacion.elementos] == pytest.approx(esperada, abs=1e-6)
    assert comparacion.correlacion == pytest.approx(np.corrcoef(propias, esperada)[0, 1], abs=1e-4)
    corta = consultas.peers.hours(UNO, HASTA - timedelta(hours=5), HASTA)
    assert corta.correlacion is None
    nadie = consultas.peers.hours("NADIE", desde, HASTA)
    assert (nadie.elementos, nadie.clientes_pares, nadie.correlacion) == ([], 0, None)


def test_las_estadisticas_de_un_cliente(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """Every figure is that of the customer's readings of the 28 days up to its latest."""
    suyas = elegir(filas, UNO, MES.start, HASTA)
    kwh = np.array([f.kwh for f in suyas])
    anomalas = [f for f in suyas if f.severidad != "normal"]
    diferencias = [f.kwh - f.esperado for f in anomalas if f.esperado is not None]
    semana = [f.kwh for f in suyas if f.momento >= HASTA - 7 * DIA]
    anterior = [f.kwh for f in suyas if HASTA - 14 * DIA <= f.momento < HASTA - 7 * DIA]
    hay = consultas.customers.statistics(UNO)
    assert hay is not None
    assert (hay.propietario_id, hay.desde, hay.hasta) == (UNO, MES.start, HASTA)
    assert (hay.primera_lectura, hay.ultima_lectura) == (DESDE, HASTA - timedelta(hours=1))
    assert (hay.lecturas, hay.lecturas_posibles, hay.cobertura) == (672, 672, 1.0)
    esperadas = {
        "consumo_total_kwh": kwh.sum(),
        "consumo_promedio_kwh": kwh.mean(),
        "consumo_minimo_kwh": kwh.min(),
        "consumo_maximo_kwh": kwh.max(),
        "desviacion_kwh": kwh.std(ddof=1),
        "p50_kwh": np.quantile(kwh, 0.5),
        "p95_kwh": np.quantile(kwh, 0.95),
        "consumo_noche_promedio_kwh": media([f for f in suyas if f.hora < 6]),
        "consumo_punta_promedio_kwh": media(
            [f for f in suyas if f.hora in {10, 11, 12, 13, 18, 19, 20, 21}]
        ),
        "score_maximo": max(f.centesimas for f in suyas) / 100,
        "exceso_kwh": sum(d for d in diferencias if d > 0),
        "defecto_kwh": -sum(d for d in diferencias if d < 0),
    }
    assert (hay.semana.valor, hay.semana.anterior) == pytest.approx((sum(semana), sum(anterior)))
    assert {campo: getattr(hay, campo) for campo in esperadas} == pytest.approx(
        {campo: float(valor) for campo, valor in esperadas.items()}, rel=1e-6, abs=1e-6
    )
    assert hay.anomalias.model_dump(by_alias=True) == contar(suyas)
    assert hay.anomalias_total == len(anomalas)
    tipos = [tipo for f in anomalas for tipo in f.tipos]
    assert hay.tipos == {tipo: tipos.count(tipo) for tipo in set(tipos)}
    assert not hay.es_sospechoso
    sospechoso = consultas.customers.statistics(CLIENTES[3], dias=400)
    assert sospechoso is not None
    assert sospechoso.es_sospechoso
    assert sospechoso.lecturas == sospechoso.lecturas_posibles == len(elegir(filas, CLIENTES[3]))


def test_estadisticas_sin_lecturas(consultas: PostgresQueries) -> None:
    """Days without readings give zeros and no means; a customer without any gives nothing."""
    vacias = consultas.customers.statistics(UNO, DESDE - 10 * DIA)
    assert vacias is not None
    assert (vacias.lecturas, vacias.consumo_total_kwh, vacias.consumo_promedio_kwh) == (
        0,
        0.0,
        None,
    )
    assert vacias.p50_kwh is vacias.desviacion_kwh is None
    assert consultas.customers.statistics("NADIE") is None
    antiguo = consultas.customers.statistics(ANTIGUO)
    assert antiguo is not None
    assert antiguo.lecturas == 7 * 24


def test_el_estado_de_varios_clientes(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """Each customer is as its latest reading says; who has none is left out."""
    estado = consultas.customers.states([*CLIENTES, ANTIGUO, "NADIE"])
    assert set(estado) == {*CLIENTES, ANTIGUO}
    for cliente, suyo in estado.items():
        ultima = elegir(filas, cliente)[-1]
        assert tuple(suyo.model_dump().values()) == (
            cliente, ultima.momento, ultima.kwh, ultima.centesimas / 100, ultima.severidad,
            ultima.sospechoso,
        )  # fmt: skip


@pytest.mark.parametrize("limite", [1, 7, 21, 50])
def test_buscar_sin_texto_los_da_a_todos(consultas: PostgresQueries, limite: int) -> None:
    """Page after page every customer comes once, in order, archived ones too."""
    tramos = por_tramos(lambda cursor: consultas.customers.search("", limite, cursor))
    assert [cliente for tramo in tramos for cliente in tramo] == [*CLIENTES, ANTIGUO]


@pytest.mark.parametrize("limite", [1, 3, 4, 50])
@pytest.mark.parametrize(
    ("texto", "esperados"),
    [
        ("CLI_0001", CLIENTES[9:19]),
        ("cli_0001", CLIENTES[9:19]),
        ("vie", [ANTIGUO]),
        ("7", [CLIENTES[6], CLIENTES[16]]),
        ("li_00003", [CLIENTES[2]]),
        ("CLI_00003", [CLIENTES[2]]),
        ("nadie", []),
        ("CLI_000030000000000000000", []),
    ],
)
def test_buscar_por_parte_del_nombre(
    consultas: PostgresQueries, texto: str, esperados: Sequence[str], limite: int
) -> None:
    """By the beginning first, in any case, and by any part of the name, at any page length."""
    tramos = por_tramos(lambda cursor: consultas.customers.search(texto, limite, cursor))
    assert [cliente for tramo in tramos for cliente in tramo] == list(esperados)
