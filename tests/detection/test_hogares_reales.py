"""Real households, said to be clean: few grave alarms. Skips where the shared data is absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from detection.detector import DetectorConsumo
from detection.domain import Lecturas
from serving.local_time import load_calendario


def _leer(ruta: Path, zona: str) -> Lecturas:
    d = pd.read_parquet(ruta)
    # Two homes that read zero half of the time are no clean baseline (their README says so).
    d = d[~d.propietario_id.astype(str).isin(["US-CA-12", "US-CA-15"])]
    instante = d.timestamp.dt.tz_localize(zona).dt.tz_convert("UTC").astype("datetime64[s, UTC]")
    d = d.assign(hora=instante.astype("int64") // 3600).sort_values("hora", kind="stable")
    return Lecturas(
        d.propietario_id.astype(str).tolist(),
        d.hora.to_numpy(np.int64),
        d.consumo_kwh.to_numpy(np.float64),
    )


@pytest.mark.parametrize(
    ("fichero", "zona"),
    [
        ("lcl_londres/consumo_horario.parquet", "UTC"),
        ("citylearn_california/consumo_horario.parquet", "Etc/GMT+8"),
    ],
)
def test_una_alarma_grave_al_mes_como_mucho_en_hogares_reales(
    shared: Path, fichero: str, zona: str
) -> None:
    """At most one alta or crítica per 30 customer-days of real, complete, ordinary homes."""
    lecturas = _leer(shared / "data" / fichero, zona)
    v = DetectorConsumo(load_calendario(zona)).score(lecturas)
    listas = ~np.isnan(v.esperado_kwh)
    assert (v.severidad[listas] >= 3).sum() / (listas.sum() / 720) <= 1.0


def test_un_contador_belga_rellenado_con_una_constante_se_ve(shared: Path) -> None:
    """A site whose gap was filled with one value for weeks is found, with the hours counted."""
    lecturas = _leer(shared / "data" / "opengrid_belgica/consumo_horario.parquet", "UTC")
    detector = DetectorConsumo(load_calendario("Europe/Brussels"))
    v = detector.score(lecturas)
    constante = (v.tipos >> 3 & 1).astype(bool)
    de_quien = np.array(lecturas.propietario_id)[constante]
    assert {"BE-0668", "BE-c1a7"} <= set(de_quien)
    i = int(np.flatnonzero(constante & (v.severidad == 4))[0])
    frases = [e.frase for e in detector.explain(v, i, float(lecturas.consumo_kwh[i]))]
    assert any("horas seguidas en" in frase for frase in frases)
