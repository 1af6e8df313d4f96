"""The tree of everything that can go wrong, so that callers can choose by type.

::

    ConsumoError                 its text is Spanish and meant for the user, one line
    ├── PermanentError           trying again changes nothing
    │   ├── ConfiguracionError   a variable or a flag is wrong            -> exit status 2
    │   ├── LecturaInvalidaError a message or a row is not a reading      -> dead letter, or exit 1
    │   ├── EntregaError         the broker did not confirm a reading     -> exit status 1
    │   └── ModeloInvalidoError  a model version is broken or not for us  -> the old one stays
    └── TransientError           a store or the broker is away: wait `retry_after_s` and try again
        ├── SinSitioError    its disk is full
        └── LoteEnVueloError     a draft needs the batch that is just being saved: wait for it
"""

from __future__ import annotations


class ConsumoError(Exception):
    """Root of our errors; ``str(error)`` is one Spanish line for the user."""


class PermanentError(ConsumoError):
    """Trying again changes nothing."""


class ConfiguracionError(PermanentError):
    """A variable, a flag or a file name is wrong."""


class LecturaInvalidaError(PermanentError):
    """A message or a row is not a reading.

    ``motivo``: the reason's name, one of the closed list in ``pipeline.ingest.messages``.
    ``detalle``: what was found, in Spanish.
    """

    def __init__(self, motivo: str, detalle: str) -> None:
        super().__init__(f"{motivo}: {detalle}")
        self.motivo = motivo
        self.detalle = detalle


class EntregaError(PermanentError):
    """The broker did not confirm a reading that was sent."""


class ModeloInvalidoError(PermanentError):
    """A model version is damaged, or was made for other features than ours."""


class TransientError(ConsumoError):
    """A store or the broker is away.

    ``mensaje``: what is away, in Spanish. ``retry_after_s``: seconds after which another try makes
    sense.
    """

    def __init__(self, mensaje: str, retry_after_s: float = 1.0) -> None:
        super().__init__(mensaje)
        self.retry_after_s = retry_after_s


class SinSitioError(TransientError):
    """A disk is full: somebody has to make room.

    ``donde``: whose disk, as "PostgreSQL en 10.0.0.7:5432".
    """

    def __init__(self, donde: str) -> None:
        super().__init__(f"{donde}: no queda sitio en su disco", retry_after_s=5.0)


class LoteEnVueloError(TransientError):
    """A draft needs what another batch is just storing; nothing is wrong."""

    def __init__(self) -> None:
        super().__init__("se espera a que se guarde el lote anterior", retry_after_s=0.01)
