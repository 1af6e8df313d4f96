"""Fraud: a lasting drop, or a load that is no longer the customer's own.

Seven signs, each after the way a meter is cheated (Jokar, Arianpoo and Leung, "Electricity Theft
Detection in AMI Using Customers' Consumption Patterns", IEEE Trans. Smart Grid 7(1), 2016, and a
bypass by night), always against the customer's own 21 days before the last seven:

``_NIVEL``      level and minimum have both dropped for days: reported in part (h1, h2, h4)
``_CEROS``      zero hours on several days, where there were none (h3)
``_NOCHE``      nights have dropped, days have not: bypass
``_MINIMO``     the lowest hour has dropped, days have not: the same, where nights vary
``_INVERSION``  the day fits its mirror image better than itself (h6)
``_COPIA``      hours repeat those of the day or the week before: a replayed or frozen register
``_RECORTE``    many hours at one and the same maximum: clipped

A home that is empty keeps its minimum (fridge, standby), so a holiday is no ``_NIVEL``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detection.domain import TipoAnomalia
from detection.features.context import Context
from detection.jit import jit
from detection.measurement import Measurement
from detection.memory.recent_days import PRIMER_DIA_PASADO, past_mean
from detection.number_format import kwh, numero, porcentaje
from detection.params import Calibracion, Params

_NIVEL, _CEROS, _NOCHE, _INVERSION, _COPIA, _RECORTE, _MINIMO = range(7)
_NOCHE_SIGMAS = 6
"""Place of the second threshold of ``_NOCHE``, behind those of the signs."""

_DIAS_PASADOS_MINIMOS = 14
"""Complete days, of the 21, that make a past. By hand, 2026-11-24: two weeks."""
_HORAS_CERO_DIA = 3
_NIVELES = 64
_NIVELES_MINIMOS = 10
"""Levels, of 64 up to the maximum, that a week shows if the meter resolves the load at all.
By hand, 2026-11-24."""
_SIN_MINIMO = 0.55
"""Where the usual minimum is zero only the level can drop, and must drop by this factor more."""


class Fraude:
    """A lasting drop against the customer's own past, or a load that is not its own."""

    nombre = TipoAnomalia.FRAUDE
    calibracion = Calibracion(6.0e-3, 5.0, 1.0, 1.00)  # by hand, 2026-11-24

    def measure(self, context: Context, params: Params) -> Measurement:
        """Return the strongest of the signs over its threshold; not ready without a past."""
        measurement = Measurement.not_ready(len(context))
        umbrales = np.array(
            [
                params.fraude_nivel, params.fraude_dias_cero, params.fraude_noche,
                params.fraude_inversion, params.fraude_copia_horas, params.fraude_recorte_horas,
                params.fraude_noche_sigmas,
            ]
        )  # fmt: skip
        _signs(
            context.windows, context.days, params.fraude_dias, umbrales, measurement.exceso,
            measurement.datos,
        )  # fmt: skip
        np.greater(measurement.exceso, 1.0, out=measurement.dispara)
        return measurement

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return the sign that stands out most, with its numbers."""
        sign, valor, usual, ahora, _ = datos
        dias = params.fraude_dias
        if sign == _NIVEL:
            return (
                f"Sus últimos {dias} días no pasan del {porcentaje(valor)} de su nivel y de su "
                f"mínimo habituales ({kwh(ahora)} al día frente a {kwh(usual)})."
            )
        if sign == _CEROS:
            return (
                f"{int(valor)} de los últimos 7 días tienen tres o más horas a cero; en las tres "
                f"semanas anteriores, {int(usual)} días."
            )
        if sign == _NOCHE:
            return (
                f"Sus últimas {dias} noches no pasan del {porcentaje(valor)} de lo habitual "
                f"({kwh(ahora)} por hora frente a {kwh(usual)}) y sus días siguen "
                "igual."
            )
        if sign == _MINIMO:
            return (
                f"En sus últimos {dias} días la hora más baja no pasa del {porcentaje(valor)} "
                f"de lo habitual ({kwh(ahora)} frente a {kwh(usual)}) y sus días "
                "siguen igual."
            )
        if sign == _INVERSION:
            return (
                "El perfil del día se parece más a su imagen invertida (correlación "
                f"{numero(ahora, 2)}) que a sí mismo ({numero(usual, 2)})."
            )
        if sign == _COPIA:
            antes = "un día" if usual == 1 else "una semana"
            return (
                f"{int(valor)} de las últimas 48 horas repiten exactamente el valor de "
                f"{antes} antes."
            )
        return (
            f"{int(valor)} horas de la última semana están en el mismo máximo, "
            f"{kwh(ahora)}, por debajo de los {kwh(usual)} de antes."
        )


@jit()
def _usual(dias, i, media):  # type: ignore[no-untyped-def]
    """Return what is usual: the lower of mean and median, so that a few high days are no past."""
    return min(media, np.nanmedian(dias[i, PRIMER_DIA_PASADO:]))


@jit()
def _keep(i, exceso, sign, valor, usual, ahora, mejor, datos):  # type: ignore[no-untyped-def]
    if exceso <= mejor:
        return mejor
    datos[i, 0] = sign
    datos[i, 1] = valor
    datos[i, 2] = usual
    datos[i, 3] = ahora
    return exceso


@jit()
def _signs(windows, days, dias, umbrales, exceso, datos):  # type: ignore[no-untyped-def]
    ventana = windows.ventana
    total, minimo, noche = days.total_kwh, days.minimo_kwh, days.noche_kwh
    for i in range(ventana.shape[0]):
        total_usual, n = past_mean(total, i)
        if n < _DIAS_PASADOS_MINIMOS or total_usual <= 0.0:
            continue
        minimo_usual, _ = past_mean(minimo, i)
        noche_usual, _ = past_mean(noche, i)
        usual = (total_usual, minimo_usual, noche_usual)
        mejor = _drops(i, total, minimo, noche, usual, (0.0, 0.0), dias, umbrales, datos)
        if np.isnan(mejor):
            continue
        if mejor > 1.0:
            # Means are quick and settle most readings; the few that stand out pay for medians.
            usual = (
                _usual(total, i, total_usual),
                _usual(minimo, i, minimo_usual),
                _usual(noche, i, noche_usual),
            )
            sigmas = (_spread(minimo, i, usual[1]), _spread(noche, i, usual[2]))
            mejor = _drops(i, total, minimo, noche, usual, sigmas, dias, umbrales, datos)
        mejor = _zero_days(i, days.ceros, umbrales[_CEROS], mejor, datos)
        mejor = _mirror(
            i, windows.hora_local[i] % 24, days.perfil_reciente, days.perfil_pasado,
            umbrales[_INVERSION], mejor, datos,
        )  # fmt: skip
        mejor = _copies(i, ventana, umbrales[_COPIA], mejor, datos)
        exceso[i] = _clipped(i, ventana, days.maximo_kwh, umbrales[_RECORTE], mejor, datos)


@jit()
def _spread(dias, i, centro):  # type: ignore[no-untyped-def]
    """Return a sigma that outliers do not move: 1.4826 times the median absolute deviation.

    (Rousseeuw and Croux, "Alternatives to the Median Absolute Deviation", 1993.) At least 5 %.
    """
    desvios = np.abs(dias[i, PRIMER_DIA_PASADO:] - centro)
    return max(1.4826 * np.nanmedian(desvios), 0.05 * centro)


@jit()
def _drops(i, total, minimo, noche, usual, sigmas, dias, umbrales, datos):  # type: ignore[no-untyped-def]
    total_usual, minimo_usual, noche_usual = usual
    sigma_minimo, sigma_noche = sigmas
    if total_usual <= 0.0:
        return 0.0
    nivel = 0.0
    ahora = 0.0
    noches = 0.0
    minimos = 0.0
    dia_bajo = np.inf
    for d in range(dias):
        if np.isnan(total[i, d]):
            return np.nan
        relativo = total[i, d] / total_usual
        ahora = max(ahora, total[i, d])
        if minimo_usual > 0.0:
            relativo = max(relativo, minimo[i, d] / minimo_usual)
        nivel = max(nivel, relativo)
        noches = max(noches, noche[i, d])
        minimos = max(minimos, minimo[i, d])
        dia_bajo = min(dia_bajo, total[i, d] - 6.0 * noche[i, d])
    umbral = umbrales[_NIVEL]
    if minimo_usual <= 0.0:
        umbral *= _SIN_MINIMO
    e = umbral / max(nivel, 1e-3)
    if sigma_noche > 0.0 and e > 1.0 and _used_to_be_low(i, total, ahora):
        e = 1.0
    mejor = _keep(i, e, _NIVEL, nivel, total_usual, ahora, -1.0, datos)
    dia_usual = total_usual - 6.0 * noche_usual
    if noche_usual > 0.0 and dia_usual > 0.0:
        sigue = dia_bajo / dia_usual / umbrales[_NIVEL]
        e = min(_fall(noches, noche_usual, sigma_noche, umbrales), sigue)
        mejor = _keep(i, e, _NOCHE, noches / noche_usual, noche_usual, noches, mejor, datos)
        if minimo_usual > 0.0:
            # Who charges a car at night has nights of all sizes, but one and the same base load.
            e = min(_fall(minimos, minimo_usual, sigma_minimo, umbrales), sigue)
            mejor = _keep(
                i, e, _MINIMO, minimos / minimo_usual, minimo_usual, minimos, mejor, datos
            )
    return mejor


@jit()
def _fall(ahora, usual, sigma, umbrales):  # type: ignore[no-untyped-def]
    e = umbrales[_NOCHE] / max(ahora / usual, 1e-3)
    if sigma > 0.0:
        e = min(e, (usual - ahora) / sigma / umbrales[_NOCHE_SIGMAS])
    return e


@jit()
def _used_to_be_low(i, total, ahora):  # type: ignore[no-untyped-def]
    """Return whether a third of the days before were as low: a weekend home is, five in seven."""
    bajos = 0
    dias = 0
    for d in range(PRIMER_DIA_PASADO, total.shape[1]):
        dias += not np.isnan(total[i, d])
        bajos += total[i, d] <= 1.1 * ahora
    return 3 * bajos > dias


@jit()
def _zero_days(i, ceros, umbral, mejor, datos):  # type: ignore[no-untyped-def]
    con = 0
    for d in range(PRIMER_DIA_PASADO):
        con += ceros[i, d] >= _HORAS_CERO_DIA
    if con == 0:
        return mejor
    antes = 0
    for d in range(PRIMER_DIA_PASADO, ceros.shape[1]):
        antes += ceros[i, d] >= 1
    return _keep(i, con / (umbral * (1.0 + antes)), _CEROS, con, antes, 0.0, mejor, datos)


@jit()
def _mirror(i, hora, reciente, antes, umbral, mejor, datos):  # type: ignore[no-untyped-def]
    media_r = 0.0
    media_a = 0.0
    for c in range(24):
        media_r += reciente[i, c] / 24.0
        media_a += antes[i, c] / 24.0
    rr = aa = ra = rinv = 0.0
    # Column c is local hour hora + 1 + c; hour 23 - h stands in column c_inv.
    c_inv = 21 - 2 * hora
    for c in range(24):
        r = reciente[i, c] - media_r
        a = antes[i, c] - media_a
        inv = (c_inv - c) % 24
        rr += r * r
        aa += a * a
        ra += r * a
        rinv += r * (antes[i, inv] - media_a)
    if not (rr > 0.0 and aa > 0.0):
        return mejor
    norma = np.sqrt(rr * aa)
    propia = ra / norma
    inversa = rinv / norma
    e = (inversa - max(propia, 0.0)) / umbral
    return _keep(i, e, _INVERSION, e, propia, inversa, mejor, datos)


@jit()
def _copies(i, ventana, umbral, mejor, datos):  # type: ignore[no-untyped-def]
    ultima = ventana.shape[1] - 1
    for retraso, nombre in ((24, 1.0), (168, 7.0)):
        iguales = 0
        for j in range(ultima - 47, ultima + 1):
            iguales += ventana[i, j] == ventana[i, j - retraso]
        if iguales <= 0.5 * umbral:
            continue
        suma = 0.0
        cuadrados = 0.0
        for j in range(ultima - 47, ultima + 1):
            suma += ventana[i, j]
            cuadrados += ventana[i, j] * ventana[i, j]
        # A flat load repeats itself by nature: it is ``consumo_constante``'s to judge.
        if cuadrados * 48.0 > 1.04 * suma * suma:
            mejor = _keep(i, iguales / umbral, _COPIA, iguales, nombre, 0.0, mejor, datos)
    return mejor


@jit()
def _clipped(i, ventana, maximo, umbral, mejor, datos):  # type: ignore[no-untyped-def]
    tope = 0.0
    antes = 0.0
    for d in range(maximo.shape[1]):
        if np.isnan(maximo[i, d]):
            continue
        if d < PRIMER_DIA_PASADO:
            tope = max(tope, maximo[i, d])
        else:
            antes = max(antes, maximo[i, d])
    if tope <= 0.0 or tope > 0.8 * antes:
        return mejor
    en_tope = 0
    vistos = np.zeros(_NIVELES + 1, np.bool_)
    for j in range(ventana.shape[1] - 168, ventana.shape[1]):
        v = ventana[i, j]
        if not np.isnan(v):
            en_tope += v >= 0.999 * tope
            # Days with many hours missing are no part of the maximum: a value may pass it.
            vistos[int(min(v / tope, 1.0) * _NIVELES)] = True
    # A coarse meter on a small load has but a few values, and the highest of them often.
    if vistos.sum() < _NIVELES_MINIMOS:
        return mejor
    return _keep(i, en_tope / umbral, _RECORTE, en_tope, antes, tope, mejor, datos)
