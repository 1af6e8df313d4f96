"""Where messages go: the only file with Apprise, which speaks to mail, webhooks and chats."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import apprise

from detection.errors import ConfiguracionError
from pipeline.alerts.message import AlertMessage

log = logging.getLogger("avisos")

PLAZO_S = 30.0
"""Longest that a service is given to take a message; another try follows."""


class Destination(Protocol):
    """Who is told."""

    @property
    def clave(self) -> str:
        """Return by what it is known, which is no secret."""
        ...

    @property
    def nombre(self) -> str:
        """Return what it is called to people, without a secret."""
        ...

    def send(self, mensaje: AlertMessage) -> bool:
        """Return whether a message has been taken."""
        ...


class LogDestination:
    """The log, where nobody has said where else."""

    clave = "registro"
    nombre = "el registro"

    def send(self, mensaje: AlertMessage) -> bool:
        """Write a message to the log."""
        log.warning("%s\n%s", mensaje.asunto, mensaje.texto)
        return True


@dataclass(frozen=True, slots=True)
class AppriseDestination:
    """A service, by its Apprise URL."""

    clave: str
    nombre: str
    _servicio: apprise.Apprise

    def send(self, mensaje: AlertMessage) -> bool:
        """Hand a message to the service."""
        grave = apprise.NotifyType.FAILURE if mensaje.grave else apprise.NotifyType.INFO
        return bool(
            self._servicio.notify(
                mensaje.texto,
                mensaje.asunto,
                notify_type=grave,
                body_format=apprise.NotifyFormat.TEXT.value,
                timeout=PLAZO_S,
            )
        )


def open_destinations(urls: str) -> Sequence[Destination]:
    """Return the destinations that a text lists, or the log alone if it lists none.

    ``ConfiguracionError``: one of them is of no service that is known; it is not shown.
    """
    # What it logs is English, and says less than whether the message was taken.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    aspecto = apprise.AppriseAsset(
        app_id="Consumo", app_desc="Consumo", app_url="", image_url_mask="", image_url_logo="",
        async_mode=False,
    )  # fmt: skip
    destinos: dict[str, Destination] = {}
    for numero, url in enumerate(urls.split(), 1):
        servicio = apprise.Apprise(asset=aspecto)
        uno = apprise.Apprise.instantiate(url, asset=aspecto)
        if uno is None or not servicio.add(uno):
            raise ConfiguracionError(
                f"AVISOS_URLS: la dirección {numero}, de las separadas por espacios, no es de "
                "ningún servicio de Apprise, o le falta algo"
            )
        clave = hashlib.sha256(url.encode()).hexdigest()[:12]
        destinos[clave] = AppriseDestination(clave, f"{numero}, {uno.service_name}", servicio)
    return list(destinos.values()) or [LogDestination()]
