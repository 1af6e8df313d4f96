"""Who may become champion without an exam, by what the tags say alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serving.champion import Examen, refusals, replaced_by

CUANDO = "2026-11-24T10:00:00+01:00"
CAIDA = Examen(2, False, "no cumple", CUANDO, ({"nombre": "hallados", "cumple": False},)).tags()
BUENO = Examen(2, True, "es mejor", CUANDO).tags()


def promociones(*vias: str | None) -> dict[str, str]:
    """Return the tags of a version that has been promoted by these ways, the last one at the end.

    None = before ways were written down.
    """
    todas: list[dict[str, Any]] = [{"desde": "9"} | ({"via": v} if v else {}) for v in vias]
    ultima = {f"promovido_{nombre}": valor for nombre, valor in todas[-1].items()}
    return {"promociones": json.dumps(todas), "promovido_en": CUANDO, **ultima}


@pytest.mark.parametrize(
    "etiquetas",
    [
        promociones("a la fuerza"),
        promociones("a la fuerza", "vuelta atrás"),
        promociones(None),
        {"promovido_en": CUANDO},
        {"promociones": "editada a mano"},
        promociones("examen") | CAIDA,
        promociones("a la fuerza") | CAIDA,
    ],
)
def test_sin_un_examen_que_valga_solo_se_vuelve_a_la_anterior(etiquetas: dict[str, str]) -> None:
    """Whatever the way it once was champion: refused, unless the champion took its place."""
    assert refusals(3, etiquetas, 2)
    assert refusals(3, etiquetas, 2, 4)
    assert refusals(3, etiquetas, 2, 3) == ()


@pytest.mark.parametrize("mas", [{}, BUENO, Examen(7, False, "no cumple", CUANDO).tags()])
def test_a_la_que_un_examen_hizo_campeona_se_vuelve(mas: dict[str, str]) -> None:
    """Also when it was forced again later, or has failed since against another champion."""
    assert refusals(3, promociones("examen") | mas, 2) == ()
    assert refusals(3, promociones("a la fuerza", "examen", "a la fuerza") | mas, 2) == ()


def test_lo_que_rechazan_los_consumidores_no_vuelve_sin_mas() -> None:
    """A version that no consumer can use is refused, also on the way back."""
    rechazo = json.dumps({"por": "nodo-1", "en": CUANDO, "motivo": "dañado"})
    (razon,) = refusals(3, promociones("examen") | {"rechazo": rechazo}, 2, 3)
    assert razon == "los consumidores la rechazan: dañado"


@pytest.mark.parametrize(
    ("vias", "anterior"),
    [
        (("examen",), 9),
        (("a la fuerza",), 9),
        ((None,), 9),
        (("vuelta atrás",), None),
        (("examen", "vuelta atrás"), None),
        ((None, None), None),
    ],
)
def test_de_una_vuelta_atras_no_se_vuelve(
    vias: tuple[str | None, ...], anterior: int | None
) -> None:
    """What was given up by going back is not what one goes back to."""
    assert replaced_by(promociones(*vias)) == anterior
    assert replaced_by({}) is None
    assert replaced_by({"promovido_desde": "ninguna", "promovido_via": "examen"}) is None
