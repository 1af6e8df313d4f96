"""What each detector adds, on labelled populations that nothing was tuned on.

``python tests/bench/ablacion.py``: the training job learns a version from populations 801 to 810
(rules' verdicts, no labels), and both the rules alone and the rules with the two models score
populations 631 to 670, with the generator's own labels. Average precision is by reading.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import average_precision_score

from detection.detector import DetectorConsumo
from detection.domain import (
    SEVERIDADES,
    TIPOS,
    Lecturas,
    Veredictos,
    hora_absoluta,
)
from detection.number_format import numero
from detection.params import Params
from detection.scoring_model import ScoringModel
from detection.simulation.synthesis import make_population
from pipeline.generator.service import generate_lecturas
from serving.cli import HECHO, Parser, entero, run
from serving.local_time import load_calendario
from serving.settings import Settings
from training.fit import learn
from training.history import InMemoryHistory

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

ZONA = "Europe/Madrid"
HASTA = hora_absoluta(datetime(2026, 11, 20, tzinfo=UTC))
DIAS, CLIENTES, SOSPECHOSOS = 60, 50, 8


def historia(semillas: Sequence[int]) -> InMemoryHistory:
    """Return what the training job reads, without a server: populations one beside another."""
    partes = [(semilla, poblacion(semilla)[0]) for semilla in semillas]
    juntas = Lecturas(
        [f"{semilla}{p}" for semilla, lecturas in partes for p in lecturas.propietario_id],
        np.concatenate([lecturas.hora_utc for _, lecturas in partes]),
        np.concatenate([lecturas.consumo_kwh for _, lecturas in partes]),
    )
    en_orden = juntas.elegir(np.argsort(juntas.hora_utc, kind="stable"))
    return InMemoryHistory.of(en_orden, DetectorConsumo(load_calendario(ZONA)).score(en_orden))


def poblacion(semilla: int) -> tuple[Lecturas, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return readings, which are attacked, and which are of customers that never are."""
    desde = HASTA - 24 * DIAS
    clientes = make_population(semilla, CLIENTES, SOSPECHOSOS, desde, HASTA)
    generadas = generate_lecturas(clientes, desde, HASTA, ZONA)
    malos = [c.propietario_id for c in clientes if c.ataque is not None]
    atacada = np.array([e != "normal" for e in generadas.etiqueta])
    return generadas.lecturas(), atacada, ~np.isin(np.array(generadas.propietario_id), malos)


class Cuenta:
    """Figures of one way of scoring, population after population."""

    def __init__(self) -> None:
        self.mezcla: list[float] = []
        self.solos: list[list[float]] = []
        self.alarmas: list[list[float]] = []

    def add(self, v: Veredictos, atacada: NDArray[np.bool_], limpia: NDArray[np.bool_]) -> None:
        lista = ~np.isnan(v.esperado_kwh)
        verdad = atacada[lista]
        self.mezcla.append(average_precision_score(verdad, v.score_centesimas[lista]))
        scores = np.nan_to_num(v.scores[lista], nan=0.0)
        self.solos.append(
            [average_precision_score(verdad, scores[:, k]) for k in range(len(TIPOS))]
        )
        dias = (lista & limpia).sum() / 24 / 1000
        self.alarmas.append(
            [float((v.severidad[lista & limpia] == k).sum() / dias) for k in range(1, 5)]
        )


def score(lecturas: Lecturas, modelo: ScoringModel | None, sin: Sequence[str] = ()) -> Veredictos:
    """Return a version's verdicts; None = the rules alone."""
    detector = DetectorConsumo(load_calendario(ZONA), sin=sin)
    detector.use(modelo)
    return detector.score(lecturas)


def main(argv: Sequence[str]) -> int:
    """Print the table."""
    parser = Parser("ablacion.py", "Mide lo que añade cada detector a la mezcla.")
    parser.add_argument("--desde", type=entero(0), default=631, metavar="SEMILLA")
    parser.add_argument("--cuantas", type=entero(1), default=40, metavar="N")
    opciones = parser.parse_args(argv)
    modelo = learn(Settings(), historia(range(801, 811)), {}).modelo
    con, reglas = Cuenta(), Cuenta()
    sin = {str(t): Cuenta() for t in TIPOS}
    for semilla in range(opciones.desde, opciones.desde + opciones.cuantas):
        lecturas, atacada, limpia = poblacion(semilla)
        con.add(score(lecturas, modelo), atacada, limpia)
        reglas.add(score(lecturas, None), atacada, limpia)
        for nombre, cuenta in sin.items():
            cuenta.add(score(lecturas, modelo, (nombre,)), atacada, limpia)
    tabla = Table("detector", "él solo", "la mezcla sin él", "lo que añade")
    todo = float(np.mean(con.mezcla))
    for k, (nombre, cuenta) in enumerate(sin.items()):
        otra = float(np.mean(cuenta.mezcla))
        solo = float(np.mean([s[k] for s in con.solos]))
        tabla.add_row(nombre, numero(solo, 3), numero(otra, 3), f"{numero(todo - otra, 3)}")
    consola = Console(highlight=False)
    consola.print(
        f"{opciones.cuantas} poblaciones. Precisión media de la mezcla: {numero(todo, 3)}; "
        f"de las reglas solas, {numero(float(np.mean(reglas.mezcla)), 3)}; la mezcla gana en "
        f"{sum(a > b for a, b in zip(con.mezcla, reglas.mezcla, strict=True))}.",
        tabla,
    )
    presupuesto = Params().presupuesto
    for titulo, cuenta in (("con los modelos", con), ("solo reglas", reglas)):
        medias = np.mean(cuenta.alarmas, axis=0)
        texto = ", ".join(
            f"{SEVERIDADES[k + 1]} {numero(float(medias[k]), 1)} (tope {numero(presupuesto[k], 0)})"
            for k in range(4)
        )
        consola.print(f"Falsas alarmas por 1.000 clientes y día, {titulo}: {texto}.")
    return HECHO


if __name__ == "__main__":
    sys.exit(run(main))
