"""Documents of ``anomalias_detectadas`` and ``consumos_horarios``: batches to fields and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from detection.domain import (
    HORAS_POR_DIA,
    SEVERIDADES,
    Explicacion,
    Lecturas,
    Veredictos,
    hora_absoluta,
    instante,
    nombres_de_tipos,
)

DEL_DETECTOR = frozenset(
    {
        *("consumo_kwh", "hora", "tipos_anomalia", "score_anomalia", "severidad"),
        *("es_sospechoso", "consumo_esperado_kwh", "version_modelo", "explicacion"),
    }
)
"""Fields of an anomaly that ``verdict`` gives; what is not among them people have said, but for
``_id`` and ``FIJOS``."""
FIJOS = frozenset({"propietario_id", "timestamp_consumo", "timestamp_deteccion"})
"""Fields of an anomaly that nobody changes."""


def now() -> datetime:
    """Return the time, to the millisecond that MongoDB keeps."""
    ahora = datetime.now(UTC)
    return ahora.replace(microsecond=ahora.microsecond // 1000 * 1000)


def identity(lecturas: Lecturas, i: int) -> dict[str, Any]:
    """Return the fields of an anomaly that say which reading it is of."""
    return {
        "propietario_id": lecturas.propietario_id[i],
        "timestamp_consumo": instante(lecturas.hora_utc[i]),
    }


def verdict(
    lecturas: Lecturas, veredictos: Veredictos, i: int, explicacion: Sequence[Explicacion]
) -> dict[str, Any]:
    """Return the fields of an anomaly that a new verdict replaces."""
    esperado = veredictos.esperado_kwh[i]
    return {
        "consumo_kwh": float(lecturas.consumo_kwh[i]),
        "hora": int(veredictos.hora_local[i]) % HORAS_POR_DIA,
        "tipos_anomalia": nombres_de_tipos(int(veredictos.tipos[i])),
        "score_anomalia": int(veredictos.score_centesimas[i]) / 100,
        "severidad": str(SEVERIDADES[veredictos.severidad[i]]),
        "es_sospechoso": bool(veredictos.es_sospechoso[i]),
        # Through its text: 1.234 and not 1.2339999675750732, as PostgreSQL shows the same float.
        "consumo_esperado_kwh": None if np.isnan(esperado) else float(str(esperado)),
        "version_modelo": veredictos.version_modelo,
        "explicacion": [
            {
                "detector": str(e.detector),
                "score": None if e.score is None else float(e.score),
                "peso": float(e.peso),
                "dispara": bool(e.dispara),
                "frase": e.frase,
            }
            for e in explicacion
        ],
    }


def key_of(documento: Mapping[str, Any]) -> tuple[str, int]:
    """Return customer and absolute hour of an anomaly as it is stored."""
    return documento["propietario_id"], hora_absoluta(documento["timestamp_consumo"])


def agrees(guardado: Mapping[str, Any], veredicto: Mapping[str, Any]) -> bool:
    """Return whether a stored document says a verdict, whatever its explanation and local hour."""
    campos = veredicto.keys() - {"explicacion", "hora"}
    return all(guardado.get(campo) == veredicto[campo] for campo in campos)


def hour(lecturas: Lecturas, veredictos: Veredictos, i: int) -> dict[str, Any]:
    """Return a document of ``consumos_horarios``, with an ``_id`` that is its identity."""
    momento = instante(lecturas.hora_utc[i])
    return {
        "_id": f"{lecturas.propietario_id[i]}_{momento.isoformat()}",
        "propietario_id": lecturas.propietario_id[i],
        "timestamp_consumo": momento,
        "hora": int(veredictos.hora_local[i]) % HORAS_POR_DIA,
        "consumo_kwh": float(lecturas.consumo_kwh[i]),
        "score_anomalia": int(veredictos.score_centesimas[i]) / 100,
        "severidad": str(SEVERIDADES[veredictos.severidad[i]]),
    }
