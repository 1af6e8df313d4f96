"""What is made ready at start-up: schema and indexes, and what the first screens will ask for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from detection.errors import ConsumoError, TransientError
from serving.health import POSTGRES

log = logging.getLogger("api")

ESPERA_S = 2.0
"""Between two tries."""
DESPEDIDA_S = 5.0


class StorePreparation:
    """Tries steps once, and those that failed again and again in a thread, until they work.

    ``pasos``: what makes each store ready, under its name; each may run twice.
    """

    def __init__(self, pasos: Mapping[str, Callable[[], object]]) -> None:
        self._faltan = dict(pasos)
        self._avisado: dict[str, str] = {}
        self._fin = threading.Event()
        self._hilo: threading.Thread | None = None

    def check(self, nombre: str = POSTGRES) -> None:
        """Return if a store has been made ready; raise ``TransientError`` otherwise."""
        if nombre in self._faltan:
            raise TransientError(f"{nombre} no responde o no está listo", ESPERA_S)

    def start(self) -> None:
        """Try every step once; what fails goes on in the background."""
        self._try()
        if self._faltan:
            self._hilo = threading.Thread(target=self._insist, name="preparación", daemon=True)
            self._hilo.start()

    def close(self) -> None:
        """Stop trying."""
        self._fin.set()
        if self._hilo is not None:
            self._hilo.join(DESPEDIDA_S)

    def _insist(self) -> None:
        while self._faltan and not self._fin.wait(ESPERA_S):
            self._try()

    def _try(self) -> None:
        for nombre, paso in list(self._faltan.items()):
            try:
                paso()
            except ConsumoError as error:
                if self._avisado.get(nombre) != str(error):
                    log.warning("%s; la API atiende lo demás y lo reintenta", error)
                self._avisado[nombre] = str(error)
            else:
                del self._faltan[nombre]
                if nombre in self._avisado:
                    log.warning("%s ya responde", nombre)


class WarmUp:
    """Runs steps one after the other in a thread; none of them is needed, so none is tried again.

    ``pasos``: what reads into memory what will be asked for.
    """

    def __init__(self, pasos: Sequence[Callable[[], object]]) -> None:
        self._pasos = pasos
        self._fin = threading.Event()
        self._hilo = threading.Thread(target=self._run, name="calentamiento", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._hilo.start()

    def close(self) -> None:
        """Wait for the step that is being run, and run no other."""
        self._fin.set()
        if self._hilo.ident is not None:
            self._hilo.join(DESPEDIDA_S)

    def _run(self) -> None:
        for paso in self._pasos:
            if self._fin.is_set():
                return
            try:
                paso()
            except ConsumoError as error:
                log.info("la primera consulta tardará algo más: %s", error)
