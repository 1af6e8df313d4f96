"""A list's first page is remembered: for a second, or a little longer where it is dear."""

from __future__ import annotations

from pipeline.almacenes.consultas_recuerdo import VECES_SU_COSTE, Recuerdo


class Reloj:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.ahora = 0.0

    def __call__(self) -> float:
        return self.ahora


def test_lo_caro_vale_mas_tiempo_y_nunca_demasiado() -> None:
    """What is cheap is asked again after its life; what is dear later, but not beyond its limit."""
    reloj = Reloj()
    recuerdo = Recuerdo[int](1.0, reloj=reloj, vida_cara_s=5.0)
    hechas = 0

    def en(segundos: float) -> int:
        nonlocal hechas
        hechas += 1
        reloj.ahora += segundos
        return hechas

    def hasta_cuando(coste: float) -> float:
        """Return how long a value that took so long was given."""
        recuerdo.clear()
        valor, inicio = recuerdo.get("a", lambda: en(coste)), reloj.ahora
        while recuerdo.get("a", lambda: en(0.0)) == valor:
            reloj.ahora += 0.125
        return reloj.ahora - inicio

    assert hasta_cuando(0.0) == 1.125
    assert hasta_cuando(0.0625) == VECES_SU_COSTE * 0.0625 + 0.125
    assert hasta_cuando(3.0) == 5.125


def test_sin_limite_caro_el_coste_no_cuenta() -> None:
    """Where nothing else is said, a value lives as long as all the others."""
    reloj = Reloj()
    recuerdo = Recuerdo[float](1.0, reloj=reloj)

    def lenta() -> float:
        reloj.ahora += 10.0
        return reloj.ahora

    assert recuerdo.get("a", lenta) == 10.0
    reloj.ahora += 1.5
    assert recuerdo.get("a", lambda: 0.0) == 0.0
