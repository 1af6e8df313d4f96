"""Changing the champion: what speaks against it is shown, and there is a way to insist."""

from __future__ import annotations

import re
from typing import Any

import pytest
from apoyo_api import CLAVES
from streamlit.testing.v1 import AppTest

from dashboard.session import TYPED_KEY

PLAZO_S = 60
RAZON = "hallados: plantacion: 0,200, y se pide ≥ 0,850"


def _guion(dado: dict) -> None:  # type: ignore[type-arg]
    """Draw the part of the page where the champion is changed."""
    from dashboard.views.modelos import _change_champion, _figures

    campeon = next(v for v in dado["elementos"] if v["version"] == dado["campeon"])
    _figures(dado, campeon)
    _change_champion(dado, campeon)


def version(numero: int, **campos: Any) -> dict[str, Any]:
    """Return a version as the API gives it."""
    return {
        "version": numero, "alias": [], "metricas": {}, "precision_azar": None, "etiquetas": {},
        "promociones": [], "examen": None, "razones": [], "puerta": None, "rechazo": None,
    } | campos  # fmt: skip


@pytest.fixture
def pagina(monkeypatch: pytest.MonkeyPatch, api_llena: str) -> AppTest:
    """Give the page of three versions: 1 came back after 2, which no exam accepts."""
    monkeypatch.setenv("API_URL", api_llena)
    criterio = {"nombre": "precision_media", "azar": "poco", "aspirante": "mucho", "cumple": False}
    examen = {"campeon": 1, "acepta": False, "motivo": "no", "cuando": "ayer por la tarde",
              "vigente": True, "criterios": [criterio]}  # fmt: skip
    una = version(1, promociones=[{"desde": "2", "en": "hace poco", "por": "ana"}])
    elementos = [version(2, razones=[RAZON], examen=examen), una]
    dado = {"elementos": elementos, "campeon": 1, "aspirante": 2}
    prueba = AppTest.from_function(_guion, default_timeout=PLAZO_S, kwargs={"dado": dado})
    prueba.session_state[TYPED_KEY] = CLAVES["administracion"]
    return prueba.run()


@pytest.mark.parametrize("boton", ["Promover", "Volver a la v2"])
def test_lo_que_habla_en_contra_se_dice_y_se_puede_insistir(pagina: AppTest, boton: str) -> None:
    """Going back asks the gate like a promotion: its reasons, and the box that forces it."""
    assert not [caja.label for caja in pagina.checkbox]
    next(b for b in pagina.button if b.label == boton).click()
    pagina.run()
    assert not pagina.exception
    assert [caja.label for caja in pagina.checkbox] == ["Promover a la fuerza; quedará anotado"]
    assert any(RAZON in texto.value for texto in pagina.text)


def test_las_etiquetas_editadas_en_mlflow_no_rompen_la_pagina(pagina: AppTest) -> None:
    """Dates and figures that are none are a dash."""
    assert not pagina.exception
    (examen,) = [e.label for e in pagina.expander]
    assert re.fullmatch(r"El examen del —, frente a la v1", examen)
