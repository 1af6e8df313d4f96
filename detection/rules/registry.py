"""The four rules of the specification, each against the customer's own past, and the registry.

A new detector is a class with a name, ``measure`` and ``sentence``, its line in ``DETECTORES``
and its calibration in ``params.CALIBRACIONES``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detection.compiled import compilado
from detection.domain import TipoAnomalia
from detection.memory.context import (
    MEDIDAS,
    Contexto,
    Detector,
    Medida,
    hours_since,
    same_hour,
)
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params
from detection.rules.cannabis import PlantacionCannabis
from detection.rules.fraud import Fraude
from detection.texts import kwh, numero, porcentaje

_CLASES = ("a esta hora", "a esta hora en días laborables", "a esta hora en fin de semana")
_EXCESO_DE_UN_PASO = 1.2
"""What a run of one or two steps of the meter's resolution can reach: low severity. By hand,
2026-11-24."""
_SIGMA_RELATIVA_MINIMA = 1e-6
"""Below this share of the mean a history has no spread but rounding: sigma says nothing."""


def _medida(contexto: Contexto) -> Medida:
    n = len(contexto)
    return Medida(
        np.full(n, np.nan, np.float32), np.zeros(n, np.bool_), np.zeros((n, MEDIDAS), np.float32)
    )


class DesviacionEstadistica:
    """More than 3 sigma from the same hour of the last 28 days, up or down."""

    nombre = TipoAnomalia.DESVIACION_ESTADISTICA

    def measure(self, contexto: Contexto, params: Params) -> Medida:
        """Return |z| over the threshold; not ready while the history is short or has no spread.

        It fires by |z| alone. What counts for the score is z in units of its own spread: with a
        mean and a sigma out of n readings z follows Student's t, whose variance is
        ``(n + 1) / n * (n - 1) / (n - 3)``, so eight weekend hours prove less than twenty.
        """
        medida = _medida(contexto)
        r = contexto.referencia
        con_sigma = r.sigma_kwh > _SIGMA_RELATIVA_MINIMA * r.media_kwh
        z = np.full(len(contexto), np.nan)
        np.divide(contexto.consumo_kwh - r.media_kwh, r.sigma_kwh, out=z, where=con_sigma)
        n = np.maximum(r.dias.astype(np.float64), 4.0)
        medida.exceso[:] = np.abs(z) / params.sigmas * np.sqrt((n * (n - 3)) / ((n + 1) * (n - 1)))
        medida.dispara[:] = np.abs(z) > params.sigmas
        medida.datos[:, 0] = z
        medida.datos[:, 1] = r.media_kwh
        medida.datos[:, 2] = r.sigma_kwh
        medida.datos[:, 3] = r.dias
        medida.datos[:, 4] = r.clase
        return medida

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return how many sigmas away, and from what."""
        z, media, sigma, dias, clase = datos
        lado = "por encima" if z > 0 else "por debajo"
        return (
            f"{kwh(consumo_kwh)}: {numero(abs(z), 1)} sigmas {lado} de los {kwh(media)} "
            f"(sigma {kwh(sigma)}) de {int(dias)} lecturas {_CLASES[int(clase)]}."
        )


class PicoConsumo:
    """A rise of more than 150 % over the expected consumption."""

    nombre = TipoAnomalia.PICO_CONSUMO

    def measure(self, contexto: Contexto, params: Params) -> Medida:
        """Return the rise over the threshold; not ready where nothing at all is expected."""
        medida = _medida(contexto)
        r = contexto.referencia
        sube = np.full(len(contexto), np.nan)
        np.divide(contexto.consumo_kwh - r.media_kwh, r.media_kwh, out=sube, where=r.media_kwh > 0)
        medida.exceso[:] = np.maximum(sube, 0.0) / params.incremento
        medida.dispara[:] = sube > params.incremento
        medida.datos[:, 0] = sube
        medida.datos[:, 1] = r.media_kwh
        medida.datos[:, 3] = r.dias
        medida.datos[:, 4] = r.clase
        return medida

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return the rise in per cent, and over what."""
        sube, media, _, dias, clase = datos
        cambio = f"un {porcentaje(abs(sube))} {'más' if sube >= 0 else 'menos'} que"
        return (
            f"{kwh(consumo_kwh)}: {cambio} los {kwh(media)} esperados "
            f"(media de {int(dias)} lecturas {_CLASES[int(clase)]})."
        )


class ConsumoNocheAnomalo:
    """A night unlike one's own nights: sustained for hours, high or low."""

    nombre = TipoAnomalia.CONSUMO_NOCHE_ANOMALO

    def measure(self, contexto: Contexto, params: Params) -> Medida:
        """Return how far tonight so far is from the same hours of earlier nights.

        Ready at night, from the third hour on. Fires above 3 sigma of the nights' means if
        it is also 1.5 times their mean, or half of it.
        """
        medida = _medida(contexto)
        _night(
            contexto.consumo_kwh, contexto.ventana, contexto.hora_local, contexto.salto_indice,
            contexto.salto_horas, params.noche_desde, params.noche_hasta,
            params.noche_horas_minimas, params.dias_minimos, params.noche_noches_clase,
            params.sigmas, params.noche_exceso, params.noche_defecto, medida.exceso,
            medida.dispara, medida.datos,
        )  # fmt: skip
        return medida

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return tonight's mean against the usual one."""
        esta, media, z, noches, horas = datos
        veces = f"{numero(esta / media, 1)} veces" if media > 0 else "frente a"
        return (
            f"Lleva {int(horas)} horas de noche a {kwh(esta)} por hora, {veces} los {kwh(media)} "
            f"de sus {int(noches)} noches anteriores ({numero(abs(z), 1)} sigmas)."
        )


class ConsumoConstante:
    """The same value hour after hour, as no inhabited home shows."""

    nombre = TipoAnomalia.CONSUMO_CONSTANTE

    def measure(self, contexto: Contexto, params: Params) -> Medida:
        """Return the run of equal readings over the threshold.

        24 hours, or 72 of zeros after something else; half as long again as the longest run that
        the customer has had before. A supply that has never read anything but zero never fires.
        """
        medida = _medida(contexto)
        _constant(
            contexto.consumo_kwh, contexto.ventana, contexto.dias.total_kwh,
            params.constante_horas, params.constante_horas_cero, params.constante_tolerancia,
            params.constante_dias_minimos, medida.exceso, medida.dispara, medida.datos,
        )  # fmt: skip
        return medida

    def sentence(self, consumo_kwh: float, datos: Sequence[float], params: Params) -> str:
        """Return how long the meter has stood still."""
        racha, antes = int(datos[0]), int(datos[1])
        if racha < 2:
            return f"El consumo varía: {kwh(consumo_kwh)} tras un valor distinto."
        if racha < params.constante_horas:
            return f"{racha} horas seguidas en {kwh(consumo_kwh)}."
        previo = f"su racha más larga antes fue de {antes}" if antes > 1 else "antes variaba"
        tope = " o más" if racha > HORAS_VENTANA else ""
        return f"{racha}{tope} horas seguidas en {kwh(consumo_kwh)}; {previo}."


DETECTORES: tuple[Detector, ...] = (
    DesviacionEstadistica(),
    PicoConsumo(),
    ConsumoNocheAnomalo(),
    ConsumoConstante(),
    PlantacionCannabis(),
    Fraude(),
)
"""The registry: position i is bit i of a verdict's ``tipos``, so it follows ``TIPOS``."""


@compilado()
def _own_nights(ventana, i, hora_local, salto_i, salto_h, llevadas, minimas_clase, noches):  # type: ignore[no-untyped-def]
    """Fill the means of the same hours of earlier nights; return how many.

    Nights of the same class (weekday, weekend) alone, once there are enough of them.
    """
    hoy = hora_local[i] // 24
    es_finde = (hoy + 3) % 7 >= 5
    de_clase = np.empty(DIAS_VENTANA, np.bool_)
    n = 0
    n_clase = 0
    for dia in range(1, DIAS_VENTANA):
        s = 0.0
        for atras in range(llevadas):
            j = same_hour(dia, atras, salto_i[i], salto_h[i])
            s += ventana[i, j] if j >= 0 else np.nan
        if not np.isnan(s):
            noches[n] = s / llevadas
            de_clase[n] = ((hoy - dia + 3) % 7 >= 5) == es_finde
            n_clase += de_clase[n]
            n += 1
    if n_clase < minimas_clase:
        return n, n
    k = 0
    for m in range(n):
        if de_clase[m]:
            noches[k] = noches[m]
            k += 1
    return n, k


@compilado()
def _night(kwh_, ventana, hora_local, salto_i, salto_h, desde, hasta,  # type: ignore[no-untyped-def]
           minimas, dias_minimos, minimas_clase, sigmas, alto, bajo, exceso, dispara,
           datos):  # fmt: skip
    noches = np.empty(DIAS_VENTANA, np.float64)
    for i in range(kwh_.shape[0]):
        hora = hora_local[i] % 24
        llevadas = hours_since(hora, i, salto_i, salto_h) - desde + 1
        if not desde <= hora < hasta or llevadas < minimas:
            continue
        esta = kwh_[i]
        for atras in range(1, llevadas):
            esta += ventana[i, HORAS_VENTANA - atras]
        esta /= llevadas
        todas, n = _own_nights(
            ventana, i, hora_local, salto_i, salto_h, llevadas, minimas_clase, noches
        )
        if np.isnan(esta) or todas < dias_minimos:
            continue
        media = noches[:n].mean()
        # Nights of one and the same value leave no sigma: 5 % of the mean stands in for it.
        sigma = max(np.sqrt(((noches[:n] - media) ** 2).sum() / (n - 1)), 0.05 * media)
        if media <= 0.0:
            continue
        z = (esta - media) / sigma
        if esta >= media:
            veces = esta / media / alto
        else:
            veces = bajo * media / esta if esta > 0.0 else np.inf
        exceso[i] = min(abs(z) / sigmas, veces)
        dispara[i] = abs(z) > sigmas and veces > 1.0
        datos[i, 0] = esta
        datos[i, 1] = media
        datos[i, 2] = z
        datos[i, 3] = n
        datos[i, 4] = llevadas


@compilado()
def _constant(kwh_, ventana, total, horas, horas_cero, tolerancia, dias_minimos, exceso, dispara,  # type: ignore[no-untyped-def]
              datos):  # fmt: skip
    for i in range(kwh_.shape[0]):
        dias = 0
        for d in range(total.shape[1]):
            dias += not np.isnan(total[i, d])
        if dias < dias_minimos:
            continue
        x = kwh_[i]
        margen = tolerancia * x
        racha = 1
        j = HORAS_VENTANA - 1
        while j >= 0 and abs(ventana[i, j] - x) <= margen:
            racha += 1
            j -= 1
        limite = float(horas if x > 0.0 else horas_cero)
        antes = 0
        # Only a run that might fire is worth the walk through the rest of the window.
        if racha >= horas:
            antes, vario, paso = _longest_run(ventana, i, j, tolerancia)
            if x == 0.0 and not vario:
                exceso[i] = 0.0
                continue
            limite = max(limite, 1.5 * antes)
            if 0.0 < x <= 2.0 * paso:
                # One or two steps of a coarse meter: a small load stands still on it by nature.
                limite = max(limite, racha / _EXCESO_DE_UN_PASO)
        exceso[i] = racha / limite
        dispara[i] = racha >= limite
        datos[i, 0] = racha
        datos[i, 1] = antes


@compilado()
def _longest_run(ventana, i, hasta, tolerancia):  # type: ignore[no-untyped-def]
    """Return what came before a run, up to a column.

    The longest run of equal readings, whether any was above zero, and the least step between two
    readings in a row (0 if they never differ).
    """
    paso = np.inf
    mayor = 0
    seguida = 0
    previo = np.float32(np.nan)
    vario = False
    for j in range(hasta + 1):
        v = ventana[i, j]
        if np.isnan(v):
            seguida = 0
        else:
            seguida = seguida + 1 if abs(v - previo) <= tolerancia * previo else 1
            vario = vario or v != 0.0
            if v != previo and abs(v - previo) < paso:
                paso = abs(v - previo)
        mayor = max(mayor, seguida)
        previo = v
    return mayor, vario, (paso if paso < np.inf else 0.0)
