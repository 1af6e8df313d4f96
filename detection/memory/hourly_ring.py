"""What is remembered of each customer: a ring of absolute-hour slots.

A reading of absolute hour ``h`` lives in slot ``h % HORAS_ANILLO`` of its customer's row. Writing
is one store, so late, repeated and corrected readings need no path of their own, gaps stay
visible as NaN, summer time cannot disturb it, and writing twice equals once.

Two rings go side by side, each with its own newest hour: the consumption, and what was decided
(16 bits an hour, see ``MARCA_*``), the latter with sums by UTC day so that nobody has to walk
through 672 hours to count. Whole numbers all of them: adding and taking away is exact, and the
sums never depend on the order in which readings came. Together 4 880 bytes a customer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detection.compiled import compilado
from detection.domain import Historia
from detection.params import HORAS_ANILLO, HORAS_VENTANA

SIN_HORA = np.iinfo(np.int64).min
"""Newest hour of a customer without any reading."""

MARCA_SCORE = 0x007F
"""Bits 0-6: ``score_anomalia`` in hundredths."""
MARCA_SOSPECHOSO = 1 << 7
MARCA_CONTABLES = 8
CONTABLES = 3
"""Bits 8-10: detector i met its definition, in a reading that was not flagged above low severity:
what counts as this customer's ordinary behaviour. Not so for the others: what lasts for days (a
constant, a plantation, fraud) must not become ordinary, and a model's tail is a frequency already.
"""
MARCA_REFERENCIA = 1 << 14
"""The reading could be compared with a reference."""
MARCA_LECTURA = 1 << 15
"""There is a verdict in this slot."""

DIAS_ANILLO = HORAS_ANILLO // 24
_MASCARA_CONTABLES = (1 << CONTABLES) - 1
_CAPACIDAD_INICIAL = 64


class Ventanas:
    """The rings of all customers in memory.

    Parameters
    ----------
    capacidad : int
        Rows to begin with; they grow as customers come.

    Examples
    --------
    >>> ventanas = Ventanas()
    >>> fila = ventanas.add("CLI_00001")
    >>> ventanas.row("CLI_00001") == fila, ventanas.row("CLI_00002")
    (True, -1)
    """

    def __init__(self, capacidad: int = _CAPACIDAD_INICIAL) -> None:
        self._filas: dict[str, int] = {}
        self._libres: list[int] = []
        self.valores = np.full((capacidad, HORAS_ANILLO), np.nan, np.float32)
        self.marcas = np.zeros((capacidad, HORAS_ANILLO), np.uint16)
        self.ultima_valor = np.full(capacidad, SIN_HORA, np.int64)
        self.ultima_marca = np.full(capacidad, SIN_HORA, np.int64)
        self.ganancia_dia = np.zeros((capacidad, DIAS_ANILLO), np.int32)
        self.cuenta_dia = np.zeros((capacidad, DIAS_ANILLO, CONTABLES + 1), np.int8)

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
        self.valores[fila] = np.nan
        self.marcas[fila] = 0
        self.ultima_valor[fila] = SIN_HORA
        self.ultima_marca[fila] = SIN_HORA
        self.ganancia_dia[fila] = 0
        self.cuenta_dia[fila] = 0
        self._libres.append(fila)

    def _grow(self) -> None:
        nueva = 2 * self.valores.shape[0]
        for nombre, relleno in (
            ("valores", np.nan), ("marcas", 0), ("ultima_valor", SIN_HORA),
            ("ultima_marca", SIN_HORA), ("ganancia_dia", 0), ("cuenta_dia", 0),
        ):  # fmt: skip
            vieja = getattr(self, nombre)
            crecida = np.full((nueva, *vieja.shape[1:]), relleno, vieja.dtype)
            crecida[: vieja.shape[0]] = vieja
            setattr(self, nombre, crecida)

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
        marcas = (
            historia.score_centesimas.astype(np.int64)
            | np.where(historia.es_sospechoso, MARCA_SOSPECHOSO, 0)
            | np.where(historia.con_referencia, MARCA_REFERENCIA, 0)
            | np.where(contable, historia.tipos & _MASCARA_CONTABLES, 0).astype(np.int64)
            << MARCA_CONTABLES
            | MARCA_LECTURA
        ).astype(np.uint16)
        fila = filas[historia.indice]
        _load(self.valores, self.ultima_valor, fila, historia.hora_utc, historia.consumo_kwh)
        _load_marks(
            self.marcas, self.ultima_marca, self.ganancia_dia, self.cuenta_dia, fila,
            historia.hora_utc, marcas, GANANCIA,
        )  # fmt: skip

    def _rings(self) -> tuple[NDArray, ...]:
        return self.valores, self.marcas, self.ultima_valor, self.ultima_marca

    def bytes_per_customer(self) -> int:
        """Return the bytes of state of one customer."""
        return int(
            sum(
                a.itemsize * int(np.prod(a.shape[1:], dtype=np.int64))
                for a in (*self._rings(), self.ganancia_dia, self.cuenta_dia)
            )
        )


GANANCIA = np.array(
    [round(10_000 * (2 * max(min(c, 100) - 50, 0) / 100) ** 2) for c in range(128)], np.int64
)
"""What a score in hundredths contributes to suspicion, (128,), in ten-thousandths:
``(2 * (score - 0.5)) ** 2``, nothing below 0.5 (by hand, 2026-11-24: doubt counts little)."""


@compilado()
def _load(valores, ultima, fila, hora, kwh):  # type: ignore[no-untyped-def]
    for i in range(hora.shape[0]):
        _advance(valores, ultima, fila[i], hora[i])
        if hora[i] > ultima[fila[i]] - HORAS_ANILLO:
            valores[fila[i], hora[i] % HORAS_ANILLO] = kwh[i]


@compilado()
def _load_marks(marcas, ultima, ganancia_dia, cuenta_dia, fila, hora, marca, ganancia):  # type: ignore[no-untyped-def]
    for i in range(hora.shape[0]):
        advance_marks(marcas, ultima, ganancia_dia, cuenta_dia, fila[i], hora[i])
        write_mark(marcas, ultima, ganancia_dia, cuenta_dia, fila[i], hora[i], marca[i], ganancia)


@compilado()
def _advance(valores, ultima, fila, hora):  # type: ignore[no-untyped-def]
    """Make ``hora`` the newest hour of a row if it is newer, emptying the hours in between."""
    anterior = ultima[fila]
    if anterior == SIN_HORA:
        ultima[fila] = hora
    elif hora > anterior:
        for paso in range(min(hora - anterior, HORAS_ANILLO)):
            valores[fila, (hora - paso) % HORAS_ANILLO] = np.nan
        ultima[fila] = hora


@compilado()
def advance_marks(marcas, ultima, ganancia_dia, cuenta_dia, fila, hora):  # type: ignore[no-untyped-def]
    """Do the same for the ring of marks and its sums by UTC day."""
    anterior = ultima[fila]
    if anterior == SIN_HORA:
        ultima[fila] = hora
    elif hora > anterior:
        for paso in range(min(hora - anterior, HORAS_ANILLO)):
            marcas[fila, (hora - paso) % HORAS_ANILLO] = 0
        for dia in range(hora // 24, max(anterior // 24, hora // 24 - DIAS_ANILLO), -1):
            ganancia_dia[fila, dia % DIAS_ANILLO] = 0
            cuenta_dia[fila, dia % DIAS_ANILLO] = 0
        ultima[fila] = hora


@compilado()
def write_mark(marcas, ultima, ganancia_dia, cuenta_dia, fila, hora, marca, ganancia):  # type: ignore[no-untyped-def]
    """Put a mark in its slot and keep its day's sums; an hour too old for the ring is dropped.

    A day that the ring holds only in part counts with the hours that are left of it.
    """
    dia = hora // 24
    if dia <= ultima[fila] // 24 - DIAS_ANILLO:
        return
    ranura = hora % HORAS_ANILLO
    d = dia % DIAS_ANILLO
    for m, signo in ((marcas[fila, ranura], -1), (marca, 1)):
        ganancia_dia[fila, d] += signo * ganancia[m & MARCA_SCORE]
        if m & MARCA_REFERENCIA:
            cuenta_dia[fila, d, CONTABLES] += signo
            for k in range(CONTABLES):
                if m >> (MARCA_CONTABLES + k) & 1:
                    cuenta_dia[fila, d, k] += signo
    marcas[fila, ranura] = marca


@compilado()
def extract(valores, ultima, fila, propia, hora, kwh, ventana, repetida):  # type: ignore[no-untyped-def]
    """Write readings into the ring, one after the other, and copy out each one's window.

    Parameters
    ----------
    valores, ultima : ndarray (c, HORAS_ANILLO) float32, (c,) int64
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
        _advance(valores, ultima, f, h)
        inicio = (h - HORAS_VENTANA) % HORAS_ANILLO
        primera = min(HORAS_VENTANA, HORAS_ANILLO - inicio)
        for j in range(primera):
            ventana[i, j] = valores[f, inicio + j]
        for j in range(primera, HORAS_VENTANA):
            ventana[i, j] = valores[f, j - primera]
        # Of a late reading's window, the hours that newer ones have overwritten are unknown.
        perdidas = ultima[f] - HORAS_ANILLO - (h - HORAS_VENTANA) + 1
        for j in range(min(max(perdidas, 0), HORAS_VENTANA)):
            ventana[i, j] = np.nan
        ventana[i, HORAS_VENTANA] = x
        repetida[i] = False
        if h > ultima[f] - HORAS_ANILLO:
            repetida[i] = valores[f, ranura] == x
            valores[f, ranura] = x
        p = propia[i]
        if p != f and h > ultima[p] - HORAS_ANILLO:
            repetida[i] = valores[p, ranura] == x
            valores[p, ranura] = x
