"""What is found for as long as it goes on, and what is alarmed for nothing, over most of a year.

All figures come from the days that ``pasada_larga`` keeps: by kind and by days since the onset,
of clean customers, of innocent events, and of populations in which few are attacked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from bench.hogares_largos import (
    ATAQUE,
    CASOS,
    CASOS_DE_SIEMPRE,
    DE_SIEMPRE,
    INOCENTE,
    LIMPIO,
    PAISES,
    SIETE_SEMANAS,
    Surtido,
    make_mundo,
    read_year,
)
from bench.pasada_larga import JUZGA_DESDE_DIA, Vista, score_mundo
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, TIPOS_INOCENTES
from detection.scoring_model import ScoringModel
from detection.simulation.innocent_events import INOCENTES
from training.evaluation.attacked_homes import GRACIA_DIAS
from training.evaluation.metrics import DIAS_MES
from training.history import SEMILLA_ENTRENAMIENTO as SEMILLA
from training.history import by_lot
from training.kind_fit import DE_SUCESO

BANDAS = ((0, 7), (7, 14), (14, 28), (28, 42), (42, 60), (60, 120), (120, 210))
"""Days since the onset, in which attacks are looked at."""
DURADERO = (28, 210)
"""Days since the onset in which what goes on must still be found."""
PREVALENCIA_LECTURAS = 0.1
"""Share of attacked readings for which average precisions are given, whatever share there is."""
CLIENTES, REMUESTRAS = 1_000, 400
"""Of the populations in which few are attacked, and how many of these are drawn."""
ATACADOS = (20, 10)
"""Attacked of a thousand: 2 % and 1 %."""
INOCENTES_DE_MIL = 130
"""To whom something innocent happens, beside them. By hand, 2026-11-30."""
PRIMEROS = (10, 20, 50)


def _share(que: NDArray[np.bool_], donde: NDArray[np.bool_]) -> float | None:
    return float(que[donde].mean()) if donde.any() else None


def by_age(vista: Vista, quienes: NDArray[np.bool_]) -> list[dict[str, float | None]]:
    """Return, for each of ``BANDAS``, the share of days sospechoso and of days with an alta.

    Days of the attack alone, its pauses too.
    """
    edad, dura = vista.edad, vista.quedan >= 0
    salida = []
    for desde, hasta in BANDAS:
        donde = quienes[:, None] & dura & (edad >= desde) & (edad < hasta)
        salida.append(
            {
                "sospechoso": _share(vista.sospechoso, donde),
                "alta": _share(vista.altas > 0, donde),
            }
        )
    return salida


def lasting(vista: Vista, quienes: NDArray[np.bool_]) -> float | None:
    """Return the share of days sospechoso from the fifth week after the onset on."""
    desde, hasta = DURADERO
    edad = vista.edad
    donde = quienes[:, None] & (vista.quedan >= 0) & (edad >= desde) & (edad < hasta)
    return _share(vista.sospechoso, donde)


def roc_and_precision(
    tocadas: NDArray[np.int64], limpias: NDArray[np.int64]
) -> tuple[float | None, float | None]:
    """Return ROC-AUC and average precision of scores that were counted (101,) by label."""
    p, n = tocadas.astype(np.float64), limpias.astype(np.float64)
    if not p.sum() or not n.sum():
        return None, None
    p, n = p / p.sum(), n / n.sum()
    roc = float((p * (np.cumsum(n) - 0.5 * n)).sum())
    arriba = PREVALENCIA_LECTURAS * np.cumsum(p[::-1])
    todas = arriba + (1.0 - PREVALENCIA_LECTURAS) * np.cumsum(n[::-1])
    precision = np.divide(arriba, todas, out=np.zeros_like(arriba), where=todas > 0.0)
    return roc, float((p[::-1] * precision).sum())


def attack_figures(vista: Vista) -> dict[str, Any]:
    """Return what is found of each kind, of each way to go on, and of what was always there."""
    ataques = vista.de(ATAQUE)
    limpias = vista.limpias.sum(axis=0)
    formas = np.array([s.forma for s in vista.series])
    tipos = sorted({s.tipo for s in vista.series if s.clase == ATAQUE})
    siempre = sorted({s.tipo for s in vista.series if s.clase == DE_SIEMPRE})
    grupos: dict[str, dict[str, NDArray[np.bool_]]] = {
        "tipos": {t: vista.de(ATAQUE, t) for t in tipos},
        "formas": {f: ataques & (formas == f) for f in sorted(set(formas[ataques]))},
        "de_siempre": {t: vista.de(DE_SIEMPRE, t) for t in siempre},
    }
    salida: dict[str, Any] = {}
    for grupo, de_cada in grupos.items():
        salida[grupo] = {}
        for nombre, quienes in de_cada.items():
            roc, media = roc_and_precision(vista.tocadas[quienes].sum(axis=0), limpias)
            salida[grupo][nombre] = {
                "clientes": int(quienes.sum()),
                "por_edad": by_age(vista, quienes),
                "duradero": lasting(vista, quienes),
                "roc_auc": roc,
                "precision_media": media,
            }
    return salida


def clean_figures(vista: Vista, pais: str | None = None) -> dict[str, Any]:
    """Return what is said of clean customers from day 60 on."""
    quienes = vista.de(LIMPIO) & vista.de_pais(pais)
    sospechoso = vista.sospechoso[quienes, JUZGA_DESDE_DIA:]
    hogares = np.array([s.hogar for s in vista.series])[quienes]
    alguna = [sospechoso[hogares == h].any() for h in np.unique(hogares)]
    altas = int(vista.altas[quienes, JUZGA_DESDE_DIA:].sum())
    meses = vista.leidas[quienes, JUZGA_DESDE_DIA:].sum() / (DIAS_MES * HORAS_POR_DIA)
    tocadas = vista.tocadas[vista.de(ATAQUE) & vista.de_pais(pais)].sum(axis=0)
    roc, media = roc_and_precision(tocadas, vista.limpias[quienes].sum(axis=0))
    return {
        "hogares": len(alguna),
        "dias_sospechoso": float(sospechoso.mean()) if sospechoso.size else None,
        "hogares_alguna_vez": float(np.mean(alguna)) if alguna else None,
        "altas_al_mes": altas / meses if meses else None,
        "roc_auc": roc,
        "precision_media": media,
    }


def innocent_figures(vista: Vista) -> dict[str, Any]:
    """Return, for each kind of event, who is alarmed while it lasts and two weeks after it.

    Beside it, the same households in the same days without the event.
    """
    edad, dura = vista.edad, vista.quedan >= -GRACIA_DIAS
    gemelas = {(s.hogar, s.particion): k for k, s in enumerate(vista.series) if s.clase == LIMPIO}
    salida: dict[str, Any] = {}
    for tipo in sorted({s.tipo for s in vista.series if s.clase == INOCENTE}):
        filas = np.flatnonzero(vista.de(INOCENTE, tipo))
        donde = dura[filas] & (edad[filas] >= 0)
        limpias = np.array(
            [gemelas[vista.series[k].hogar, vista.series[k].particion] for k in filas.tolist()]
        )
        salida[tipo] = {
            "hogares": len({vista.series[k].hogar for k in filas.tolist()}),
            "con": _alarmed(vista, filas, donde),
            "sin": _alarmed(vista, limpias, donde),
            "caso_inocente": _told(vista.inocente[filas], donde, tipo),
        }
    return salida


def _alarmed(
    vista: Vista, filas: NDArray[np.int64], donde: NDArray[np.bool_]
) -> dict[str, float | None]:
    sospechoso, alta = vista.sospechoso[filas] & donde, (vista.altas[filas] > 0) & donde
    n = max(filas.size, 1)
    return {
        "sospechosos": float(sospechoso.any(axis=1).sum() / n),
        "con_alta": float(alta.any(axis=1).sum() / n),
        "dias": _share(vista.sospechoso[filas], donde),
    }


def _told(
    inocente: NDArray[np.int8], donde: NDArray[np.bool_], tipo: str
) -> dict[str, float | None]:
    """Return who has a case of innocent kind meanwhile, and who of the event's own."""
    suya = DE_SUCESO.get(tipo)
    n = max(inocente.shape[0], 1)
    acierta = None if suya is None else (inocente == TIPOS_INOCENTES.index(suya)) & donde
    return {
        "alguno": float(((inocente >= 0) & donde).any(axis=1).sum() / n),
        "de_su_clase": None if acierta is None else float(acierta.any(axis=1).sum() / n),
    }


def few_attacked(vista: Vista, atacados: int) -> dict[str, Any]:
    """Return the precision of the first ones of a thousand of whom few are attacked.

    A population is drawn many times: each of its customers is a household on a day of its year,
    clean, with an innocent event or in the seven months after an attack began. First come those
    who are sospechoso, then the others, each by the evidence of the last weeks.
    """
    edad, dura = vista.edad, vista.quedan >= 0
    # As large as the evidence can be, and one more.
    orden = vista.evidencia + 1e3 * vista.sospechoso
    en_curso = (edad >= 0) & (edad < DURADERO[1]) & dura
    despues = np.arange(orden.shape[1])[None] >= JUZGA_DESDE_DIA
    bolsas = {
        cual: orden[donde]
        for cual, donde in (
            (LIMPIO, vista.de(LIMPIO)[:, None] & despues),
            (INOCENTE, vista.de(INOCENTE)[:, None] & en_curso),
            (ATAQUE, vista.de(ATAQUE)[:, None] & en_curso),
        )
    }
    rng = np.random.default_rng(SEMILLA)
    cuantos = {ATAQUE: atacados, INOCENTE: INOCENTES_DE_MIL}
    cuantos[LIMPIO] = CLIENTES - sum(cuantos.values())
    aciertos = np.zeros((REMUESTRAS, len(PRIMEROS)))
    for vez in range(REMUESTRAS):
        sorteados = {c: rng.choice(bolsas[c], k) for c, k in cuantos.items()}
        todos = np.concatenate(list(sorteados.values()))
        verdad = np.arange(CLIENTES) < atacados
        puesto = np.lexsort((rng.permutation(CLIENTES), -todos))
        aciertos[vez] = [verdad[puesto[:k]].mean() for k in PRIMEROS]
    return {
        str(k): {
            "valor": float(aciertos[:, j].mean()),
            "desde": float(np.percentile(aciertos[:, j], 2.5)),
            "hasta": float(np.percentile(aciertos[:, j], 97.5)),
        }
        for j, k in enumerate(PRIMEROS)
    }


def long_figures(vista: Vista) -> dict[str, Any]:
    """Return all figures of a half of the households, of numbers, texts and None alone."""
    limpias = vista.limpias.sum(axis=0)
    roc, media = roc_and_precision(vista.tocadas[vista.de(ATAQUE)].sum(axis=0), limpias)
    return {
        "roc_auc": roc,
        "precision_media": media,
        **attack_figures(vista),
        "limpios": clean_figures(vista),
        "paises": {p: clean_figures(vista, p) for p in dict.fromkeys(vista.pais)},
        "inocentes": innocent_figures(vista),
        "pocos": {str(n): few_attacked(vista, n) for n in ATACADOS},
    }


def mean_of(cifras: Mapping[str, Any], clave: Callable[[Any], float | None]) -> float | None:
    """Return the mean of a figure over some groups, None where no group has it."""
    valores = [v for v in map(clave, cifras.values()) if v is not None]
    return float(np.mean(valores)) if valores else None


def innocents_in_seven_weeks(
    ids: Collection[str], desarrollo: bool, modelo: ScoringModel
) -> dict[str, Any]:
    """Return what is alarmed of some Swiss households to which something innocent happens."""
    surtido = Surtido(casos=(), de_siempre=())
    hogares = [h for h in read_year(SIETE_SEMANAS, desarrollo) if h.propietario_id in ids]
    return innocent_figures(score_mundo(make_mundo(SIETE_SEMANAS, hogares, surtido), modelo))


_RAPIDOS = frozenset(
    {
        *("cannabis", "fraude_media", "fraude_franja", "fraude_recorte", "puente_nocturno"),
        *("escala, la mitad", "ausencia", "vivienda_vacia", "cambio_inquilino"),
        *("vehiculo_electrico", "autoconsumo", "lectura_estimada"),
    }
)
RAPIDO = Surtido(
    [c for c in CASOS if c.nombre in _RAPIDOS],
    [c for c in CASOS_DE_SIEMPRE if c.nombre in _RAPIDOS],
    [t for t in INOCENTES if t in _RAPIDOS],
)
RAPIDO_PAIS, RAPIDO_HOGARES = "Australia", 4


def quick_long(modelo: ScoringModel) -> dict[str, float | None]:
    """Return a few figures of a few development households, whose country taught nothing."""
    pais = next(p for p in PAISES if p.nombre == RAPIDO_PAIS)
    hogares = read_year(pais, desarrollo=True)
    elegidos = by_lot([h.propietario_id for h in hogares], SEMILLA, "rapido")[:RAPIDO_HOGARES]
    suyos = [h for h in hogares if h.propietario_id in elegidos]
    return quick_figures(long_figures(score_mundo(make_mundo(pais, suyos, RAPIDO), modelo)))


def quick_figures(cifras: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the long figures that a golden file keeps, by the names of their goals."""
    return {
        "largo_roc_auc": cifras["roc_auc"],
        "largo_duradero": mean_of(cifras["tipos"], lambda t: t["duradero"]),
        "largo_de_siempre": mean_of(cifras["de_siempre"], lambda t: t["duradero"]),
        "largo_limpios": cifras["limpios"]["dias_sospechoso"],
        "largo_alarmas": cifras["limpios"]["altas_al_mes"],
        "largo_inocentes": mean_of(cifras["inocentes"], lambda t: t["con"]["sospechosos"]),
        "largo_inocentes_alta": mean_of(cifras["inocentes"], lambda t: t["con"]["con_alta"]),
    }
