"""Compiled code is kept under all that it was made of, wherever that is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detection.jit import code_key, jit

RAIZ = Path(__file__).resolve().parents[2]
SCRIPT = """
from detection.blend.weighted import _pack
print(_pack(0, False, False, False, 0), sum(_pack.stats.cache_hits.values()))
"""


def _run(carpeta: Path) -> tuple[int, int]:
    """Return a verdict as a new process computes it, and how often it found compiled code."""
    r = subprocess.run(
        [sys.executable, "-B", "-c", SCRIPT],
        cwd=carpeta, env={**os.environ, "PYTHONPATH": str(carpeta), "NUMBA_CACHE_DIR": ""},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    valor, aciertos = r.stdout.split()
    return int(valor), int(aciertos)


def test_una_constante_de_otro_fichero_cambia_el_codigo(tmp_path: Path) -> None:
    """A constant is changed in another file: the next process sees it, nothing deleted by hand.

    What did not change is found compiled.
    """
    ignorar = shutil.ignore_patterns("__pycache__")
    shutil.copytree(RAIZ / "detection", tmp_path / "detection", ignore=ignorar)
    assert _run(tmp_path) == (1 << 15, 0)
    assert _run(tmp_path) == (1 << 15, 1)
    ventanas = tmp_path / "detection" / "memory" / "hourly_ring.py"
    texto = ventanas.read_text()
    assert "VERDICT_BIT = 1 << 15" in texto
    ventanas.write_text(texto.replace("VERDICT_BIT = 1 << 15", "VERDICT_BIT = 1 << 13"))
    assert _run(tmp_path) == (1 << 13, 0)
    assert _run(tmp_path) == (1 << 13, 1)


def test_la_clave_es_la_misma_en_todo_proceso() -> None:
    """Texts are hashed otherwise in each process: what is compiled is found all the same."""
    guion = "from detection.features.evidence import _compute as bucle\n"
    guion += "from detection.jit import code_key\nprint(code_key(bucle.py_func))"
    claves = {
        subprocess.run(
            [sys.executable, "-c", guion], env={**os.environ, "PYTHONHASHSEED": semilla},
            cwd=RAIZ, capture_output=True, text=True, check=True, timeout=120,
        ).stdout
        for semilla in ("1", "2", "3")
    }  # fmt: skip
    assert len(claves) == 1


UNO = 1
TABLA = np.array([1.0, 2.0])


def _suma(x: float) -> float:
    return x + UNO


def test_la_clave_mira_constantes_tablas_y_bucles_llamados(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another number, another table, another loop that is called: another key."""
    from detection import jit as modulo

    def clave(uno: object, tabla: object, llamada: object) -> str:
        nombres = {"UNO": uno, "TABLA": tabla, "llamada": llamada, "np": np}
        exec("def bucle(x):\n    return llamada(x) + UNO + TABLA[0] + np.pi", nombres)
        return code_key(nombres["bucle"])  # type: ignore[arg-type]

    suma, otra = jit()(_suma), jit(fastmath={"nsz"})(_suma)
    base = clave(UNO, TABLA, suma)
    assert base == clave(1, np.array([1.0, 2.0]), suma)
    distintas = {
        base, clave(2, TABLA, suma), clave(1.0, TABLA, suma), clave(UNO, TABLA * 2, suma),
        clave(UNO, TABLA.astype(np.float32), suma), clave(UNO, TABLA, otra),
    }  # fmt: skip
    assert len(distintas) == 6
    monkeypatch.setattr(f"{__name__}.UNO", 3)
    modulo.code_key.cache_clear()
    assert clave(1, TABLA, suma) != base, "a constant of the loop that is called"
    with pytest.raises(TypeError, match="not known"):
        clave({1}, TABLA, suma)
