"""A ninth type of anomaly is a file, a name and a line: from the rules to the screen and back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RAIZ = Path(__file__).resolve().parents[2]
REGLA = """
from detection.domain import TipoAnomalia
from detection.measurement import Measurement
from detection.params import Calibracion


class Noveno:
    nombre = TipoAnomalia.NOVENO
    calibracion = Calibracion(1e-3, 2.0, 1.0, 0.5)

    def measure(self, context, params):
        measurement = Measurement.not_ready(len(context))
        measurement.exceso[:] = context.windows.consumo_kwh / 50.0
        measurement.dispara[:] = measurement.exceso > 1.0
        return measurement

    def sentence(self, consumo_kwh, datos, params):
        return "Más de cincuenta."
"""
CAMBIOS = (
    ("domain.py", "    MODELO_ONLINE =", '    NOVENO = "noveno", "El noveno"\n    MODELO_ONLINE ='),
    ("rules/registry.py", "    Fraude(),\n", "    Fraude(),\n    Noveno(),\n"),
    (
        "rules/registry.py",
        "\nDETECTORES",
        "\nfrom detection.rules.ninth import Noveno\n\nDETECTORES",
    ),
)
"""All that is written elsewhere: a name, with what it is called on the screen, and a line."""
GUION = """
from contextlib import closing
from typing import get_args
import numpy as np
from api.params import Tipo
from dashboard.texts import TYPE_NAMES
from detection.blend.weighted import Blended
from detection.detector import DetectorConsumo
from detection.domain import MASCARA_DTYPE, TIPOS, Calendario, Lecturas, Veredictos
from detection.domain import nombres_de_tipos
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.settings import load_settings

assert len(TIPOS) == 9 and MASCARA_DTYPE == np.uint16
assert "noveno" in get_args(Tipo) and TYPE_NAMES["noveno"] == "El noveno"
n, d = 3, 9
assert Blended.empty(n, d).tipos.dtype == MASCARA_DTYPE
detector = DetectorConsumo(Calendario("UTC", 0, np.zeros(1_000_000, np.int8)))
hora = 490_000 + np.arange(n)
v = detector.score(Lecturas(["A"] * n, hora, np.array([1.0, 60.0, 2.0])))
assert v.tipos.dtype == MASCARA_DTYPE
assert [nombres_de_tipos(m) for m in v.tipos.tolist()] == [[], ["noveno"], []]
assert [e.frase for e in detector.explain(v, 1, 60.0) if e.dispara] == ["Más de cincuenta."]

mascaras = np.array([1 << 8, (1 << 9) - 1, 1], MASCARA_DTYPE)
assert nombres_de_tipos(1 << 8) == [str(TIPOS[8])]
nada = np.full(n, np.nan, np.float32)
veredictos = Veredictos(
    hora, np.full(n, 70, np.uint8), np.full(n, 2, np.uint8), mascaras, np.zeros(n, bool),
    np.ones(n, np.float32), nada, nada, "v", np.empty((n, d), np.float32),
    np.empty((n, d, 1), np.float32),
)
settings = load_settings()
migrate(settings)
lecturas = Lecturas(["A"] * n, hora, np.ones(n))
with closing(PostgresStore(settings)) as almacen:
    almacen.save(lecturas, veredictos)
    historia = almacen.load_range(["A"], int(hora[0]), int(hora[-1]) + 1)
    otra = Veredictos(
        hora, np.full(n, 60, np.uint8), np.full(n, 1, np.uint8), np.zeros(n, MASCARA_DTYPE),
        np.zeros(n, bool), np.ones(n, np.float32), nada, nada, "otra",
        np.empty((n, d), np.float32), np.empty((n, d, 1), np.float32),
    )
    guardado = almacen.save(lecturas, otra)
assert historia.tipos.dtype == MASCARA_DTYPE
assert historia.tipos.tolist() == mascaras.tolist()
assert guardado.tipos.tolist() == mascaras.tolist(), "what was there before keeps its types"
"""


@pytest.mark.lenta
def test_un_noveno_tipo_toca_tres_ficheros(tmp_path: Path, variables: dict[str, str]) -> None:
    """Its rule, its name, its line: it votes, is told of, stored, loaded, asked for and shown."""
    for habitacion in ("api", "dashboard", "detection", "pipeline", "serving"):
        shutil.copytree(RAIZ / habitacion, tmp_path / habitacion)
    (tmp_path / "detection" / "rules" / "ninth.py").write_text(REGLA, encoding="utf-8")
    for nombre, antes, despues in CAMBIOS:
        fichero = tmp_path / "detection" / nombre
        texto = fichero.read_text(encoding="utf-8")
        assert texto.count(antes) == 1
        fichero.write_text(texto.replace(antes, despues), encoding="utf-8")
    r = subprocess.run(
        [sys.executable, "-c", GUION],
        cwd=tmp_path, env=variables | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
