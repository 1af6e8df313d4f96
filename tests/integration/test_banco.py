"""``make bench`` measures what people run, and beside it others that decide the same rules."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.embedded.services import EmbeddedServices
from serving.base_version import load_base

BANCO = Path(__file__).parents[1] / "bench"
CLIENTES = 50


@pytest.fixture
def banco(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the bench, a program that finds what lies beside it."""
    monkeypatch.syspath_prepend(BANCO)
    import cadena

    return cadena


def test_la_ultima_parte_es_todo(banco: Any) -> None:
    """Each part has more than the one before; the last is the version that comes with us."""
    partes = banco.partes.partes()
    assert partes[0].base is None
    assert not partes[0].aprende
    assert partes[-1].base is load_base()
    assert all(parte.aprende for parte in partes[1:])
    assert [parte.base is not None and parte.base.mezcla is not None for parte in partes] == [
        *[False] * 3, *[True] * 2,
    ]  # fmt: skip


def test_sin_rivales_no_se_mide_lo_que_no_hay(banco: Any) -> None:
    """Where (c) and (d) cannot be installed the others are measured, and these are named."""
    claves = [quien.clave for quien in banco.contendientes(20_000, None)]
    assert claves == ["producción", "a", "b"]
    con = [quien.clave for quien in banco.contendientes(20_000, Path(sys.executable))]
    assert con[3:] == [nombre[1] for nombre in banco.SIN_RIVALES]


@pytest.mark.lenta
@pytest.mark.servicios
def test_el_banco_en_pequeno(banco: Any, servicios: EmbeddedServices, tmp_path: Path) -> None:
    """Production, the competent one and the limit store the same, and each has its figures."""
    lote = banco.LOTE
    datos = banco.make_datos(3 * lote, CLIENTES, 1, con_ataques=True)
    quienes = [
        quien
        for quien in [*banco.contendientes(2 * lote, None), banco.LIMITE]
        if quien.clave != "a"
    ]
    with banco.fresh(servicios) as settings:
        banco.mundo_lleno.fill(settings, datos, 24 * 40, banco.postgres)
        nuestro, competente, limite = banco.Carrera(servicios, datos, tmp_path, settings).run(
            quienes, 1
        )
        cargar = banco.mundo_lleno.load_as_consumer(settings, datos)
        puntuar = banco.partes.scoring(datos, cargar, 1)
    assert (nuestro["lecturas"], competente["lecturas"]) == (2 * lote, lote)
    assert nuestro["veces"] == nuestro["veces_cpu"] == 1.0
    assert nuestro["anomalias"] > 0.0
    assert competente["distintas"] == 0
    assert limite["lecturas"] == 3 * lote
    assert all(uno["us_cpu"]["consumidor"] >= 0.0 for uno in (nuestro, competente, limite))
    assert len(puntuar) == len(banco.partes.partes())
    assert min(puntuar.values()) > 0.0
