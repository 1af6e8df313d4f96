"""Documents of anomalies as those who look at them get them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId

from detection.domain import Explicacion
from pipeline.stores.anomaly_records import (
    Anomalia,
    AnomaliaDetalle,
    DetectorExplicado,
    Puntuacion,
    VeredictoHumano,
)
from pipeline.stores.presentation import Presentacion, kwh
from pipeline.stores.query_limits import ConsultaInvalidaError

VEREDICTOS_MAXIMOS = 100
"""Verdicts of people that an anomaly keeps, the latest ones."""
SIN_LO_LARGO = {"explicacion": 0, "veredictos": 0}
_REVISION_BYTES = 4
"""Two states of one anomaly are told apart but once in four thousand million times."""
_DE_ANOMALIA = (
    *("propietario_id", "consumo_kwh", "consumo_esperado_kwh", "hora", "tipos_anomalia"),
    *("score_anomalia", "severidad", "es_sospechoso", "estado", "version_modelo"),
)
_DE_PUNTUACION = ("propietario_id", "score_anomalia", "severidad", "tipos_anomalia", "estado")
_ES_ALARMA = 0.5
"""Scores above this add to the alarm (``detection.blend.weighted``)."""
_CASI_UNO = 1 - 1e-6


def parse_id(texto: str) -> ObjectId:
    """Return the id of an anomaly; ``ConsultaInvalidaError`` if the text is none."""
    try:
        return ObjectId(texto)
    except (InvalidId, TypeError) as error:
        raise ConsultaInvalidaError(
            "el identificador de una anomalía tiene 24 cifras hexadecimales"
        ) from error


def anomaly(doc: Mapping[str, Any], archivada: bool, presenta: Presentacion) -> Anomalia:
    """Return a document as an anomaly without its explanation."""
    return Anomalia(**_fields(doc, archivada, presenta))


def _fields(doc: Mapping[str, Any], archivada: bool, presenta: Presentacion) -> dict[str, Any]:
    esperado, veredicto = doc["consumo_esperado_kwh"], doc.get("veredicto")
    return {
        **{campo: doc[campo] for campo in _DE_ANOMALIA},
        "id": str(doc["_id"]),
        "timestamp_consumo": presenta.hora(doc["timestamp_consumo"]),
        "timestamp_deteccion": presenta.hora(doc["timestamp_deteccion"]),
        "diferencia_kwh": None if esperado is None else kwh(doc["consumo_kwh"] - esperado),
        "veredicto": None if veredicto is None else _verdict(veredicto, presenta),
        "archivada": archivada,
        "revision": _revision(doc),
    }


def _revision(doc: Mapping[str, Any]) -> str:
    """Return a text that changes with whatever a person judges an anomaly by."""
    dicho = doc.get("veredicto")
    visto = (
        *(doc[campo] for campo in ("estado", "severidad", "score_anomalia", "consumo_kwh")),
        None if dicho is None else (dicho["cuando"].isoformat(), dicho.get("anotacion")),
    )
    return blake2b(repr(visto).encode(), digest_size=_REVISION_BYTES).hexdigest()


def _verdict(veredicto: Mapping[str, Any], presenta: Presentacion) -> VeredictoHumano:
    return VeredictoHumano(
        **{
            **veredicto,
            "cuando": presenta.hora(veredicto["cuando"]),
            "anotacion": veredicto.get("anotacion"),
        }
    )


def detail(doc: Mapping[str, Any], archivada: bool, presenta: Presentacion) -> AnomaliaDetalle:
    """Return a document as an anomaly with all that was said of it."""
    explicacion = [
        Explicacion(e["detector"], e["score"], e["peso"], e["dispara"], e["frase"])
        for e in doc["explicacion"]
    ]
    detectores = [
        DetectorExplicado(
            detector=e.detector, score=e.score, peso=e.peso, aporte=round(aporte, 4),
            dispara=e.dispara, frase=e.frase,
        )
        for e, aporte in zip(explicacion, contributions(explicacion), strict=True)
    ]  # fmt: skip
    detectores.sort(key=lambda d: (-d.aporte, -(d.score or 0.0)))
    campos = _fields(doc, archivada, presenta)
    diferencia = campos["diferencia_kwh"]
    en_juego = None if diferencia is None else abs(diferencia)
    return AnomaliaDetalle(
        **campos,
        explicacion=detectores,
        resumen=" ".join(d.frase for d in detectores if d.dispara),
        veredictos=[_verdict(v, presenta) for v in doc.get("veredictos", ())],
        energia_en_juego_kwh=en_juego,
        energia_en_juego_eur=presenta.euros(en_juego),
    )


def scored(doc: Mapping[str, Any], presenta: Presentacion) -> Puntuacion:
    """Return what each detector scored on a document's anomaly."""
    return Puntuacion(
        **{campo: doc[campo] for campo in _DE_PUNTUACION},
        id=str(doc["_id"]),
        timestamp_consumo=presenta.hora(doc["timestamp_consumo"]),
        detectores={e["detector"]: e["score"] for e in doc["explicacion"]},
    )


def contributions(explicacion: Sequence[Explicacion]) -> list[float]:
    """Return each detector's part of the alarm, 0 to 1; they add up to 1.

    The blend is ``0.5 + 0.5 * (1 - prod(1 - peso * (2 * score - 1)))`` over the scores above 0.5,
    so the logarithms of the factors add up, and each takes its share of their sum. Where none
    passes 0.5 the highest score stands alone, as the blend has it.

    Examples
    --------
    >>> fuerte = Explicacion("fraude", 0.9, 1.0, True, "")
    >>> debil = Explicacion("pico_consumo", 0.6, 0.6, False, "")
    >>> callado = Explicacion("modelo_online", None, 0.15, False, "")
    >>> [round(x, 2) for x in contributions([debil, fuerte, callado])]
    [0.07, 0.93, 0.0]
    """
    if not explicacion:
        return []
    scores = [e.score or 0.0 for e in explicacion]
    fuerzas = [
        -math.log1p(-min(e.peso * 2 * max(0.0, s - _ES_ALARMA), _CASI_UNO))
        for e, s in zip(explicacion, scores, strict=True)
    ]
    if (suma := sum(fuerzas)) > 0:
        return [fuerza / suma for fuerza in fuerzas]
    primero = scores.index(max(scores))
    return [float(i == primero) for i in range(len(scores))]
