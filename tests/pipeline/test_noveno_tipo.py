"""A ninth type of anomaly needs nothing widened by hand: from the blend to PostgreSQL and back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

RAIZ = Path(__file__).resolve().parents[2]
GUION = """
from contextlib import closing
import numpy as np
from detection.blend.weighted import _vacia
from detection.detector import DetectorConsumo
from detection.domain import MASCARA_DTYPE, TIPOS, Calendario, Lecturas, Veredictos
from detection.domain import nombres_de_tipos
from detection.blend.votes import Votos
from pipeline.stores.postgres.store import PostgresStore, migrate
from serving.settings import load_settings

assert len(TIPOS) == 9 and MASCARA_DTYPE == np.uint16
n, d = 3, 9
vacios = Votos(np.empty((n, d), np.float32), np.empty((n, d), bool), np.zeros(n, bool), None)
assert _vacia(vacios).tipos.dtype == MASCARA_DTYPE
detector = DetectorConsumo(Calendario("UTC", 0, np.zeros(1_000_000, np.int8)))
assert detector._empty(n, np.zeros(n, np.int64)).veredictos.tipos.dtype == MASCARA_DTYPE

mascaras = np.array([1 << 8, (1 << 9) - 1, 1], MASCARA_DTYPE)
assert nombres_de_tipos(1 << 8) == [str(TIPOS[8])]
hora = 490_000 + np.arange(n)
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


def test_un_noveno_tipo_no_pide_ensanchar_nada(tmp_path: Path, variables: dict[str, str]) -> None:
    """One more name in ``TipoAnomalia``: its bit is stored, loaded, and kept by a repeated save."""
    for habitacion in ("detection", "pipeline", "serving"):
        shutil.copytree(RAIZ / habitacion, tmp_path / habitacion)
    dominio = tmp_path / "detection" / "domain.py"
    texto = dominio.read_text(encoding="utf-8")
    ultimo = '    MODELO_OFFLINE = "modelo_offline"\n'
    assert ultimo in texto
    dominio.write_text(texto.replace(ultimo, f'{ultimo}    NOVENO = "noveno"\n'), encoding="utf-8")
    r = subprocess.run(
        [sys.executable, "-c", GUION],
        cwd=tmp_path, env=variables | {"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
