"""Greetings by hand: whether a port of loopback is free, and what answers on it.

Written on plain sockets, so that whoever starts a server needs none of its client libraries.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

ANFITRION = "127.0.0.1"
RESPUESTA_S = 1.0
"""A server on loopback answers a greeting in milliseconds."""


def puerto_del_sistema() -> int:
    """Return a port of loopback that the system says is free."""
    with socket.socket() as sonda:
        sonda.bind((ANFITRION, 0))
        return int(sonda.getsockname()[1])


def choose_port(preferido: int) -> int:
    """Return a port if nobody has it, and otherwise (or of 0) one that the system says is free."""
    return preferido if preferido and puerto_libre(preferido) else puerto_del_sistema()


def escucha(pid: int, puerto: int) -> bool:
    """Return whether process ``pid``, of our own user, or one that it started has a port open."""
    import psutil

    try:
        padre = psutil.Process(pid)
        return any(_tiene_abierto(p, puerto) for p in (padre, *padre.children(recursive=True)))
    except psutil.Error:
        return False


def puerto_libre(puerto: int) -> bool:
    """Return whether nobody listens on a port of this machine's loopback."""
    with socket.socket() as sonda:
        sonda.settimeout(RESPUESTA_S)
        if sonda.connect_ex((ANFITRION, puerto)) == 0:
            return False
    with socket.socket() as sonda:
        # As the servers do: a port whose last connections are still closing is free.
        sonda.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sonda.bind((ANFITRION, puerto))
        except OSError:
            return False
    return True


def mongo_responde(puerto: int) -> bool:
    """Return whether a MongoDB server answers ``hello`` (OP_MSG, opcode 2013)."""
    documento = b"\x10hello\0" + struct.pack("<i", 1)
    documento += b"\x02$db\0" + struct.pack("<i", 6) + b"admin\0" + b"\0"
    cuerpo = struct.pack("<IBi", 0, 0, 4 + len(documento)) + documento
    peticion = struct.pack("<iiii", 16 + len(cuerpo), 1, 0, 2013) + cuerpo
    respuesta = _preguntar(puerto, peticion, 16)
    return len(respuesta) >= 16 and struct.unpack("<ii", respuesta[8:16]) == (1, 2013)


def kafka_responde(puerto: int) -> bool:
    """Return whether a Kafka broker answers ApiVersions (key 18, version 0) without error."""
    peticion = struct.pack(">hhih", 18, 0, 7, -1)
    respuesta = _preguntar(puerto, struct.pack(">i", len(peticion)) + peticion, 10)
    return len(respuesta) >= 10 and struct.unpack(">ih", respuesta[4:10]) == (7, 0)


def responde_http(puerto: int, ruta: str) -> bool:
    """Return whether an HTTP server answers a GET with 200."""
    peticion = f"GET {ruta} HTTP/1.0\r\nHost: {ANFITRION}\r\n\r\n".encode()
    respuesta = _preguntar(puerto, peticion, 12)
    return respuesta.startswith(b"HTTP/1.") and respuesta[8:12] == b" 200"


def _tiene_abierto(proceso: psutil.Process, puerto: int) -> bool:
    import psutil

    try:
        conexiones = proceso.net_connections("tcp")
    except psutil.Error:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == puerto for c in conexiones)


def _preguntar(puerto: int, peticion: bytes, minimo: int) -> bytes:
    """Return the first bytes of a server's answer, at least ``minimo``; empty if it has none."""
    try:
        with socket.create_connection((ANFITRION, puerto), RESPUESTA_S) as conexion:
            conexion.sendall(peticion)
            respuesta = b""
            while len(respuesta) < minimo and (trozo := conexion.recv(4096)):
                respuesta += trozo
            return respuesta
    except OSError:
        return b""
