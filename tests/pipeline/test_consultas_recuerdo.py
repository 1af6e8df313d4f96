"""What is remembered for a moment: asked once, shown meanwhile, and never for too long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from detection.errors import TransientError
from pipeline.stores import query_cache
from pipeline.stores.query_cache import EDAD_MAXIMA_S, RENOVACIONES_A_LA_VEZ, VIDA_S, AnswerCache

PLAZO_S = 10.0
DE_SOBRA_S = 0.1


class Reloj:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.ahora = 0.0

    def __call__(self) -> float:
        return self.ahora


def test_un_valor_dura_su_vida() -> None:
    """A value is made once while it is good, and again after that: nobody waits for it."""
    reloj = Reloj()
    recuerdo = AnswerCache(reloj=reloj)
    veces = iter(range(9))
    assert recuerdo.get("a", veces.__next__) == 0
    reloj.ahora = VIDA_S
    assert recuerdo.get("a", veces.__next__) == 0
    reloj.ahora += DE_SOBRA_S
    assert recuerdo.get("a", veces.__next__) == 0
    _esperar_renovaciones()
    assert recuerdo.get("a", veces.__next__) == 1
    assert recuerdo.get("b", veces.__next__) == 2
    recuerdo.clear()
    assert recuerdo.get("a", veces.__next__) == 3


def test_la_edad_cuenta_desde_antes_de_preguntar(monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed while a value was being made is not taken for seen, however long it took."""
    monkeypatch.setattr(query_cache, "ESPERA_S", 0.05)
    reloj = Reloj()
    recuerdo = AnswerCache(reloj=reloj)

    def lenta() -> int:
        reloj.ahora += VIDA_S / 2
        return 1

    assert recuerdo.get("a", lenta) == recuerdo.get("a", lambda: 2) == 1
    reloj.ahora = EDAD_MAXIMA_S
    assert _con_uno_calculando(recuerdo, lambda: recuerdo.get("a", lambda: 99), 2) == 1
    recuerdo.clear()
    reloj.ahora = 0.0
    recuerdo.get("a", lenta)
    reloj.ahora = EDAD_MAXIMA_S + DE_SOBRA_S

    def mientras() -> None:
        with pytest.raises(TransientError):
            recuerdo.get("a", lambda: 99)

    _con_uno_calculando(recuerdo, mientras, 2)


def test_lo_que_tarda_mas_de_lo_que_vale_se_recuerda() -> None:
    """A value that takes longer than the greatest age is remembered for as long as it took."""
    reloj = Reloj()
    recuerdo = AnswerCache(reloj=reloj)
    tarda = EDAD_MAXIMA_S + 1

    def parte(valor: int) -> int:
        reloj.ahora += tarda
        return valor

    def lenta(valor: int) -> int:
        return recuerdo.get("parte", lambda: parte(valor))

    assert recuerdo.get("a", lambda: lenta(1)) == 1
    reloj.ahora += VIDA_S
    assert recuerdo.get("a", lambda: 2) == 1
    reloj.ahora += DE_SOBRA_S
    # The one before it meanwhile, and never beyond twice what it took.
    assert _con_uno_calculando(recuerdo, lambda: recuerdo.get("a", lambda: 99), 3) == 1
    recuerdo.clear()
    assert recuerdo.get("a", lambda: lenta(4)) == 4
    reloj.ahora += tarda + DE_SOBRA_S
    assert recuerdo.get("a", lambda: 5) == 5


def test_quien_esperaba_recibe_lo_que_se_acaba_de_hacer() -> None:
    """Who waits for a value is given that very one, however old it is by then, and makes none."""
    empezado, mirado, seguir = (threading.Event() for _ in range(3))
    segundos = Reloj()

    def reloj() -> float:
        if empezado.is_set():
            mirado.set()
        return segundos.ahora

    recuerdo = AnswerCache(reloj=reloj)
    recuerdo.get("a", lambda: 0)
    segundos.ahora = 2 * EDAD_MAXIMA_S

    def calcular() -> int:
        # A part that is long gone when the whole is done: nobody later is given that.
        recuerdo.get("parte", lambda: 0)
        empezado.set()
        assert seguir.wait(PLAZO_S)
        segundos.ahora += 2 * EDAD_MAXIMA_S
        return 1

    with ThreadPoolExecutor(2) as hilos:
        primero = hilos.submit(recuerdo.get, "a", calcular)
        assert empezado.wait(PLAZO_S)
        segundo = hilos.submit(recuerdo.get, "a", lambda: 99)
        assert mirado.wait(PLAZO_S)
        seguir.set()
        assert (primero.result(PLAZO_S), segundo.result(PLAZO_S)) == (1, 1)
    assert recuerdo.get("a", lambda: 2) == 2


def test_lo_que_falla_se_dice_a_quien_esperaba() -> None:
    """A store that hangs is waited for once, not by each in turn."""
    recuerdo = AnswerCache()
    veces: list[int] = []
    barrera = threading.Barrier(4)

    def fallar() -> int:
        # Long enough for the others to be waiting for it.
        threading.Event().wait(0.1)
        veces.append(1)
        raise TransientError("no está")

    def pedir(_: int) -> int:
        barrera.wait(PLAZO_S)
        with pytest.raises(TransientError, match="no está"):
            recuerdo.get("a", fallar)
        return len(veces)

    with ThreadPoolExecutor(4) as hilos:
        assert set(hilos.map(pedir, range(4))) == {1}


def test_lo_hecho_de_otros_es_tan_viejo_como_ellos() -> None:
    """Lives do not add up: a sum over remembered parts is no younger than the oldest of them."""
    reloj = Reloj()
    recuerdo = AnswerCache(reloj=reloj)
    dato = 1

    def suma() -> int:
        return 10 * recuerdo.get("parte", lambda: dato)

    assert suma() == 10
    dato, reloj.ahora = 2, VIDA_S - DE_SOBRA_S
    assert recuerdo.get("suma", suma) == 10
    reloj.ahora = 2 * VIDA_S - 2 * DE_SOBRA_S
    assert recuerdo.get("suma", suma) == 10
    reloj.ahora = EDAD_MAXIMA_S + DE_SOBRA_S
    assert recuerdo.get("suma", suma) == 20


def test_de_lo_viejo_se_renueva_antes() -> None:
    """What is made of a part that is about to go is renewed while it is still given."""
    reloj = Reloj()
    recuerdo = AnswerCache(reloj=reloj)
    partes, sumas = iter(range(9)), iter(range(9))

    def suma() -> tuple[int, int]:
        return recuerdo.get("parte", partes.__next__), next(sumas)

    recuerdo.get("parte", partes.__next__)
    reloj.ahora = VIDA_S
    assert recuerdo.get("suma", suma) == (0, 0)
    reloj.ahora = (VIDA_S + EDAD_MAXIMA_S) / 2 + DE_SOBRA_S
    # And its part with it, which would not be long in it otherwise.
    assert recuerdo.get("suma", suma) == (0, 0)
    _esperar_renovaciones()
    reloj.ahora = EDAD_MAXIMA_S + DE_SOBRA_S
    assert recuerdo.get("suma", suma) == (1, 1)


def test_lo_que_no_se_puede_renovar_se_da_hasta_su_fin() -> None:
    """A store that goes away is noticed once what it said last is too old, and no sooner."""
    reloj = Reloj()
    recuerdo = AnswerCache(reloj=reloj)

    def fallar() -> int:
        raise TransientError("no está")

    recuerdo.get("a", lambda: 1)
    reloj.ahora = EDAD_MAXIMA_S
    for _ in range(2):
        assert recuerdo.get("a", fallar) == 1
        _esperar_renovaciones()
    reloj.ahora += DE_SOBRA_S
    with pytest.raises(TransientError):
        recuerdo.get("a", fallar)


def test_no_se_renueva_todo_a_la_vez() -> None:
    """Who finds the turns of renewal taken is given the one before, and the next one asks again."""
    reloj = Reloj()
    recuerdo = AnswerCache(reloj=reloj)
    claves = range(RENOVACIONES_A_LA_VEZ + 1)
    for clave in claves:
        recuerdo.get(clave, lambda: 1)
    reloj.ahora = VIDA_S + DE_SOBRA_S
    seguir = threading.Event()

    def esperar() -> int:
        assert seguir.wait(PLAZO_S)
        return 2

    assert [recuerdo.get(clave, esperar) for clave in claves] == [1] * len(claves)
    seguir.set()
    _esperar_renovaciones()
    assert sorted(recuerdo.get(clave, lambda: 3) for clave in claves) == [1, 2, 2]
    _esperar_renovaciones()
    assert sorted(recuerdo.get(clave, lambda: 4) for clave in claves) == [2, 2, 3]


def test_lo_que_falla_no_se_recuerda() -> None:
    """An error reaches who asked, and the next one asks again."""
    recuerdo = AnswerCache()

    def fallar() -> int:
        raise TransientError("no está")

    with pytest.raises(TransientError):
        recuerdo.get("a", fallar)
    assert recuerdo.get("a", lambda: 1) == 1


def test_se_olvida_lo_menos_pedido() -> None:
    """No more values are kept than allowed."""
    recuerdo = AnswerCache(maximo=2)
    veces = iter(range(9))
    for clave in ("a", "b", "a", "c", "a"):
        recuerdo.get(clave, veces.__next__)
    assert recuerdo.get("a", veces.__next__) == 0
    assert recuerdo.get("b", veces.__next__) == 3


def _esperar_renovaciones() -> None:
    """Wait for the threads that renew values."""
    for hilo in threading.enumerate():
        if hilo.name == "renueva":
            hilo.join(PLAZO_S)
            assert not hilo.is_alive()


def _con_uno_calculando(
    recuerdo: AnswerCache, mientras: Callable[[], object], valor: int
) -> object:
    """Return what ``mientras`` returns while another thread makes the value."""
    empezado, seguir = threading.Event(), threading.Event()

    def calcular() -> int:
        empezado.set()
        assert seguir.wait(PLAZO_S)
        return valor

    with ThreadPoolExecutor(1) as hilos:
        otro = hilos.submit(recuerdo.get, "a", calcular)
        assert empezado.wait(PLAZO_S)
        try:
            return mientras()
        finally:
            seguir.set()
            otro.result(PLAZO_S)
            _esperar_renovaciones()


def test_mientras_se_renueva_se_da_el_anterior() -> None:
    """Nobody waits for a renewal, not even who began it."""
    reloj = Reloj()
    recuerdo = AnswerCache(reloj=reloj)
    recuerdo.get("a", lambda: 1)
    reloj.ahora = VIDA_S + DE_SOBRA_S
    assert _con_uno_calculando(recuerdo, lambda: recuerdo.get("a", lambda: 99), 2) == 1
    assert recuerdo.get("a", lambda: 99) == 2


def test_lo_demasiado_viejo_no_se_da_ni_mientras_se_renueva(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beyond the greatest age nobody is given a value: they wait for the new one, not for ever."""
    monkeypatch.setattr(query_cache, "ESPERA_S", 0.05)
    reloj = Reloj()
    recuerdo = AnswerCache(reloj=reloj)
    recuerdo.get("a", lambda: 1)
    reloj.ahora = EDAD_MAXIMA_S + DE_SOBRA_S

    def mientras() -> None:
        with pytest.raises(TransientError):
            recuerdo.get("a", lambda: 99)

    _con_uno_calculando(recuerdo, mientras, 2)
    assert recuerdo.get("a", lambda: 99) == 2


def test_lo_que_se_olvida_mientras_se_hace_no_se_guarda() -> None:
    """What was begun before somebody said that something changed is not remembered."""
    recuerdo = AnswerCache()
    _con_uno_calculando(recuerdo, recuerdo.clear, 1)
    assert recuerdo.get("a", lambda: 2) == 2


def test_a_la_vez_se_calcula_una_sola_vez() -> None:
    """However many ask at once, the store is asked once."""
    recuerdo = AnswerCache()
    veces: list[int] = []
    barrera = threading.Barrier(8)

    def calcular() -> int:
        # Long enough for the others to be waiting for it.
        threading.Event().wait(0.1)
        veces.append(1)
        return len(veces)

    def pedir(_: int) -> int:
        barrera.wait(PLAZO_S)
        return recuerdo.get("a", calcular)

    with ThreadPoolExecutor(8) as hilos:
        assert set(hilos.map(pedir, range(8))) == {1}
    assert len(veces) == 1


@contextmanager
def _relevos_rapidos() -> Iterator[None]:
    antes = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(antes)


def test_muchos_hilos_a_la_vez() -> None:
    """Threads that ask, forget and push each other out get each key's own value, and no error."""
    recuerdo = AnswerCache(maximo=3)
    barrera = threading.Barrier(8)

    def pedir(hilo: int) -> None:
        barrera.wait(PLAZO_S)
        for i in range(500):
            clave = (hilo + i) % 5
            assert recuerdo.get(clave, lambda clave=clave: [clave]) == [clave]  # type: ignore[misc]
            if i % 50 == hilo:
                recuerdo.clear()

    with _relevos_rapidos(), ThreadPoolExecutor(8) as hilos:
        list(hilos.map(pedir, range(8)))
