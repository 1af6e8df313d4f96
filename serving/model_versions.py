"""What registered versions are called, what is known of one, and what their tags say."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from detection.params import Params
from detection.rules.registry import rules_fingerprint

EXPERIMENTO = "consumo"
MODELO = "consumo-detector"
CAMPEON = "champion"
ASPIRANTE = "challenger"

ETIQUETA_HUELLA = "huella_paquete"
"""Tag of a version with its package's fingerprint (``model_package.package_fingerprint``)."""
ETIQUETA_PARAMS = "huella_params"
"""Tag of a version with ``rules_fingerprint`` at its training."""
ETIQUETA_ORIGEN, ORIGEN_BASE = "origen", "base"
"""Tag of a version that was not learnt here, and its value for the one that comes with the product
(``serving.base_version``)."""
ETIQUETA_PROCESO = "proceso"
"""Tag of a run with the machine and the process that registers it."""
ETIQUETA_PROMOCIONES = "promociones"
"""Tag of a version with all its promotions, the newest last: a JSON list of objects."""
PREFIJO_PROMOCION = "promovido_"
"""How the tags of the latest promotion begin: who, when, why, from which version and how."""
ETIQUETA_EXAMEN = "examen"
"""Tag of a version with what the gate said of it (``champion.Examen``)."""
ETIQUETA_RECHAZO = "rechazo"
"""Tag of a version that a consumer could not use (``ModelRejection``)."""
ABANDONO = timedelta(hours=6)
"""After which nobody is registering any more. By hand, 2026-11-24: it takes seconds."""
_LARGO_MAXIMO = 100_000
"""Characters of a tag's value: ``MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH`` of mlflow 3.17."""


@dataclass(frozen=True, slots=True)
class ModelRejection:
    """That a consumer could not use a version that an alias points to.

    The last word counts: a consumer that can use it takes the tag away.
    """

    # por, en, motivo: which machine, when (ISO 8601) and why, in Spanish.
    por: str
    en: str
    motivo: str

    def tags(self) -> dict[str, str]:
        """Return the tag that keeps it with its version."""
        return {ETIQUETA_RECHAZO: json.dumps(asdict(self), ensure_ascii=False)}

    @staticmethod
    def from_tags(etiquetas: Mapping[str, str]) -> ModelRejection | None:
        """Return what a version's tags say; None = nobody has rejected it."""
        texto = etiquetas.get(ETIQUETA_RECHAZO)
        if not texto:
            return None
        try:
            datos = json.loads(texto)
            return ModelRejection(*(str(datos[campo.name]) for campo in fields(ModelRejection)))
        except (ValueError, KeyError, TypeError):
            return ModelRejection("?", "?", texto)  # edited by hand in MLflow: it still says so


def is_base(etiquetas: Mapping[str, str]) -> bool:
    """Return whether a version with such tags is the one that comes with the product.

    Examples
    --------
    >>> is_base({"origen": "base"}), is_base({})
    (True, False)
    """
    return etiquetas.get(ETIQUETA_ORIGEN) == ORIGEN_BASE


class ModelVersions(Protocol):
    """What is asked of the registry by who needs no MLflow. Adapter: ``serving.registry``.

    Each raises ``TransientError`` while the server is away and ``PermanentError`` if it refuses.
    """

    @property
    def modelo(self) -> str:
        """Return the registered model's name."""
        ...

    def version_of(self, alias: str) -> int | None:
        """Return the version that an alias points to; None = it points nowhere."""
        ...

    def tags_of(self, version: int) -> Mapping[str, str]:
        """Return the tags of a version."""
        ...

    def download(self, version: int, destino: Path) -> Path:
        """Return ``destino``, which then holds a version's package."""
        ...

    def tag(self, version: int, etiquetas: Mapping[str, str | None]) -> None:
        """Set tags of a version, and take away those that are None."""
        ...

    def set_alias(self, alias: str, version: int, etiquetas: Mapping[str, str]) -> None:
        """Point an alias to a version and tag it."""
        ...


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A registered version, as MLflow knows it."""

    version: int  # from 1 on
    creada: datetime  # UTC
    etiquetas: Mapping[str, str]
    metricas: Mapping[str, float]  # those of the run that made it
    # E.g. ("champion",).
    alias: tuple[str, ...]


def other_params(version: str, huella: str) -> str | None:
    """Return that a version was trained with other figures than this code's; None = the same.

    Parameters
    ----------
    version : str
        As verdicts carry it, e.g. "consumo-detector-3".
    huella : str
        ``rules_fingerprint`` at its training.
    """
    if huella == rules_fingerprint(Params()):
        return None
    return (
        f"los pesos de detection/params.py no se usan: deciden los de {version}, que se entrenó "
        "con otros; para usarlos, entrene una versión nueva con «consumo entrenar»"
    )


def process_tag() -> dict[str, str]:
    """Return the tag of a run that this process registers."""
    return {ETIQUETA_PROCESO: f"{platform.node()}:{os.getpid()}"}


def is_abandoned(etiquetas: Mapping[str, str], desde: datetime, ahora: datetime) -> bool:
    """Return whether an open run is one of ours, whose process has left without ending it.

    ``etiquetas``: the run's. ``desde``, ``ahora``: when it began, and now.

    Examples
    --------
    >>> nuestra = {ETIQUETA_HUELLA: "0123"} | process_tag()
    >>> ayer, hoy = datetime(2026, 11, 23), datetime(2026, 11, 24)
    >>> is_abandoned(nuestra, hoy, hoy), is_abandoned(nuestra, ayer, hoy)
    (False, True)
    >>> is_abandoned({}, ayer, hoy)
    False
    """
    if ETIQUETA_HUELLA not in etiquetas:
        return False
    if ahora - desde > ABANDONO:
        return True
    maquina, _, numero = etiquetas.get(ETIQUETA_PROCESO, "").rpartition(":")
    if maquina != platform.node() or not numero.isdecimal():
        return False
    try:
        os.kill(int(numero), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def with_promotion(previas: Mapping[str, str], nuevas: Mapping[str, str]) -> dict[str, str]:
    """Return new tags of a version, with all its promotions if they are those of one more.

    ``previas``: all tags that the version has.
    """
    ultima = _promotion(nuevas)
    if not ultima:
        return dict(nuevas)
    historia = [*promotions_of(previas), ultima]
    while len(texto := json.dumps(historia, ensure_ascii=False)) > _LARGO_MAXIMO and historia[1:]:
        del historia[0]
    # The history first: it says everything, should the rest not get through.
    return {ETIQUETA_PROMOCIONES: texto, **nuevas}


def _promotion(etiquetas: Mapping[str, str]) -> dict[str, str]:
    return {
        n.removeprefix(PREFIJO_PROMOCION): v
        for n, v in etiquetas.items()
        if n.startswith(PREFIJO_PROMOCION)
    }


def promotions_of(etiquetas: Mapping[str, str]) -> list[object]:
    """Return the promotions so far; of a version older than their list, the latest.

    Examples
    --------
    >>> promotions_of({"promociones": '[{"via": "examen"}]'}), promotions_of({})
    ([{'via': 'examen'}], [])
    """
    texto = etiquetas.get(ETIQUETA_PROMOCIONES)
    if texto is None:
        anterior = _promotion(etiquetas)
        return [anterior] if anterior else []
    try:
        historia = json.loads(texto)
    except ValueError:
        historia = None
    # Edited by hand in MLflow: kept as it is, whatever it says.
    return historia if isinstance(historia, list) else [{"ilegible": texto}]
