"""``consumo avisos``: tells people of new and worse cases, and of what has stopped."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from functools import partial

from detection.errors import TransientError
from pipeline.alerts.destinations import Destination, open_destinations
from pipeline.alerts.findings import CASO, CONSUMIDOR
from pipeline.alerts.loop import MIRADA_S, AlertLoop
from pipeline.alerts.message import AlertMessage, MessageWriter
from pipeline.alerts.sources import AlertSources
from pipeline.stores.alert_records import Alert
from pipeline.stores.mongo.alert_log import MongoAlertLog
from serving.cli import FALLO, HECHO, Parser, run
from serving.settings import Settings
from serving.shutdown import StopRequest

log = logging.getLogger("avisos")

PRUEBA = AlertMessage(
    "Consumo: aviso de prueba",
    "Si lee esto, los avisos de Consumo llegan hasta aquí. No ha ocurrido nada.",
    grave=False,
)
EJEMPLO = (
    Alert("", CONSUMIDOR, "El consumidor no da señales.", datetime(2026, 1, 1, tzinfo=UTC)),
    *(
        Alert("", CASO, "A", datetime(2026, 1, 1, tzinfo=UTC), (0,), {"id": "A"}, empeora=peor)
        for peor in (False, True)
    ),
)
"""What a template has to be able to tell."""


def main(argv: Sequence[str]) -> int:
    """Tell people until a stop is asked for, or once; return the exit status."""
    parser = Parser(
        "consumo avisos",
        "Avisa, por los servicios de AVISOS_URLS (correo, webhook, Telegram, Teams…), de cada caso "
        "nuevo o que empeora, del consumidor que no da señales o va atrasado, de la deriva y de la "
        "noche que falla. Junta lo que ocurre a la vez en un mensaje y dice cada cosa una vez, "
        "aunque se vuelva a arrancar. Del cliente solo dice quién es, salvo con AVISOS_DETALLE. "
        "Sin AVISOS_URLS, los avisos van al registro.",
    )
    modo = parser.add_mutually_exclusive_group()
    modo.add_argument("--probar", action="store_true", help="envía un aviso de prueba y termina")
    modo.add_argument(
        "--comprobar",
        action="store_true",
        help="sale con 0 si hay un proceso que avisa, y si no con 1",
    )
    modo.add_argument("--una-vez", action="store_true", help="mira, avisa y termina")
    opciones, settings = parser.start(argv)
    if opciones.comprobar:
        return _check(settings)
    destinos = open_destinations(settings.avisos_urls)
    # A template that is wrong is told before anything happens.
    MessageWriter(settings).write(EJEMPLO)
    if opciones.probar:
        return _try(destinos)
    with StopRequest() as parada, ExitStack() as pila:
        apuntes = pila.enter_context(closing(MongoAlertLog(settings)))
        bucle = _make_loop(settings, apuntes, destinos, pila)
        try:
            if opciones.una_vez:
                return HECHO if bucle.look() else FALLO
            log.info("avisos en marcha, para %s", "; ".join(d.nombre for d in destinos))
            bucle.look()
            while not parada.esperar(MIRADA_S):
                bucle.look()
        finally:
            with suppress(TransientError):
                apuntes.leave_turn()
    return HECHO


def _make_loop(
    settings: Settings, apuntes: MongoAlertLog, destinos: Sequence[Destination], pila: ExitStack
) -> AlertLoop:
    reloj = partial(datetime.now, UTC)
    fuentes = pila.enter_context(closing(AlertSources(settings, apuntes, reloj)))
    return AlertLoop(settings, fuentes, apuntes, destinos, reloj)


def _check(settings: Settings) -> int:
    """Return whether a process holds the turn to tell people, which lasts half a minute."""
    with closing(MongoAlertLog(settings)) as apuntes:
        alguien = apuntes.turn_is_taken(datetime.now(UTC))
    print("hay un proceso que avisa" if alguien else "no hay ningún proceso que avise")  # noqa: T201
    return HECHO if alguien else FALLO


def _try(destinos: Sequence[Destination]) -> int:
    """Send a test message to each destination, and say how it went."""
    bien = {destino.nombre: destino.send(PRUEBA) for destino in destinos}
    for nombre, tomado in bien.items():
        print(f"{nombre}: {'enviado' if tomado else 'no lo ha tomado'}")  # noqa: T201
    return HECHO if all(bien.values()) else FALLO


if __name__ == "__main__":
    sys.exit(run(main))
