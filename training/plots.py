"""Plots of a version, as PNG bytes: the only file that imports matplotlib.

Figures are made without pyplot, so nothing global changes and no window system is asked for.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.blend.severity import severity_thresholds
from detection.domain import SEVERIDADES, TIPOS, Calendario
from detection.params import Params
from detection.scoring_model import ScoringModel
from training.evaluation.version_metrics import score_conjunto, truth
from training.holdout import Conjunto

PUNTOS_POR_PULGADA = 110
TAMANO_PULGADAS = (9.0, 5.0)


def draw_version(
    conjunto: Conjunto,
    modelo: ScoringModel,
    importancia: Mapping[str, float],
    calendario: Calendario,
) -> dict[str, bytes]:
    """Return the plots of a version on its frozen set, by file name."""
    veredictos = score_conjunto(conjunto, modelo, calendario)
    verdad, juzgada = truth(conjunto), conjunto.juzgada
    score = veredictos.score_centesimas[juzgada] / 100
    detectores = np.nan_to_num(veredictos.scores[juzgada], nan=0.0)
    curvas = {"mezcla": score} | {str(t): detectores[:, k] for k, t in enumerate(TIPOS)}
    umbrales = (severity_thresholds(Params()) / 100).tolist()
    return {
        "precision_recall.png": draw_precision_recall(verdad, curvas),
        "distribucion_scores.png": draw_scores(
            verdad, score, dict(zip(map(str, SEVERIDADES[1:]), umbrales, strict=True))
        ),
        "importancia.png": draw_importance(importancia),
    }


def draw_precision_recall(verdad: NDArray[np.bool_], scores: Mapping[str, NDArray]) -> bytes:
    """Return the precision-recall curves of some scores, the first one in bold.

    Parameters
    ----------
    verdad : ndarray (n,), bool
    scores : mapping of str to ndarray (n,)
        By the name in the legend; no NaN.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    figura, ejes = _figure("Precisión y exhaustividad por lectura")
    for k, (nombre, valores) in enumerate(scores.items()):
        precision, recall, _ = precision_recall_curve(verdad, valores)
        media = f"{average_precision_score(verdad, valores):.3f}".replace(".", ",")
        ejes.step(
            recall, precision, where="post", label=f"{nombre} ({media})",
            linewidth=2.5 if k == 0 else 1.0, zorder=3 if k == 0 else 2,
        )  # fmt: skip
    ejes.axhline(verdad.mean(), color="0.6", linestyle=":", label="al azar")
    ejes.set(xlabel="Exhaustividad", ylabel="Precisión", xlim=(0, 1), ylim=(0, 1.02))
    figura.legend(fontsize="small", title="Precisión media", loc="outside right upper")
    return _png(figura)


def draw_scores(verdad: NDArray[np.bool_], score: NDArray, umbrales: Mapping[str, float]) -> bytes:
    """Return the distribution of scores of honest and of attacked readings.

    Parameters
    ----------
    score : ndarray (n,), 0 to 1
    umbrales : mapping of str to float
        Lowest score of each severidad.
    """
    figura, ejes = _figure("Distribución de score_anomalia")
    cajas = np.linspace(0.0, 1.0, 51)
    for nombre, cuales in (("honestas", ~verdad), ("atacadas", verdad)):
        if cuales.any():
            peso = np.full(int(cuales.sum()), 1.0 / cuales.sum())
            ejes.hist(score[cuales], cajas, weights=peso, alpha=0.6, label=f"lecturas {nombre}")
    for nombre, umbral in umbrales.items():
        ejes.axvline(umbral, color="0.4", linestyle="--", linewidth=0.8)
        ejes.text(umbral, 1.0, f" {nombre}", transform=ejes.get_xaxis_transform(), va="top",
                  fontsize="small")  # fmt: skip
    ejes.set(xlabel="score_anomalia", ylabel="Parte de las lecturas (escala logarítmica)",
             yscale="log", xlim=(0, 1))  # fmt: skip
    figura.legend(loc="outside lower center", ncols=2)
    return _png(figura)


def draw_importance(importancia: Mapping[str, float]) -> bytes:
    """Return the bars of how much average precision the forest loses without each feature."""
    figura, ejes = _figure("Importancia de los rasgos en el bosque, por permutación")
    orden = sorted(importancia, key=lambda nombre: importancia[nombre])
    ejes.barh(orden, [importancia[nombre] for nombre in orden])
    ejes.axvline(0.0, color="0.4", linewidth=0.8)
    ejes.set(xlabel="Precisión media que se pierde al barajar el rasgo")
    return _png(figura)


def _figure(titulo: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figura = Figure(figsize=TAMANO_PULGADAS, layout="constrained")
    ejes = figura.subplots()
    ejes.set_title(titulo)
    ejes.grid(alpha=0.3)
    return figura, ejes


def _png(figura: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    salida = io.BytesIO()
    FigureCanvasAgg(figura)
    # Without the library's version in it the same figure gives the same bytes everywhere.
    figura.savefig(salida, format="png", dpi=PUNTOS_POR_PULGADA, metadata={"Software": None})
    return salida.getvalue()
