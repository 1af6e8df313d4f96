"""What is said of a case: on its page, and wherever else it is told. Pure: a case in, texts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dashboard import texts

CaseRow = Mapping[str, Any]
"""A case as the API gives it."""


class CaseFigure(NamedTuple):
    """A figure of a case, as a card shows it."""

    name: str
    value: str
    note: str
    sign: int = 0  # 1 = good news


def sentence(case: CaseRow) -> str:
    """Return what has changed, in one sentence."""
    said = str(case["frase"])
    return said if said.endswith(".") else f"{said}."


def details(case: CaseRow) -> list[str]:
    """Return what it looks like, how probable it is that there is something, whose it is, how long.

    Examples
    --------
    >>> details({"tipo": "fraude", "probabilidad": 0.97, "asignado_a": None, "dias": 27})
    ['Posible fraude', '97 % de que haya algo', 'sin asignar', '27 días']
    """
    owner = case["asignado_a"]
    return [
        texts.readable(case["tipo"]),
        f"{texts.probability(case['probabilidad'])} de que haya algo",
        f"lo lleva {owner}" if owner else "sin asignar",
        texts.count_of(case["dias"], "día", "días"),
    ]


def daily_change(case: CaseRow) -> str:
    """Return how many kWh a day were consumed before a case began, and since.

    Examples
    --------
    >>> daily_change({"consumo_antes_kwh": 8.14, "consumo_despues_kwh": 88.0})
    '8,1 → 88'
    """
    before, after = (
        texts.number(kwh, 1 if abs(kwh) < 20 and round(kwh, 1) % 1 else 0)
        for kwh in (case["consumo_antes_kwh"], case["consumo_despues_kwh"])
    )
    return f"{before} → {after}"


def money_range(case: CaseRow) -> str:
    """Return what is at stake, from the least to the most that it can be; '' = no price is known.

    Examples
    --------
    >>> money_range({"energia_minima_eur": 283.5, "energia_maxima_eur": 360.75})
    'de 284 a 361 €'
    """
    least, most = case["energia_minima_eur"], case["energia_maxima_eur"]
    if least is None or most is None:
        return ""
    return f"de {texts.number(least)} a {texts.number(most)} €"


def figures(case: CaseRow) -> list[CaseFigure]:
    """Return how much was used before and is now, what is at stake and what came of it."""
    least, most = (texts.number(case[f"energia_{end}_kwh"]) for end in ("minima", "maxima"))
    return [
        CaseFigure("Antes y ahora", daily_change(case), "kWh al día, de media"),
        CaseFigure("En juego", texts.money(case["energia_en_juego_eur"]), money_range(case)),
        CaseFigure(
            "Energía en juego",
            texts.energy(case["energia_en_juego_kwh"]),
            f"de {least} a {most} kWh",
        ),
        CaseFigure(
            "Recuperable",
            texts.money(case["recuperable_eur"]),
            f"por {texts.probability(case['probabilidad'])} de que haya algo",
        ),
        _outcome(case),
    ]


def _outcome(case: CaseRow) -> CaseFigure:
    result = case["resultado"]
    if not result:
        visit = case["visita"]
        return CaseFigure("Visita", texts.day(visit["fecha"]) if visit else "Sin visitar", "")
    if not result["hallado"]:
        return CaseFigure("Resultado", "Nada", result["texto"] or "no había nada")
    energy = texts.energy(result["energia_recuperada_kwh"])
    return CaseFigure("Recuperado", texts.money(result["recuperado_eur"]), energy, 1)


def marks(case: CaseRow) -> list[tuple[str, str]]:
    """Return what else happened to a case, to be marked among its days: the day, and what."""
    visit, end = case["visita"], case["fecha_cierre"]
    return [
        *([(visit["fecha"], "Visita")] if visit else []),
        *([(end, "Acaba")] if end else []),
    ]
