"""What either store says of its server when it fails: in the user's words, never a password."""

from __future__ import annotations

from dataclasses import dataclass

from detection.errors import ConfiguracionError, SinSitioError, TransientError

SIN_SITIO = "No space left on device"
"""What the system says, whatever a server makes of it: a log that cannot grow has other codes."""


@dataclass(frozen=True, slots=True)
class StoreServer:
    """A server as errors name it.

    ``nombre``: which one, and where. ``acceso``, ``tls``: the variables that say who enters, with
    their values, and those of TLS.
    """

    nombre: str
    acceso: str
    tls: str

    def rejects(self) -> ConfiguracionError:
        """Return that it knows no such user, password or database."""
        return ConfiguracionError(f"{self.nombre} rechaza la conexión: revise {self.acceso}")

    def insecure(self) -> ConfiguracionError:
        """Return that there is no TLS, or none that is trusted, which time will not mend."""
        texto = f"{self.nombre}: no hay conexión TLS de confianza; revise {self.tls}"
        return ConfiguracionError(texto)

    def full(self) -> SinSitioError:
        """Return that its disk is full."""
        return SinSitioError(self.nombre)

    def slow(self) -> TransientError:
        """Return that a statement took longer than it may."""
        return TransientError(f"{self.nombre} tarda demasiado en responder")

    def contended(self) -> TransientError:
        """Return that somebody else was writing the same."""
        return TransientError(f"{self.nombre}: otro proceso escribía las mismas lecturas")

    def away(self, reintento_s: float = 1.0) -> TransientError:
        """Return that nobody answers."""
        return TransientError(f"{self.nombre} no responde", reintento_s)
