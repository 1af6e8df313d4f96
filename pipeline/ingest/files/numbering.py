"""How the intervals of a day are numbered: how long they are, and whether they begin at 0 or at 1.

Both are decided for each customer's day. A day that is there whole shows them: 1 to 24, 0 to 23, 1
to 96. Of another one the customer's other days tell, and the rest of the file only where nothing
in it says otherwise. A day of which it cannot be told is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.customer_facts import NUNCA, Enteros, changes, gather, of
from pipeline.ingest.files.local_days import load_day
from pipeline.ingest.files.moments import MINUTOS_POR_DIA

DIAS_DE_PRUEBA = 3
"""So many whole days show a step that the layout does not suppose: less may be half a day of
shorter intervals. By hand, 2026-11-30."""
_DIA_LARGO = 25 * 60
_NOMBRES = {60: "horas", 30: "medias horas", 15: "cuartos de hora"}


def name_step(paso: int) -> str:
    """Return what intervals of a step are called."""
    return _NOMBRES.get(paso, f"intervalos de {paso} minutos")


@dataclass(slots=True)
class DiasNumerados:
    """How the days of some rows are numbered.

    Parameters
    ----------
    inicios : ndarray (d,)
        First row of each customer's day.
    paso, base : ndarray (d,)
        Minutes of an interval, and the number of the first one.
    motivos : dict of int to str
        Why a day, by its place, is refused.
    """

    inicios: Enteros
    paso: Enteros
    base: Enteros
    motivos: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Dias:
    """What each customer's day shows (d,): rows by customer and day."""

    cliente: Enteros
    dia: Enteros
    largo: Enteros
    menor: Enteros
    mayor: Enteros
    distintos: Enteros
    primero: Enteros
    ultimo: Enteros

    def any_of_customer(self, cuales: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the days of the customers of which some day is among some."""
        inicios = changes(self.cliente)
        hay = np.logical_or.reduceat(cuales, inicios)
        return np.repeat(hay, np.diff(np.append(inicios, self.cliente.size)))

    def followed(self, paso: int) -> NDArray[np.bool_]:
        """Return which days end with the last number of a step where the next one begins."""
        n = MINUTOS_POR_DIA // paso
        une = (self.cliente[1:] == self.cliente[:-1]) & (self.dia[1:] == self.dia[:-1] + 1)
        une &= (self.menor[1:] <= 1) & (self.mayor[:-1] - self.menor[1:] == n - 1)
        return np.append(une, False)

    def zero_behind(self) -> NDArray[np.bool_]:
        """Return which days have a 0 that may be their 24: behind the others, or on the next day.

        A customer whose first day begins at 1 and whose last one has the 0 alone counts so.
        """
        detras = (self.primero == 1) & (self.ultimo == 0)
        inicios = changes(self.cliente)
        fines = np.append(inicios[1:], self.cliente.size) - 1
        solo = (self.menor[inicios] == 1) & (self.mayor[fines] == 0)
        return np.asarray(detras | np.repeat(solo, fines - inicios + 1))

    def describe(self, k: int) -> str:
        """Return which numbers a day has, for the user."""
        if self.menor[k] == self.mayor[k]:
            return f"solo tiene el número {self.menor[k]}"
        return f"sus números van del {self.menor[k]} al {self.mayor[k]}"

    def whole(self, paso: int) -> NDArray[np.bool_]:
        """Return which days are there whole, in intervals of a step."""
        n = MINUTOS_POR_DIA // paso
        normal = (self.distintos == n) & (self.mayor - self.menor == n - 1)
        # On a day of the change numbers may pass by the clock too.
        suyos = self.largo // paso
        ultimo = self.mayor - self.menor + 1
        cambio = ((ultimo == suyos) | (ultimo == n)) & (self.distintos >= np.minimum(suyos, n) - 1)
        entero = np.where(self.largo == MINUTOS_POR_DIA, normal, cambio)
        return np.asarray(entero & (self.menor <= 1))


@dataclass(slots=True)
class NumbersSeen:
    """What numbers each customer of a file has, and what they show.

    Parameters
    ----------
    pasos : tuple of int
        Minutes that an interval may have, the longest first.
    supuesto : int
        What intervals of a day that does not show it are taken for; 0 = it is refused.
    zona : ZoneInfo
    """

    pasos: tuple[int, ...]
    supuesto: int
    zona: ZoneInfo
    _mayor: Enteros = field(default_factory=lambda: np.zeros(0, np.int64))
    _cero: Enteros = field(default_factory=lambda: np.zeros(0, np.int64))
    _topes: dict[int, Enteros] = field(init=False)
    _finos: dict[int, Enteros] = field(init=False)
    _llenos: dict[tuple[int, int], Enteros] = field(init=False)

    def __post_init__(self) -> None:
        # 1 to 48 look like halves, also where the layout has none.
        medias = {30} if min(self.pasos) < 30 < max(self.pasos) else set()
        self.pasos = tuple(sorted({*self.pasos, *medias}, reverse=True))
        vacios = np.zeros(0, np.int64)
        self._topes = dict.fromkeys(self.pasos, vacios)
        self._finos = dict.fromkeys(self.pasos, vacios)
        self._llenos = {(p, base): vacios for p in self.pasos for base in (0, 1)}

    def see(self, cliente: NDArray[np.int32], dia: Enteros, numero: Enteros) -> None:
        """Take the numbers of some rows."""
        self._mayor = gather(np.maximum, self._mayor, cliente, numero, -1)
        cero = numero == 0
        self._cero = gather(np.maximum, self._cero, cliente[cero], np.int64(1) + numero[cero], 0)
        for paso in self.pasos:
            n = MINUTOS_POR_DIA // paso
            for base in (0, 1):
                ultimo = numero == n - 1 + base
                suyos, dias = cliente[ultimo], dia[ultimo]
                if base and dias.size:
                    corto = np.array([load_day(d, self.zona).minutos <= MINUTOS_POR_DIA
                                      for d in dias.tolist()], np.int64)  # fmt: skip
                    self._topes[paso] = gather(np.maximum, self._topes[paso], suyos, corto, 0)
                unos = changes(suyos, dias)
                self._llenos[paso, base] = gather(
                    np.add, self._llenos[paso, base], suyos[unos], np.ones(unos.size, np.int64), 0
                )
            fino = numero > _DIA_LARGO // paso
            self._finos[paso] = gather(
                np.minimum, self._finos[paso], cliente[fino], dia[fino], NUNCA
            )

    def decide(self, cliente: Enteros, dia: Enteros, numero: Enteros) -> DiasNumerados:
        """Return how the days of rows are numbered, which are sorted by customer and day."""
        inicios = changes(cliente, dia)
        de_dia = dia[inicios]
        unicos, cual = np.unique(de_dia, return_inverse=True)
        minutos = [load_day(d, self.zona).minutos for d in unicos.tolist()]
        dias = _Dias(
            cliente[inicios],
            de_dia,
            np.array(minutos, np.int64)[cual],
            np.minimum.reduceat(numero, inicios),
            np.maximum.reduceat(numero, inicios),
            _count_distinct(numero, inicios),
            numero[inicios],
            numero[np.append(inicios[1:], numero.size) - 1],
        )
        motivos: dict[int, str] = {}
        paso = self._steps(dias, motivos)
        base = self._bases(dias, paso, motivos)
        return DiasNumerados(inicios, paso, base, motivos)

    def describe(self) -> str:
        """Return from which number on they count, for the user."""
        desde = ["0"] if (self._cero > 0).any() else []
        if not desde or self._any_last():
            desde.append("1")
        return f"desde {' o desde '.join(desde)}{', según el cliente' * (len(desde) > 1)}"

    def _longest(self, mayor: Enteros) -> Enteros:
        """Return the longest step that can have some numbers."""
        largo = np.full(mayor.size, self.pasos[-1])
        for paso in reversed(self.pasos):
            largo[mayor <= _DIA_LARGO // paso] = paso
        return largo

    def _steps(self, dias: _Dias, motivos: dict[int, str]) -> Enteros:
        """Return the step of each day; numbers that a longer step has not prove a shorter one."""
        paso = self._longest(dias.mayor)
        suyo = self._longest(of(self._mayor, dias.cliente, -1))
        for p in self.pasos[:-1]:
            en_duda = paso == p
            if not en_duda.any():
                continue
            fino = of(self._finos[p], dias.cliente, NUNCA)
            entero, hay_finos = dias.whole(p), fino < NUNCA
            cero = of(self._cero, dias.cliente, 0) > 0
            llenos = np.where(cero, *(of(self._llenos[p, b], dias.cliente, 0) for b in (0, 1)))
            probado = ~hay_finos & (llenos >= DIAS_DE_PRUEBA)
            seguro = (entero & (p == (self.supuesto or 60))) | probado
            # Of a day that is not whole the layout tells, where nothing in the file is shorter or
            # the customer has another one that is whole.
            nada_fino = not (self._finos[p] < NUNCA).any()
            otro = dias.any_of_customer(entero | dias.followed(p)) & (p == self.supuesto)
            suelto = ~entero & ~hay_finos & (0 < self.supuesto <= p) & (otro | nada_fino)
            detras = hay_finos & (dias.dia > fino)
            paso = np.where(en_duda & detras & ~entero, suyo, paso)
            paso = np.where(en_duda & suelto & ~probado, self.supuesto, paso)
            mal = en_duda & np.where(detras, entero, ~(seguro | suelto))
            for k in np.flatnonzero(mal).tolist():
                motivos[k] = self._doubt_step(dias, k, p, bool(detras[k]))
        return paso

    def _doubt_step(self, dias: _Dias, k: int, paso: int, detras: bool) -> str:
        *unos, otro = (name_step(p) for p in self.pasos if p <= paso)
        cuales = dias.describe(k)
        if detras:
            cuales = f"{cuales}, detrás de días con más"
        return f"{cuales}, y no se sabe si son {', '.join(unos)} o {otro}"

    def _bases(self, dias: _Dias, paso: Enteros, motivos: dict[int, str]) -> Enteros:
        """Return the number of each day's first interval."""
        n = MINUTOS_POR_DIA // paso
        con_cero = dias.menor == 0
        con_ultimo = (dias.mayor >= n) & (dias.largo <= MINUTOS_POR_DIA)
        con_ultimo |= dias.mayor > n
        cero = of(self._cero, dias.cliente, 0) > 0
        tope = np.zeros(paso.size, np.bool_)
        suyo = self._longest(of(self._mayor, dias.cliente, -1))
        for p in self.pasos:
            tope |= (suyo == p) & (of(self._topes[p], dias.cliente, 0) > 0)
        entero = np.zeros(paso.size, np.bool_)
        for p in self.pasos:
            entero |= (paso == p) & dias.whole(p)
        base = np.where(con_cero, 0, np.where(con_ultimo, 1, np.where(cero & ~tope, 0, 1)))
        # A day from 1 on that stops before the last but one is the beginning of 1 to 24.
        corre = (dias.largo < MINUTOS_POR_DIA) & (dias.distintos == dias.largo // paso)
        empieza = (dias.menor == 1) & ((dias.mayor != n - 1) | corre)
        sin_ceros = not (self._cero > 0).any()
        del_archivo = sin_ceros & (self._any_last() | empieza)
        mudo = ~con_cero & ~con_ultimo & np.where(cero == tope, cero | ~del_archivo, False)
        # A customer who has both is told by whole days only.
        mezcla = cero & tope & ~entero
        ambos = con_cero & con_ultimo & (dias.largo == MINUTOS_POR_DIA)
        for k in np.flatnonzero(dias.zero_behind()).tolist():
            motivos.setdefault(k, f"{dias.describe(k)}, y no se sabe si el 0 es el último del día")
        for k in np.flatnonzero(mudo | mezcla | ambos).tolist():
            if k not in motivos:
                motivos[k] = f"{dias.describe(k)}, y no se sabe si se cuentan desde 0 o desde 1"
        return base

    def _any_last(self) -> bool:
        """Return whether some customer of the file has the last number of a day from 1 on."""
        suyo = self._longest(self._mayor)
        return any(
            bool((of(self._topes[p], np.flatnonzero(suyo == p), 0) > 0).any()) for p in self.pasos
        )


def _count_distinct(numero: Enteros, inicios: Enteros) -> Enteros:
    """Return how many different numbers each day has."""
    cuantos = np.diff(np.append(inicios, numero.size))
    sube = np.ones(numero.size, np.bool_)
    sube[1:] = numero[1:] > numero[:-1]
    sube[inicios] = True
    if sube.all():
        return cuantos
    de_dia = np.repeat(np.arange(inicios.size), cuantos)
    unicos = np.unique(de_dia * 1024 + numero)
    return np.bincount(unicos // 1024, minlength=inicios.size)
