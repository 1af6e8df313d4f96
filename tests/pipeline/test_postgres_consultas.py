"""What is asked of the history: the right answers, within limits, and along the indexes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from apoyo_consultas import (
    ANTIGUO,
    CLIENTES,
    DESDE,
    HASTA,
    LIMITE_ARCHIVO,
    Fila,
    ejecutar,
    elegir,
    media,
)
from contracts.fakes import hacer_lote

from detection.domain import hora_absoluta
from pipeline.stores.postgres.queries import PostgresQueries
from pipeline.stores.postgres.store import PostgresStore
from pipeline.stores.query_limits import ConsultaInvalidaError, por_tramos
from serving.settings import Settings

UNO = CLIENTES[2]
DIA = timedelta(days=1)
MES = slice(HASTA - 28 * DIA, HASTA)


def _clase(fila: Fila) -> str:
    return "fin_de_semana" if fila.fecha.weekday() > 4 else "laborable"


# ---- Readings ----


def test_las_ultimas_lecturas(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """The latest readings come first, with everything that is stored of them."""
    esperadas = elegir(filas, UNO)[:-101:-1]
    hay = consultas.readings.latest(UNO)
    assert len(hay) == 100
    for lectura, fila in zip(hay, esperadas, strict=True):
        assert lectura == (
            UNO, fila.momento, fila.fecha, fila.hora, fila.kwh, fila.severidad != "normal",
            fila.centesimas / 100, fila.severidad, fila.sospechoso, list(fila.tipos),
            fila.esperado, "prueba-1",
        )  # fmt: skip
    assert consultas.readings.latest(UNO, 3) == hay[:3]


def test_las_ultimas_de_quien_no_se_oye_hace_tiempo(
    consultas: PostgresQueries, filas: list[Fila]
) -> None:
    """A customer whose readings are all old, and archived, is found as well."""
    momentos = [lectura.timestamp_consumo for lectura in consultas.readings.latest(ANTIGUO, 500)]
    assert momentos == [f.momento for f in reversed(elegir(filas, ANTIGUO))]
    assert consultas.readings.latest("NADIE") == []


@pytest.mark.parametrize("descendente", [False, True])
def test_un_rango_entero_por_paginas(
    consultas: PostgresQueries, filas: list[Fila], descendente: bool
) -> None:
    """Page after page every reading comes once, archived or not, in order of time."""
    desde, hasta = DESDE + 5 * DIA, HASTA - 5 * DIA
    tramos = list(
        por_tramos(
            lambda cursor: consultas.readings.range(
                UNO, desde, hasta, limite=97, cursor=cursor, descendente=descendente
            )
        )
    )
    assert {len(tramo) for tramo in tramos[:-1]} == {97}
    momentos = [lectura.timestamp_consumo for tramo in tramos for lectura in tramo]
    esperados = [f.momento for f in elegir(filas, UNO, desde, hasta)]
    assert momentos == (esperados[::-1] if descendente else esperados)
    assert esperados[0].date() < LIMITE_ARCHIVO


def test_una_pagina_justa_no_anuncia_otra(consultas: PostgresQueries) -> None:
    """With exactly as many readings as fit there is no next page."""
    hasta = DESDE + timedelta(hours=10)
    assert consultas.readings.range(UNO, DESDE, hasta, limite=10).siguiente is None
    assert consultas.readings.range(UNO, DESDE, hasta, limite=9).siguiente is not None


def test_un_rango_con_filtros(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """Severities and types choose; several of a kind are alternatives."""
    pagina = consultas.readings.range(
        UNO, DESDE, HASTA, severidades=("alta", "crítica"), tipos=("fraude", "pico_consumo")
    )
    esperadas = [
        f
        for f in elegir(filas, UNO)
        if f.severidad in {"alta", "crítica"} and {"fraude", "pico_consumo"} & set(f.tipos)
    ]
    assert [lectura.timestamp_consumo for lectura in pagina.elementos] == [
        f.momento for f in esperadas
    ]
    assert len(esperadas) > 3


@pytest.mark.parametrize("limite", [97, 1_000])
def test_un_rango_de_todos(consultas: PostgresQueries, filas: list[Fila], limite: int) -> None:
    """Everybody's readings by time and name, each once, archived ones and the 25th hour too."""
    desde = datetime(2026, 10, 4, 21, tzinfo=UTC) if limite == 97 else HASTA - 31 * DIA
    hasta = desde + 2 * DIA if limite == 97 else HASTA
    tramos = por_tramos(
        lambda cursor: consultas.readings.range_of_all(desde, hasta, limite=limite, cursor=cursor)
    )
    hay = [(x.timestamp_consumo, x.propietario_id) for tramo in tramos for x in tramo]
    assert hay == sorted((f.momento, f.cliente) for f in elegir(filas, None, desde, hasta))
    criticas = consultas.readings.range_of_all(
        desde, hasta, severidades=("crítica",), tipos=("fraude",)
    )
    esperadas = [
        f
        for f in elegir(filas, None, desde, hasta)
        if f.severidad == "crítica" and "fraude" in f.tipos
    ]
    assert len(criticas.elementos) == len(esperadas)
    with pytest.raises(ConsultaInvalidaError):
        consultas.readings.range_of_all(hasta - 32 * DIA, hasta)


def test_un_cursor_de_otro_orden_no_sirve(consultas: PostgresQueries) -> None:
    """A position in one order means nothing in another."""
    cursor = consultas.readings.range(UNO, DESDE, HASTA, limite=5).siguiente
    with pytest.raises(ConsultaInvalidaError, match="cursor"):
        consultas.readings.range(UNO, DESDE, HASTA, cursor=cursor, descendente=True)
    with pytest.raises(ConsultaInvalidaError, match="cursor"):
        consultas.customers.search(cursor=cursor)


SIN_FIN: dict[str, Any] = {
    "un año 1": {"desde": datetime(1, 1, 1, tzinfo=UTC), "hasta": HASTA},
    "10 000 días": {"desde": datetime(2000, 1, 1, tzinfo=UTC), "hasta": HASTA},
    "al revés": {"desde": HASTA, "hasta": DESDE},
    "sin zona": {"desde": datetime(2026, 1, 1), "hasta": HASTA},
    "ninguna": {"limite": 0},
    "demasiadas": {"limite": 5_001},
    "cursor ajeno": {"cursor": "Zm9v"},
    "cursor que no es base64": {"cursor": "ñ'; DROP TABLE x"},
    "cursor enorme": {"cursor": "A" * 100_000},
    "cursor de otro siglo": {"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5"},
    "severidad ajena": {"severidades": ("critica",)},
    "tipo ajeno": {"tipos": ("' OR 1=1 --",)},
    "nombre largo": {"propietario_id": "x" * 21},
    "sin nombre": {"propietario_id": ""},
    "con un nulo": {"propietario_id": "A\x00"},
    "media letra": {"propietario_id": "A\ud800"},
}


@pytest.mark.parametrize("caso", SIN_FIN)
def test_lo_imposible_se_rechaza(consultas: PostgresQueries, caso: str) -> None:
    """What lies outside the limits is refused with a clear line, before the server hears of it."""
    pedido = {"propietario_id": UNO, "desde": DESDE, "hasta": HASTA} | SIN_FIN[caso]
    with pytest.raises(ConsultaInvalidaError) as error:
        consultas.readings.range(**pedido)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "texto", ["' OR 1=1 --", "%", "_", "CLI\\", "{$gt: ''}", "'; DROP TABLE x"]
)
def test_un_nombre_no_es_una_orden(consultas: PostgresQueries, texto: str) -> None:
    """Names that look like SQL are names that nobody has."""
    assert not consultas.readings.exists(texto[:20])
    assert consultas.readings.latest(texto[:20]) == []
    assert consultas.customers.search(texto).elementos == ([] if texto != "_" else list(CLIENTES))


def test_existe_desde_la_primera_lectura(historia: Settings, consultas: PostgresQueries) -> None:
    """A customer exists as soon as it has a reading, though it was asked for before."""
    with entorno_sin_cambios(historia, "NUEVO") as guardar:
        assert not consultas.readings.exists("NUEVO")
        guardar()
        assert consultas.readings.exists("NUEVO")
    assert consultas.readings.exists(ANTIGUO)


class entorno_sin_cambios:  # noqa: N801 - reads as a verb where it is used
    """Lets a customer have one reading for a while."""

    def __init__(self, historia: Settings, cliente: str) -> None:
        self._base, self._cliente = historia, cliente

    def __enter__(self) -> Any:
        return self._guardar

    def _guardar(self) -> None:
        store = PostgresStore(self._base)
        store.save(*hacer_lote([(self._cliente, hora_absoluta(DESDE) + 24 * 40)]))
        store.close()

    def __exit__(self, *_: object) -> None:
        ejecutar(
            self._base, f"DELETE FROM consumos_diarios WHERE propietario_id = '{self._cliente}'"
        )


def test_el_mapa_de_calor_del_dia_de_25_horas(consultas: PostgresQueries) -> None:
    """The local day on which summer time ends has 25 cells, two of them of hour 2."""
    celdas = consultas.readings.heatmap(UNO, MES.start - 3 * DIA, HASTA)
    horas = [celda.hora for celda in celdas if celda.fecha == date(2026, 10, 25)]
    assert horas == [0, 1, 2, 2, *range(3, 24)]


def test_la_semana_tipo(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """Every weekday and hour has the mean of its readings, Monday being 0."""
    suyas = elegir(filas, UNO)
    celdas = consultas.readings.typical_week(UNO, DESDE, HASTA)
    assert len(celdas) == 7 * 24
    for celda in celdas:
        iguales = [
            f for f in suyas if (f.fecha.weekday(), f.hora) == (celda.dia_semana, celda.hora)
        ]
        assert celda.lecturas == len(iguales)
        assert celda.consumo_kwh == pytest.approx(media(iguales), abs=1e-6)


def test_los_dias_de_varios_clientes(consultas: PostgresQueries, filas: list[Fila]) -> None:
    """Each customer's local days add up to its readings; who has none has no days."""
    dias = consultas.readings.daily([UNO, ANTIGUO, "NADIE"], DESDE, HASTA)
    assert {dia.propietario_id for dia in dias} == {UNO, ANTIGUO}
    for dia in dias:
        suyas = [f for f in elegir(filas, dia.propietario_id) if f.fecha == dia.fecha]
        assert dia.lecturas == len(suyas)
        assert dia.consumo_kwh == pytest.approx(sum(f.kwh for f in suyas))
        assert dia.anomalias == sum(f.severidad != "normal" for f in suyas)
    with pytest.raises(ConsultaInvalidaError):
        consultas.readings.daily([f"C{i}" for i in range(21)], DESDE, HASTA)
