"""One contract, every adapter: cases, and what people say of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from contracts.fakes import hacer_caso
from contracts.sondas import Casos

from detection.cases.records import CaseGoingOn
from detection.errors import TransientError

DIA = timedelta(days=1)


def test_vuelve_como_se_guardo(casos: Casos) -> None:
    """Every field comes back; names and sentences may hold anything, and twice equals once."""
    raros = [
        hacer_caso(),
        hacer_caso("$tipo", frase="$frase «100 €»"),
        hacer_caso("ñ'\\.a", evidencia=()),
    ]
    for _ in range(2):
        casos.store.save(raros)
        assert casos.casos() == {uno.clave: (uno, "nuevo") for uno in raros}
    casos.store.save([])
    assert raros[0].clave == "CLI_00045_2026-11-09"


def test_cada_cliente_tiene_sus_casos(casos: Casos) -> None:
    """Another opening is another case; what is thought now takes the place of what was."""
    cierre = date(2026, 5, 1)
    viejo = hacer_caso(fecha_apertura=date(2026, 2, 1), fecha_cierre=cierre, hasta=cierre)
    nuevo = hacer_caso()
    casos.store.save([viejo, nuevo])
    despues = replace(nuevo, hasta=nuevo.hasta + DIA, probabilidad=0.95, tipo="fraude", frase="x")
    casos.store.save([despues])
    assert casos.casos() == {viejo.clave: (viejo, "terminado"), nuevo.clave: (despues, "nuevo")}


def test_lo_que_acaba_esta_terminado_y_puede_volver(casos: Casos) -> None:
    """It is kept; a late correction may say that it goes on after all."""
    acabado = hacer_caso(fecha_cierre=date(2026, 11, 20))
    for uno, estado in ((hacer_caso(), "nuevo"), (acabado, "terminado"), (hacer_caso(), "nuevo")):
        casos.store.save([uno])
        assert casos.casos() == {uno.clave: (uno, estado)}
    otro = hacer_caso("B", fecha_cierre=date(2026, 11, 20))
    casos.store.save([otro])
    assert casos.casos()[otro.clave] == (otro, "terminado")


@pytest.mark.parametrize("estado", ["asignado", "visitado", "confirmado", "descartado"])
def test_lo_que_dicen_las_personas_queda(casos: Casos, estado: str) -> None:
    """Whatever the detector thinks later, of one that is over too."""
    casos.store.save([hacer_caso()])
    casos.poner_estado(hacer_caso().clave, estado)
    for uno in (
        hacer_caso(probabilidad=0.99),
        hacer_caso(fecha_cierre=date(2026, 11, 20)),
        hacer_caso(),
    ):
        casos.store.save([uno])
        assert casos.casos() == {uno.clave: (uno, estado)}


def test_lo_mas_nuevo_no_vuelve_atras(casos: Casos) -> None:
    """Who has lost a customer without knowing it does not open what is over; others are stored."""
    ahora = hacer_caso(fecha_cierre=date(2026, 11, 20), hasta=date(2026, 11, 20))
    casos.store.save([ahora])
    tarde, otro = hacer_caso(hasta=date(2026, 11, 19)), hacer_caso("B", hasta=date(2026, 11, 19))
    casos.store.save([tarde, otro])
    assert casos.casos() == {ahora.clave: (ahora, "terminado"), otro.clave: (otro, "nuevo")}


@pytest.mark.parametrize("estado", ["nuevo", "asignado", "confirmado"])
def test_un_cliente_tiene_un_solo_caso_abierto(casos: Casos, estado: str) -> None:
    """A late correction that moves an opening leaves no second case; what people said is kept."""
    viejo, ajeno = hacer_caso(), hacer_caso("B")
    acabado = hacer_caso(fecha_apertura=date(2026, 2, 1), fecha_cierre=date(2026, 4, 1))
    casos.store.save([viejo, ajeno, acabado])
    casos.poner_estado(viejo.clave, estado)
    movido = hacer_caso(fecha_apertura=date(2026, 11, 11), hasta=date(2026, 11, 21))
    quedan = {ajeno.clave: (ajeno, "nuevo"), acabado.clave: (acabado, "terminado")}
    if estado != "nuevo":
        quedan[viejo.clave] = replace(viejo, fecha_cierre=viejo.hasta), estado
    for _ in range(2):
        casos.store.save([movido])
        assert casos.casos() == {**quedan, movido.clave: (movido, "nuevo")}


def test_lo_que_acabo_sin_que_se_viera_acaba_con_el_siguiente(casos: Casos) -> None:
    """An end that was lost is not open beside the next case for ever; a newer look stays."""
    perdido = hacer_caso(fecha_apertura=date(2026, 8, 1), hasta=date(2026, 9, 20))
    casos.store.save([perdido])
    casos.store.save([hacer_caso()])
    acabado = replace(perdido, fecha_cierre=perdido.hasta)
    ahora = hacer_caso()
    assert casos.casos() == {
        perdido.clave: (acabado, "terminado"), ahora.clave: (ahora, "nuevo"),
    }  # fmt: skip
    casos.store.save([hacer_caso(fecha_apertura=date(2026, 11, 1), hasta=date(2026, 11, 5))])
    assert casos.casos()[ahora.clave] == (ahora, "nuevo")


def test_uno_inocente_va_al_lado_y_acaba_con_el_que_no_lo_es(casos: Casos) -> None:
    """Another one of innocent kind replaces it; it replaces none that may be something."""
    ausente = hacer_caso(fecha_apertura=date(2026, 11, 5), tipo="ausencia")
    otra = hacer_caso(fecha_apertura=date(2026, 11, 12), tipo="autoconsumo")
    casos.store.save([ausente])
    casos.store.save([otra])
    assert casos.casos() == {otra.clave: (otra, "nuevo")}
    for juntos in ([hacer_caso(), otra], [otra, hacer_caso()]):
        casos.store.save(juntos)
        assert set(casos.casos()) == {hacer_caso().clave}
    casos.store.save([otra])
    assert set(casos.casos()) == {hacer_caso().clave, otra.clave}


def test_son_muchos_a_la_vez(casos: Casos) -> None:
    """As many as a batch may close days of."""
    todos = [hacer_caso(f"C{i:05d}", energia_en_juego_kwh=float(i)) for i in range(450)]
    casos.store.save(todos)
    assert casos.casos() == {uno.clave: (uno, "nuevo") for uno in todos}


def test_lo_descartado_se_sabe_por_cliente_y_por_fecha(casos: Casos) -> None:
    """Of each customer the latest onset; of those that nobody discarded nothing."""
    viejo = hacer_caso(
        fecha_apertura=date(2026, 2, 1), fecha_inicio=date(2026, 1, 20),
        fecha_cierre=date(2026, 5, 1), hasta=date(2026, 5, 1),
    )  # fmt: skip
    todos = [viejo, hacer_caso(), hacer_caso("B"), hacer_caso("C")]
    casos.store.save(todos)
    for uno in todos[:3]:
        casos.poner_estado(uno.clave, "descartado")
    esperado = {"CLI_00045": hacer_caso().fecha_inicio, "B": hacer_caso().fecha_inicio}
    assert casos.store.discarded(["CLI_00045", "B", "C", "NADIE"]) == esperado
    assert casos.store.discarded([]) == {}
    assert casos.store.discarded_since(datetime(2026, 1, 1, tzinfo=UTC)) == esperado


def test_lo_que_sigue_se_sabe_por_cliente_y_por_fecha(casos: Casos) -> None:
    """Neither what is over nor what is discarded; what is discarded no more is there again."""
    acabado = hacer_caso("B", fecha_cierre=date(2026, 11, 20))
    casos.store.save([hacer_caso(), acabado, hacer_caso("C"), hacer_caso("D", tipo="ausencia")])
    casos.poner_estado(hacer_caso("C").clave, "descartado")
    uno = hacer_caso()
    suyo = CaseGoingOn("CLI_00045", uno.fecha_inicio, uno.fecha_apertura, uno.tipo)
    assert casos.store.going_on(["CLI_00045", "B", "C", "NADIE"]) == [suyo]
    assert casos.store.going_on([]) == []
    casos.poner_estado(hacer_caso("C").clave, "confirmado")
    siguen = casos.store.going_on_since(datetime(2026, 1, 1, tzinfo=UTC))
    assert sorted(siguen) == [
        suyo._replace(propietario_id="C"), suyo,
        suyo._replace(propietario_id="D", tipo="ausencia"),
    ]  # fmt: skip


def test_sin_servidor_se_dice(casos: Casos) -> None:
    """A store that is away is a passing error."""
    casos.store.ping()
    if hasattr(casos.store, "caido"):
        casos.store.caido = True
        with pytest.raises(TransientError):
            casos.store.save([hacer_caso()])
