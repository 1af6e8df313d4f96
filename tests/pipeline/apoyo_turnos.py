"""Threads that speak to PostgreSQL, of which one at a time advances by one command.

Each has a gate of its own on the wire, so what runs is the product as it is: before a command is
sent it waits there until it is chosen. One that waits inside the server for another's lock is left
alone until the lock is free.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import numpy as np
from contracts.sondas import conectar

from serving.settings import Settings

PACIENCIA_S = 60.0
SONDEO_S = 0.001
"""Between two looks at who waits for a lock."""
ANFITRION = "127.0.0.1"
PETICION_SSL = 80_877_103
"""What a client may send instead of a start-up message (protocol 3.0, "Message Formats")."""
# What neither waits for anybody nor looks at any row of ours.
SIN_INTERES = re.compile(
    rb"\s*(BEGIN|SET|SHOW|CREATE TEMP|TRUNCATE pg_temp|VACUUM|SELECT nombre|DISCARD)"
)
_ESPERAN = """
SELECT client_port FROM pg_stat_activity
WHERE client_port = ANY(%s) AND state = 'active' AND wait_event_type = 'Lock'
  AND cardinality(pg_blocking_pids(pid)) > 0
"""

Elegir = Callable[[Mapping[str, str]], str]
"""Who is next, of those that stand at their gates, each with the command that it is to send."""
Tarea = Callable[[Settings], Any]


def al_azar(azar: np.random.Generator) -> Elegir:
    """Return who draws lots, and lets whoever it drew go on for a while."""
    racha = {"quien": "", "quedan": 0}

    def elegir(activas: Mapping[str, str]) -> str:
        if racha["quedan"] == 0 or racha["quien"] not in activas:
            racha["quien"] = sorted(activas)[int(azar.integers(len(activas)))]
            racha["quedan"] = int(azar.geometric(0.3))
        racha["quedan"] -= 1
        return str(racha["quien"])

    return elegir


def por_orden(*turnos: tuple[str, int]) -> Elegir:
    """Return who gives each so many turns, and then goes on with the first that is left.

    The turns of one that waits for a lock go to whoever comes next.
    """
    lista = [nombre for nombre, veces in turnos for _ in range(veces)]

    def elegir(activas: Mapping[str, str]) -> str:
        while lista:
            if (nombre := lista.pop(0)) in activas:
                return nombre
        return min(activas)

    return elegir


def se_detiene(nombre: str, tras: str, antes_de: str) -> Elegir:
    """Return who lets one go on alone to the first command that begins with ``antes_de``.

    It counts from the first one that has ``tras`` in it. Then come all others, as far as they can,
    and when none of them can any more, it goes on.
    """
    paso = {"visto": False, "detenido": False}

    def elegir(activas: Mapping[str, str]) -> str:
        if nombre in activas and not paso["detenido"]:
            paso["detenido"] = paso["visto"] and activas[nombre].startswith(antes_de)
            paso["visto"] = paso["visto"] or tras in activas[nombre]
        otros = [otro for otro in sorted(activas) if otro != nombre]
        if nombre in activas and (not paso["detenido"] or not otros):
            return nombre
        return otros[0]

    return elegir


def por_turnos(entorno: Settings, elegir: Elegir, tareas: Mapping[str, Tarea]) -> list[str]:
    """Run tasks at the same time and return whose commands were sent, in order.

    Each is given settings that lead to PostgreSQL through its gate. An error that leaves one is
    raised when all have ended.
    """
    with closing(_Turnos(entorno, elegir)) as turnos:
        return turnos.correr(tareas)


class _Turnos:
    """Who stands at a gate, who is under way, and who has come to the end."""

    def __init__(self, entorno: Settings, elegir: Elegir) -> None:
        self._entorno = entorno
        self._elegir = elegir
        self._cambio = threading.Condition()
        self._en_camino: set[str] = set()
        self._en_puerta: dict[str, str] = {}
        self._puertas: dict[str, _Puerta] = {}
        self._control = conectar(entorno)
        self._control.autocommit = True
        self.enviadas: list[str] = []

    def correr(self, tareas: Mapping[str, Tarea]) -> list[str]:
        self._en_camino = set(tareas)
        for nombre in tareas:
            self._puertas[nombre] = _Puerta(self, nombre, self._entorno)
        with ThreadPoolExecutor(len(tareas)) as hilos:
            hechas = [hilos.submit(self._hacer, nombre, tareas[nombre]) for nombre in tareas]
            try:
                self._repartir(hechas)
            finally:
                self._abrir_todo()
        for hecha in hechas:
            hecha.result()
        return self.enviadas

    def ceder(self, nombre: str, orden: str) -> None:
        """Stand at the gate with a command until it is this one's turn."""
        with self._cambio:
            self._en_puerta[nombre] = orden
            self._en_camino.discard(nombre)
            self._cambio.notify_all()
            self._cambio.wait_for(lambda: nombre not in self._en_puerta)

    def close(self) -> None:
        for puerta in self._puertas.values():
            puerta.close()
        self._control.close()

    def _hacer(self, nombre: str, tarea: Tarea) -> None:
        puerto = self._puertas[nombre].puerto
        try:
            tarea(
                self._entorno.model_copy(
                    update={"postgres_host": ANFITRION, "postgres_port": puerto}
                )
            )
        finally:
            with self._cambio:
                self._en_camino.discard(nombre)
                self._cambio.notify_all()

    def _repartir(self, hechas: list[Future[None]]) -> None:
        limite = time.monotonic() + PACIENCIA_S
        while True:
            with self._cambio:
                self._cambio.wait_for(lambda: not self._en_camino, SONDEO_S)
                en_camino, activas = set(self._en_camino), dict(self._en_puerta)
            if not en_camino and not activas:
                return
            if time.monotonic() > limite:
                raise AssertionError(f"nobody goes on: {en_camino} under way, {activas} waiting")
            if not activas or (en_camino and not self._wait_for_locks(en_camino)):
                continue
            self._soltar(activas)

    def _soltar(self, activas: Mapping[str, str]) -> None:
        nombre = self._elegir(activas)
        with self._cambio:
            del self._en_puerta[nombre]
            self._en_camino.add(nombre)
            self.enviadas.append(nombre)
            self._cambio.notify_all()

    def _wait_for_locks(self, nombres: set[str]) -> bool:
        """Return whether each of these waits inside the server for a lock of another."""
        puertos = {n: self._puertas[n].salidas() for n in nombres}
        with self._control.cursor() as cursor:
            cursor.execute(_ESPERAN, ([p for suyos in puertos.values() for p in suyos],))
            esperan = {puerto for (puerto,) in cursor}
        with self._cambio:
            # Whoever has moved since we looked is not waiting.
            return nombres == self._en_camino and all(puertos[n] & esperan for n in nombres)

    def _abrir_todo(self) -> None:
        """Let everybody run to the end: the test is over."""
        for puerta in self._puertas.values():
            puerta.abierta = True
        with self._cambio:
            self._en_puerta.clear()
            self._cambio.notify_all()


class _Puerta:
    """A wire to PostgreSQL that holds each command of one thread back until it is its turn."""

    def __init__(self, turnos: _Turnos, nombre: str, entorno: Settings) -> None:
        self._turnos = turnos
        self._nombre = nombre
        self._destino = (entorno.postgres_host, entorno.postgres_port)
        self.abierta = False
        self._salidas: dict[int, socket.socket] = {}
        self._escucha = socket.create_server((ANFITRION, 0))
        self.puerto = int(self._escucha.getsockname()[1])
        threading.Thread(target=self._aceptar, daemon=True).start()

    def salidas(self) -> set[int]:
        """Return the ports by which the server knows the connections."""
        return set(self._salidas)

    def close(self) -> None:
        # close() alone does not wake a thread that is inside accept().
        with suppress(OSError):
            self._escucha.shutdown(socket.SHUT_RDWR)
        self._escucha.close()

    def _aceptar(self) -> None:
        with suppress(OSError):
            while True:
                cliente, _ = self._escucha.accept()
                servidor = socket.create_connection(self._destino)
                for extremo in (cliente, servidor):
                    extremo.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._salidas[servidor.getsockname()[1]] = servidor
                ida, vuelta = (cliente, servidor), (servidor, cliente)
                threading.Thread(target=self._pedir, args=ida, daemon=True).start()
                threading.Thread(target=_copiar, args=vuelta, daemon=True).start()

    def _pedir(self, cliente: socket.socket, servidor: socket.socket) -> None:
        """Pass on what a client sends, message by message."""
        puerto = servidor.getsockname()[1]
        with suppress(OSError, _FinError), closing(servidor):
            codigo = PETICION_SSL
            while codigo == PETICION_SSL:
                largo = _leer(cliente, 4)
                cuerpo = _leer(cliente, struct.unpack("!I", largo)[0] - 4)
                (codigo,) = struct.unpack("!I", cuerpo[:4])
                servidor.sendall(largo + cuerpo)
            while True:
                cabeza = _leer(cliente, 5)
                cuerpo = _leer(cliente, struct.unpack("!I", cabeza[1:])[0] - 4)
                if cabeza[:1] == b"Q" and not self.abierta and not SIN_INTERES.match(cuerpo):
                    self._turnos.ceder(self._nombre, cuerpo[:-1].decode().strip())
                servidor.sendall(cabeza + cuerpo)
        self._salidas.pop(puerto, None)


class _FinError(Exception):
    """The other side has closed."""


def _leer(extremo: socket.socket, cuantos: int) -> bytes:
    datos = b""
    while len(datos) < cuantos:
        trozo = extremo.recv(cuantos - len(datos))
        if not trozo:
            raise _FinError
        datos += trozo
    return datos


def _copiar(desde: socket.socket, hacia: socket.socket) -> None:
    with suppress(OSError), closing(hacia):
        while trozo := desde.recv(1 << 16):
            hacia.sendall(trozo)
