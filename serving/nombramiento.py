"""A person makes a version champion: checked first, the alias moved, and written down beside it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from detection.errors import ModeloInvalidoError, PermanentError
from serving.paquete import load_paquete
from serving.versiones import CAMPEON, MODELO


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
        try:
            donde = registro.download(version, Path(carpeta) / str(version))
            load_paquete(donde, f"{MODELO}-{version}")
        except ModeloInvalidoError as error:
            raise ModeloInvalidoError(f"no se promueve (versión {version}): {error}") from error
    if registro.version_of(CAMPEON) != antes:
        raise CampeonCambiadoError("el campeón ha cambiado mientras tanto y no se toca")
    etiquetas = {
        "promovido_por": quien,
        "promovido_en": ahora.isoformat(timespec="seconds"),
        "promovido_motivo": motivo,
        "promovido_desde": str(antes or "ninguna"),
    }
    registro.set_alias(CAMPEON, version, etiquetas)
