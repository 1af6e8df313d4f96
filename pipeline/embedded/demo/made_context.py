"""What the demo's utility knows of its customers: a made town, in a CSV as a utility would send.

Streets, places and tariffs are drawn; nobody lives there.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.stores.customer_context import ContextoCliente
from serving.csv_cells import protect

_CENTRO = 39.05, -3.05
"""Degrees: fields of La Mancha, without a house for kilometres."""
_ENTRE_TRANSFORMADORES, _ENTRE_CASAS = 0.009, 0.0012
"""Degrees, one standard deviation each: a kilometre, and a street."""
_POR_TRANSFORMADOR = 12
_CALLES = ("del Olmo", "Mayor", "de la Fuente", "del Molino", "de las Eras", "Real", "del Pozo")
# Spain's usual contracted powers and access tariffs (BOE-A-2021-4239, CNMC Circular 3/2020).
_SUMINISTROS = (
    ("Vivienda", "2.0TD", (3.45, 4.6, 5.75)),
    ("Vivienda", "2.0TD", (3.45, 4.6, 5.75)),
    ("Vivienda", "2.0TD", (4.6, 5.75, 6.9)),
    ("Comercio", "2.0TD", (6.9, 9.2)),
    ("Taller", "3.0TD", (17.3, 20.8)),
)


def write_context(ruta: Path, propietarios: Sequence[str], semilla: int) -> None:
    """Write what is known of customers; of the same ones and seed, the same file."""
    azar = np.random.default_rng(semilla)
    with ruta.open("w", encoding="utf-8", newline="") as archivo:
        escritor = csv.writer(archivo, delimiter=";", lineterminator="\n")
        escritor.writerow(ContextoCliente.model_fields)
        for i, propietario_id in enumerate(propietarios):
            if i % _POR_TRANSFORMADOR == 0:
                sitio = [azar.normal(grados, _ENTRE_TRANSFORMADORES) for grados in _CENTRO]
            actividad, tarifa, potencias = _SUMINISTROS[azar.integers(len(_SUMINISTROS))]
            escritor.writerow(
                (
                    protect(propietario_id),
                    f"Calle {azar.choice(_CALLES)}, {azar.integers(1, 61)}",
                    *(
                        _spanish(round(float(azar.normal(grados, _ENTRE_CASAS)), 6))
                        for grados in sitio
                    ),
                    _spanish(azar.choice(potencias)),
                    tarifa,
                    actividad,
                    f"CT-{i // _POR_TRANSFORMADOR + 1:03d}",
                )
            )


def _spanish(numero: float) -> str:
    return str(round(float(numero), 6)).replace(".", ",")
