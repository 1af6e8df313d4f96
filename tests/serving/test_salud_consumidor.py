"""How the consumers are, told from heartbeats and lag, with clocks of our own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from detection.errors import TransientError
from serving.consumer_health import (
    MUDO,
    SIN_LECTURAS,
    ConsumersView,
    ConsumerWatch,
    Diagnosis,
    Heartbeat,
    Heartbeats,
    Lag,
    LatestWrite,
)
from serving.metrics import ApiMetrics

AHORA = datetime(2026, 11, 20, 11, 33, tzinfo=UTC)
"""12:33 in Madrid."""
ANTES = AHORA - timedelta(minutes=2)
MADRID = ZoneInfo("Europe/Madrid")
NADA = Lag({0: 0, 1: 0})
MUCHO = Lag({0: 1000, 1: 200}, ANTES)
VIVO = Heartbeat(
    maquina="uno", proceso=7, desde=AHORA - timedelta(hours=1), latido=AHORA - timedelta(seconds=3),
    fin=None, motivo="", particiones=(0, 1), lecturas=10, ultimo_lote=ANTES, version_modelo="m-1",
    modelo_rechazado="", rechazo="", espera="", espera_desde=None,
)  # fmt: skip
MUERTO = replace(VIVO, latido=ANTES)
PARADO = replace(MUERTO, fin=ANTES)


def ver(
    filas: list[Heartbeat] | None,
    retraso: Lag | None,
    ultima: datetime | None = ANTES,
    fiable_desde: datetime = AHORA - timedelta(days=1),
) -> ConsumersView:
    latidos = None if filas is None else Heartbeats(AHORA, fiable_desde, filas)
    return ConsumersView(latidos, retraso, ultima and LatestWrite(ultima, ultima, "m-1"))


def juzgar(
    filas: list[Heartbeat] | None,
    retraso: Lag | None,
    ultima: datetime | None = ANTES,
    fiable_desde: datetime = AHORA - timedelta(days=1),
) -> Diagnosis:
    return ver(filas, retraso, ultima, fiable_desde).judge(AHORA, MADRID)


def sin_latidos() -> Heartbeats:
    raise AssertionError("nobody asks for heartbeats here")


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
        ([replace(VIVO, ultimo_lote=AHORA - MUDO / 2)], MUCHO, "al día", "bien",
         "El consumidor está al día"),
        ([replace(VIVO, ultimo_lote=None, desde=AHORA - MUDO / 2)], MUCHO, "al día", "bien",
         "El consumidor está al día"),
        ([VIVO, replace(VIVO, ultimo_lote=AHORA)], MUCHO, "al día", "bien",
         "El consumidor está al día"),
        ([VIVO], replace(MUCHO, mas_antigua=AHORA + timedelta(days=1)), "atrasado", "mal",
         "El consumidor va atrasado: 1.200 lecturas esperan"),
        ([VIVO], replace(MUCHO, visto_s=29.0), "al día", "bien", "El consumidor está al día"),
        ([replace(VIVO, ultimo_lote=AHORA)], Lag({0: 1}, None, visto_s=31.0), "atrasado", "mal",
         "El consumidor va atrasado: 1 lectura espera"),
        ([VIVO], Lag({}), "desconocido", "aviso",
         "El consumidor da señales; no se sabe cuántas lecturas esperan: Kafka no enseña el topic"),
        ([replace(VIVO, particiones=())], Lag({}), "al día", "bien",
         "El consumidor está al día"),
        ([VIVO, replace(MUERTO, particiones=(1, 2))], NADA, "al día", "aviso",
         "Hay consumidor, pero otro no da señales desde las 12:31 (hace 2 min): no espera ninguna "
         "lectura"),
        ([VIVO, PARADO], NADA, "al día", "bien", "El consumidor está al día"),
        (None, NADA, "desconocido", "aviso",
         "No se sabe cómo está el consumidor: PostgreSQL no responde"),
    ],
)  # fmt: skip
def test_cada_situacion_tiene_su_palabra(
    filas: list[Heartbeat] | None, retraso: Lag | None, estado: str, gravedad: str, texto: str
) -> None:
    """Dead, stopped, late and waiting are told apart, with since when and how many wait."""
    visto = juzgar(filas, retraso)
    assert (visto.estado, visto.gravedad, visto.texto) == (estado, gravedad, texto)


def test_quien_arranca_despues_releva_al_muerto() -> None:
    """A consumer that was killed and started again is no longer missed."""
    relevo = replace(VIVO, desde=ANTES + timedelta(seconds=5))
    assert juzgar([relevo, MUERTO], NADA).gravedad == "bien"


def test_a_quien_relevan_los_que_ya_estaban_no_se_le_echa_en_falta() -> None:
    """After scaling down by a kill the others read its partitions: nothing is amiss for a week."""
    muerto = replace(MUERTO, particiones=(1, 2))
    otro = replace(VIVO, maquina="dos", particiones=(2,))
    assert juzgar([VIVO, otro, muerto], NADA).gravedad == "bien"
    assert juzgar([otro, muerto], NADA).gravedad == "aviso"


def lecturas(primera: int, fin: int) -> Lag:
    """Return a lag whose messages carry the hour of the reading, long ago."""
    return Lag({0: fin - primera}, AHORA - timedelta(hours=3), {0: primera})


def test_el_reloj_del_productor_no_hace_que_se_vaya_atrasado() -> None:
    """On a stream that never rests nothing is late, whatever hour its producer writes on it.

    A consumer that hangs but beats is late after half a minute, and no sooner.
    """
    segundos, hay = [0.0], [NADA]
    watch = ConsumerWatch(sin_latidos, lambda: hay[0], lambda: segundos[0])
    for n in range(100):
        segundos[0], hay[0] = 2.0 * n, lecturas(100 * n, 100 * n + 7)
        visto = juzgar([VIVO], watch.lag())
        assert (visto.estado, visto.gravedad) == ("al día", "bien")
    hay[0] = lecturas(100 * 99, 10**6)
    for s, estado in ((20.0, "al día"), (30.0, "al día"), (31.0, "atrasado"), (900.0, "atrasado")):
        segundos[0] = 198.0 + s
        visto = juzgar([replace(VIVO, ultimo_lote=AHORA)], watch.lag())
        assert visto.estado == estado
    assert visto.desde == AHORA - timedelta(seconds=900)


def test_quien_avanza_menos_de_lo_que_llega_va_atrasado() -> None:
    """Progress alone is not enough: what was there half a minute ago has to be done."""
    segundos, hay = [0.0], [NADA]
    watch = ConsumerWatch(sin_latidos, lambda: hay[0], lambda: segundos[0])
    for n in range(1000):
        segundos[0], hay[0] = 2.0 * n, lecturas(n, 1000 + n)
        visto = watch.lag()
    assert visto.visto_s == pytest.approx(2.0 * 999)
    segundos[0] += 2.0
    # Set back by hand, or another log under the same name: what was seen says nothing any more.
    hay[0] = lecturas(5, 2500)
    assert watch.lag().visto_s == 0.0
    hay[0] = Lag({0: 0})
    assert watch.lag().visto_s == 0.0
    assert juzgar([VIVO], watch.lag()).gravedad == "bien"


def test_la_espera_se_cuenta_con_el_reloj_de_quien_mira() -> None:
    """Looked at again and again, what the group does not pass is late after half a minute."""
    segundos = [0.0]
    watch = ConsumerWatch(sin_latidos, lambda: Lag({0: 7}, None, {0: 3}), lambda: segundos[0])
    vivo = replace(VIVO, ultimo_lote=AHORA)
    vistos = [juzgar([vivo], watch.lag()).estado for segundos[0] in (0.0, 25.0, 31.0)]
    assert vistos == ["al día", "al día", "atrasado"]


def test_donde_no_se_pudo_leer_tampoco_se_pudo_escribir() -> None:
    """After heartbeats could not be read, silence counts from when they can be again."""
    dichos: list[Heartbeats | TransientError] = [
        Heartbeats(AHORA, ANTES), TransientError("PostgreSQL no responde"),
        Heartbeats(AHORA + MUDO, ANTES), Heartbeats(AHORA + 2 * MUDO, ANTES),
    ]  # fmt: skip

    def leer() -> Heartbeats:
        dicho = dichos.pop(0)
        if isinstance(dicho, TransientError):
            raise dicho
        return dicho

    watch = ConsumerWatch(leer, lambda: NADA)
    assert watch.heartbeats().fiable_desde == ANTES
    with pytest.raises(TransientError):
        watch.heartbeats()
    assert watch.heartbeats().fiable_desde == AHORA + MUDO
    assert watch.heartbeats().fiable_desde == AHORA + MUDO


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


def test_lo_que_no_se_sabe_no_es_un_uno() -> None:
    """While nothing is known of the consumers the metrics say neither 1 nor 0, but NaN."""
    metricas = ApiMetrics()

    def bien(vista: ConsumersView) -> str:
        metricas.consumidores(vista, AHORA, MADRID)
        return metricas.texto().decode()

    assert "\nconsumo_consumidor_bien NaN\n" in bien(ver(None, NADA))
    assert "\nconsumo_consumidor_bien NaN\n" in bien(ver([VIVO], None))
    assert "\nconsumo_consumidor_bien 1.0\n" in bien(ver([VIVO], NADA))
    tarde = bien(ver([VIVO], replace(MUCHO, visto_s=40.0)))
    assert "\nconsumo_consumidor_bien 0.0\n" in tarde
    assert "\nconsumo_espera_segundos 40.0\n" in tarde
    assert "\nconsumo_espera_segundos NaN\n" in bien(ver([VIVO], Lag({})))
