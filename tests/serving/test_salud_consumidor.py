"""How the consumers are, told from heartbeats and lag, with clocks of our own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from serving.salud_consumidor import (
    MUDO,
    SIN_LECTURAS,
    Diagnostico,
    Latido,
    Latidos,
    Retraso,
    judge,
)

AHORA = datetime(2026, 11, 20, 11, 33, tzinfo=UTC)
"""12:33 in Madrid."""
ANTES = AHORA - timedelta(minutes=2)
MADRID = ZoneInfo("Europe/Madrid")
NADA = Retraso({0: 0, 1: 0})
MUCHO = Retraso({0: 1000, 1: 200}, ANTES)
VIVO = Latido(
    maquina="uno", proceso=7, desde=AHORA - timedelta(hours=1), latido=AHORA - timedelta(seconds=3),
    fin=None, motivo="", particiones=(0, 1), lecturas=10, ultimo_lote=ANTES, version_modelo="m-1",
    modelo_rechazado="", rechazo="", espera="", espera_desde=None,
)  # fmt: skip
MUERTO = replace(VIVO, latido=ANTES)
PARADO = replace(MUERTO, fin=ANTES)


def juzgar(
    filas: list[Latido] | None,
    retraso: Retraso | None,
    ultima: datetime | None = ANTES,
    fiable_desde: datetime = AHORA - timedelta(days=1),
) -> Diagnostico:
    latidos = None if filas is None else Latidos(AHORA, fiable_desde, filas)
    return judge(latidos, retraso, ultima, AHORA, MADRID)


@pytest.mark.parametrize(
    ("filas", "retraso", "estado", "gravedad", "texto"),
    [
        ([MUERTO], MUCHO, "muerto", "mal",
         "El consumidor no da señales desde las 12:31 (hace 2 min): 1.200 lecturas esperan"),
        ([MUERTO], NADA, "muerto", "mal",
         "El consumidor no da señales desde las 12:31 (hace 2 min): no espera ninguna lectura"),
        ([MUERTO], None, "muerto", "mal",
         "El consumidor no da señales desde las 12:31 (hace 2 min): "
         "no se sabe cuántas lecturas esperan"),
        ([replace(PARADO, motivo="no cabe")], MUCHO, "muerto", "mal",
         "El consumidor acabó con un error (no cabe) a las 12:31 (hace 2 min): "
         "1.200 lecturas esperan"),
        ([PARADO], MUCHO, "parado", "mal",
         "El consumidor está parado desde las 12:31 (hace 2 min): 1.200 lecturas esperan"),
        ([PARADO], NADA, "parado", "aviso",
         "El consumidor está parado desde las 12:31 (hace 2 min): no espera ninguna lectura"),
        ([], MUCHO, "sin consumidor", "mal",
         "Ningún consumidor ha arrancado: 1.200 lecturas esperan"),
        ([], NADA, "sin consumidor", "aviso",
         "No hay ningún consumidor: no espera ninguna lectura"),
        ([VIVO], MUCHO, "atrasado", "mal",
         "El consumidor va atrasado: 1.200 lecturas esperan, la más antigua desde las 12:31 "
         "(hace 2 min)"),
        ([replace(VIVO, espera="MongoDB no responde", espera_desde=ANTES)], MUCHO, "atrasado",
         "mal", "El consumidor va atrasado (MongoDB no responde): 1.200 lecturas esperan, la más "
         "antigua desde las 12:31 (hace 2 min)"),
        ([replace(VIVO, espera="MongoDB no responde", espera_desde=ANTES)], NADA, "esperando",
         "mal", "El consumidor espera desde las 12:31 (hace 2 min): MongoDB no responde"),
        ([replace(VIVO, espera="x", espera_desde=AHORA - MUDO / 2)], NADA, "al día", "bien",
         "El consumidor está al día"),
        ([VIVO], None, "desconocido", "aviso",
         "El consumidor da señales; no se sabe cuántas lecturas esperan: Kafka no responde"),
        ([VIVO], Retraso({0: 1}, AHORA - MUDO / 2), "al día", "bien", "El consumidor está al día"),
        ([VIVO, MUERTO], NADA, "al día", "aviso",
         "Hay consumidor, pero otro no da señales desde las 12:31 (hace 2 min): no espera ninguna "
         "lectura"),
        ([VIVO, PARADO], NADA, "al día", "bien", "El consumidor está al día"),
        (None, NADA, "desconocido", "aviso",
         "No se sabe cómo está el consumidor: PostgreSQL no responde"),
    ],
)  # fmt: skip
def test_cada_situacion_tiene_su_palabra(
    filas: list[Latido] | None, retraso: Retraso | None, estado: str, gravedad: str, texto: str
) -> None:
    """Dead, stopped, late and waiting are told apart, with since when and how many wait."""
    visto = juzgar(filas, retraso)
    assert (visto.estado, visto.gravedad, visto.texto) == (estado, gravedad, texto)


def test_quien_arranca_despues_releva_al_muerto() -> None:
    """A consumer that was killed and started again is no longer missed."""
    relevo = replace(VIVO, desde=ANTES + timedelta(seconds=5))
    assert juzgar([relevo, MUERTO], NADA).gravedad == "bien"


def test_el_silencio_del_almacen_no_es_la_muerte_del_consumidor() -> None:
    """Right after PostgreSQL is back an old heartbeat says nothing; half a minute later it does."""
    recien = juzgar([MUERTO], NADA, fiable_desde=AHORA - MUDO / 2)
    assert (recien.estado, recien.gravedad) == ("desconocido", "aviso")
    assert juzgar([MUERTO], NADA, fiable_desde=AHORA - 2 * MUDO).estado == "muerto"


def test_sin_lecturas_no_se_grita() -> None:
    """Nothing stored and nothing waiting is no fault; nor is a source that sends nothing."""
    for filas in ([], [VIVO]):
        visto = juzgar(filas, NADA, ultima=None)
        assert (visto.estado, visto.gravedad) == ("sin datos", "aviso")
    seco = juzgar([VIVO], NADA, ultima=AHORA - SIN_LECTURAS - timedelta(minutes=1))
    assert (seco.estado, seco.gravedad) == ("sin lecturas nuevas", "aviso")


def test_otro_dia_se_dice_con_su_fecha() -> None:
    """What happened on another day is told with that day, in local time."""
    viejo = replace(MUERTO, latido=datetime(2026, 11, 18, 0, 5, tzinfo=UTC))
    assert "desde la 1:05 del 18/11/2026 (hace 2 días)" in juzgar([viejo], NADA).texto
