"""Signing in once: what is kept of a key, where, and for how long; and the addresses of pages."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.navigation import PAGES, address_of, case_address, customer_address
from dashboard.session import TYPED_KEY, RememberedVisits


def test_una_clave_se_recuerda_con_un_nombre_que_no_la_dice() -> None:
    """A browser keeps a name, from which nobody learns the key; signing out forgets it."""
    visitas = RememberedVisits()
    nombre, otro = visitas.remember("consumo_secreta"), visitas.remember("consumo_secreta")
    assert nombre != otro
    assert "secreta" not in nombre
    assert visitas.key(nombre) == "consumo_secreta"
    visitas.forget(nombre)
    assert visitas.key(nombre) == ""
    assert visitas.key(otro) == "consumo_secreta"
    assert visitas.key("inventado") == ""


def test_una_visita_no_dura_siempre_ni_son_infinitas(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a working day one signs in again; of too many the oldest ones do."""
    monkeypatch.setattr("dashboard.session._MAX_VISITS", 3)
    visitas = RememberedVisits()
    nombres = [visitas.remember(f"clave-{i}") for i in range(5)]
    assert [visitas.key(nombre) for nombre in nombres] == [
        "",
        "",
        *[f"clave-{i}" for i in (2, 3, 4)],
    ]
    monkeypatch.setattr("dashboard.session._VISIT_S", -1)
    assert visitas.key(visitas.remember("clave-5")) == ""


def test_cada_pagina_tiene_una_direccion_y_lleva_a_ella() -> None:
    """Addresses are relative: they hold behind a proxy that gives the dashboard a path."""
    assert len({pagina.url for pagina in PAGES}) == len(PAGES)
    assert address_of("hoy") == "./"
    assert address_of("calendario", dias=None) == "./calendario"
    assert case_address("CLI_1_2026-11-09") == "./caso?caso=CLI_1_2026-11-09"
    assert customer_address("A&B/1") == "./buscar-cliente?cliente=A%26B%2F1"


def _guion() -> None:
    """Draw a list of what is saved, as a page does."""
    from dashboard.saved_views import draw_saved_views

    draw_saved_views("casos")


def test_una_vista_se_guarda_con_su_nombre_y_se_olvida() -> None:
    """What is filtered gets a name, which leads to it, until it is forgotten."""
    pagina = AppTest.from_function(_guion, default_timeout=30)
    pagina.query_params["quien"] = "ana"
    pagina.run()
    pagina.text_input[0].set_value("Los <b>míos</b>")
    next(b for b in pagina.button if b.label == "Guardar").click().run()
    assert not pagina.exception
    (enlace,) = [h.value for h in pagina.get("html")]
    assert 'href="./casos?quien=ana"' in enlace
    assert "<b>" not in enlace
    assert TYPED_KEY not in pagina.session_state["_galleta"]
    assert "consumo_vistas=" in pagina.session_state["_galleta"]
    next(b for b in pagina.button if b.label == "Olvidar").click().run()
    assert not [h.value for h in pagina.get("html")]
