"""The days before a reading, and the hours of each, against what the calendar says one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from detection.domain import Calendario, hora_absoluta
from detection.memory.recent_days import (
    DIAS_RECIENTES,
    HORAS_VALIDAS_DIA,
    PRIMER_DIA_PASADO,
    DaySummaries,
    summarize_days,
)
from detection.memory.windows import make_windows
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params
from serving.local_time import load_calendario

PARAMS = Params()
ZONAS = ("Europe/Madrid", "Atlantic/Canary", "America/Bogota", "Australia/Sydney")
CAMBIOS = {
    "octubre": hora_absoluta(datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "marzo": hora_absoluta(datetime(2026, 3, 29, 1, tzinfo=UTC)),
    "ninguno": hora_absoluta(datetime(2026, 7, 15, 1, tzinfo=UTC)),
}
HUECOS = (0.0, 0.03, 0.5)


def _ventanas(hora: NDArray[np.int64], huecos: float) -> NDArray[np.float32]:
    """Return seeded windows (n, 673) with a share of holes; the reading itself is always there."""
    rng = np.random.default_rng(hora.size + int(1000 * huecos))
    ventana = np.round(rng.gamma(1.5, 0.4, (hora.size, HORAS_VENTANA + 1)), 3).astype(np.float32)
    ventana[rng.random(ventana.shape) < 0.05] = 0.0
    ventana[:, :-1][rng.random((hora.size, HORAS_VENTANA)) < huecos] = np.nan
    return ventana


def _compute(
    calendario: Calendario, hora: NDArray[np.int64], ventana: NDArray[np.float32]
) -> DaySummaries:
    kwh = ventana[:, -1].astype(np.float64)
    return summarize_days(make_windows(calendario, hora, kwh, ventana), PARAMS)


def _profile_hour(
    local: NDArray[np.int64], desfase: NDArray[np.int64], fila: NDArray[np.float32], c: int,
    dias: range,
) -> float:  # fmt: skip
    """Return the mean of an hour of the wall clock over some days, looked up by its name."""
    columna = HORAS_VENTANA - 23 + c
    valores = []
    for d in dias:
        suyas = np.flatnonzero(local == local[columna] - 24 * d)
        if suyas.size > 1:
            suyas = suyas[desfase[suyas] == desfase[columna]]
        valores += [float(fila[j]) for j in suyas if not np.isnan(fila[j])]
    return float(np.mean(valores)) if valores else np.nan


@pytest.mark.parametrize("huecos", HUECOS)
@pytest.mark.parametrize("cambio", CAMBIOS)
@pytest.mark.parametrize("zona", ZONAS)
def test_el_perfil_va_por_la_hora_del_reloj(zona: str, cambio: str, huecos: float) -> None:
    """An hour is compared with the hours of its name, whatever the clock did in between."""
    calendario = load_calendario(zona)
    pasos = [-30, -1, 0, 1, 2, 3, 5, 23, 24, 25, 90, 167, 300, 500, 647, 648, 670, 673]
    hora = CAMBIOS[cambio] + np.array(pasos, np.int64)
    ventana = _ventanas(hora, huecos)
    dias = _compute(calendario, hora, ventana)
    for i, h in enumerate(hora.tolist()):
        utc = np.arange(h - HORAS_VENTANA, h + 1)
        local = calendario.local(utc)
        for perfil, cuales in (
            (dias.perfil_reciente, range(DIAS_RECIENTES)),
            (dias.perfil_pasado, range(PRIMER_DIA_PASADO, DIAS_VENTANA)),
        ):
            esperado = [_profile_hour(local, local - utc, ventana[i], c, cuales) for c in range(24)]
            np.testing.assert_allclose(perfil[i], esperado, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("huecos", HUECOS)
def test_un_dia_son_las_24_horas_que_acaban_en_la_lectura(huecos: float) -> None:
    """Total, extremes, night and zeros of each day, and none of one that lacks too many hours."""
    calendario = load_calendario("Europe/Madrid")
    hora = CAMBIOS["ninguno"] + np.arange(40)
    ventana = _ventanas(hora, huecos)
    dias = _compute(calendario, hora, ventana)
    local = calendario.local(hora)
    for i in range(hora.size):
        for d in range(DIAS_VENTANA):
            columnas = np.arange(HORAS_VENTANA - 23 - 24 * d, HORAS_VENTANA + 1 - 24 * d)
            v = ventana[i, columnas].astype(np.float64)
            del_dia = (local[i] - (HORAS_VENTANA - columnas)) % 24
            noche = v[(del_dia >= PARAMS.noche_desde) & (del_dia < PARAMS.noche_hasta)]
            hay = v[~np.isnan(v)]
            esperado = (np.nan,) * 4
            if hay.size >= HORAS_VALIDAS_DIA and not np.isnan(noche).all():
                esperado = (24.0 * hay.mean(), hay.min(), hay.max(), np.nanmean(noche))
            obtenido = (
                dias.total_kwh[i, d], dias.minimo_kwh[i, d], dias.maximo_kwh[i, d],
                dias.noche_kwh[i, d],
            )  # fmt: skip
            np.testing.assert_allclose(obtenido, esperado, rtol=1e-5)
            assert dias.ceros[i, d] == (hay == 0.0).sum()
