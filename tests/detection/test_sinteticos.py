"""On the generator's own labelled 60 days: what must be found is found, and little else.

The demo's own population, and two more; ``python tests/bench/calidad.py`` measures many that had
no part in the choice of the thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from apoyo import MADRID

from detection.blend.suspicion import day_weights
from detection.detector import DetectorConsumo
from detection.domain import Lecturas, Veredictos, hora_absoluta
from detection.memory.hourly_ring import GAIN
from detection.simulation.synthesis import make_population
from pipeline.generator.service import generate_lecturas

CLIENTES, SOSPECHOSOS, DIAS = 50, 8, 60
SEMILLAS = (7, 401, 402)


def sesenta_dias(semilla: int) -> tuple[Lecturas, Veredictos, np.ndarray, Mapping[str, str]]:
    """Return a population's readings, verdicts, customers (n,), and who is suspicious of what."""
    from datetime import UTC, datetime

    hasta = hora_absoluta(datetime(2026, 11, 20, tzinfo=UTC))
    desde = hasta - 24 * DIAS
    clientes = make_population(semilla, CLIENTES, SOSPECHOSOS, desde, hasta)
    lecturas = generate_lecturas(clientes, desde, hasta, "Europe/Madrid").lecturas()
    veredictos = DetectorConsumo(MADRID).score(lecturas)
    verdad = {c.propietario_id: c.ataque.tipo for c in clientes if c.ataque is not None}
    return lecturas, veredictos, np.array(lecturas.propietario_id), verdad


def ranking(lecturas: Lecturas, v: Veredictos, ids: np.ndarray) -> list[str]:
    """Return the customers by evidence on the last day, the most suspicious first."""
    ultimo = int(lecturas.hora_utc.max()) // 24
    edad = ultimo - lecturas.hora_utc // 24
    peso = np.where(edad < 28, day_weights(7.0)[np.minimum(edad, 27)], 0.0)
    evidencia = GAIN[v.score_centesimas] * peso
    total = {c: float(evidencia[ids == c].sum()) for c in np.unique(ids)}
    return sorted(total, key=lambda c: total[c], reverse=True)


@pytest.mark.parametrize("semilla", SEMILLAS)
def test_plantaciones_y_puentes_nocturnos_entre_los_primeros(semilla: int) -> None:
    """Every cannabis and night customer is among the ten most suspicious of fifty."""
    lecturas, v, ids, verdad = sesenta_dias(semilla)
    primeros = ranking(lecturas, v, ids)[:10]
    buscados = {c for c, tipo in verdad.items() if tipo in {"cannabis", "puente_nocturno"}}
    assert buscados <= set(primeros), (verdad, primeros)


@pytest.mark.parametrize("semilla", SEMILLAS)
def test_una_falsa_alarma_grave_al_mes_como_mucho(semilla: int) -> None:
    """At most one alta or crítica per 30 clean customer-days."""
    _, v, ids, verdad = sesenta_dias(semilla)
    limpia = ~np.isin(ids, list(verdad)) & ~np.isnan(v.esperado_kwh)
    graves = (v.severidad[limpia] >= 3).sum()
    assert graves / (limpia.sum() / 24 / 30) <= 1.0
