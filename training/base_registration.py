"""The base version in the registry: its first, and champion until another one is (contract 6).

A consumer scores with it whether it is registered or not; registered, it can be seen beside the
others in MLflow, compared with, and gone back to.
"""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np

from detection.features.hourly import RASGOS
from serving.base_version import CARPETA
from serving.champion import base_tags
from serving.model_versions import ASPIRANTE, CAMPEON, ETIQUETA_ORIGEN, ORIGEN_BASE
from serving.registry import ModelRegistry
from serving.run_card import RunCard
from training.evaluation.version_metrics import METRICAS, Metricas
from training.history import SEMILLA_ENTRENAMIENTO

_FILAS_EJEMPLO = 5
_TEXTO = """\
**Qué es.** La versión de base: la que viene con el producto y puntúa mientras ninguna propia la
supere.

**De qué aprendió.** De hogares públicos de Suiza, California, Bélgica y Londres, ninguno de esta
compañía; su licencia y sus fuentes van en el paquete (`LICENCIA.md`).

**Cómo de buena es.** Sus medidas son de una mezcla aprendida de la mitad de esos hogares y juzgada
en otros, con ataques simulados. Frente a ella se examina la primera versión propia.

**Cómo volver a ella.** `consumo promover --version 1`.
"""


def register_base(registro: ModelRegistry, ahora: datetime, quien: str) -> int | None:
    """Register the base version and make it champion; return its number.

    None = there are versions already: nothing has been done. ``ahora``: aware. ``TransientError``:
    the registry is away. ``ModeloInvalidoError``: the product is not installed whole.
    """
    if registro.versions():
        return None
    metricas = Metricas(**json.loads((CARPETA / METRICAS).read_text(encoding="utf-8")))
    rng = np.random.default_rng(SEMILLA_ENTRENAMIENTO)
    version = registro.register(
        CARPETA,
        rng.random((_FILAS_EJEMPLO, len(RASGOS)), np.float32),
        parametros={ETIQUETA_ORIGEN: ORIGEN_BASE},
        metricas=metricas.figures(),
        etiquetas={ETIQUETA_ORIGEN: ORIGEN_BASE},
        ficha=RunCard(nombre="versión de base", texto=_TEXTO),
    )
    registro.set_alias(CAMPEON, version, base_tags(quien, ahora))
    registro.delete_alias(ASPIRANTE)
    return version
