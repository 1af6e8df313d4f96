"""The learned blend's evidence: what it says, and that it does not depend on how readings come."""

from __future__ import annotations

import numpy as np
import pytest
from apoyo import MADRID, hogar, horas
from numpy.typing import NDArray

from detection.detector import DetectorConsumo
from detection.domain import Lecturas
from detection.features.evidence import INDICIOS

N = 24 * 40
CORTE = 24 * 33


def _medir(
    kwh: NDArray[np.float64], hay: NDArray[np.bool_] | None = None, lote: int = N
) -> NDArray:
    """Return the evidence (n, k) of one home's readings."""
    detector = DetectorConsumo(MADRID, con_columnas=True)
    hay = np.ones(kwh.size, np.bool_) if hay is None else hay
    h, x = horas(kwh.size)[hay], kwh[hay]
    partes = [
        detector.measure(
            Lecturas(["C"] * h[i : i + lote].size, h[i : i + lote], x[i : i + lote])
        ).columnas[:, : len(INDICIOS)]
        for i in range(0, h.size, lote)
    ]
    return np.concatenate(partes)


def _de(columnas: NDArray, nombre: str) -> NDArray:
    return columnas[:, INDICIOS.index(nombre)]


def _lamparas(kwh: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add lamps of 4 kW, lit 18 hours a day."""
    return kwh + 4.0 * ((np.arange(kwh.size) % 24) < 18)


@pytest.fixture(scope="module")
def casa() -> NDArray[np.float64]:
    return hogar(N, 7)


@pytest.fixture(scope="module")
def normal(casa: NDArray[np.float64]) -> NDArray:
    return _medir(casa)


def test_no_esta_listo_sin_dos_semanas(normal: NDArray) -> None:
    """A row is NaN as a whole until a week of past lies before a week of memory."""
    lista = ~np.isnan(normal[:, 0])
    assert not lista[: 24 * 13 + 19].any()
    assert lista[24 * 14 :].all()
    assert (np.isnan(normal).any(axis=1) == ~lista).all()


def test_da_igual_como_lleguen_los_lotes(casa: NDArray[np.float64], normal: NDArray) -> None:
    """Readings in batches of 7 give the very same evidence."""
    np.testing.assert_array_equal(_medir(casa, lote=7), normal)


def test_no_mira_adelante(casa: NDArray[np.float64], normal: NDArray) -> None:
    """What comes later changes nothing of what was said before."""
    otra = casa.copy()
    otra[CORTE:] *= 5.0
    np.testing.assert_array_equal(_medir(otra)[:CORTE], normal[:CORTE])


def test_casi_todo_da_igual_al_tamano_del_cliente(casa: NDArray[np.float64]) -> None:
    """A customer ten times larger has the same evidence, but for the few watt-hours of floor."""
    grande, mayor = _medir(np.round(casa * 100, 3)), _medir(np.round(casa * 1000, 3))
    sin_unidad = ["_kwh" not in nombre for nombre in INDICIOS]
    np.testing.assert_allclose(
        grande[24 * 14 :, sin_unidad], mayor[24 * 14 :, sin_unidad], atol=0.02
    )


def test_un_hueco_no_apaga_el_dia(casa: NDArray[np.float64], normal: NDArray) -> None:
    """Two missing hours a day leave it standing and move little; six make it count for nothing."""
    hay = np.ones(N, np.bool_)
    hay[CORTE - 30 : CORTE - 28] = False
    pocas = _medir(casa, hay)
    assert not np.isnan(pocas[-24:]).any()
    total = "total_7d"
    np.testing.assert_allclose(_de(pocas, total)[-24:], _de(normal, total)[-24:], atol=0.03)
    hay[CORTE + 24 * 5 : CORTE + 24 * 5 + 6] = False
    assert np.isnan(_medir(casa, hay)[:, 0]).any()


@pytest.mark.parametrize(
    ("cambio", "nombre", "sube"),
    [
        (lambda x: 0.4 * x, "total_3d", False),
        (lambda x: 0.4 * x, "acumulado_bajo", True),
        (lambda x: x + 3.0, "acumulado_alto", True),
        (lambda x: x + 3.0, "minimo_alto_1d", True),
        (lambda x: x + 3.0, "horas_altas_3d", True),
        (lambda x: 0.2 * x, "horas_bajas_3d", True),
        (lambda x: 0.2 * x, "total_bajo_7d", False),
        (lambda x: x * 8.0, "marca_hora_pasada", True),
        (_lamparas, "ciclo_18_1d", True),
        (_lamparas, "escalon_kwh_1d", True),
        (lambda x: np.full_like(x, x.mean()), "iguales_3d", True),
        (lambda x: x.reshape(-1, 24)[:, ::-1].ravel(), "verosimilitud_espejo_7d", True),
        (np.zeros_like, "ceros_1d", True),
        (lambda x: x * np.random.default_rng(1).uniform(0.1, 0.8, x.size), "rugosidad_7d", True),
    ],
)
def test_cada_manipulacion_se_nota_en_lo_suyo(
    casa: NDArray[np.float64], normal: NDArray, cambio: object, nombre: str, sube: bool
) -> None:
    """An attack of a week moves its evidence well beyond what the honest week shows."""
    atacada = casa.copy()
    atacada[CORTE:] = cambio(casa[CORTE:])  # type: ignore[operator]
    antes, ahora = (_de(x, nombre)[-24:] for x in (normal, _medir(atacada)))
    if sube:
        assert ahora.mean() > max(antes.max(), antes.mean() + 0.1)
    else:
        assert ahora.mean() < min(antes.min(), antes.mean() - 0.1)
