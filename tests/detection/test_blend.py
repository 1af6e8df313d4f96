"""The blend is transparent: it can be done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo import LUNES, UTC

from detection.blend.weighted import Arrivals, Blended, Votes, WeightedBlend
from detection.cases.clock import CaseClock, make_clock, make_scratch
from detection.memory.day_memory import DayMemory
from detection.memory.hourly_ring import HourlyRing
from detection.models.half_space_trees import build_trees
from detection.models.partition_states import PartitionStates
from detection.params import HORAS_VENTANA, Calibracion, Params
from detection.rules.registry import CALIBRACIONES

CINCO = Calibracion(6e-3, 1.0, 1.0, 1.0)
"""At its threshold exactly 0.50: expected as often as the lowest severity allows."""
NO_LEARNED = np.full(1, np.nan)
ARBOLES = build_trees(("x",), arboles=1, altura=1, ventana=10, semilla=1)

VENTANA = np.full((1, HORAS_VENTANA + 1), np.nan, np.float32)


def _clock() -> CaseClock:
    """Return a clock that judges nobody."""
    dias = DayMemory(64).columns()
    return make_clock(dias, UTC, None, Params().sospecha_semivida_dias, make_scratch())


def _mezclar(
    excesos: list[float],
    dispara: list[bool] | None = None,
    pesos: list[float] | None = None,
    ring: HourlyRing | None = None,
    hora: int = LUNES,
) -> Blended:
    # Three silent detectors in front: the first three learn a rate of their own.
    d = len(excesos)
    calibraciones = [CINCO] * 3 + [Calibracion(6e-3, 1.0, 1.0, p) for p in (pesos or [1.0] * d)]
    ring = ring or HourlyRing()
    fila = np.array([ring.add("A")])
    exceso = np.array([[np.nan] * 3 + excesos], np.float32)
    si = np.array([[False] * 3 + (dispara or [e > 1 for e in excesos])])
    sin_rasgos = np.full((1, 1), np.nan, np.float32)
    una = np.zeros(1, np.int64)
    turno = Arrivals(
        fila, fila, np.array([hora]), una == 1, una == 0, una, sin_rasgos, np.array([hora])
    )
    estados = PartitionStates(ARBOLES)
    estados.add(0)
    return WeightedBlend(Params(), calibraciones).combine(
        ring, estados, turno, Votes(exceso, si, np.array([True]), NO_LEARNED), _clock(), VENTANA
    )


@pytest.mark.parametrize(
    ("frecuencia", "centesimas", "severidad"),
    [(6e-3, 50, 1), (1.5e-3, 65, 2), (2.5e-4, 80, 3), (4e-5, 90, 4), (1e-8, 100, 4)],
)
def test_los_umbrales_son_frecuencias(frecuencia: float, centesimas: int, severidad: int) -> None:
    """Scores 0.50, 0.65, 0.80, 0.90 and 1 are the frequencies that params gives them."""
    m = _mezclar([6e-3 / frecuencia], [True])
    assert m.score_centesimas[0] == centesimas
    assert m.severidad[0] == severidad


def test_quien_no_esta_listo_no_vota() -> None:
    """A detector that is not ready leaves the blend as it would be without it."""
    con = _mezclar([40.0, np.nan], pesos=[0.6, 1.0])
    sin = _mezclar([40.0], pesos=[0.6])
    assert con.score_centesimas[0] == sin.score_centesimas[0]
    assert np.isnan(con.scores[0, -1])


def test_nadie_listo_es_normal() -> None:
    """Nobody ready: score 0, normal, no types."""
    m = _mezclar([np.nan])
    assert (m.score_centesimas[0], m.severidad[0], m.tipos[0]) == (0, 0, 0)


def test_el_peso_es_el_techo_de_un_detector_solo() -> None:
    """Alone, a detector of weight w reaches 0.5 + 0.5 w and no more."""
    m = _mezclar([1e9], pesos=[0.6])
    assert m.score_centesimas[0] == 80


def test_dos_que_coinciden_suben_como_causas_independientes() -> None:
    """Two detectors at their most, of weight 0.6: 0.5 + 0.5 (1 - 0.4 * 0.4) = 0.92."""
    m = _mezclar([1e9, 1e9], pesos=[0.6, 0.6])
    assert m.score_centesimas[0] == 92


def test_por_debajo_manda_el_mayor() -> None:
    """Nobody fires: the highest score stands, and stays below 0.50 whatever the excess says."""
    m = _mezclar([0.5, 0.9, 3.0], [False, False, False])
    assert m.score_centesimas[0] == 49
    assert m.severidad[0] == 0


def test_lo_que_un_cliente_hace_a_menudo_no_es_noticia() -> None:
    """The same z counts less for a customer whose ordinary readings often pass the threshold."""

    def z_de(veces_al_dia: int) -> float:
        ring = HourlyRing()
        fila = np.array([ring.add("A")])
        blend = WeightedBlend(Params(), list(CALIBRACIONES.values()))
        n_detectores = len(CALIBRACIONES)
        estados = PartitionStates(ARBOLES)
        estados.add(0)

        reloj = _clock()

        def turno(hora: int) -> Arrivals:
            sin_rasgos = np.full((1, 1), np.nan, np.float32)
            una = np.zeros(1, np.int64)
            return Arrivals(
                fila, fila, np.array([hora]), una == 1, una == 0, una, sin_rasgos, np.array([hora])
            )

        for h in range(24 * 20):
            exceso = np.full((1, n_detectores), np.nan, np.float32)
            exceso[0, 0] = 1.01 if h % 24 < veces_al_dia else 0.2
            votos = Votes(exceso, exceso > 1, np.array([True]), NO_LEARNED)
            blend.combine(ring, estados, turno(LUNES + h), votos, reloj, VENTANA)
        exceso[0, 0] = 3.0
        m = blend.combine(
            ring,
            estados,
            turno(LUNES + 24 * 20),
            Votes(exceso, exceso > 1, np.array([True]), NO_LEARNED),
            reloj,
            VENTANA,
        )
        return float(m.scores[0, 0])

    tranquilo, inquieto = z_de(0), z_de(3)
    assert tranquilo > 0.6
    assert inquieto < 0.5
