"""Cases of innocent kind: told beside the others, never suspicious, and over when they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from apoyo import MADRID, hogar, horas

from detection.cases.case import CaseThresholds
from detection.cases.records import Caso, date_of
from detection.detector import DetectorConsumo
from detection.domain import Lecturas, TipoInocente
from detection.memory.day_memory import NO_DAY
from serving.base_version import load_base

SE_VA, VUELVE, DIAS = 90, 130, 160


@pytest.fixture(scope="module")
def lecturas() -> Lecturas:
    """Give a home that stands empty for some weeks, every fortieth hour late by two days."""
    n = 24 * DIAS
    kwh = hogar(n, 3)
    minimo = float(np.quantile(kwh, 0.05))
    ruido = np.random.default_rng(1).standard_normal(24 * (VUELVE - SE_VA))
    kwh[24 * SE_VA : 24 * VUELVE] = minimo * (1.0 + 0.1 * ruido)
    turno = np.arange(n, dtype=float)
    turno[::40] += 48
    orden = np.argsort(turno, kind="stable")
    return Lecturas(["CLI_1"] * n, horas(n)[orden], kwh[orden])


def _run(detector: DetectorConsumo, lecturas: Lecturas, lotes: list[int]) -> list[Caso]:
    """Return what is said of the customer's cases at the end, having asked after every batch."""
    i, k, casos = 0, 0, []
    while i < len(lecturas):
        j = min(i + lotes[k % len(lotes)], len(lecturas))
        v = detector.score(lecturas.elegir(np.arange(i, j)))
        assert not v.es_sospechoso.any()
        _, dichos = detector.take_days(["CLI_1"], detector.ring.rows(["CLI_1"]))
        casos = dichos or casos
        i, k = j, k + 1
    return casos


def _con_base() -> DetectorConsumo:
    detector = DetectorConsumo(MADRID)
    detector.use(load_base())
    return detector


def test_una_ausencia_es_un_caso_inocente_y_acaba_cuando_vuelven(lecturas: Lecturas) -> None:
    detector = _con_base()
    fuera = 24 * (VUELVE - 5)
    (caso,) = _run(detector, lecturas.elegir(np.arange(fuera)), [300])
    assert caso.inocente
    assert caso.tipo == TipoInocente.AUSENCIA
    assert caso.fecha_cierre is None
    primer_dia = int(MADRID.local(horas(1))[0]) // 24
    assert abs((caso.fecha_inicio - date_of(primer_dia + SE_VA)).days) <= 2
    assert caso.consumo_despues_kwh < 0.5 * caso.consumo_antes_kwh
    assert caso.frase.endswith("; causa probable: ausencia")
    (acabado,) = _run(detector, lecturas.elegir(np.arange(fuera, len(lecturas))), [300])
    assert acabado.clave == caso.clave
    assert acabado.fecha_cierre is not None
    assert date_of(primer_dia + VUELVE) < acabado.fecha_cierre < date_of(primer_dia + VUELVE + 21)


def test_no_depende_de_como_se_corten_los_lotes(lecturas: Lecturas) -> None:
    de_una_vez, a_trozos = _con_base(), _con_base()
    juntos = _run(de_una_vez, lecturas, [len(lecturas)])
    assert juntos == _run(a_trozos, lecturas, [1, 400, 33, 2_000])
    for una, otra in zip(de_una_vez.days.columns(), a_trozos.days.columns(), strict=True):
        np.testing.assert_array_equal(una, otra)


def test_acaba_cuando_el_cliente_es_sospechoso(lecturas: Lecturas) -> None:
    detector, casos = _con_base(), load_base().casos
    assert casos is not None
    corte = 24 * (VUELVE - 10)
    (inocente,) = _run(detector, lecturas.elegir(np.arange(corte)), [corte])
    # Whatever the model says of it: a case opens.
    detector.case_model = replace(casos, umbrales=CaseThresholds(-9.0, -9.0, 10.0, 11.0))
    v = detector.score(lecturas.elegir(np.arange(corte, corte + 72)))
    assert v.es_sospechoso.any()
    _, dichos = detector.take_days(["CLI_1"], detector.ring.rows(["CLI_1"]))
    por_clase = {caso.inocente: caso for caso in dichos}
    assert por_clase[False].fecha_cierre is None
    assert por_clase[True].clave == inocente.clave
    assert por_clase[True].fecha_cierre is not None


def test_descartado_no_vuelve(lecturas: Lecturas) -> None:
    detector = _con_base()
    corte = 24 * (VUELVE - 10)
    (caso,) = _run(detector, lecturas.elegir(np.arange(corte)), [corte])
    detector.accept_levels({"CLI_1": caso.fecha_inicio})
    days, fila = detector.days.columns(), detector.ring.row("CLI_1")
    assert days.inocente_apertura[fila] == NO_DAY
    assert _run(detector, lecturas.elegir(np.arange(corte, corte + 24 * 9)), [24]) == []


def test_lo_que_explica_no_pasa_de_media(lecturas: Lecturas) -> None:
    """Back home they use what they used to; what they never used, or lamps, is as alarming."""
    corte = 24 * (VUELVE - 1)
    antes = lecturas.elegir(np.arange(corte))
    hora = np.arange(24) + int(antes.hora_utc.max()) + 1
    de_siempre = hogar(24 * (DIAS - 1), 3)[24 * 20 : 24 * 21] * 1.3
    nunca = np.where(np.arange(24) == 12, 9.0, de_siempre)
    puntos = {}
    for nombre, kwh in (("de siempre", de_siempre), ("nunca", nunca)):
        for con_inocente in (True, False):
            detector = _con_base()
            _run(detector, antes, [len(antes)])
            if not con_inocente:
                detector.days.columns().inocente_apertura[:] = NO_DAY
            dia = Lecturas(["CLI_1"] * 24, hora, kwh)
            v = detector.score(dia)
            puntos[nombre, con_inocente] = int(v.score_centesimas.max())
            if con_inocente and nombre == "de siempre":
                dichos = [detector.explain(v, i, float(kwh[i]))[-1].frase for i in range(24)]
                bajadas = np.flatnonzero(~np.isnan(v.caso[:, 1]))
    assert puntos["de siempre", False] >= 80
    assert puntos["de siempre", True] == 79
    assert puntos["nunca", True] >= 80
    assert bajadas.size
    assert all("causa probable (ausencia): no pasa de media" in dichos[i] for i in bajadas)
