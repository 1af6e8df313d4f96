"""What is remembered for a while: asked once, shown meanwhile, and never for too long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from detection.errors import TransientError
from pipeline.almacenes import consultas_recuerdo
from pipeline.almacenes.consultas_recuerdo import (
    EDAD_MAXIMA_S,
    PRESUPUESTO_S,
    VEJEZ,
    VIDA_RECIENTE_S,
    VIDA_S,
    PorDias,
    Recuerdo,
)

HOY = date(2026, 11, 24)
PLAZO_S = 10.0


class Reloj:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.ahora = 0.0

    def __call__(self) -> float:
        return self.ahora


class Almacen:
    """Counts what it is asked for, which takes ``tarda_s`` of the clock."""

    def __init__(self, reloj: Reloj, tarda_s: float = 0.0) -> None:
        self.pedidos: list[date] = []
        self._reloj = reloj
        self._tarda_s = tarda_s

    def __call__(self, dia: date) -> int:
        self.pedidos.append(dia)
        self._reloj.ahora += self._tarda_s
        return len(self.pedidos)


def _dias(n: int) -> list[date]:
    return [HOY - timedelta(days=i) for i in range(n)]


def test_un_valor_dura_su_vida() -> None:
    """A value is made once while it is good, and again after that."""
    reloj = Reloj()
    recuerdo = Recuerdo[int](10.0, reloj=reloj)
    veces = iter(range(9))
    assert recuerdo.get("a", veces.__next__) == 0
    reloj.ahora = 10.0
    assert recuerdo.get("a", veces.__next__) == 0
    reloj.ahora = 10.1
    assert recuerdo.get("a", veces.__next__) == 1
    assert recuerdo.get("b", veces.__next__) == 2
    recuerdo.clear()
    assert recuerdo.get("a", veces.__next__) == 3


def test_lo_que_falla_no_se_recuerda() -> None:
    """An error reaches who asked, and the next one asks again."""
    recuerdo = Recuerdo[int](10.0)

    def fallar() -> int:
        raise TransientError("no está")

    with pytest.raises(TransientError):
        recuerdo.get("a", fallar)
    assert recuerdo.get("a", lambda: 1) == 1


def test_se_olvida_lo_menos_pedido() -> None:
    """No more values are kept than allowed."""
    recuerdo = Recuerdo[int](10.0, maximo=2)
    veces = iter(range(9))
    for clave in ("a", "b", "a", "c", "a"):
        recuerdo.get(clave, veces.__next__)
    assert recuerdo.get("a", veces.__next__) == 0
    assert recuerdo.get("b", veces.__next__) == 3


def _con_uno_calculando(
    recuerdo: Recuerdo[int], mientras: Callable[[], object], valor: int
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
            assert otro.result(PLAZO_S) == valor


def test_mientras_se_renueva_se_da_el_anterior() -> None:
    """Nobody waits for a renewal but the one who makes it; what is far too old is not shown."""
    reloj = Reloj()
    recuerdo = Recuerdo[int](10.0, reloj=reloj)
    recuerdo.get("a", lambda: 1)
    reloj.ahora = 11.0
    assert _con_uno_calculando(recuerdo, lambda: recuerdo.get("a", lambda: 99), 2) == 1
    assert recuerdo.get("a", lambda: 99) == 2
    reloj.ahora += 10.0 * VEJEZ + 1
    assert recuerdo.get("a", lambda: 3) == 3


def test_quien_espera_no_espera_siempre(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to show, and another thread that does not finish, one is told to come back."""
    monkeypatch.setattr(consultas_recuerdo, "ESPERA_S", 0.05)
    recuerdo = Recuerdo[int](10.0)

    def mientras() -> None:
        with pytest.raises(TransientError):
            recuerdo.get("a", lambda: 99)

    _con_uno_calculando(recuerdo, mientras, 1)


def test_a_la_vez_se_calcula_una_sola_vez() -> None:
    """However many ask at once, the store is asked once."""
    recuerdo = Recuerdo[int](10.0)
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


def test_los_dias_recientes_se_miran_a_menudo() -> None:
    """Today and yesterday are looked at again soon, older days much later."""
    reloj = Reloj()
    almacen = Almacen(reloj)
    dias = PorDias(almacen, 100, reloj)
    assert set(dias.get(_dias(4), HOY)) == set(_dias(4))
    assert almacen.pedidos == _dias(4)
    dias.get(_dias(4), HOY)
    assert len(almacen.pedidos) == 4
    reloj.ahora = VIDA_RECIENTE_S + 1
    dias.get(_dias(4), HOY)
    assert almacen.pedidos[4:] == _dias(2)
    reloj.ahora = VIDA_S + 1
    dias.get(_dias(4), HOY)
    assert almacen.pedidos[6:] == _dias(4)


def test_un_dia_que_se_quedo_a_medias_no_se_da_por_visto() -> None:
    """What nobody has looked at for long is read again before it is shown."""
    reloj = Reloj()
    almacen = Almacen(reloj)
    dias = PorDias(almacen, 100, reloj)
    dias.get([HOY], HOY)
    reloj.ahora = EDAD_MAXIMA_S + 1
    assert dias.get([HOY], HOY + timedelta(days=5)) == {HOY: 2}


def test_la_primera_mirada_tiene_un_tope() -> None:
    """What takes too long comes in parts, the newest first, and the next call goes on."""
    reloj = Reloj()
    almacen = Almacen(reloj, tarda_s=PRESUPUESTO_S / 2 + 0.1)
    dias = PorDias(almacen, 100, reloj)
    assert list(dias.get(_dias(5), HOY)) == _dias(2)
    assert list(dias.get(_dias(5), HOY)) == _dias(4)
    assert list(dias.get(_dias(5), HOY)) == _dias(5)
    assert almacen.pedidos == _dias(5)


def test_un_dia_olvidado_se_lee_otra_vez() -> None:
    """Where somebody has changed a day it is read again at once, and only that one."""
    almacen = Almacen(Reloj())
    dias = PorDias(almacen, 100)
    dias.get(_dias(3), HOY)
    dias.forget(_dias(3)[1])
    dias.get(_dias(3), HOY)
    assert almacen.pedidos == [*_dias(3), _dias(3)[1]]


def test_no_se_guardan_mas_dias_de_los_que_caben() -> None:
    """Days that have not been asked for longest go first."""
    almacen = Almacen(Reloj())
    dias = PorDias(almacen, 3)
    dias.get(_dias(3), HOY)
    dias.get([HOY], HOY)
    dias.get([HOY - timedelta(days=9)], HOY)
    almacen.pedidos.clear()
    dias.get([HOY], HOY)
    assert almacen.pedidos == []
