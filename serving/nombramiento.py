"""A person makes a version champion: checked first, the alias moved, and written down beside it."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from detection.errors import ModeloInvalidoError, PermanentError
from detection.modelo import Modelo
from serving.paquete import load_paquete
from serving.versiones import CAMPEON, MODELO

_LOG = logging.getLogger(__name__)


class Versiones(Protocol):
    """What is asked of the registry (``serving.registry.Registro`` gives it)."""

    def version_of(self, alias: str) -> int | None:
        """Return the version that an alias points to; None = it points nowhere."""
        ...

    def download(self, version: int, destino: Path) -> Path:
        """Return ``destino``, which then holds a version's package."""
        ...

    def set_alias(self, alias: str, version: int, etiquetas: dict[str, str]) -> None:
        """Point an alias to a version and tag it."""
        ...


class CampeonCambiadoError(PermanentError):
    """The champion is not the one that whoever asked had seen."""


def appoint(
    registro: Versiones,
    version: int,
    *,
    quien: str,
    ahora: datetime,
    motivo: str,
    antes: int | None,
) -> None:
    """Make a version champion, and note who did it, when, why and which one it follows.

    Parameters
    ----------
    ahora : datetime
        Aware.
    antes : int or None
        The champion that whoever asks has seen; None = there was none.

    Raises
    ------
    CampeonCambiadoError
        It is another one by now; nothing has been done.
    ModeloInvalidoError
        No consumer could use the version.
    PermanentError
        There is no such version, or MLflow refuses.
    TransientError
        MLflow is away.
    """
    with TemporaryDirectory(prefix="consumo-promover-") as carpeta:
        load_version(registro, version, Path(carpeta), "no se promueve")
    if registro.version_of(CAMPEON) != antes:
        raise CampeonCambiadoError("el campeón ha cambiado mientras tanto y no se toca")
    crown(registro, version, quien=quien, ahora=ahora, motivo=motivo, antes=antes)


def load_version(
    registro: Versiones, version: int, carpeta: Path, papel: str
) -> tuple[Modelo, Path]:
    """Return a version's model and the folder, below ``carpeta``, with its files.

    Parameters
    ----------
    papel : str
        What it is loaded for, or what does not happen without it: the error begins with it.

    Raises
    ------
    ModeloInvalidoError
        It is damaged or not for us.
    """
    try:
        donde = registro.download(version, carpeta / str(version))
        return load_paquete(donde, f"{MODELO}-{version}"), donde
    except ModeloInvalidoError as error:
        raise ModeloInvalidoError(f"{papel} (versión {version}): {error}") from error


def crown(
    registro: Versiones,
    version: int,
    *,
    quien: str,
    ahora: datetime,
    motivo: str,
    antes: int | None,
) -> None:
    """Move the champion's alias, and note who did it, when, why and which one it follows."""
    etiquetas = {
        "promovido_por": quien,
        "promovido_en": ahora.isoformat(timespec="seconds"),
        "promovido_motivo": motivo,
        "promovido_desde": str(antes or "ninguna"),
    }
    registro.set_alias(CAMPEON, version, etiquetas)
    _LOG.debug(
        "campeón: versión %d (antes: %s), por %s: %s", version, antes or "ninguna", quien, motivo
    )
