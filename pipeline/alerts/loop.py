"""Looks, keeps what is news, and tells it: each thing once, however often the process starts.

What is to be told is kept before anybody is told, and noted as told right afterwards, one
destination after the other: where one does not take a message, it is tried again there alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from detection.errors import TransientError
from pipeline.alerts.destinations import Destination
from pipeline.alerts.findings import (
    CALMA,
    CASO,
    CON_FIN,
    CONSUMIDOR,
    DERIVA,
    NOCHE,
    Finding,
    ended,
    news,
    of_silent_store,
)
from pipeline.alerts.message import MessageWriter
from pipeline.alerts.sources import AlertSources, hour_of
from pipeline.stores.alert_records import Alert
from pipeline.stores.mongo.alert_log import MongoAlertLog
from serving.consumer_health import MUDO
from serving.health import MONGO
from serving.settings import Settings, silencio_de

log = logging.getLogger("avisos")

MIRADA_S = 5.0
PAUSA_S = 20.0
"""Between two looks, and between two messages to one destination. A consumer is dead after 30 s
of silence, and a case is stored seconds after its reading: with both of these on top, either is
told within 60 s, and what comes together in one message. By hand, 2026-11-30."""
REINTENTO_S = (30.0, 600.0)
"""After a destination has not taken a message; it doubles each time, up to the second."""


class AlertLoop:
    """One process that tells people.

    ``reloj``: the time, aware. ``pausa_s``: least time between two messages to a destination.
    """

    def __init__(
        self,
        settings: Settings,
        fuentes: AlertSources,
        apuntes: MongoAlertLog,
        destinos: Sequence[Destination],
        reloj: Callable[[], datetime],
        pausa_s: float = PAUSA_S,
    ) -> None:
        self._zona = ZoneInfo(settings.zona_horaria)
        self._silencio = silencio_de(settings.avisos_silencio)
        self._fuentes = fuentes
        self._apuntes = apuntes
        self._destinos = destinos
        self._claves = {destino.clave for destino in destinos}
        self._reloj = reloj
        self._pausa = timedelta(seconds=pausa_s)
        self._redaccion = MessageWriter(settings)
        self._sabidos: dict[str, Alert] = {}
        self._no_antes: dict[str, datetime] = {}
        self._fallos: dict[str, int] = {}
        self._sin_almacen: datetime | None = None
        self._dicho_sin_almacen = False
        self._preparado = False

    def look(self) -> bool:
        """Look once and tell what is news; return whether whoever is to be told could be.

        That MongoDB is away is told, and remembered by this process alone.
        """
        ahora = self._reloj()
        try:
            if not self._preparado:
                self._apuntes.ensure_indexes()
                self._preparado = True
            if not self._apuntes.take_turn(ahora):
                log.info("avisa otro proceso; este espera")
                self._sabidos.clear()
                return True
            self._note(ahora)
            bien = self._tell(ahora)
        except TransientError as error:
            log.warning("%s; se vuelve a mirar en %.0f s", error, MIRADA_S)
            return self._without_store(ahora)
        self._sin_almacen, self._dicho_sin_almacen = None, False
        return bien

    def _note(self, ahora: datetime) -> None:
        """Keep what is news."""
        fuentes: Mapping[str, Callable[[], list[Finding]]] = {
            CONSUMIDOR: self._fuentes.consumers,
            NOCHE: self._fuentes.night,
            DERIVA: self._fuentes.drift,
            CASO: self._fuentes.cases,
        }
        hallados = {h.clave: h for fuente in fuentes.values() for h in fuente()}
        faltan = [clave for clave in hallados if clave not in self._sabidos]
        self._sabidos |= self._apuntes.known(faltan)
        destinos = tuple(destino.clave for destino in self._destinos)
        cambios = {aviso.clave: aviso for aviso in self._ended(hallados, destinos, ahora)}
        cambios |= {
            clave: replace(nuevo, faltan=destinos)
            for clave, hallado in hallados.items()
            if (nuevo := news(hallado, self._sabidos.get(clave), ahora)) is not None
        }
        self._apuntes.put(cambios.values())
        sabidos = self._sabidos | cambios
        self._sabidos = {clave: sabidos[clave] for clave in hallados}
        self._drop_judged(hallados)

    def _ended(
        self, hallados: Mapping[str, Finding], destinos: tuple[str, ...], ahora: datetime
    ) -> list[Alert]:
        """Return the things that are over, which people are told too."""
        cambios = []
        for aviso in self._apuntes.going_on(CON_FIN):
            desde = aviso.ausente
            if aviso.clave in hallados:
                if desde is not None:
                    cambios.append(replace(aviso, ausente=None))
            elif desde is None:
                cambios.append(replace(aviso, ausente=ahora))
            elif ahora - desde >= CALMA:
                fin = ended(aviso, hour_of(desde, self._zona), ahora)
                cambios.append(replace(fin, faltan=destinos))
        return cambios

    def _drop_judged(self, hallados: Mapping[str, Finding]) -> None:
        """Forget cases that were over before anybody was told of them: nobody needs to be."""
        acabados = [
            aviso
            for aviso in self._apuntes.untold()
            if aviso.clase == CASO and aviso.clave not in hallados
        ]
        de_nadie = [a.clave for a in acabados if not a.empeora and set(a.faltan) >= self._claves]
        self._apuntes.forget(de_nadie)
        self._apuntes.put(replace(a, faltan=()) for a in acabados if a.clave not in de_nadie)

    def _tell(self, ahora: datetime) -> bool:
        """Send each destination one message with all that it has not been told."""
        if self._is_quiet(ahora):
            return True
        bien = True
        pendientes = self._apuntes.untold()
        for destino in self._destinos:
            suyos = [aviso for aviso in pendientes if destino.clave in aviso.faltan]
            if not suyos or ahora < self._no_antes.get(destino.clave, ahora):
                continue
            # The destination before may have taken long.
            if not self._apuntes.take_turn(self._reloj()):
                return bien
            if self._send(destino, suyos, ahora):
                claves = [aviso.clave for aviso in suyos]
                self._apuntes.told(claves, destino.clave, ahora)
                # What has been told may get worse.
                self._sabidos |= self._apuntes.known([c for c in claves if c in self._sabidos])
            else:
                bien = False
        return bien

    def _send(self, destino: Destination, avisos: Sequence[Alert], ahora: datetime) -> bool:
        mensaje = self._redaccion.write(avisos)
        if destino.send(mensaje):
            log.info("aviso enviado (%s): %s", destino.nombre, mensaje.asunto)
            self._fallos.pop(destino.clave, None)
            self._no_antes[destino.clave] = ahora + self._pausa
            return True
        fallos = self._fallos.get(destino.clave, 0)
        espera_s = min(REINTENTO_S[0] * 2**fallos, REINTENTO_S[1])
        self._fallos[destino.clave] = fallos + 1
        self._no_antes[destino.clave] = ahora + timedelta(seconds=espera_s)
        log.error(
            "el destino %s no ha tomado el aviso; se vuelve a intentar en %.0f s",
            destino.nombre, espera_s,
        )  # fmt: skip
        return False

    def _without_store(self, ahora: datetime) -> bool:
        """Tell, once, that what is to be told cannot be known."""
        self._sin_almacen = self._sin_almacen or ahora
        callado = self._is_quiet(ahora) or ahora - self._sin_almacen < MUDO
        if callado or self._dicho_sin_almacen:
            return False
        hallado = of_silent_store(MONGO, hour_of(self._sin_almacen, self._zona))
        aviso = Alert(hallado.clave, hallado.clase, hallado.texto, ahora, hallado.grado)
        bien = [self._send(destino, [aviso], ahora) for destino in self._destinos]
        self._dicho_sin_almacen = any(bien)
        return False

    def _is_quiet(self, ahora: datetime) -> bool:
        return self._silencio is not None and is_within(
            ahora.astimezone(self._zona).time(), *self._silencio
        )


def is_within(hora: time, desde: time, hasta: time) -> bool:
    """Return whether a local time lies in a stretch of the day, which may go over midnight.

    Examples
    --------
    >>> noche = (time(22), time(7))
    >>> [is_within(time(h), *noche) for h in (21, 22, 3, 7)]
    [False, True, True, False]
    """
    if desde < hasta:
        return desde <= hora < hasta
    return hora >= desde or hora < hasta
