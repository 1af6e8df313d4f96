"""The four rules of the specification as a competent engineer writes them in plain Python.

For each customer sums by hour of day that grow and shrink with the window, so that no reading costs
more for a longer history. (b), (c) and (d) of the bench decide with them; nothing beyond the
standard library and ``detection.params`` is needed, since each runs where its framework lives.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, date, datetime
from math import sqrt
from typing import NamedTuple

from detection.domain import HORAS_POR_DIA
from detection.params import DIAS_VENTANA, HORAS_VENTANA, Params

P = Params()
DESFASE = 2
"""Madrid's summer time: what is measured lies between two changes."""


class Momento(NamedTuple):
    """An hour, as everything needs it; parsed once for all customers."""

    hora_utc: int
    dia: int
    hora: int
    finde: int
    fecha: date
    instante: datetime


def make_momento(hora_utc: int) -> Momento:
    """Return what is needed of an absolute hour."""
    dia, hora = divmod(hora_utc + DESFASE, HORAS_POR_DIA)
    local = datetime.fromtimestamp(3600 * (hora_utc + DESFASE), UTC)
    instante = datetime.fromtimestamp(3600 * hora_utc, UTC)
    return Momento(hora_utc, dia, hora, int((dia + 3) % 7 >= 5), local.date(), instante)


class Sumas:
    """Count, sum and sum of squares of the last days' values, weekdays apart from weekends."""

    __slots__ = ("cuadrados", "n", "suma", "valores")

    def __init__(self) -> None:
        self.valores: deque[tuple[int, float, int]] = deque()
        self.n = [0, 0]
        self.suma = [0.0, 0.0]
        self.cuadrados = [0.0, 0.0]

    def add(self, dia: int, valor: float, finde: int) -> None:
        self.valores.append((dia, valor, finde))
        self.n[finde] += 1
        self.suma[finde] += valor
        self.cuadrados[finde] += valor * valor

    def forget_before(self, dia: int) -> None:
        while self.valores and self.valores[0][0] < dia:
            _, valor, finde = self.valores.popleft()
            self.n[finde] -= 1
            self.suma[finde] -= valor
            self.cuadrados[finde] -= valor * valor

    def mean_and_sigma(self, finde: int, minimos: int, de_clase: int) -> tuple[float, float] | None:
        """Return them, of the class alone once it has enough values; None while there are few."""
        n0, n1 = self.n
        if n0 + n1 < minimos:
            return None
        if self.n[finde] >= de_clase:
            n, s, q = self.n[finde], self.suma[finde], self.cuadrados[finde]
        else:
            n, s, q = n0 + n1, sum(self.suma), sum(self.cuadrados)
        return s / n, sqrt(max(0.0, (q - s * s / n) / (n - 1)))


class Cliente:
    """What is remembered of one customer."""

    __slots__ = ("franjas", "mayor", "menor", "noche_dia", "noche_n", "noche_suma", "noches",
                 "racha", "ultimas")  # fmt: skip

    def __init__(self) -> None:
        self.franjas = [Sumas() for _ in range(HORAS_POR_DIA)]
        self.noches = [Sumas() for _ in range(P.noche_hasta)]
        self.noche_dia, self.noche_n, self.noche_suma = -1, 0, 0.0
        self.ultimas: list[tuple[int, float]] = []
        self.racha, self.menor, self.mayor = 0, 0.0, 0.0

    def decide(self, m: Momento, kwh: float) -> list[str]:
        """Return the rules that a reading fires, and remember it."""
        tipos = []
        franja = self.franjas[m.hora]
        franja.forget_before(m.dia - DIAS_VENTANA)
        if r := franja.mean_and_sigma(m.finde, P.dias_minimos, P.dias_minimos_clase):
            media, sigma = r
            if sigma > 1e-6 * media and abs(kwh - media) > P.sigmas * sigma:
                tipos.append("desviacion_estadistica")
            if media > 0.0 and kwh - media > P.incremento * media:
                tipos.append("pico_consumo")
        franja.add(m.dia, kwh, m.finde)
        if m.hora < P.noche_hasta and self._noche(m, kwh):
            tipos.append("consumo_noche_anomalo")
        if self._constante(m, kwh):
            tipos.append("consumo_constante")
        return tipos

    def _noche(self, m: Momento, kwh: float) -> bool:
        if m.hora == 0:
            self.noche_dia, self.noche_n, self.noche_suma = m.dia, 1, kwh
            return False
        if self.noche_dia != m.dia or self.noche_n != m.hora:
            return False  # an hour of tonight is missing
        self.noche_n += 1
        self.noche_suma += kwh
        if self.noche_n < P.noche_horas_minimas:
            return False
        esta = self.noche_suma / self.noche_n
        noches = self.noches[m.hora]
        noches.forget_before(m.dia - DIAS_VENTANA + 1)
        r = noches.mean_and_sigma(m.finde, P.dias_minimos, P.noche_noches_clase)
        noches.add(m.dia, esta, m.finde)
        if r is None or r[0] <= 0.0:
            return False
        media, sigma = r
        lejos = abs(esta - media) > P.sigmas * max(sigma, 0.05 * media)
        return lejos and (esta > P.noche_exceso * media or esta < P.noche_defecto * media)

    def _constante(self, m: Momento, kwh: float) -> bool:
        ultimas, margen = self.ultimas, P.constante_tolerancia * kwh
        seguida = bool(ultimas) and ultimas[-1][0] == m.hora_utc - 1
        if seguida and self.mayor - kwh <= margen and kwh - self.menor <= margen:
            self.racha += 1
            self.menor, self.mayor = min(self.menor, kwh), max(self.mayor, kwh)
        else:
            self.racha, self.menor, self.mayor = 1, kwh, kwh
        # What lies before the run may be equal to this value and not to the one before.
        i, hora = len(ultimas) - self.racha, m.hora_utc - self.racha
        while i >= 0 and ultimas[i][0] == hora and abs(ultimas[i][1] - kwh) <= margen:
            self.racha += 1
            self.menor = min(self.menor, ultimas[i][1])
            self.mayor = max(self.mayor, ultimas[i][1])
            i -= 1
            hora -= 1
        dispara = self.racha >= P.constante_horas and self._is_long(m, kwh, i)
        ultimas.append((m.hora_utc, kwh))
        if len(ultimas) > 2 * HORAS_VENTANA:
            del ultimas[:HORAS_VENTANA]
        return dispara

    def _is_long(self, m: Momento, kwh: float, hasta: int) -> bool:
        primera = m.hora_utc - HORAS_VENTANA
        horas, noches = [0] * DIAS_VENTANA, [0] * DIAS_VENTANA
        mayor = seguidas = 0
        vario, previa, previo = False, -1, 0.0
        for k, (hora, valor) in enumerate(self.ultimas):
            if hora < primera:
                continue
            atras = m.hora_utc - hora
            if atras < HORAS_VENTANA:
                horas[atras // HORAS_POR_DIA] += 1
                noches[atras // HORAS_POR_DIA] += (m.hora - atras) % HORAS_POR_DIA < P.noche_hasta
            if k <= hasta:
                igual = hora == previa + 1 and abs(valor - previo) <= (
                    P.constante_tolerancia * previo
                )
                seguidas = seguidas + 1 if igual else 1
                mayor = max(mayor, seguidas)
                vario = vario or valor != 0.0
                previa, previo = hora, valor
        horas[0] += 1
        dias = sum(n >= 20 and noche > 0 for n, noche in zip(horas, noches, strict=True))
        racha = min(self.racha, HORAS_VENTANA + 1)
        limite = P.constante_horas if kwh > 0.0 else P.constante_horas_cero
        listo = dias >= P.constante_dias_minimos and (kwh > 0.0 or vario)
        return listo and racha >= max(limite, 1.5 * mayor)
