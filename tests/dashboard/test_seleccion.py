"""Whom a verdict falls on: the rows that a person chose and saw, whatever arrives meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
from apoyo_api import AHORA, CLAVES, claves_de_prueba, esperar, servir
from bases import nueva_base
from contracts.fakes import explicar, hacer_lote
from contracts.sondas import AnomaliasMongo
from streamlit.testing.v1 import AppTest

from dashboard.client import forget_answers
from dashboard.reviews import ShownAnomaly, left_out
from dashboard.session import TYPED_KEY
from detection.domain import hora_absoluta
from pipeline.embedded.services import EmbeddedServices
from pipeline.stores.mongo.store import MongoAnomalyStore
from pipeline.stores.postgres.store import PostgresStore
from serving.settings import Settings

PLAZO_S = 60
PRIMERAS = 60
"""A page of fifty and one of ten."""
H = hora_absoluta(AHORA.replace(minute=0)) - 40
"""The first ones end here, in the morning of the day before the last one."""


@dataclass
class Casa:
    """An API over anomalies that keep arriving, each of a customer of its own."""

    settings: Settings
    http: httpx.Client
    cuantas: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    def llegan(self, cuantas: int) -> None:
        """Store readings of later hours, all of them anomalies."""
        numeros = range(self.cuantas, self.cuantas + cuantas)
        claves = [(f"N{i:03d}", H - PRIMERAS + i) for i in numeros]
        lote = hacer_lote(claves, [5.0] * cuantas, score=[95] * cuantas, severidad=[4] * cuantas)
        historial, anomalias = PostgresStore(self.settings), MongoAnomalyStore(self.settings)
        with closing(historial), closing(anomalias):
            anomalias.ensure_indexes()
            historial.save(*lote)
            anomalias.save(*lote, explicar(lote[1]), np.zeros(cuantas, np.bool_), H)
        self.cuantas += cuantas

    def corrige(self, cliente: str) -> None:
        """Store another value for the reading of a customer."""
        numero = int(cliente[1:])
        lote = hacer_lote([(cliente, H - PRIMERAS + numero)], [9.0], score=[99], severidad=[4])
        with closing(MongoAnomalyStore(self.settings)) as anomalias:
            anomalias.save(*lote, explicar(lote[1]), np.ones(1, np.bool_), H)

    def borra(self, cliente: str) -> None:
        """Delete the anomaly of a customer."""
        sonda = AnomaliasMongo(self.settings)
        with closing(sonda.cliente), closing(sonda.store):
            sonda.base["anomalias_detectadas"].delete_one({"propietario_id": cliente})

    def estados(self) -> dict[str, str]:
        """Return the customers whose anomaly is not open, with its state."""
        filas = self.http.get(
            "/api/anomalias/últimas", params={"estado": ["confirmada", "descartada"], "limite": 500}
        ).json()["elementos"]
        return {fila["propietario_id"]: fila["estado"] for fila in filas}


@pytest.fixture
def casa(servicios: EmbeddedServices) -> Iterator[Casa]:
    """Give sixty anomalies, and a way to let more arrive."""
    with nueva_base(servicios, migrada=True) as vacia:
        claves = {"api_claves": claves_de_prueba(), "api_limite_minuto": 0}
        settings = Settings.model_validate(vacia.model_dump() | claves)
        with servir(settings) as http:
            abierta = Casa(settings, http)
            abierta.llegan(PRIMERAS)
            yield abierta


def _guion() -> None:
    """Draw the page inside the frame's own script."""
    from dashboard.navigation import page_of
    from dashboard.session import key_box

    key_box()
    page_of("anomalias").draw()


@pytest.fixture
def pagina(casa: Casa, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """Give the page of anomalies, with an analyst's key typed."""
    forget_answers()
    monkeypatch.setenv("API_URL", str(casa.http.base_url).rstrip("/"))
    prueba = AppTest.from_function(_guion, default_timeout=PLAZO_S)
    prueba.session_state[TYPED_KEY] = CLAVES["analista"]
    prueba.query_params["periodo"] = "30 días"
    yield prueba.run()
    forget_answers()


def _filas(pagina: AppTest) -> list[str]:
    return list(pagina.dataframe[0].value["Cliente"])


def _marcar(pagina: AppTest, *filas: int) -> None:
    """Tick rows by their place on the screen, as the browser tells it."""
    clave = pagina.dataframe[0].key
    pagina.session_state[clave] = {"selection": {"rows": list(filas), "columns": [], "cells": []}}
    pagina.run()
    assert not pagina.exception, [e.message for e in pagina.exception]


def _enterarse(pagina: AppTest, texto: str) -> None:
    """Draw the page until it says so: the API remembers a page for some seconds."""

    def dicho() -> bool:
        forget_answers()
        pagina.run()
        return any(texto in c.value for c in pagina.caption)

    esperar(dicho, f"the page says «{texto}»", PLAZO_S)


def _marcadas(pagina: AppTest) -> list[int]:
    return list(pagina.session_state[pagina.dataframe[0].key]["selection"]["rows"])


def _boton(pagina: AppTest, nombre: str) -> Any:
    return next(b for b in pagina.button if b.label == nombre)


def _juzgar(pagina: AppTest, boton: str) -> None:
    next(t for t in pagina.text_input if t.label == "Motivo").set_value("visto en la visita")
    _boton(pagina, boton).click().run()
    assert not pagina.exception, [e.message for e in pagina.exception]


def test_se_confirman_las_dos_marcadas_aunque_lleguen_otras(casa: Casa, pagina: AppTest) -> None:
    """Two rows ticked, new readings arrive, confirm: those two and no others; then none is."""
    elegidas = _filas(pagina)[3:5]
    _marcar(pagina, 3, 4)
    casa.llegan(7)
    _enterarse(pagina, "7 nuevas")
    assert _filas(pagina)[3:5] == elegidas
    assert _marcadas(pagina) == [3, 4]
    assert all(any(nombre in t.value for t in pagina.text) for nombre in elegidas)
    _juzgar(pagina, "Confirmar")
    assert casa.estados() == dict.fromkeys(elegidas, "confirmada")
    assert _marcadas(pagina) == []
    assert _filas(pagina)[0] == "N066"


def test_lo_que_llega_entre_marcar_y_confirmar_no_se_juzga(casa: Casa, pagina: AppTest) -> None:
    """Readings that arrive while the button is on its way change nothing in what it judges."""
    elegidas = _filas(pagina)[:2]
    _marcar(pagina, 0, 1)
    casa.llegan(3)
    forget_answers()
    _juzgar(pagina, "Descartar")
    assert casa.estados() == dict.fromkeys(elegidas, "descartada")


@pytest.mark.parametrize("adonde", ["Siguientes", "Actualizar"])
def test_en_otra_lista_no_hay_nada_marcado(casa: Casa, pagina: AppTest, adonde: str) -> None:
    """On the next page, and in a list that was read again, nothing is ticked, nor judged."""
    antes = _filas(pagina)
    _marcar(pagina, 0, 1)
    casa.llegan(2)
    _enterarse(pagina, "2 nuevas")
    _boton(pagina, adonde).click().run()
    assert _filas(pagina)[:2] != antes[:2]
    assert _marcadas(pagina) == []
    assert not any(b.label == "Confirmar" for b in pagina.button)
    if adonde == "Siguientes":
        _boton(pagina, "Anteriores").click().run()
        assert _marcadas(pagina) == []
    assert casa.estados() == {}


def test_un_dia_que_pasa_no_cambia_la_lista(casa: Casa, pagina: AppTest) -> None:
    """«30 días» ends a day later once readings of the next day arrive: still the same choice."""
    elegidas = _filas(pagina)[:2]
    _marcar(pagina, 0, 1)
    casa.llegan(30)
    _enterarse(pagina, "30 nuevas")
    assert _marcadas(pagina) == [0, 1]
    assert _filas(pagina)[:2] == elegidas


def test_lo_que_ha_cambiado_desde_que_se_vio_no_se_juzga(casa: Casa, pagina: AppTest) -> None:
    """A correction, or another person's verdict, in between: refused with what it is now."""
    corregida, buena = _filas(pagina)[:2]
    _marcar(pagina, 0, 1)
    casa.corrige(corregida)
    _juzgar(pagina, "Confirmar")
    assert casa.estados() == {buena: "confirmada"}
    assert any("No se ha tocado" in w.value and corregida in w.value for w in pagina.warning)


def test_lo_que_ya_no_existe_se_dice_con_sus_palabras(casa: Casa, pagina: AppTest) -> None:
    """What is gone is not called changed; and where all of it is, nothing is called confirmed."""
    borrada, buena, otra, mas = _filas(pagina)[:4]
    _marcar(pagina, 0, 1)
    casa.borra(borrada)
    _juzgar(pagina, "Confirmar")
    assert casa.estados() == {buena: "confirmada"}
    (aviso,) = [w.value for w in pagina.warning if borrada in w.value]
    assert "Ya no existe" in aviso
    assert "ha cambiado" not in aviso
    _marcar(pagina, *(_filas(pagina).index(cliente) for cliente in (otra, mas)))
    casa.borra(otra)
    casa.borra(mas)
    _juzgar(pagina, "Confirmar")
    assert any("No se ha guardado" in e.value for e in pagina.error)
    assert casa.estados() == {buena: "confirmada"}


def test_de_lo_que_no_se_toco_se_dice_por_que() -> None:
    """Each anomaly that a verdict was not given to goes with the reason why."""
    vistas = [ShownAnomaly(f"{i:024x}", "r", f"N{i}") for i in range(4)]
    dado = {
        "cambiadas": [{"anomalia": {"id": vistas[0].id}}],
        "rechazadas": [{"id": vistas[1].id}],
        "no_encontradas": [vistas[2].id],
        "sin_hacer": [vistas[3].id],
    }
    assert left_out(vistas, dado) == {
        vistas[1].id: "rechazadas", vistas[2].id: "no_encontradas", vistas[3].id: "sin_hacer",
    }  # fmt: skip
    assert left_out(vistas[:1], {"anotacion": 7}) == {}


def test_deshacer_devuelve_justo_esas(casa: Casa, pagina: AppTest) -> None:
    """For a minute after a verdict one button takes it back, of those that it was given to."""
    _marcar(pagina, 5, 6, 7)
    _juzgar(pagina, "Confirmar")
    assert len(casa.estados()) == 3
    casa.llegan(4)
    _boton(pagina, "Deshacer").click().run()
    assert not pagina.exception
    assert casa.estados() == {}
    assert not any(b.label == "Deshacer" for b in pagina.button)


def test_pasado_un_minuto_no_se_ofrece_deshacer(
    casa: Casa, pagina: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way back is not there for ever."""
    monkeypatch.setattr("dashboard.reviews.UNDO_S", 0.0)
    _marcar(pagina, 0)
    _juzgar(pagina, "Confirmar")
    assert len(casa.estados()) == 1
    assert not any(b.label == "Deshacer" for b in pagina.button)
