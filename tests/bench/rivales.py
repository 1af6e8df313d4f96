"""What (c) and (d) have in common: a message, the four rules, River's score, a row.

They run in an environment of their own (``requirements-rivales.lock``): nothing of ours is imported
but the rules and two modules of ``detection`` that need numpy alone.
"""

from __future__ import annotations

import os
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from historia import Pasado, load_pasado
from reglas_competentes import Cliente, Momento, make_momento
from river.anomaly import HalfSpaceTrees

from detection.params import Params

COLUMNAS = (
    "propietario_id", "fecha", "hora", "consumo_kwh", "anomalia_detectada", "score_anomalia",
    "severidad", "es_sospechoso", "timestamp_consumo", "tipos_anomalia", "version_modelo",
)  # fmt: skip
CLAVE = ("propietario_id", "timestamp_consumo")
BASE: dict[str, Any] = {
    "host": os.environ["POSTGRES_HOST"],
    "port": int(os.environ["POSTGRES_PORT"]),
    "user": os.environ["POSTGRES_USER"],
    "password": os.environ["POSTGRES_PASSWORD"],
    "dbname": os.environ["POSTGRES_DB"],
}
BROKER, TOPIC, GRUPO = (os.environ[f"KAFKA_{que}"] for que in ("BROKER", "TOPIC", "GRUPO"))


@lru_cache(maxsize=1)
def pasado() -> Pasado:
    """Return what comes before, for customers that are seen for the first time."""
    return load_pasado(os.environ["BANCO_HISTORIA"])


@cache
def momento_de(texto: str) -> Momento:
    """Return the hour of a message."""
    return make_momento(int(datetime.fromisoformat(texto).timestamp()) // 3600)


def remember(propietario_id: str) -> Cliente:
    """Return what a customer's history has taught."""
    cliente = Cliente()
    for hora_utc, kwh in pasado().columna(propietario_id):
        cliente.decide(_momento(hora_utc), kwh)
    return cliente


_momento = lru_cache(maxsize=None)(make_momento)


class River:
    """River's half-space trees, of the size of ours, over two features instead of all."""

    def __init__(self) -> None:
        p = Params()
        self._arboles = HalfSpaceTrees(
            n_trees=p.online_arboles, height=p.online_altura, window_size=p.online_ventana,
            seed=p.online_semilla,
        )  # fmt: skip

    def score(self, momento: Momento, kwh: float) -> float:
        """Return the score of a reading, 0 to 1, and learn from it."""
        rasgos = {"kwh": kwh / (1.0 + kwh), "hora": momento.hora / 23}
        score = float(self._arboles.score_one(rasgos))
        self._arboles.learn_one(rasgos)
        return score


def make_fila(
    lectura: dict[str, Any], momento: Momento, tipos: list[str], score: float
) -> dict[str, Any]:
    """Return a row: an anomaly is what fires a rule; the score is River's."""
    anomala = bool(tipos)
    valores = (
        lectura["propietario_id"], momento.fecha, momento.hora, lectura["consumo_kwh"], anomala,
        round(score, 2), "alta" if anomala else "normal", False, momento.instante,
        "{" + ",".join(tipos) + "}", "rival",
    )  # fmt: skip
    return dict(zip(COLUMNAS, valores, strict=True))
