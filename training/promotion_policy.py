"""The promotion gate: whether a challenger may become champion, and why. Pure.

Both were scored on the same frozen readings; what is compared are their ``Metricas``, and the
gain in average precision with what chance makes of so many customers (``Ganancia``). The gate
stays shut when in doubt: a figure that is missing or not a number meets no criterion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from detection.domain import SEVERIDADES
from detection.number_format import numero
from detection.params import Params
from training.evaluation.metrics import Ganancia
from training.evaluation.version_metrics import MIL, Metricas

ERRORES_TIPICOS_ALARMAS = 2.0
"""Standard errors of the alarms by which they may exceed the budget: on few customers some more or
less are chance. They are those of a Poisson count that is at the budget, never those of the alarms
that are judged: the more unequal these fell, the more of them would be let through (136 where 60
are borne). By hand, 2026-11-24."""
_REDONDEO = 1e-9
"""Differences smaller than this come from floating point, not from a model."""


@dataclass(frozen=True, slots=True)
class Politica:
    """What a challenger has to show."""

    # What the average precision must gain over the champion's, -1 to 1: more than this, by the
    # lower bound of the gain.
    ganancia_minima: float = 0.0
    # What no attack type may lose of the share of its customers that are found, 0 to 1; where one
    # customer is more than that, one customer. By hand, 2026-11-24: one of twenty is chance.
    margen_hallados: float = 0.05
    # Most false alarms per 1 000 customers and day of severidad baja, media, alta, crítica, but for
    # what chance makes of a budget on so many days.
    presupuesto: tuple[float, ...] = field(default_factory=lambda: Params().presupuesto)
    # So much less gain, 0 to 1, is enough of a challenger that only has to be no worse. By hand,
    # 2026-11-24: what newer data are worth, which the judged days cannot show.
    margen_renovacion: float = 0.02


@dataclass(frozen=True, slots=True)
class Criterio:
    """One condition of the gate, for the table."""

    nombre: str  # what is measured, in Spanish
    campeon: float | None  # the champion's figure; None = it has none
    aspirante: float  # the challenger's; NaN = it has none
    limite: str  # what the challenger is asked for, in Spanish
    cumple: bool  # whether it gives it
    # What scores that know nothing would reach; None = that is no question.
    azar: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's verdict."""

    promueve: bool  # whether the challenger becomes champion
    # What was looked at, always in the same order; empty = nobody asked the gate.
    criterios: tuple[Criterio, ...]
    motivo: str  # why, one Spanish clause


def apply_gate(
    campeon: Metricas,
    aspirante: Metricas,
    ganancia: Ganancia,
    politica: Politica,
    *,
    renovacion: bool = False,
) -> Decision:
    """Return whether the challenger may replace the champion, criterion by criterion.

    ``ValueError``: the two were not measured on the same readings.

    Parameters
    ----------
    campeon : Metricas
        The champion's; those of the rules alone while there is no champion.
    ganancia : Ganancia
        In average precision, from the champion's verdicts to the challenger's.
    renovacion : bool
        It is enough to be no worse: the champion is out of date, or nothing was learnt yet.
    """
    if campeon.conjunto_sha256 != aspirante.conjunto_sha256:
        raise ValueError(
            "campeón y aspirante no se han medido sobre los mismos datos "
            f"({campeon.conjunto_sha256[:12]} y {aspirante.conjunto_sha256[:12]})"
        )
    criterios = (
        _precision(campeon, aspirante, ganancia, politica, renovacion),
        *_hallados(campeon, aspirante, politica),
        *_falsas_alarmas(campeon, aspirante, politica),
    )
    fallidos = [criterio for criterio in criterios if not criterio.cumple]
    if fallidos:
        motivo = "no cumple " + "; ".join(
            f"{c.nombre} ({cifra(c.aspirante)}{al_azar(c.azar, ', ')}, se pide {c.limite})"
            for c in fallidos
        )
    else:
        motivo = (
            f"la precisión media pasa de {cifra(campeon.precision_media)} a "
            f"{cifra(aspirante.precision_media)} (al azar: {cifra(aspirante.precision_azar)}), "
            f"ganancia {intervalo(ganancia)}, y cumple los demás criterios"
        )
    return Decision(not fallidos, criterios, motivo)


def _precision(
    campeon: Metricas,
    aspirante: Metricas,
    ganancia: Ganancia,
    politica: Politica,
    renovacion: bool,
) -> Criterio:
    pedido = politica.ganancia_minima - (politica.margen_renovacion if renovacion else 0.0)
    antes, ahora = campeon.precision_media, aspirante.precision_media
    # Both are asked for, so that a figure that is missing is missing here too.
    cumple = ganancia.inferior > pedido + _REDONDEO and ahora - antes > pedido + _REDONDEO
    limite = f"{intervalo(ganancia)} > {signo(pedido) if pedido else '0'}"
    return Criterio("precisión media", antes, ahora, limite, cumple, aspirante.precision_azar)


def _hallados(campeon: Metricas, aspirante: Metricas, politica: Politica) -> list[Criterio]:
    antes, ahora = campeon.hallados_clientes, aspirante.hallados_clientes
    criterios = []
    for ataque in sorted(antes.keys() | ahora.keys()):
        cuantos = (m.clientes_atacados.get(ataque, 1) for m in (campeon, aspirante))
        uno = 1.0 / max(*cuantos, 1)
        suyo, nuevo = antes.get(ataque), ahora.get(ataque, math.nan)
        # What the champion was not measured on cannot have been lost.
        pedido = 0.0 if suyo is None else suyo - max(politica.margen_hallados, uno)
        if pedido <= _REDONDEO and not math.isnan(nuevo):  # no figure could fail it
            continue
        pedido = max(pedido, 0.0)
        cumple = nuevo >= pedido - _REDONDEO
        nombre, limite = f"hallados: {ataque}", f"≥ {cifra(pedido)}"
        criterios.append(Criterio(nombre, suyo, nuevo, limite, cumple))
    return criterios


def _falsas_alarmas(campeon: Metricas, aspirante: Metricas, politica: Politica) -> list[Criterio]:
    una = MIL / max(aspirante.dias_limpios, 1.0)
    criterios = []
    for severidad, presupuesto in zip(SEVERIDADES[1:], politica.presupuesto, strict=True):
        antes = campeon.falsas_alarmas.get(severidad)
        ahora = aspirante.falsas_alarmas.get(severidad, math.nan)
        con_azar = presupuesto + ERRORES_TIPICOS_ALARMAS * math.sqrt(presupuesto * una)
        topes = {f"presupuesto {numero(presupuesto, 0)}": con_azar, "el campeón": antes or 0.0}
        # Who is outside already need not be inside at once, only no worse.
        cual = max(topes, key=lambda nombre: topes[nombre])
        criterios.append(
            Criterio(
                f"alarmas de severidad {severidad}",
                antes,
                ahora,
                f"≤ {cifra(topes[cual])} ({cual})",
                ahora <= topes[cual] + _REDONDEO,
            )
        )
    return criterios


def al_azar(azar: float | None, antes: str = "") -> str:
    """Return the chance level of a figure, behind ``antes``; empty where there is none."""
    return "" if azar is None else f"{antes}al azar: {cifra(azar)}"


def cifra(valor: float) -> str:
    """Return a figure as the table shows it; NaN = not measured."""
    return "sin medir" if math.isnan(valor) else numero(valor, 3)


def signo(valor: float) -> str:
    """Return a difference as the table shows it."""
    if math.isnan(valor):
        return cifra(valor)
    return ("−" if valor < 0 else "+") + cifra(abs(valor))


def intervalo(ganancia: Ganancia) -> str:
    """Return a gain with its bounds.

    Examples
    --------
    >>> intervalo(Ganancia(0.012, -0.004, 0.03))
    '+0,012 (−0,004 a +0,030)'
    """
    return f"{signo(ganancia.media)} ({signo(ganancia.inferior)} a {signo(ganancia.superior)})"
