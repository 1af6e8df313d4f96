"""What is remembered of each customer: a ring of absolute-hour slots.

A reading of absolute hour ``h`` lives in slot ``h % HORAS_ANILLO`` of its customer's row. Writing
is one store, so late, repeated and corrected readings need no path of their own, gaps stay
visible as NaN, summer time cannot disturb it, and writing twice equals once.

Two rings go side by side, each with its own newest hour: the consumption, and what was decided
(16 bits an hour, see ``SCORE_BITS`` and the bits after it), the latter with sums by UTC day so
that nobody has to walk through 672 hours to count. Whole numbers all of them: adding and taking
away is exact, and the sums never depend on the order in which readings came. Together 4 880 bytes
a customer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detection.domain import Historia
from detection.jit import jit
from detection.params import HORAS_ANILLO, HORAS_VENTANA

NO_HOUR = np.iinfo(np.int64).min
"""Newest hour of a customer without any reading."""

SCORE_BITS = 0x007F
"""Bits 0-6 of a past verdict: ``score_anomalia`` in hundredths."""
SUSPECT_BIT = 1 << 7
COUNTED_SHIFT = 8
COUNTED = 3
"""Bits 8-10: detector i met its definition, in a reading that was not flagged above low severity:
what counts as this customer's ordinary behaviour. Not so for the others: what lasts for days (a
constant, a plantation, fraud) must not become ordinary, and a model's tail is a frequency already.
"""
REFERENCE_BIT = 1 << 14
"""The reading could be compared with a reference."""
VERDICT_BIT = 1 << 15
"""There is a verdict in this slot."""

DIAS_ANILLO = HORAS_ANILLO // 24
COUNTED_MASK = (1 << COUNTED) - 1
GAIN = np.array(
    [round(10_000 * (2 * max(min(c, 100) - 50, 0) / 100) ** 2) for c in range(128)], np.int64
)
"""What a score in hundredths contributes to suspicion, (128,), in ten-thousandths:
``(2 * (score - 0.5)) ** 2``, nothing below 0.5 (by hand, 2026-11-24: doubt counts little)."""

_INITIAL_CAPACITY = 64
_EMPTY: Mapping[str, float] = {
    "valores": np.nan, "veredictos": 0, "ultimo_valor": NO_HOUR, "ultimo_veredicto": NO_HOUR,
    "ganancia_dia": 0, "cuenta_dia": 0,
}  # fmt: skip
"""What a row of each array holds that nobody has."""


class VerdictRing(NamedTuple):
    """What was decided, for the compiled loops."""

    veredictos: NDArray[np.uint16]  # (c, HORAS_ANILLO)
    ultimo: NDArray[np.int64]  # (c,): newest hour with a verdict
    ganancia_dia: NDArray[np.int32]  # (c, DIAS_ANILLO): sum of ``GAIN`` by UTC day
    # (c, DIAS_ANILLO, COUNTED + 1): readings by UTC day that met each counted definition; at last,
    # all with a reference.
    cuenta_dia: NDArray[np.int8]


class HourlyRing:
    """The rings of all customers in memory.

    The arrays are replaced when they grow: take them anew after ``add``.

    ``capacidad``: rows to begin with; they grow as customers come.

    Examples
    --------
    >>> ring = HourlyRing()
    >>> fila = ring.add("CLI_00001")
    >>> ring.row("CLI_00001") == fila, ring.row("CLI_00002")
    (True, -1)
    """

    def __init__(self, capacidad: int = _INITIAL_CAPACITY) -> None:
        self._filas: dict[str, int] = {}
        self._libres: list[int] = []
        self.valores = np.full((capacidad, HORAS_ANILLO), np.nan, np.float32)
        self.veredictos = np.zeros((capacidad, HORAS_ANILLO), np.uint16)
        self.ultimo_valor = np.full(capacidad, NO_HOUR, np.int64)
        self.ultimo_veredicto = np.full(capacidad, NO_HOUR, np.int64)
        self.ganancia_dia = np.zeros((capacidad, DIAS_ANILLO), np.int32)
        self.cuenta_dia = np.zeros((capacidad, DIAS_ANILLO, COUNTED + 1), np.int8)

    def __len__(self) -> int:
        return len(self._filas)

    def customers(self) -> list[str]:
        """Return the customers in memory."""
        return list(self._filas)

    def row(self, propietario_id: str) -> int:
        """Return a customer's row, -1 if it is not in memory."""
        return self._filas.get(propietario_id, -1)

    def rows(self, propietario_id: list[str]) -> NDArray[np.int64]:
        """Return the rows (n,) of customers, -1 for those not in memory."""
        buscar = self._filas.get
        return np.fromiter((buscar(p, -1) for p in propietario_id), np.int64, len(propietario_id))

    def add(self, propietario_id: str) -> int:
        """Return the row of a customer, an empty one if it is new."""
        fila = self._filas.get(propietario_id)
        if fila is not None:
            return fila
        if self._libres:
            fila = self._libres.pop()
        else:
            fila = len(self._filas)
            if fila == self.valores.shape[0]:
                self._grow()
        self._filas[propietario_id] = fila
        return fila

    def forget(self, propietario_id: str) -> None:
        """Drop a customer; its row is free and empty again."""
        fila = self._filas.pop(propietario_id, -1)
        if fila < 0:
            return
        for nombre, vacio in _EMPTY.items():
            getattr(self, nombre)[fila] = vacio
        self._libres.append(fila)

    def _grow(self) -> None:
        nueva = 2 * self.valores.shape[0]
        for nombre, vacio in _EMPTY.items():
            vieja = getattr(self, nombre)
            crecida = np.full((nueva, *vieja.shape[1:]), vacio, vieja.dtype)
            crecida[: vieja.shape[0]] = vieja
            setattr(self, nombre, crecida)

    def verdicts(self) -> VerdictRing:
        """Return the ring of what was decided, for the compiled loops."""
        return VerdictRing(
            self.veredictos, self.ultimo_veredicto, self.ganancia_dia, self.cuenta_dia
        )

    def load(self, filas: NDArray[np.int64], historia: Historia, umbral_contable: int) -> None:
        """Fill rows with what the store remembers.

        Parameters
        ----------
        filas : ndarray (c,), int64
            Row of each customer that ``historia.indice`` points to.
        historia : Historia
            Rows ordered by customer and hour.
        umbral_contable : int
            Hundredths of score from which a reading does not count as ordinary.
        """
        contable = historia.score_centesimas < umbral_contable
        veredictos = (
            historia.score_centesimas.astype(np.int64)
            | np.where(historia.es_sospechoso, SUSPECT_BIT, 0)
            | np.where(historia.con_referencia, REFERENCE_BIT, 0)
            | np.where(contable, historia.tipos & COUNTED_MASK, 0).astype(np.int64) << COUNTED_SHIFT
            | VERDICT_BIT
        ).astype(np.uint16)
        fila = filas[historia.indice]
        _load(self.valores, self.ultimo_valor, fila, historia.hora_utc, historia.consumo_kwh)
        _load_verdicts(self.verdicts(), fila, historia.hora_utc, veredictos)

    def bytes_per_customer(self) -> int:
        """Return the bytes of state of one customer."""
        return sum(getattr(self, nombre)[0].nbytes for nombre in _EMPTY)


@jit()
def _load(valores, ultimo, fila, hora, kwh):  # type: ignore[no-untyped-def]
    for i in range(hora.shape[0]):
        _advance(valores, ultimo, fila[i], hora[i])
        if hora[i] > ultimo[fila[i]] - HORAS_ANILLO:
            valores[fila[i], hora[i] % HORAS_ANILLO] = kwh[i]


@jit()
def _load_verdicts(ring, fila, hora, veredicto):  # type: ignore[no-untyped-def]
    for i in range(hora.shape[0]):
        advance_verdicts(ring, fila[i], hora[i])
        write_verdict(ring, fila[i], hora[i], veredicto[i])


@jit()
def _advance(valores, ultimo, fila, hora):  # type: ignore[no-untyped-def]
    """Make ``hora`` the newest hour of a row if it is newer, emptying the hours in between."""
    anterior = ultimo[fila]
    if anterior == NO_HOUR:
        ultimo[fila] = hora
    elif hora > anterior:
        for paso in range(min(hora - anterior, HORAS_ANILLO)):
            valores[fila, (hora - paso) % HORAS_ANILLO] = np.nan
        ultimo[fila] = hora


@jit()
def advance_verdicts(ring, fila, hora):  # type: ignore[no-untyped-def]
    """Do the same for the ring of what was decided and its sums by UTC day."""
    anterior = ring.ultimo[fila]
    if anterior == NO_HOUR:
        ring.ultimo[fila] = hora
    elif hora > anterior:
        for paso in range(min(hora - anterior, HORAS_ANILLO)):
            ring.veredictos[fila, (hora - paso) % HORAS_ANILLO] = 0
        for dia in range(hora // 24, max(anterior // 24, hora // 24 - DIAS_ANILLO), -1):
            ring.ganancia_dia[fila, dia % DIAS_ANILLO] = 0
            ring.cuenta_dia[fila, dia % DIAS_ANILLO] = 0
        ring.ultimo[fila] = hora


@jit()
def write_verdict(ring, fila, hora, veredicto):  # type: ignore[no-untyped-def]
    """Put a verdict in its slot and keep its day's sums; an hour too old for the ring is dropped.

    A day that the ring holds only in part counts with the hours that are left of it.
    """
    dia = hora // 24
    if dia <= ring.ultimo[fila] // 24 - DIAS_ANILLO:
        return
    ranura = hora % HORAS_ANILLO
    d = dia % DIAS_ANILLO
    for v, signo in ((ring.veredictos[fila, ranura], -1), (veredicto, 1)):
        ring.ganancia_dia[fila, d] += signo * GAIN[v & SCORE_BITS]
        if v & REFERENCE_BIT:
            ring.cuenta_dia[fila, d, COUNTED] += signo
            for k in range(COUNTED):
                if v >> (COUNTED_SHIFT + k) & 1:
                    ring.cuenta_dia[fila, d, k] += signo
    ring.veredictos[fila, ranura] = veredicto


@jit()
def extract_windows(valores, ultimo, fila, propia, hora, kwh, ventana, repetida):  # type: ignore[no-untyped-def]
    """Write readings into the ring, one after the other, and copy out each one's window.

    Parameters
    ----------
    valores, ultimo : ndarray (c, HORAS_ANILLO) float32, (c,) int64
        The ring of consumption and its newest hours; changed.
    fila, hora, kwh : ndarray (n,)
        Readings in order of arrival, each with the row whose past it is compared with.
    propia : ndarray (n,), int64
        Its customer's own row. It is another one when the reading comes too late to find its
        window there; then it is written into both.
    ventana : ndarray (n, HORAS_VENTANA + 1), float32
        Filled: column j is hour ``hora - HORAS_VENTANA + j``, NaN = no reading; the last column
        is the reading itself.
    repetida : ndarray (n,), bool
        Filled: the customer had that same value at that hour already.
    """
    for i in range(fila.shape[0]):
        f = fila[i]
        h = hora[i]
        x = np.float32(kwh[i])
        ranura = h % HORAS_ANILLO
        _advance(valores, ultimo, f, h)
        inicio = (h - HORAS_VENTANA) % HORAS_ANILLO
        primera = min(HORAS_VENTANA, HORAS_ANILLO - inicio)
        for j in range(primera):
            ventana[i, j] = valores[f, inicio + j]
        for j in range(primera, HORAS_VENTANA):
            ventana[i, j] = valores[f, j - primera]
        # Of a late reading's window, the hours that newer ones have overwritten are unknown.
        perdidas = ultimo[f] - HORAS_ANILLO - (h - HORAS_VENTANA) + 1
        for j in range(min(max(perdidas, 0), HORAS_VENTANA)):
            ventana[i, j] = np.nan
        ventana[i, HORAS_VENTANA] = x
        repetida[i] = False
        if h > ultimo[f] - HORAS_ANILLO:
            repetida[i] = valores[f, ranura] == x
            valores[f, ranura] = x
        p = propia[i]
        if p != f and h > ultimo[p] - HORAS_ANILLO:
            repetida[i] = valores[p, ranura] == x
            valores[p, ranura] = x
