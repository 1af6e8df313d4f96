"""How an attack goes on once it has begun: steadily, growing, by the week, on working days alone.

Frauds last for years and plantations for months. What an attack does to an hour is
``attacks.py``; here is when it does so, and how much of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA
from detection.simulation.draws import Floats, TimeAxis

FORMAS = ("sostenido", "creciente", "por_semanas", "laborables")
"""Ways to go on. By hand, 2026-11-30: what inspectors tell of; shares of each are not known."""
SIN_FIN = 2**40
"""Absolute hour at which ends what never does."""
DURACION_DIAS = (60, 210)
"""Of an attack that ends. By hand, 2026-11-30: from a season to most of a year."""
SUBIDA_DIAS = (20, 60)
"""In which a growing one reaches its whole size. By hand, 2026-11-30."""
SEMANAS_DE_CADA = (1, 3)
"""Weeks on, and weeks off, of one that pauses. By hand, 2026-11-30."""

_SORTEO = 13
"""Stream of the draws; the attacks use 10 to 12."""


@dataclass(frozen=True, slots=True)
class AttackCourse:
    """When an attack acts, and how much of it."""

    forma: str  # one of ``FORMAS``
    inicio_hora: int  # absolute UTC hour of the first reading under it
    fin_hora: int  # absolute UTC hour of the first reading after it; ``SIN_FIN`` = never
    subida_dias: int  # until it has its whole size; 0 = at once
    # semanas_activas, semanas_quietas: it acts for so many weeks and then pauses for so many.
    semanas_activas: int
    semanas_quietas: int

    def share(self, tiempo: TimeAxis) -> Floats:
        """Return how much (n,) of the attack acts in each hour, 0 to 1."""
        pasadas = tiempo.hora_utc - self.inicio_hora
        parte = ((pasadas >= 0) & (tiempo.hora_utc < self.fin_hora)).astype(np.float64)
        if self.forma == "creciente":
            parte *= np.clip((pasadas + 1) / (self.subida_dias * HORAS_POR_DIA), 0.0, 1.0)
        elif self.forma == "por_semanas":
            ciclo = self.semanas_activas + self.semanas_quietas
            parte *= pasadas // (7 * HORAS_POR_DIA) % ciclo < self.semanas_activas
        elif self.forma == "laborables":
            parte *= tiempo.descanso == 0
        return parte


def make_course(
    clave: tuple[int, int], forma: str, inicio_hora: int, *, acaba: bool = False
) -> AttackCourse:
    """Return how an attack of a customer goes on, drawn from its seed.

    Parameters
    ----------
    clave : tuple of int
        Seed and customer.
    acaba : bool
        It ends after ``DURACION_DIAS``; otherwise never.

    Examples
    --------
    >>> make_course((7, 1), "sostenido", 500_000).fin_hora == SIN_FIN
    True
    """
    rng = np.random.default_rng(np.random.SeedSequence([*clave, _SORTEO]))
    menos, mas = DURACION_DIAS
    duracion = int(rng.integers(menos, mas + 1))
    subida = int(rng.integers(SUBIDA_DIAS[0], SUBIDA_DIAS[1] + 1))
    activas, quietas = rng.integers(SEMANAS_DE_CADA[0], SEMANAS_DE_CADA[1] + 1, 2).tolist()
    fin = inicio_hora + duracion * HORAS_POR_DIA if acaba else SIN_FIN
    return AttackCourse(forma, inicio_hora, fin, subida, activas, quietas)


def apply_course(
    curso: AttackCourse,
    tiempo: TimeAxis,
    honesto_kwh: Floats,
    leido_kwh: Floats,
    tocado: NDArray[np.bool_],
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return readings (n,) and where (n,) an attack has its hand in them, as it goes on.

    ``leido_kwh``, ``tocado`` (n,): the whole attack, as ``apply_attack`` gives it.
    """
    parte = curso.share(tiempo)
    suyas = tocado & (parte > 0.0)
    leido = honesto_kwh + parte * (leido_kwh - honesto_kwh)
    return np.where(suyas, np.where(parte < 1.0, leido, leido_kwh), honesto_kwh), suyas
