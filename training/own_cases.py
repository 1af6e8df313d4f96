"""What a utility's own homes and its analysts' verdicts add to the base version's cases.

The base version has learnt from the years of public homes. A utility's own differ from them: in
their seasons, their tariffs, what they heat with. The score becomes the mean of both versions'
trees, in which its own weigh the more the more homes of a year it has. Thresholds are those
of the base version, or higher where clean homes of the utility's are odder: of nine own homes, the
thresholds that they ask for would give others a case on 4.6 % of their clean days, and those of the
base version on 0.8 % (development homes of Australia, in turn, 2026-12-01).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple

import numpy as np

from detection.cases.case import CaseThresholds
from detection.cases.model import CaseModel
from detection.domain import HORAS_POR_DIA, Calendario, Historia
from detection.simulation.attack_courses import SIN_FIN
from training.case_fit import LearntCases, fit_thresholds, learn_trees, make_lessons
from training.case_population import ATAQUE, INOCENTE, REVISADO, CaseHome, CaseSeries, mirrored
from training.history import HistoryReader, by_lot, widen
from training.public_homes import DIAS_MAXIMOS, DIAS_MINIMOS, dense_home

_LOG = logging.getLogger("entrenamiento")

HOGARES_MAXIMOS = 60
"""Homes that are learnt from, by lot. By hand, 2026-12-01: each takes a second."""
HOGARES_MINIMOS = 3
"""With fewer, what is left out in turn is everybody."""
HOGARES_DE_BASE = 8
"""Own homes that weigh as much as all that the base version has learnt from. Chosen 2026-12-01 on
the development homes of Australia, of which it has seen none: with 4, 8 and 12 of them, ROC-AUC by
row on others of them goes from 0.950 to 0.962, 0.925 to 0.944 and 0.946 to 0.958, and is highest
where own homes weigh 40, 55 and 50 %."""
_PARTES_DEL_ANO = 10
"""Of the days that a home needs at least, in each of which it is read."""
_PROPIO = "propio"
REVISADO_DIAS_MINIMOS = 7
"""Of what an analyst has dealt with, from its first hour to its last: less is no case."""
REVISADOS_MAXIMOS = 200
"""Verdicts that are learnt from, the latest."""


class OwnCases(NamedTuple):
    """What a utility's versions know of cases, and from how much of its own they have learnt it."""

    modelo: CaseModel
    hogares: int = 0
    revisados: int = 0  # cases that analysts have judged


def learn_own_cases(
    almacen: HistoryReader,
    base: CaseModel,
    calendario: Calendario,
    *,
    hasta_hora: int,
    veredictos: Mapping[tuple[str, int], bool],
    juzgan: Set[str],
    semilla: int,
) -> OwnCases:
    """Return what a utility knows of cases; what the base version does where its past is short.

    Parameters
    ----------
    hasta_hora : int
        Absolute hour at which the days of own homes end.
    veredictos : mapping
        Customer and absolute hour of the anomalies that analysts dealt with, True = confirmed.
    juzgan : set of str
        Customers that the version is judged on: nothing is learnt from them.
    """
    fuera = {p for (p, _), confirmada in veredictos.items() if confirmada} | juzgan
    propios = list(_own_homes(almacen, calendario, hasta_hora, fuera, semilla))
    if len(propios) < HOGARES_MINIMOS:
        _LOG.info(
            "casos: los de la versión de base; hogares propios de %d días: %d",
            DIAS_MINIMOS, len(propios),
        )  # fmt: skip
        return OwnCases(base)
    revisados = list(reviewed_series(almacen, calendario, veredictos, juzgan))
    modelo = learn_from_homes(propios, base, semilla, revisados)
    return OwnCases(modelo, len(propios), len(revisados))


def learn_from_homes(
    propios: Sequence[CaseHome],
    base: CaseModel,
    semilla: int,
    revisados: Sequence[CaseSeries] = (),
) -> CaseModel:
    """Return what homes of a year, and cases that analysts have judged, add to the base's cases."""
    hogares = [otro for hogar in propios for otro in (hogar, mirrored(hogar))]
    aprendido = learn_trees(make_lessons(hogares, semilla, tambien=revisados), semilla)
    parte = len(propios) / (len(propios) + HOGARES_DE_BASE)
    _LOG.info(
        "casos: de %d hogares propios y %d casos revisados; pesan un %d %%",
        len(propios), len(revisados), round(100 * parte),
    )  # fmt: skip
    return mix_with_base(aprendido, base, parte)


def mix_with_base(aprendido: LearntCases, base: CaseModel, parte: float) -> CaseModel:
    """Return a model whose scores are the mean of what was learnt and the base's.

    ``parte``: weight of what was learnt, 0 to 1. Kinds of innocent cases are the base's.
    """
    limpias = aprendido.lecciones.limpias
    # Neither has seen the home: the base version no home of the utility, nor these trees this one.
    ventaja = parte * aprendido.fuera + (1.0 - parte) * base.arboles.scores(limpias.rasgos)
    suyos = fit_thresholds(limpias, ventaja, frozenset())
    # Raised at most: what few homes never do says little of what others will.
    umbrales = CaseThresholds(
        *(b + parte * max(s - b, 0.0) for s, b in zip(suyos, base.umbrales, strict=True))
    )
    return CaseModel(aprendido.arboles.mean_with(base.arboles, parte), umbrales, base.inocentes)


def _own_homes(
    almacen: HistoryReader,
    calendario: Calendario,
    hasta_hora: int,
    fuera: Set[str],
    semilla: int,
) -> Iterator[CaseHome]:
    """Give homes of a year that are under no suspicion at its end, by lot."""
    corto = DIAS_MINIMOS * HORAS_POR_DIA
    hay = almacen.customers(hasta_hora - corto, hasta_hora, _PARTES_DEL_ANO)
    sorteados = by_lot(sorted(set(hay) - fuera), semilla, "casos propios")[:HOGARES_MAXIMOS]
    desde_hora = hasta_hora - DIAS_MAXIMOS * HORAS_POR_DIA
    for nombre in sorteados:
        historia = almacen.load_range([nombre], desde_hora, hasta_hora)
        if historia.hora_utc.size and not historia.es_sospechoso[-1]:
            hogar = _home(nombre, _PROPIO, historia, calendario)
            if hogar is not None:
                yield hogar


def reviewed_series(
    almacen: HistoryReader,
    calendario: Calendario,
    veredictos: Mapping[tuple[str, int], bool],
    fuera: Set[str],
) -> Iterator[CaseSeries]:
    """Give the customers whom analysts have judged, with what they have said of which hours."""
    horas: dict[tuple[str, bool], list[int]] = {}
    for (quien, hora), confirmada in veredictos.items():
        if quien not in fuera:
            horas.setdefault((quien, confirmada), []).append(hora)
    tramos = [(max(suyas) + 1, min(suyas), *clave) for clave, suyas in horas.items()]
    largos = [t for t in tramos if t[0] - t[1] >= REVISADO_DIAS_MINIMOS * HORAS_POR_DIA]
    for fin, inicio, quien, confirmada in sorted(largos, reverse=True)[:REVISADOS_MAXIMOS]:
        historia = almacen.load_range([quien], fin - DIAS_MAXIMOS * HORAS_POR_DIA, fin)
        hogar = _home(quien, REVISADO, historia, calendario, dias_minimos=0)
        if hogar is not None:
            clase = ATAQUE if confirmada else INOCENTE
            dicho = np.ones(hogar.kwh.size, np.float32)
            fin_visto = fin if confirmada else SIN_FIN
            yield CaseSeries(hogar, clase, REVISADO, inicio, fin_visto, hogar.kwh, dicho)


def _home(
    nombre: str,
    grupo: str,
    historia: Historia,
    calendario: Calendario,
    dias_minimos: int = DIAS_MINIMOS,
) -> CaseHome | None:
    kwh = widen(historia.consumo_kwh)
    return dense_home(nombre, grupo, historia.hora_utc, kwh, calendario, dias_minimos=dias_minimos)
