"""The four required rules against plain Python, written apart from them: the same readings fire."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from detection.detector import DetectorConsumo
from detection.domain import Lecturas, hora_absoluta, nombres_de_tipos
from detection.simulation.synthesis import generate, make_population
from serving.local_time import load_calendario

ZONA = "Europe/Madrid"
MADRID = load_calendario(ZONA)
REGLAS = (1 << 4) - 1
"""Bits of the four rules in ``Veredictos.tipos``."""
CLIENTES = 22
"""Eleven kinds of suspicious customer, and as many honest ones."""
DIAS = 46
"""Four weeks fill the windows; the change of hour is in those that are compared."""

Caso = tuple[Lecturas, list[tuple[set[str], set[str]]]]
"""Readings and, for each, what ours fires and what the plain rules fire."""


def _plain_module() -> ModuleType:
    # The bench is a folder of programs, not of tests: nothing puts it on the path.
    ruta = Path(__file__).resolve().parents[1] / "bench" / "reglas_llanas.py"
    modulo = sys.modules.get("reglas_llanas")
    if modulo is None:
        especificacion = importlib.util.spec_from_file_location("reglas_llanas", ruta)
        assert especificacion is not None
        assert especificacion.loader is not None
        modulo = importlib.util.module_from_spec(especificacion)
        especificacion.loader.exec_module(modulo)
    return modulo


def _hogares(dia: datetime, semilla: int) -> Lecturas:
    desde = hora_absoluta(dia)
    hasta = desde + 24 * DIAS
    poblacion = make_population(semilla, CLIENTES, CLIENTES // 2, desde, hasta)
    return generate(poblacion, desde, hasta, MADRID).lecturas()


def _entero() -> Lecturas:
    return _hogares(datetime(2026, 5, 4, tzinfo=UTC), semilla=1)


def _con_huecos() -> Lecturas:
    """3 % of the readings lost one by one, and whole days of some customers."""
    todas = _hogares(datetime(2026, 5, 4, tzinfo=UTC), semilla=2)
    rng = np.random.default_rng(2)
    queda = rng.random(len(todas)) > 0.03
    sin_dias = rng.random((DIAS, CLIENTES)) < 0.05
    dia = (todas.hora_utc - todas.hora_utc[0]) // 24
    cliente = np.arange(len(todas)) % CLIENTES
    return todas.elegir(np.flatnonzero(queda & ~sin_dias[dia, cliente]))


def _octubre() -> Lecturas:
    return _hogares(datetime(2026, 10, 1, tzinfo=UTC), semilla=3)


def _marzo() -> Lecturas:
    return _hogares(datetime(2026, 3, 2, tzinfo=UTC), semilla=4)


@lru_cache(maxsize=4)
def _compare(hacer: Callable[[], Lecturas]) -> Caso:
    lecturas = hacer()
    veredictos = DetectorConsumo(MADRID).score(lecturas)
    llanas = _plain_module().ReglasLlanas(ZONA)
    filas = zip(
        lecturas.propietario_id,
        lecturas.hora_utc.tolist(),
        lecturas.consumo_kwh.tolist(),
        veredictos.tipos.tolist(),
        strict=True,
    )
    return lecturas, [
        (set(nombres_de_tipos(tipos & REGLAS)), llanas.decide(cliente, hora, kwh))
        for cliente, hora, kwh, tipos in filas
    ]


def _differences(caso: Caso) -> list[str]:
    lecturas, pares = caso
    return [
        f"{lecturas.propietario_id[i]} {lecturas.hora_utc[i]}: {nuestras} y no {llanas}"
        for i, (nuestras, llanas) in enumerate(pares)
        if nuestras != llanas
    ]


@pytest.mark.parametrize("hacer", [_entero, _con_huecos, _octubre, _marzo])
def test_disparan_en_las_mismas_lecturas_que_las_reglas_llanas(
    hacer: Callable[[], Lecturas],
) -> None:
    """With attacks, gaps, lost days and days of 23 and 25 hours, every reading fires the same."""
    assert _differences(_compare(hacer)) == []


@pytest.mark.parametrize(
    "regla",
    [
        "desviacion_estadistica",
        "pico_consumo",
        "consumo_noche_anomalo",
        "consumo_constante",
    ],
)
def test_la_comparacion_ve_disparar_cada_regla(regla: str) -> None:
    """Agreement on silence proves nothing: each rule fires often in what is compared."""
    _, pares = _compare(_entero)
    assert sum(regla in llanas for _, llanas in pares) >= 50
