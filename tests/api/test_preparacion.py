"""What is read before anybody asks for it: all of it, in its order, whatever becomes of a part."""

from __future__ import annotations

import threading

from api.startup import WarmUp
from detection.errors import TransientError

PLAZO_S = 10


def test_un_almacen_caido_no_quita_los_demas() -> None:
    """A store that is away costs its own answers' warmth, nobody else's."""
    hechos: list[str] = []
    acabado = threading.Event()

    def falla() -> None:
        hechos.append("falla")
        raise TransientError("no responde", 1.0)

    def acaba() -> None:
        hechos.append("acaba")
        acabado.set()

    calor = WarmUp((falla, acaba))
    calor.start()
    assert acabado.wait(PLAZO_S)
    calor.close()
    assert hechos == ["falla", "acaba"]


def test_al_parar_no_se_empieza_nada_mas() -> None:
    """Closing waits for the step under way, since the stores are closed next, and runs no other."""
    empezado, seguir = threading.Event(), threading.Event()
    hechos: list[str] = []

    def largo() -> None:
        empezado.set()
        seguir.wait(PLAZO_S)
        hechos.append("largo")

    calor = WarmUp((largo, lambda: hechos.append("otro")))
    calor.start()
    assert empezado.wait(PLAZO_S)
    parada = threading.Thread(target=calor.close)
    parada.start()
    parada.join(0.05)
    assert parada.is_alive()
    seguir.set()
    parada.join(PLAZO_S)
    assert hechos == ["largo"]


def test_cerrar_sin_haber_empezado() -> None:
    """An app that was never warmed up stops as any other."""
    WarmUp((lambda: None,)).close()
