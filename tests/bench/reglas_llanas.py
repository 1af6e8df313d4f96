"""The four required rules in plain Python: one reading at a time, over a dict of past readings.

An oracle: written from the definitions (the docstrings of ``detection/rules/registry.py`` and the
comments of ``detection/params.py``), with neither arrays nor anything compiled, so that agreeing
with it means something. Slow, and meant to be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from detection.domain import hora_absoluta, instante
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params

Pasado = dict[int, float]
"""kWh of one customer by absolute hour."""

HORAS_DE_UN_DIA_VALIDO = 20
"""Hours of 24 that a day must have to count as a day (``detection/memory/recent_days.py``)."""
SIN_VARIACION = 1e-6
"""Share of the mean below which a sigma is rounding, not spread."""


class ReglasLlanas:
    """The rules that a reading fires, given the readings that came before it.

    Parameters
    ----------
    zona : str
        IANA zone of local time.
    params : Params

    Examples
    --------
    >>> reglas = ReglasLlanas("Europe/Madrid")
    >>> horas = range(490_000, 490_672)
    >>> pasado = [reglas.decide("A", hora, 1.0 + hora % 5 / 100) for hora in horas]
    >>> sorted(reglas.decide("A", 490_672, 9.0))
    ['desviacion_estadistica', 'pico_consumo']
    """

    def __init__(self, zona: str, params: Params | None = None) -> None:
        self.params = params or Params()
        self._zona = ZoneInfo(zona)
        self._pasado: dict[str, Pasado] = {}
        # Customers ask for the same hours: the clock is looked at once for all.
        self._local: Callable[[int], datetime] = lru_cache(None)(self._local_de)
        self._hace: Callable[[int, int], int | None] = lru_cache(200_000)(self._hace_dias)

    def remember(self, propietario_id: str, hora_utc: int, kwh: float) -> None:
        """Take a reading into the past without judging it."""
        self._pasado.setdefault(propietario_id, {})[hora_utc] = kwh

    def decide(self, propietario_id: str, hora_utc: int, kwh: float) -> set[str]:
        """Return the rules that a reading fires, and remember it."""
        pasado = self._pasado.setdefault(propietario_id, {})
        reglas = {
            "desviacion_estadistica": self._se_desvia,
            "pico_consumo": self._es_pico,
            "consumo_noche_anomalo": self._noche_anomala,
            "consumo_constante": self._es_constante,
        }
        disparan = {nombre for nombre, regla in reglas.items() if regla(pasado, hora_utc, kwh)}
        pasado[hora_utc] = kwh
        return disparan

    def _local_de(self, hora_utc: int) -> datetime:
        return instante(hora_utc).astimezone(self._zona)

    def _es_finde(self, dia: datetime) -> bool:
        return dia.weekday() >= 5

    def _hace_dias(self, hora_utc: int, dias: int) -> int | None:
        """Return the hour with the same local time some days ago; None if there was none.

        Of two hours with that local time (October), the one with the offset of now.
        """
        ahora = self._local(hora_utc)
        reloj = ahora.replace(tzinfo=None) - timedelta(days=dias)
        for fold in (0, 1):
            antes = reloj.replace(tzinfo=self._zona, fold=fold)
            hora = hora_absoluta(antes)
            if self._local(hora).replace(tzinfo=None) != reloj:
                continue
            if fold == 1 or antes.utcoffset() == ahora.utcoffset() or not _comes_twice(antes):
                return hora
        return None

    def _misma_hora(self, pasado: Pasado, hora_utc: int) -> list[float]:
        """Return the readings of this hour in the last 28 days, of this class once there are 8."""
        todas: list[float] = []
        de_clase: list[float] = []
        ahora = self._local(hora_utc)
        for dias in range(1, DIAS_VENTANA + 1):
            hora = self._hace(hora_utc, dias)
            if hora is None or hora < hora_utc - HORAS_VENTANA or hora not in pasado:
                continue
            todas.append(pasado[hora])
            if self._es_finde(ahora - timedelta(days=dias)) == self._es_finde(ahora):
                de_clase.append(pasado[hora])
        if len(todas) < self.params.dias_minimos:
            return []
        return de_clase if len(de_clase) >= self.params.dias_minimos_clase else todas

    def _se_desvia(self, pasado: Pasado, hora_utc: int, kwh: float) -> bool:
        """More than 3 sigma from the mean of the same hour, up or down."""
        valores = self._misma_hora(pasado, hora_utc)
        if not valores:
            return False
        media, sigma = _mean_and_sigma(valores)
        return sigma > SIN_VARIACION * media and abs(kwh - media) > self.params.sigmas * sigma

    def _es_pico(self, pasado: Pasado, hora_utc: int, kwh: float) -> bool:
        """More than 150 % above the mean of the same hour."""
        valores = self._misma_hora(pasado, hora_utc)
        media = sum(valores) / len(valores) if valores else 0.0
        return media > 0.0 and (kwh - media) / media > self.params.incremento

    def _noche_anomala(self, pasado: Pasado, hora_utc: int, kwh: float) -> bool:
        """Tonight so far, from its third hour on: beyond 3 sigma, and 1.5 or 0.5 times."""
        p = self.params
        ahora = self._local(hora_utc)
        if not p.noche_desde <= ahora.hour < p.noche_hasta:
            return False
        llevadas = 1
        while self._local(hora_utc - llevadas).date() == ahora.date():
            llevadas += 1
        llevadas -= p.noche_desde
        if llevadas < p.noche_horas_minimas:
            return False
        esta_noche = [pasado.get(hora_utc - k, math.nan) for k in range(1, llevadas)]
        esta = (sum(esta_noche) + kwh) / llevadas
        todas: list[float] = []
        de_clase: list[float] = []
        for dias in range(1, DIAS_VENTANA):
            horas = [self._hace(hora_utc - k, dias) for k in range(llevadas)]
            noche = [math.nan if h is None else pasado.get(h, math.nan) for h in horas]
            media = sum(noche) / llevadas
            if math.isnan(media):
                continue
            todas.append(media)
            if self._es_finde(ahora - timedelta(days=dias)) == self._es_finde(ahora):
                de_clase.append(media)
        if math.isnan(esta) or len(todas) < p.dias_minimos:
            return False
        noches = de_clase if len(de_clase) >= p.noche_noches_clase else todas
        media, sigma = _mean_and_sigma(noches)
        if media <= 0.0:
            return False
        lejos = abs(esta - media) > p.sigmas * max(sigma, 0.05 * media)
        return lejos and (esta > p.noche_exceso * media or esta < p.noche_defecto * media)

    def _es_constante(self, pasado: Pasado, hora_utc: int, kwh: float) -> bool:
        """24 equal hours, or 72 of zeros after something else, and 1.5 times the longest before."""
        p = self.params
        primera = hora_utc - HORAS_VENTANA
        hora = hora_utc - 1
        while hora >= primera and abs(pasado.get(hora, math.inf) - kwh) <= (
            p.constante_tolerancia * kwh
        ):
            hora -= 1
        racha = hora_utc - hora
        if racha < p.constante_horas:
            return False
        if not self._has_days(pasado, hora_utc):
            return False
        anteriores = [pasado.get(h) for h in range(primera, hora + 1)]
        if kwh == 0.0 and not any(anteriores):
            return False
        limite = p.constante_horas if kwh > 0.0 else p.constante_horas_cero
        mayor = _longest_run(anteriores, p.constante_tolerancia)
        return racha >= max(limite, 1.5 * mayor)

    def _has_days(self, pasado: Pasado, hora_utc: int) -> bool:
        """Return whether a week of the 28 days that end with this hour is there."""
        hora_local = self._local(hora_utc).hour
        completos = 0
        for dia in range(DIAS_VENTANA):
            atras = [k for k in range(24 * dia, 24 * dia + 24) if k == 0 or hora_utc - k in pasado]
            de_noche = [
                k
                for k in atras
                if self.params.noche_desde <= (hora_local - k) % 24 < self.params.noche_hasta
            ]
            completos += len(atras) >= HORAS_DE_UN_DIA_VALIDO and bool(de_noche)
        return completos >= self.params.constante_dias_minimos


def _comes_twice(momento: datetime) -> bool:
    return momento.utcoffset() != momento.replace(fold=1).utcoffset()


def _mean_and_sigma(valores: list[float]) -> tuple[float, float]:
    media = sum(valores) / len(valores)
    return media, math.sqrt(sum((v - media) ** 2 for v in valores) / (len(valores) - 1))


def _longest_run(valores: list[float | None], tolerancia: float) -> int:
    """Return the most readings in a row that each equal the one before."""
    mayor = seguidas = 0
    previo: float | None = None
    for valor in valores:
        if valor is None:
            seguidas = 0
        elif previo is not None and abs(valor - previo) <= tolerancia * previo:
            seguidas += 1
        else:
            seguidas = 1
        mayor = max(mayor, seguidas)
        previo = valor
    return mayor
