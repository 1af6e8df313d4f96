"""From what has been measured to what an installation needs: straight lines and rules in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from escala_memoria import rows_for

HORAS_ANIO = 24 * 365
HORA_EN_S = 600.0
"""Each hour's readings come at once, and are to be stored ten minutes later."""
MEMORIA_MAXIMA_MB = 2_000.0
"""Of a consumer: ``mem_limit`` in docker-compose.yml."""
PARTICIONES_POR_CONSUMIDOR = 6
CONSUMIDORES_MINIMOS = 2
"""One may fall; the others take its customers."""
CONSUMIDORES_MAXIMOS = 1_000


@dataclass(frozen=True, slots=True)
class Recta:
    """A straight line through points, by least squares.

    Parameters
    ----------
    base, pendiente : float
    r2 : float
        Part of what varies that the line explains, 0 to 1; 1 where nothing varies.

    Examples
    --------
    >>> recta = Recta.fit([1, 2, 3], [5.0, 7.0, 9.0])
    >>> round(recta.base, 6), round(recta.pendiente, 6), round(recta.r2, 6)
    (3.0, 2.0, 1.0)
    >>> round(recta.at(10), 6)
    23.0
    """

    base: float
    pendiente: float
    r2: float

    @staticmethod
    def fit(x: Sequence[float], y: Sequence[float]) -> Recta:
        """Return the line through points (n,), n >= 2."""
        xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
        dx = xs - xs.mean()
        pendiente = float((dx * ys).sum() / (dx * dx).sum())
        base = float(ys.mean() - pendiente * xs.mean())
        varia = float(((ys - ys.mean()) ** 2).sum())
        resto = float(((ys - base - pendiente * xs) ** 2).sum())
        return Recta(base, pendiente, 1 - resto / varia if varia else 1.0)

    def at(self, x: float) -> float:
        """Return the line's value at ``x``."""
        return self.base + self.pendiente * x


@dataclass(frozen=True, slots=True)
class Medido:
    """What the sizes are derived from.

    Parameters
    ----------
    memoria_mb : Recta
        Most memory of a consumer, by the rows of its tables.
    por_segundo : float
        Readings that one consumer stores.
    bytes_por_lectura : float
        In PostgreSQL, with its indexes.
    recargar_s : float
        To load the window of a customer when a consumer starts.
    """

    memoria_mb: Recta
    por_segundo: float
    bytes_por_lectura: float
    recargar_s: float


@dataclass(frozen=True, slots=True)
class Instalacion:
    """What so many customers with hourly readings need.

    Parameters
    ----------
    clientes, consumidores, particiones : int
    memoria_mb : float
        Of each consumer, all of them running.
    memoria_caido_mb : float
        Of each of the others, one having fallen.
    disco_gb_anio : float
        Of PostgreSQL.
    hora_s, dia_s : float
        For one consumer's rate: the readings of an hour, and those of a day without consumers.
    recargar_s : float
        To load every customer's window, once, by one connection.
    """

    clientes: int
    consumidores: int
    particiones: int
    memoria_mb: float
    memoria_caido_mb: float
    disco_gb_anio: float
    hora_s: float
    dia_s: float
    recargar_s: float


def size_up(clientes: int, medido: Medido) -> Instalacion:
    """Return the smallest installation whose consumers can do without one of them.

    Examples
    --------
    >>> medido = Medido(Recta(250.0, 0.0055, 1.0), 50_000.0, 350.0, 0.001)
    >>> [(i.consumidores, i.particiones) for i in (size_up(c, medido) for c in (10**4, 10**6))]
    [(2, 12), (6, 36)]
    """
    for consumidores in range(CONSUMIDORES_MINIMOS, CONSUMIDORES_MAXIMOS):
        particiones = PARTICIONES_POR_CONSUMIDOR * consumidores
        caido_mb = _memory(clientes, particiones, consumidores - 1, medido)
        puede = (consumidores - 1) * medido.por_segundo * HORA_EN_S >= clientes
        if caido_mb <= MEMORIA_MAXIMA_MB and puede:
            break
    else:
        raise ValueError(f"{clientes} clientes no caben en {CONSUMIDORES_MAXIMOS} consumidores")
    return Instalacion(
        clientes=clientes,
        consumidores=consumidores,
        particiones=particiones,
        memoria_mb=_memory(clientes, particiones, consumidores, medido),
        memoria_caido_mb=caido_mb,
        disco_gb_anio=clientes * HORAS_ANIO * medido.bytes_por_lectura / 1e9,
        hora_s=clientes / medido.por_segundo,
        dia_s=24 * clientes / medido.por_segundo,
        recargar_s=clientes * medido.recargar_s,
    )


def _memory(clientes: int, particiones: int, consumidores: int, medido: Medido) -> float:
    """Return the memory of whoever has most partitions, MB."""
    suyas = -(-particiones // consumidores)
    return medido.memoria_mb.at(rows_for(-(-clientes * suyas // particiones)))
