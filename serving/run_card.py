"""What people read in MLflow of a version beside its numbers, and of the model as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CURVA = "curva."
"""How metrics begin that are drawn over their steps: no figures of the version."""

TIPO_EXPERIMENTO = {"mlflow.experimentKind": "custom_model_development"}
"""MLflow's web opens the experiment as one of models, and not of agents (mlflow 3.17)."""
SOBRE_EL_EXPERIMENTO = """\
Cada ejecución es un entrenamiento de **consumo-detector** con la historia de PostgreSQL
(`consumo entrenar`, o `consumo reentrenar` de noche). Compárelas por `precision_media` y por las
curvas, solo entre las que se examinaron con los mismos datos (etiqueta `evaluacion_sha256`).
"""
SOBRE_EL_MODELO = """\
# consumo-detector

Puntúa cada lectura horaria de un contador: cuánto se aparta de lo que su cliente suele hacer, de 0
(normal) a 1. Una versión lleva el bosque de aislamiento, la mezcla aprendida de los detectores, sus
colas y sus pesos.

| alias | qué es |
|---|---|
| `champion` | la que puntúa: cada consumidor la toma en menos de 30 s, sin reiniciar |
| `challenger` | la última entrenada, que espera su examen |

**Promover** es `consumo promover`, o el botón del tablero: solo pasa la que gana en los mismos
datos. **Volver atrás** es `consumo promover --version N`, sin examen si ya fue campeona.

```python
import mlflow
modelo = mlflow.pyfunc.load_model("models:/consumo-detector@champion")
modelo.predict(rasgos)      # cuanto más alto, más raro
```
"""


@dataclass(frozen=True, slots=True)
class UsedData:
    """A data set that a run has used."""

    nombre: str
    uso: str  # "training" or "evaluation", MLflow's own words
    huella: str  # SHA-256, hex
    origen: Mapping[str, str]  # where it comes from, without a password
    columnas: Sequence[str]
    cifras: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RunCard:
    """What is told of a version and of the run that made it."""

    nombre: str = ""  # of the run; '' = MLflow makes one up
    texto: str = ""  # Markdown
    datos: Sequence[UsedData] = ()
    # By file name: columns of a table.
    tablas: Mapping[str, Mapping[str, Sequence[object]]] = field(default_factory=dict)
    # By name: values at steps 0, 1, 2… (hundredths).
    curvas: Mapping[str, Sequence[float]] = field(default_factory=dict)
