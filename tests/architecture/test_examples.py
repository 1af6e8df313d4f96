"""The examples of every docstring: what they show is what comes out."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

RAIZ = Path(__file__).resolve().parents[2]
HABITACIONES = ("detection", "serving", "pipeline", "training", "api", "dashboard", "tests/bench")


@pytest.mark.parametrize("habitacion", HABITACIONES)
def test_los_ejemplos_son_verdad(
    habitacion: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of every module that shows one."""
    carpeta = RAIZ / habitacion
    # A bench is a program, which finds what lies beside it.
    monkeypatch.syspath_prepend(carpeta.parent if carpeta.parent == RAIZ else carpeta)
    ficheros = [f for f in sorted(carpeta.rglob("*.py")) if ">>> " in f.read_text("utf-8")]
    nombres = [".".join(f.relative_to(carpeta.parent).with_suffix("").parts) for f in ficheros]
    hechos = [doctest.testmod(import_module(nombre)) for nombre in nombres]
    assert not any(hecho.failed for hecho in hechos), capsys.readouterr().out
    assert sum(hecho.attempted for hecho in hechos) >= len(ficheros) > 0
