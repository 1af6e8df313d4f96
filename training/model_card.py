"""What a version is, learnt from what, how good and against what: its card in MLflow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detection.domain import HORAS_POR_DIA, TIPOS, Calendario, instante
from detection.features.hourly import RASGOS
from detection.number_format import numero, porcentaje
from serving.model_versions import MODELO
from serving.run_card import RunCard, UsedData
from training.dataset import RETENIDOS_DIAS
from training.evaluation.version_metrics import score_conjunto, truth

if TYPE_CHECKING:
    from training.fit import Aprendido
    from training.own_cases import OwnCases

_ROTULOS = {str(tipo): tipo.rotulo for tipo in TIPOS}
HUELLAS = "huellas.json"
"""Artifact with every fingerprint of a version."""
CENTESIMAS = 101


def version_card(aprendido: Aprendido, calendario: Calendario) -> RunCard:
    """Return what MLflow shows of a version, and of the run that made it."""
    ventana = aprendido.muestra.ventana
    desde, corte = (_day(h) for h in (ventana.desde_hora, ventana.corte_hora))
    dias = (ventana.corte_hora - ventana.desde_hora) // HORAS_POR_DIA
    clientes = len(set(aprendido.muestra.propietario_id))
    return RunCard(
        nombre=f"{corte}: {dias} días de {numero(clientes, 0)} clientes",
        texto=_text(aprendido, desde, corte, dias, clientes),
        datos=[_learnt_from(aprendido, desde, corte), _judged_on(aprendido, corte)],
        tablas=_tables(aprendido),
        curvas=_curves(aprendido, calendario),
    )


def fingerprints(aprendido: Aprendido) -> bytes:
    """Return every fingerprint of a version but its package's, which is a tag of it, as JSON."""
    huellas = {
        "datos_sha256": aprendido.muestra.sha256,
        "evaluacion_sha256": aprendido.conjunto.sha256,
        "huella_params": aprendido.modelo.huella_params,
        "huella_online": aprendido.modelo.huella_online,
    }
    return f"{json.dumps(huellas, indent=2, sort_keys=True)}\n".encode()


def _day(hora: int) -> str:
    return instante(hora).date().isoformat()


def _text(aprendido: Aprendido, desde: str, corte: str, dias: int, clientes: int) -> str:
    """Return the Markdown."""
    m, reglas = aprendido.metricas, aprendido.solo_reglas
    mezcla = "ponderada" if aprendido.modelo.mezcla is None else "aprendida"
    peor = min(m.hallados_clientes.items(), key=lambda par: par[1], default=("ninguno", 1.0))
    alarmas = ", ".join(f"{numero(n, 1)} {severidad}" for severidad, n in m.falsas_alarmas.items())
    filas = "\n".join(
        f"| {ataque} | {m.clientes_atacados[ataque]} | {porcentaje(hallados)} | "
        f"{porcentaje(m.hallados_lecturas[ataque])} |"
        for ataque, hallados in m.hallados_clientes.items()
    )
    limpios, gemelos = numero(m.clientes_limpios, 0), sum(m.clientes_atacados.values())
    return f"""\
**Qué es.** Bosque de aislamiento sobre {len(RASGOS)} rasgos de cada lectura, con la mezcla {mezcla}
de los detectores.

**De qué aprendió.** Del {desde} al {corte}, sin incluirlo: {dias} días de {numero(clientes, 0)}
clientes, sin los sospechosos ni los de fraude confirmado. Los {RETENIDOS_DIAS} días siguientes no
los ha visto. {_case_sources(aprendido.casos)}

**Cómo de buena es.** En esos {RETENIDOS_DIAS} días, sobre {limpios} clientes limpios y {gemelos}
gemelos suyos con un ataque simulado:

| frente a | precisión media |
|---|---|
| esta versión | **{numero(m.precision_media, 3)}** |
| las reglas solas | {numero(reglas.precision_media, 3)} |
| el azar | {numero(m.precision_azar, 3)} |

Frente al campeón la compara `consumo promover`, en los mismos datos: lo que dice queda en la
etiqueta `examen`.

| ataque | clientes | hallados | lecturas señaladas |
|---|---|---|---|
{filas}

Lo que peor ve: {peor[0]} ({porcentaje(peor[1])} de los clientes). Falsas alarmas por cada 1.000
clientes y día: {alarmas}.

**Cómo volver atrás.** `consumo promover --version N` con la anterior; los consumidores la toman en
menos de 30 s.

**Cómo usarla.** `mlflow.pyfunc.load_model("models:/{MODELO}@challenger")` mientras sea la última;
las huellas de los datos, en `{HUELLAS}`.
"""


def _case_sources(casos: OwnCases | None) -> str:
    if casos is None:
        return "De casos no sabe nada."
    if not casos.hogares:
        return "Lo que sabe de casos es lo de la versión de base."
    propios = f"{casos.hogares} hogares propios con un año de lecturas"
    revisados = f" y {casos.revisados} casos revisados" if casos.revisados else ""
    return f"Lo que sabe de casos es de la versión de base y de {propios}{revisados}."


def _learnt_from(aprendido: Aprendido, desde: str, corte: str) -> UsedData:
    muestra = aprendido.muestra
    return UsedData(
        "consumos_historia",
        "training",
        muestra.sha256,
        {"tabla": "consumos_historia", "desde": desde, "hasta": corte},
        RASGOS,
        {"num_rows": muestra.rasgos.shape[0], **muestra.recuento},
    )


def _judged_on(aprendido: Aprendido, corte: str) -> UsedData:
    conjunto, m = aprendido.conjunto, aprendido.metricas
    return UsedData(
        "gemelos_atacados",
        "evaluation",
        conjunto.sha256,
        {"tabla": "consumos_historia", "desde": corte, "ataques": "simulados"},
        ("consumo_kwh",),
        {"num_rows": m.lecturas_juzgadas, "lecturas_atacadas": m.lecturas_atacadas},
    )


def _tables(aprendido: Aprendido) -> dict[str, Mapping[str, list[object]]]:
    m = aprendido.metricas
    ataques, detectores = list(m.hallados_clientes), list(m.precision_sola)
    return {
        "evaluacion/ataques.json": {
            "ataque": list(ataques),
            "clientes": [m.clientes_atacados[a] for a in ataques],
            "hallados_clientes": [m.hallados_clientes[a] for a in ataques],
            "hallados_lecturas": [m.hallados_lecturas[a] for a in ataques],
        },
        "evaluacion/detectores.json": {
            "detector": [_ROTULOS.get(d, d) for d in detectores],
            "precision_solo": [m.precision_sola[d] for d in detectores],
            "precision_sin_el": [m.precision_sin.get(d) for d in detectores],
        },
        "evaluacion/falsas_alarmas.json": {
            "severidad": list(m.falsas_alarmas),
            "por_1000_clientes_y_dia": list(m.falsas_alarmas.values()),
        },
    }


def _curves(aprendido: Aprendido, calendario: Calendario) -> dict[str, list[float]]:
    """Return precision by recall, and both by score, at each hundredth from 0 to 1."""
    conjunto = aprendido.conjunto
    juzgada = conjunto.juzgada
    centesimas = score_conjunto(conjunto, aprendido.modelo, calendario).score_centesimas[juzgada]
    return precision_curves(truth(conjunto), centesimas)


def precision_curves(
    verdad: NDArray[np.bool_], centesimas: NDArray[np.uint8]
) -> dict[str, list[float]]:
    """Return precision and recall of readings from each score on, and precision by recall.

    Parameters
    ----------
    verdad : ndarray (n,), bool
        What was attacked; some were.
    centesimas : ndarray (n,), uint8
        Scores in hundredths, 0 to 100.

    Examples
    --------
    >>> curvas = precision_curves(np.array([True, False, True]), np.array([90, 60, 20], np.uint8))
    >>> curvas["precision_desde_score"][50], curvas["exhaustividad_desde_score"][50]
    (0.5, 0.5)
    >>> curvas["precision_por_exhaustividad"][50]
    1.0
    """
    desde = np.cumsum(np.bincount(centesimas, minlength=CENTESIMAS)[::-1])[::-1]
    buenas = np.cumsum(np.bincount(centesimas[verdad], minlength=CENTESIMAS)[::-1])[::-1]
    # Of no reading none is wrong.
    precision = np.where(desde > 0, buenas / np.maximum(desde, 1), 1.0)
    exhaustividad = buenas / max(int(verdad.sum()), 1)
    por_exhaustividad = [
        float(precision[exhaustividad >= paso / 100].max(initial=0.0)) for paso in range(CENTESIMAS)
    ]
    return {
        "precision_desde_score": precision.tolist(),
        "exhaustividad_desde_score": exhaustividad.tolist(),
        "precision_por_exhaustividad": por_exhaustividad,
    }
