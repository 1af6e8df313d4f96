"""The case against: which innocent explanations fit what changed, and why the others do not.

Each is weighed with plain figures of the customer's own hours, and told in one sentence, whether
it fits or not: it changes no probability, but whoever decides on a visit sees what was thought of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from detection.cases.case import CAMBIO_VISIBLE, DIAS_DE_AHORA, DIAS_REFERENCIA
from detection.cases.story import DIAS_DE_UN_ANO
from detection.memory.daily import CERO_KWH, HORAS_MINIMAS
from detection.number_format import kwh_dia, numero, porcentaje

DIAS_MINIMOS = 7
"""Days on either side without which nothing is weighed. By hand, as all that follows, 2026-11-30:
plain limits for sentences that people read, which no verdict hangs on."""
CERCA_DEL_MINIMO = 1.5
"""Up to so many times what is always on, a home is empty."""
PARECIDO_ANUAL = 0.25
"""Log of the ratio within which two levels are alike."""
CAMBIO_DE_NIVEL, PERFIL_DISTINTO, CAMBIO_DE_VARIACION = 0.2, 0.7, 0.3
"""Of new people: log of the levels, correlation of the hours, log of the variations."""
VARIACION_DE_GENTE = 0.08
"""Least variation from day to day of a home where somebody lives."""
HORAS_NOCHE, HORAS_SOL = slice(0, 8), slice(9, 18)
PARTE_CONCENTRADA = 0.8
"""Share of what changed that lies in some hours, where it is only there."""
NOCHES_SIN_CARGA = 0.1
"""Share of nights on which a car is not charged."""
MESES_CALIDOS = (5, 6, 7, 8, 9)
VARIACION_DEL_TIEMPO = 0.15
"""By which what heats varies from day to day, over its mean."""
PARTE_SIN_MEDIDA = 0.5
"""Share of hours at zero, or of days of equal hours, of an outage or of estimates."""
_SUELO_KWH = 0.1


@dataclass(frozen=True, slots=True)
class Innocent:
    """An innocent explanation that was weighed."""

    tipo: str  # as ``simulation.innocent_events`` calls it, or "temporada"
    frase: str  # one Spanish sentence with the numbers
    apartada: bool  # it does not fit


@dataclass(frozen=True, slots=True)
class _Change:
    """Hours before and since an onset: (n, 24) and (m, 24), only of days that are known."""

    antes: NDArray[np.float64]
    ahora: NDArray[np.float64]
    hace_un_ano: NDArray[np.float64]
    meses: NDArray[np.int64]  # (m,): of the days since

    @property
    def sube(self) -> bool:
        return self.razon > CAMBIO_VISIBLE

    @property
    def baja(self) -> bool:
        return self.razon < -CAMBIO_VISIBLE

    @property
    def razon(self) -> float:
        """Return the log of now over before."""
        return float(np.log((_level(self.ahora) + _SUELO_KWH) / (_level(self.antes) + _SUELO_KWH)))

    @property
    def por_hora(self) -> NDArray[np.float64]:
        """Return by how many kWh each hour of the day (24,) has changed."""
        return np.asarray(np.nanmean(self.ahora, axis=0) - np.nanmean(self.antes, axis=0))


def weigh_innocent(
    horas: NDArray[np.float64], primero: date, inicio: date, hasta: date
) -> list[Innocent]:
    """Return the innocent explanations that were weighed for a change, those that fit first.

    Only those that could explain a change of its sign; none where too few days are known.

    Parameters
    ----------
    horas : ndarray (t, 24), float64
        kWh of each local hour of the days from ``primero`` on, >= 0; NaN = no reading.
    inicio : date
        The first day that is different.
    hasta : date
        The last day that is.
    """
    cambio = _change(horas, (inicio - primero).days, (hasta - primero).days, inicio)
    if min(len(cambio.antes), len(cambio.ahora)) < DIAS_MINIMOS:
        return []
    pesadas: list[Callable[[_Change], Innocent]] = [_season, _new_people]
    if cambio.sube:
        pesadas += [_vehicle, _heat_pump]
    if cambio.baja:
        pesadas += [_absence, _own_generation, _outage]
    pesadas.append(_estimated)
    # Sorting keeps the order of those that are alike.
    return sorted((pesar(cambio) for pesar in pesadas), key=lambda una: una.apartada)


def _change(horas: NDArray[np.float64], inicio: int, hasta: int, fecha: date) -> _Change:
    desde = max(inicio, hasta - DIAS_DE_AHORA + 1)
    dias = np.arange(horas.shape[0])
    conocido = (~np.isnan(horas)).sum(axis=1) >= HORAS_MINIMAS
    antes = conocido & (dias >= inicio - DIAS_REFERENCIA) & (dias < inicio)
    ahora = conocido & (dias >= desde) & (dias <= hasta)
    hace = conocido & (dias >= desde - DIAS_DE_UN_ANO) & (dias <= hasta - DIAS_DE_UN_ANO)
    meses = np.array(
        [(fecha + timedelta(days=int(d) - inicio)).month for d in np.flatnonzero(ahora)], np.int64
    )
    return _Change(horas[antes], horas[ahora], horas[hace], meses)


def _level(horas: NDArray[np.float64]) -> float:
    """Return kWh a day."""
    return 24.0 * float(np.nanmean(horas))


def _totals(horas: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(24.0 * np.nanmean(horas, axis=1))


def _season(cambio: _Change) -> Innocent:
    ahora = _level(cambio.ahora)
    if len(cambio.hace_un_ano) < DIAS_MINIMOS:
        frase = "no hay lecturas de las mismas semanas de hace un año: no se puede descartar"
        return Innocent("temporada", f"Temporada: {frase}.", False)
    hace = _level(cambio.hace_un_ano)
    igual = abs(np.log((ahora + _SUELO_KWH) / (hace + _SUELO_KWH))) < PARECIDO_ANUAL
    frase = (
        f"hace un año, en estas semanas, gastaba {kwh_dia(hace)} kWh al día "
        f"y ahora {kwh_dia(ahora)}"
    )
    fin = "puede ser la época del año" if igual else "no es la época del año"
    return Innocent("temporada", f"Temporada: {frase}: {fin}.", not igual)


def _new_people(cambio: _Change) -> Innocent:
    perfiles = np.nanmean(cambio.antes, axis=0), np.nanmean(cambio.ahora, axis=0)
    parecido = 1.0 if min(p.std() for p in perfiles) == 0 else float(np.corrcoef(*perfiles)[0, 1])
    antes, ahora = (_variation(horas) for horas in (cambio.antes, cambio.ahora))
    nivel = abs(cambio.razon) >= CAMBIO_DE_NIVEL
    perfil = parecido < PERFIL_DISTINTO
    variacion = abs(np.log((ahora + 0.01) / (antes + 0.01))) >= CAMBIO_DE_VARIACION
    frase = (
        f"el nivel pasa de {kwh_dia(_level(cambio.antes))} a {kwh_dia(_level(cambio.ahora))} kWh "
        "al día, "
        f"el parecido de las horas es de {numero(parecido, 2)} y la variación de un día a otro "
        f"pasa del {porcentaje(antes)} al {porcentaje(ahora)}"
    )
    todo = bool(nivel and perfil and variacion)
    cabe = todo and ahora >= VARIACION_DE_GENTE
    fin = "todo cambia a la vez, como con otra gente" if cabe else "no cambia todo a la vez"
    if todo and not cabe:
        fin = "nadie vive igual todos los días"
    return Innocent("cambio_inquilino", f"Mudanza: {frase}: {fin}.", not cabe)


def _variation(horas: NDArray[np.float64]) -> float:
    totales = _totals(horas)
    return float(totales.std() / (totales.mean() + _SUELO_KWH))


def _share_in(cambio: NDArray[np.float64], franja: slice) -> float:
    """Return the share of a rise, or of a fall given as a rise, that lies in some hours."""
    positivo = np.maximum(cambio, 0.0)
    suma = float(positivo.sum())
    return float(positivo[franja].sum()) / suma if suma > 0 else 0.0


def _vehicle(cambio: _Change) -> Innocent:
    parte = _share_in(cambio.por_hora, HORAS_NOCHE)
    noches = np.nansum(cambio.ahora[:, HORAS_NOCHE], axis=1)
    usual = float(np.nanmean(np.nansum(cambio.antes[:, HORAS_NOCHE], axis=1)))
    # Half way between a night of before and one of now: a charge, or none.
    sin = float((noches < 0.5 * (usual + noches.mean())).mean())
    cabe = parte >= PARTE_CONCENTRADA and sin >= NOCHES_SIN_CARGA
    frase = (
        f"el {porcentaje(parte)} de lo que gasta de más es de 0 a 8 h, y lo hay en el "
        f"{porcentaje(1 - sin)} de las noches"
    )
    fin = "puede ser la carga de un coche" if cabe else "un coche carga de noche y no todas"
    return Innocent("vehiculo_electrico", f"Coche eléctrico: {frase}: {fin}.", not cabe)


def _heat_pump(cambio: _Change) -> Innocent:
    calidos = float(np.isin(cambio.meses, MESES_CALIDOS).mean())
    extra = _totals(cambio.ahora) - _level(cambio.antes)
    varia = float(extra.std() / max(extra.mean(), _SUELO_KWH))
    cabe = calidos == 0.0 and varia >= VARIACION_DEL_TIEMPO
    if calidos > 0.0:
        frase = f"el {porcentaje(calidos)} de los días son de mayo a septiembre: no es calefacción"
    else:
        fin = "puede ser calefacción" if cabe else "la calefacción cambia con el tiempo que hace"
        frase = f"todo cae en meses fríos, y lo de más varía un {porcentaje(varia)} al día: {fin}"
    return Innocent("bomba_calor", f"Bomba de calor: {frase}.", not cabe)


def _absence(cambio: _Change) -> Innocent:
    bajas = np.sort(cambio.antes, axis=1)[:, :3]
    minimo = 24.0 * float(np.nanmedian(np.nanmean(bajas, axis=1)))
    ahora = float(np.median(_totals(cambio.ahora)))
    cabe = CERO_KWH * 24 < ahora <= CERCA_DEL_MINIMO * minimo
    frase = f"gasta {kwh_dia(ahora)} kWh al día y lo que la casa tiene siempre encendido son "
    frase += f"{kwh_dia(minimo)}"
    fin = "puede no haber nadie" if cabe else "una casa vacía se queda en eso"
    return Innocent("ausencia", f"Ausencia: {frase}: {fin}.", not cabe)


def _own_generation(cambio: _Change) -> Innocent:
    parte = _share_in(-cambio.por_hora, HORAS_SOL)
    noche = _level(cambio.ahora[:, HORAS_NOCHE]) / (_level(cambio.antes[:, HORAS_NOCHE]) + 1e-9)
    cabe = parte >= PARTE_CONCENTRADA and abs(np.log(max(noche, 1e-9))) < PARECIDO_ANUAL
    frase = (
        f"el {porcentaje(parte)} de lo que falta es de 9 a 18 h, y de 0 a 8 h gasta el "
        f"{porcentaje(noche)} de lo de antes"
    )
    fin = "pueden ser placas solares" if cabe else "las placas solo quitan consumo al mediodía"
    return Innocent("autoconsumo", f"Autoconsumo: {frase}: {fin}.", not cabe)


def _outage(cambio: _Change) -> Innocent:
    ceros = float(np.nanmean(np.where(np.isnan(cambio.ahora), np.nan, cambio.ahora <= CERO_KWH)))
    cabe = ceros >= PARTE_SIN_MEDIDA
    frase = f"el {porcentaje(ceros)} de las horas son cero"
    fin = "puede ser un corte, una baja o una avería del contador" if cabe else "hay suministro"
    return Innocent("corte_suministro", f"Corte: {frase}: {fin}.", not cabe)


def _estimated(cambio: _Change) -> Innocent:
    iguales = float(np.mean(np.nanmax(cambio.ahora, axis=1) == np.nanmin(cambio.ahora, axis=1)))
    cabe = iguales >= PARTE_SIN_MEDIDA
    frase = f"el {porcentaje(iguales)} de los días tiene todas las horas iguales"
    fin = "pueden no ser medidas" if cabe else "son medidas"
    return Innocent("lectura_estimada", f"Lecturas estimadas: {frase}: {fin}.", not cabe)
