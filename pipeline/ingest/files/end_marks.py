"""Times that are said to be the ends of intervals, and look like their beginnings.

Ends of whole days run from after midnight to the midnight that is the next day's first time, or
24:00; beginnings from 00:00 to the last interval before midnight.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd

import numpy as np
from numpy.typing import NDArray

from pipeline.ingest.files.customer_facts import NUNCA, Enteros, gather, of
from pipeline.ingest.files.moments import MINUTOS_POR_DIA
from pipeline.ingest.files.text_cells import FormatoError

_HORA = 60
_TROZO = 5
_DOS_MEDIANOCHES = (
    "hay horas 00:00 donde los días acaban a las 24:00: no se sabe de qué día son. Si no hay "
    'ninguna 24:00, lo dice un perfil propio (--perfil) con su marca, "inicio" o "fin"'
)
_PRINCIPIOS = (
    "en este formato las horas son el fin del intervalo, y las suyas van de las 00:00 al último "
    "intervalo de antes de las 24:00, como si fueran el principio: si lo son, lo dice un perfil "
    'propio (--perfil) con marca = "inicio"'
)


def _none() -> Enteros:
    return np.zeros(0, np.int64)


@dataclass(slots=True)
class EndsSeen:
    """The first and the last time of each customer of a file, and its midnights.

    Parameters
    ----------
    por_instantes : bool
        Day and time stand in one column; else midnight may be written as 24:00.
    con_estacion : bool
        The season stands beside them.
    hasta_24 : bool
        The layout writes midnight as 24:00 always.
    contradichos : set of (int, int)
        Customers, and their days of the change of which some row's season is not that of its time.
    """

    por_instantes: bool
    con_estacion: bool = False
    hasta_24: bool = False
    contradichos: set[tuple[int, int]] = field(default_factory=set)
    aviso: str = ""
    _primero: Enteros = field(default_factory=_none)
    _ultimo: Enteros = field(default_factory=_none)
    _minutos: Enteros = field(default_factory=_none)
    _en_punto: dict[int, Enteros] = field(
        default_factory=lambda: {0: _none(), MINUTOS_POR_DIA: _none()}
    )

    def see(self, cliente: NDArray[np.int32], dia: Enteros, minuto: Enteros) -> None:
        """Take times as they are written: day, and minutes since its midnight."""
        momento = dia * MINUTOS_POR_DIA + minuto
        self._primero = gather(np.minimum, self._primero, cliente, momento, NUNCA)
        self._ultimo = gather(np.maximum, self._ultimo, cliente, momento, -1)
        trozos = np.left_shift(1, minuto % _HORA // _TROZO)
        self._minutos = gather(np.bitwise_or, self._minutos, cliente, trozos, 0)
        for medianoche, suyas in self._en_punto.items():
            cual = minuto == medianoche
            unos = np.ones(np.count_nonzero(cual), np.int64)
            self._en_punto[medianoche] = gather(np.maximum, suyas, cliente[cual], unos, 0)

    def doubtful(self, pasos: tuple[int, ...]) -> dict[str, list[int]]:
        """Return the customers of whose times it is not known what they are, by the reason.

        Where one customer's look like beginnings, or have a midnight that may be one, another
        one's count only where they prove to be ends: all are of one layout.

        Raises
        ------
        FormatoError
            It is not known of any of them.
        """
        todos = np.arange(self._primero.size)
        primero, ultimo = self._primero, self._ultimo
        visto = primero < NUNCA
        con_00, con_24 = (of(suyas, todos, 0) > 0 for suyas in self._en_punto.values())
        paso = self._steps(pasos)
        empieza, acaba = primero % MINUTOS_POR_DIA == 0, ultimo % MINUTOS_POR_DIA == 0
        antes = ultimo % MINUTOS_POR_DIA == MINUTOS_POR_DIA - paso
        # A day that begins later, and then days from 00:00 on: a first day that is not whole.
        parcial = con_00 & (primero % MINUTOS_POR_DIA != paso)
        sin_fin = visto & (ultimo > primero) & ~acaba & ~con_24
        mal = sin_fin & ((empieza & (antes | (not self.por_instantes))) | (antes & parcial))
        mezcla = visto & con_00 & (con_24 | self.hasta_24) & ~mal
        if (sin_fin & empieza & ~mal).any():
            self.aviso = (
                "en este formato las horas son el fin del intervalo, y el archivo empieza a las "
                "00:00, como si fueran el principio"
            )
        sin_prueba = visto & ~acaba & ~con_24
        if mal.any():
            mal = sin_prueba & ~mezcla
        elif (mezcla & ~con_24).any():
            mezcla |= sin_prueba
        por_motivo = {
            motivo: np.flatnonzero(suyos).tolist()
            for motivo, suyos in ((_PRINCIPIOS, mal), (_DOS_MEDIANOCHES, mezcla))
            if suyos.any()
        }
        if por_motivo and ((mal | mezcla) == visto).all():
            raise FormatoError(next(iter(por_motivo)))
        return por_motivo

    def _steps(self, pasos: tuple[int, ...]) -> Enteros:
        """Return the step that the times of each customer show."""
        distintos, cual = np.unique(self._minutos, return_inverse=True)
        suyos = []
        for trozos in distintos.tolist():
            comun = _HORA
            for k in range(_HORA // _TROZO):
                comun = gcd(comun, k * _TROZO) if trozos >> k & 1 else comun
            suyos.append(max((p for p in pasos if comun % p == 0), default=min(pasos)))
        return np.array(suyos, np.int64)[cual]
