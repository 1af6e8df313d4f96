"""What is found, and what is alarmed for nothing, on many labelled populations of the generator.

``python tests/bench/calidad.py`` prints it for seeds 601 to 720, which nobody looked at while the
thresholds were chosen. Each population: 50 customers, 8 of them suspicious, 60 days.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from detection.number_format import numero
from serving.cli import HECHO, Parser, entero, run

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "detection"))

BUSCADOS = {"cannabis", "puente_nocturno"}


def main(argv: Sequence[str]) -> int:
    """Print how many suspicious customers rank first, and the grave alarms of the clean ones."""
    from test_sinteticos import SOSPECHOSOS, ranking, sesenta_dias

    parser = Parser("calidad.py", "Mide qué se encuentra en poblaciones sintéticas etiquetadas.")
    parser.add_argument("--desde", type=entero(0), default=601, metavar="SEMILLA")
    parser.add_argument("--cuantas", type=entero(1), default=120, metavar="N")
    opciones = parser.parse_args(argv)
    graves, hay, dentro, buscados, encontrados = [], 0, 0, 0, 0
    for semilla in range(opciones.desde, opciones.desde + opciones.cuantas):
        lecturas, v, ids, verdad = sesenta_dias(semilla)
        primeros = set(ranking(lecturas, v, ids)[:SOSPECHOSOS])
        limpia = ~np.isin(ids, list(verdad)) & ~np.isnan(v.esperado_kwh)
        graves.append((v.severidad[limpia] >= 3).sum() / (limpia.sum() / 24 / 30))
        hay += len(verdad)
        dentro += len(primeros & verdad.keys())
        suyos = {c for c, tipo in verdad.items() if tipo in BUSCADOS}
        buscados += len(suyos)
        encontrados += len(primeros & suyos)
    Console(highlight=False).print(
        f"{opciones.cuantas} poblaciones. Entre los {SOSPECHOSOS} primeros de cada una: "
        f"{encontrados} de {buscados} plantaciones y puentes nocturnos, {dentro} de {hay} "
        f"sospechosos. Alarmas altas y críticas por 30 días de cliente limpio: mediana "
        f"{numero(float(np.median(graves)), 2)}, media {numero(float(np.mean(graves)), 2)}, "
        f"máximo {numero(max(graves), 2)}; más de una, en {sum(g > 1 for g in graves)} poblaciones."
    )
    return HECHO


if __name__ == "__main__":
    sys.exit(run(main))
