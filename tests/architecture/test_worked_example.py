"""The worked example of docs/detectores.md is what the detector says, number by number."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import SEVERIDADES, Explicacion, Lecturas, Veredictos, nombres_de_tipos
from serving.local_time import load_calendario

RAIZ = Path(__file__).resolve().parents[2]
DOCUMENTO = (RAIZ / "docs" / "detectores.md").read_text(encoding="utf-8")
DIA = 24
HISTORIA = 28 * DIA
DESDE = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp()) // 3600
MADRUGADA = HISTORIA + 3
"""Sunday 1 March, 4 h in Madrid (UTC+1)."""


def _hogar(horas: int) -> NDArray[np.float64]:
    """Return a small home's kWh: 0.20 before 7 h, 0.35 by day, 0.60 from 18 h, and some chance."""
    local = (np.arange(horas) + 1) % DIA
    base = np.where(local < 7, 0.20, np.where(local < 18, 0.35, 0.60))
    return np.round(base * np.random.default_rng(7).lognormal(0.0, 0.25, horas), 3)


def _puntuar(kwh: NDArray[np.float64]) -> tuple[DetectorConsumo, Veredictos]:
    detector = DetectorConsumo(load_calendario("Europe/Madrid"))
    horas = DESDE + np.arange(kwh.shape[0])
    return detector, detector.score(Lecturas(["CLI_00001"] * kwh.shape[0], horas, kwh))


def _coma(x: float) -> str:
    return f"{x:.2f}".replace(".", ",")


@pytest.fixture(scope="module")
def pico() -> tuple[int, str, list[Explicacion]]:
    """Return score in hundredths, severity and explanation of one 3.10 kWh hour at night."""
    kwh = _hogar(HISTORIA + DIA)
    kwh[MADRUGADA] = 3.10
    detector, v = _puntuar(kwh)
    severidad = str(SEVERIDADES[v.severidad[MADRUGADA]])
    return int(v.score_centesimas[MADRUGADA]), severidad, detector.explain(v, MADRUGADA, 3.10)


def test_la_tabla_es_lo_que_dicen_los_detectores(pico: tuple[int, str, list[Explicacion]]) -> None:
    """Those that fire, with score, weight and sentence, are the rows of the table."""
    score, severidad, explicaciones = pico
    disparan = [e for e in explicaciones if e.dispara]
    assert len(disparan) == 3
    for e in disparan:
        assert e.score is not None
        peso = f"{e.peso:g}".replace(".", ",")
        assert f"| `{e.detector}` | {_coma(e.score)} | {peso} | {e.frase} |" in DOCUMENTO
    assert f"**{_coma(score / 100)}, «{severidad}»**" in DOCUMENTO


def test_la_cuenta_es_la_que_se_escribe(pico: tuple[int, str, list[Explicacion]]) -> None:
    """The sum of causes that is written out gives the score; alone none passes «media»."""
    score, _, explicaciones = pico
    aportes = [e.peso * (2 * e.score - 1) for e in explicaciones if e.score and e.score > 0.5]
    uno, dos, tres = map(_coma, aportes)
    assert f"{uno}, {dos} y {tres}" in DOCUMENTO
    assert f"(1 − {' × '.join(_coma(1 - a) for a in aportes)})" in DOCUMENTO
    assert round(50 + 50 * (1 - np.prod([1 - a for a in aportes]))) == score
    assert max(0.5 + 0.5 * a for a in aportes) < 0.80


def test_si_la_carga_sigue_es_una_plantacion() -> None:
    """Lit from 20 to 8 h, on its second evening it is cannabis, critical, the customer suspect."""
    kwh = _hogar(HISTORIA + 2 * DIA)
    horas = np.arange(kwh.shape[0])
    local = (horas + 1) % DIA
    kwh[(horas >= HISTORIA + 19) & ((local >= 20) | (local < 8))] += 2.9
    _, v = _puntuar(kwh)
    noche = HISTORIA + DIA + 20
    assert "plantacion_cannabis" in nombres_de_tipos(int(v.tipos[noche]))
    assert v.es_sospechoso[noche]
    severidad = SEVERIDADES[v.severidad[noche]]
    assert f"{_coma(v.score_centesimas[noche] / 100)}, «{severidad}», y el cliente" in DOCUMENTO
