"""The commit protocol of the hot path, on fakes that record the order of what happened."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from apoyo_bucle import (
    AHORA_HORA,
    MADRID,
    FuenteFalsa,
    MensajeFalso,
    Paso,
    ProcesadorFalso,
    message,
    wait_until,
)

from detection.errors import LoteEnVueloError, TransientError
from pipeline.ingest.messages import MessageDecoder
from pipeline.streaming.consumer_loop import RETRASO_S, ConsumerLoop
from serving.metrics import ConsumerMetrics


def build(
    procesador: ProcesadorFalso, guion: Sequence[Paso], lote_maximo: int = 100
) -> tuple[ConsumerLoop, FuenteFalsa]:
    fuente = FuenteFalsa(guion, procesador.hechos)
    bucle = ConsumerLoop(
        fuente,
        procesador,
        MessageDecoder(MADRID, 10_000.0),
        lote_maximo=lote_maximo,
        hasta_vacio=True,
        reloj=lambda: AHORA_HORA,
    )
    return bucle, fuente


def failing(veces: int) -> tuple[list[int], Callable[[list[float]], None]]:
    """Return a counter of tries, and something that fails that many times."""
    intentos = [0]

    def act(_kwh: list[float]) -> None:
        intentos[0] += 1
        if intentos[0] <= veces:
            raise TransientError("la base de datos no responde", retry_after_s=0.001)

    return intentos, act


def names(procesador: ProcesadorFalso) -> list[str]:
    return [nombre for nombre, _ in procesador.hechos]


def test_a_batch_is_saved_then_accepted_then_committed() -> None:
    """Draft, save, accept, commit: in this order, and the commit is the last offset plus one."""
    procesador = ProcesadorFalso()
    bucle, fuente = build(procesador, [[message(1.0, 0, 7), message(2.0, 1, 3)]])
    resumen = bucle.run()
    assert names(procesador)[:4] == ["draft", "save", "accept", "commit"]
    assert fuente.confirmados == {0: 8, 1: 4}
    assert (resumen.lecturas, resumen.invalidas, resumen.lotes) == (2, 0, 1)
    assert procesador.hilos == {"escritor"}
    assert not fuente.abierta


def test_dead_letters_are_confirmed_before_anything_else() -> None:
    """What is no reading goes to the dead letters first; the rest of its batch goes on."""
    procesador = ProcesadorFalso()
    mala = MensajeFalso(b"\x00", 0, 1)
    bucle, fuente = build(procesador, [[message(1.0), mala, message(2.0, 0, 2)]])
    resumen = bucle.run()
    assert names(procesador)[:5] == ["send_dead_letters", "draft", "save", "accept", "commit"]
    assert [(m, e.motivo) for m, e in fuente.cartas] == [(mala, "no_es_json")]
    assert fuente.confirmados == {0: 3}
    assert (resumen.lecturas, resumen.invalidas) == (2, 1)


def test_a_batch_without_readings_moves_the_offset_on() -> None:
    """Only invalid messages: nothing to score or save, but they are not read again."""
    procesador = ProcesadorFalso()
    bucle, fuente = build(procesador, [[MensajeFalso(None, 0, 0), MensajeFalso(b"x", 0, 1)]])
    bucle.run()
    assert set(names(procesador)) == {"send_dead_letters", "commit"}
    assert fuente.confirmados == {0: 2}


def test_a_letter_without_confirmation_is_sent_again_alone() -> None:
    """The letters that were confirmed are not sent twice while the others are tried again."""
    procesador = ProcesadorFalso()
    bucle, fuente = build(procesador, [[MensajeFalso(b"a", 0, 0), MensajeFalso(b"b", 0, 1)]])
    fuente.cartas_perdidas = 1
    bucle.run()
    assert sorted(m.valor for m, _ in fuente.cartas) == [b"a", b"b"]  # type: ignore[attr-defined]
    assert fuente.confirmados == {0: 2}


def test_dead_letters_count_once_confirmed_and_the_lag_is_looked_at_seldom() -> None:
    """The metrics say of dead letters, by reason, what the topic has; the lag once a second."""
    procesador, metricas = ProcesadorFalso(), ConsumerMetrics()
    guion: list[Paso] = [[MensajeFalso(b"a", 0, 0), MensajeFalso(None, 0, 1)]]
    guion += [[message(float(i), 0, 2 + i)] for i in range(20)]
    fuente = FuenteFalsa(guion, procesador.hechos)
    fuente.cartas_perdidas = 1
    bucle = ConsumerLoop(
        fuente, procesador, MessageDecoder(MADRID, 10_000.0), lote_maximo=2, hasta_vacio=True,
        reloj=lambda: AHORA_HORA, metricas=metricas,
    )  # fmt: skip
    inicio = time.monotonic()
    bucle.run()
    texto = metricas.texto().decode()
    for motivo in ("no_es_json", "mensaje_sin_valor"):
        assert f'consumo_mensajes_no_validos_total{{motivo="{motivo}"}} 1.0' in texto
    assert 'consumo_retraso_mensajes{particion="0"} 7.0' in texto
    assert 1 <= fuente.retrasos <= 1 + (time.monotonic() - inicio) / RETRASO_S


def test_the_next_batch_is_drafted_while_one_is_saved() -> None:
    """Saving overlaps with the next draft, and with no more than one."""
    guardar = threading.Event()
    procesador = ProcesadorFalso(al_guardar=lambda _kwh: wait_until(guardar.is_set))
    guion: list[Paso] = [[message(float(i), 0, i)] for i in range(1, 4)]
    bucle, _ = build(procesador, guion, lote_maximo=1)
    hilo = threading.Thread(target=bucle.run)
    hilo.start()
    wait_until(lambda: names(procesador) == ["draft", "draft"])
    guardar.set()
    hilo.join(30)
    assert [kwh for nombre, kwh in procesador.hechos if nombre == "accept"] == [[1.0], [2.0], [3.0]]
    commits = [kwh for nombre, kwh in procesador.hechos if nombre == "commit"]
    assert commits[:3] == [[2.0], [3.0], [4.0]]


def test_a_store_away_is_tried_again_until_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    """Every try comes with the source paused; two lines tell of it, not one a try."""
    intentos, act = failing(5)
    pausas: list[bool] = []

    def save(kwh: list[float]) -> None:
        pausas.append(fuente.pausada)
        act(kwh)

    procesador = ProcesadorFalso(al_guardar=save)
    bucle, fuente = build(procesador, [[message(1.0)]])
    bucle.run()
    assert intentos == [6]
    assert procesador.guardadas == [1.0]
    assert fuente.confirmados == {0: 1}
    assert pausas == [False, True, True, True, True, True]
    assert not fuente.pausada
    avisos = [r.message for r in caplog.records]
    assert len(avisos) == 2
    assert "no responde" in avisos[0]
    assert "recuperado" in avisos[1]


def test_a_history_away_is_tried_again_until_it_answers(caplog: pytest.LogCaptureFixture) -> None:
    """A draft that fails is drafted again, while the save before it goes through."""
    intentos, act = failing(6)
    procesador = ProcesadorFalso()
    procesador.al_puntuar = lambda kwh: act(kwh) if kwh == [2.0] else None
    bucle, fuente = build(procesador, [[message(1.0)], [message(2.0, 0, 1)]], lote_maximo=1)
    bucle.run()
    assert intentos == [7]
    assert procesador.guardadas == [1.0, 2.0]
    assert fuente.confirmados == {0: 2}
    assert len(caplog.records) == 2


def test_nothing_is_committed_of_a_batch_that_fails_for_good() -> None:
    """An unexpected error ends the loop with itself, leaves the group, commits nothing of it."""

    def fail(kwh: list[float]) -> None:
        if kwh == [2.0]:
            raise ZeroDivisionError("defecto")

    procesador = ProcesadorFalso(al_guardar=fail)
    guion: list[Paso] = [[message(float(i), 0, i - 1)] for i in (1, 2, 3)]
    bucle, fuente = build(procesador, guion, lote_maximo=1)
    with pytest.raises(ZeroDivisionError):
        bucle.run()
    assert fuente.confirmados == {0: 1}
    assert not fuente.abierta
    assert gc.isenabled()


def test_revoked_partitions_are_saved_and_committed_before_they_leave() -> None:
    """The save in flight is finished and committed; then the customers leave memory."""
    guardar = threading.Event()

    def revoke(fuente: FuenteFalsa) -> None:
        wait_until(lambda: names(procesador) == ["draft"])
        threading.Timer(0.05, guardar.set).start()
        fuente.revocar({0})

    procesador = ProcesadorFalso(al_guardar=lambda _kwh: wait_until(guardar.is_set))
    bucle, fuente = build(procesador, [[message(1.0, 0, 4)], revoke])
    bucle.run()
    hechos = names(procesador)
    assert hechos.index("save") < hechos.index("commit") < hechos.index("forget")
    assert "discard" not in hechos
    assert procesador.olvidadas == [0]
    assert fuente.confirmados == {0: 5}


def test_a_revoke_while_the_store_is_away_forgets_what_is_not_saved() -> None:
    """Of the revoked partition nothing is committed; what we keep is drafted again and saved."""
    fuera = threading.Event()

    def refuse(_kwh: list[float]) -> None:
        if not fuera.is_set():
            raise TransientError("la base de datos no responde", retry_after_s=0.01)

    def revoke(fuente: FuenteFalsa) -> None:
        fuente.revocar({0})
        fuera.set()

    procesador = ProcesadorFalso(al_guardar=refuse)
    bucle, fuente = build(procesador, [[message(1.0, 0, 4), message(2.0, 1, 9)], revoke])
    bucle.run()
    assert fuente.confirmados == {1: 10}
    assert procesador.guardadas == [2.0]
    assert ("discard", [1.0, 2.0]) in procesador.hechos
    assert names(procesador).index("discard") < names(procesador).index("forget")
    assert procesador.hechos.count(("draft", [2.0])) == 1


def test_drafts_are_discarded_newest_first() -> None:
    """With a save in flight and a draft behind it, the draft goes first."""
    fuera = threading.Event()

    def refuse(_kwh: list[float]) -> None:
        if not fuera.is_set():
            wait_until(lambda: names(procesador).count("draft") >= 2)
            raise TransientError("la base de datos no responde", retry_after_s=0.01)

    def lose(fuente: FuenteFalsa) -> None:
        fuente.perder({0})
        fuera.set()

    procesador = ProcesadorFalso(al_guardar=refuse)
    guion: list[Paso] = [[message(1.0, 0, 0)], [message(2.0, 0, 1)], lose]
    bucle, fuente = build(procesador, guion, lote_maximo=1)
    bucle.run()
    descartes = [kwh for nombre, kwh in procesador.hechos if nombre == "discard"]
    assert descartes == [[2.0], [1.0]]
    assert fuente.confirmados == {}


def test_lost_partitions_are_not_committed() -> None:
    """What was lost belongs to another consumer: forgotten, without a commit of ours."""
    guardar = threading.Event()

    def lose(fuente: FuenteFalsa) -> None:
        fuente.perder({0})
        guardar.set()

    procesador = ProcesadorFalso(al_guardar=lambda _kwh: wait_until(guardar.is_set))
    bucle, fuente = build(procesador, [[message(1.0, 0, 4)], lose])
    bucle.run()
    assert fuente.confirmados == {}
    assert ("discard", [1.0]) in procesador.hechos
    assert procesador.olvidadas == [0]


def test_a_stop_finishes_the_save_in_flight() -> None:
    """A stop in the middle of a save waits for it, commits it, and discards the draft behind."""
    guardar = threading.Event()
    procesador = ProcesadorFalso(al_guardar=lambda _kwh: wait_until(guardar.is_set))
    guion: list[Paso] = [[message(float(i), 0, i)] for i in range(4)]
    bucle, fuente = build(procesador, guion, lote_maximo=1)
    hilo = threading.Thread(target=bucle.run)
    hilo.start()
    wait_until(lambda: names(procesador) == ["draft", "draft"])
    bucle.stop()
    guardar.set()
    hilo.join(30)
    assert procesador.guardadas == [0.0]
    assert fuente.confirmados == {0: 1}
    assert ("discard", [1.0]) in procesador.hechos


def test_a_stop_while_the_store_is_away_leaves_at_once() -> None:
    """Without a store a stop commits nothing and does not wait for it."""

    def refuse(_kwh: list[float]) -> None:
        raise TransientError("la base de datos no responde", retry_after_s=3600.0)

    procesador = ProcesadorFalso(al_guardar=refuse)
    bucle, fuente = build(procesador, [[message(1.0)]])
    hilo = threading.Thread(target=bucle.run)
    hilo.start()
    wait_until(lambda: fuente.pausada)
    bucle.stop()
    hilo.join(10)
    assert not hilo.is_alive()
    assert fuente.confirmados == {}
    assert [n for n in names(procesador) if n != "commit"] == ["draft", "discard"]
    assert procesador.guardadas == []


def test_a_replay_waits_for_the_batch_in_flight_without_an_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A draft that needs what is being saved is tried again after it; nobody is told of trouble."""
    guardar, guardado = threading.Event(), threading.Event()
    intentos = [0]

    def draft(kwh: list[float]) -> None:
        if kwh == [2.0] and not guardado.is_set():
            intentos[0] += 1
            guardar.set()
            raise LoteEnVueloError

    def save(kwh: list[float]) -> None:
        if kwh == [1.0]:
            assert guardar.wait(10.0)
            guardado.set()

    procesador = ProcesadorFalso(al_puntuar=draft, al_guardar=save)
    bucle, _ = build(procesador, [[message(1.0, 0, 0)], [message(2.0, 0, 1)]], lote_maximo=1)
    bucle.run()
    assert intentos[0] >= 1
    hechos = [hecho for hecho in procesador.hechos if hecho[0] in {"draft", "accept"}]
    assert hechos == [("draft", [1.0]), ("accept", [1.0]), ("draft", [2.0]), ("accept", [2.0])]
    assert not caplog.records
