"""Certificates made on the spot, and what puts them in front of a server that has no TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ANFITRION = "127.0.0.1"
PETICION_SSL = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""PostgreSQL's SSLRequest, sent in the clear before the handshake ("Message Formats")."""


@dataclass(frozen=True)
class Papeles:
    """Files of one authority: its certificate, a server's, a client's, each with its key."""

    ca: str
    servidor: str
    cliente: str
    de_otro_sitio: str
    """A server's, of the same authority, for another host."""


def make_papeles(carpeta: Path) -> Papeles:
    """Return the files of a new authority, made in a folder."""
    carpeta.mkdir()
    clave_ca = ec.generate_private_key(ec.SECP256R1())
    ca = _firmado("autoridad de prueba", clave_ca, None, clave_ca)

    def emitir(nombre: str, *sitios: x509.GeneralName) -> str:
        clave = ec.generate_private_key(ec.SECP256R1())
        ruta = carpeta / f"{nombre}.pem"
        ruta.write_bytes(_pem(_firmado(nombre, clave, ca, clave_ca, *sitios)) + _pem_clave(clave))
        ruta.chmod(0o600)
        return str(ruta)

    (carpeta / "ca.pem").write_bytes(_pem(ca))
    return Papeles(
        ca=str(carpeta / "ca.pem"),
        servidor=emitir("servidor", x509.IPAddress(ipaddress.ip_address(ANFITRION))),
        cliente=emitir("cliente"),
        de_otro_sitio=emitir("otro", x509.DNSName("otro.example")),
    )


def _pem(certificado: x509.Certificate) -> bytes:
    return certificado.public_bytes(serialization.Encoding.PEM)


def _pem_clave(clave: ec.EllipticCurvePrivateKey, frase: bytes = b"") -> bytes:
    return clave.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(frase) if frase else serialization.NoEncryption(),
    )


def make_clave_cifrada() -> bytes:
    """Return a private key in PEM that asks for a phrase."""
    return _pem_clave(ec.generate_private_key(ec.SECP256R1()), b"una frase")


def _firmado(
    nombre: str,
    clave: ec.EllipticCurvePrivateKey,
    emisor: x509.Certificate | None,
    clave_emisor: ec.EllipticCurvePrivateKey,
    *sitios: x509.GeneralName,
) -> x509.Certificate:
    sujeto = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, nombre)])
    ahora = datetime.now(UTC)
    constructor = (
        x509.CertificateBuilder()
        .subject_name(sujeto)
        .issuer_name(emisor.subject if emisor else sujeto)
        .public_key(clave.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ahora - timedelta(hours=1))
        .not_valid_after(ahora + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=emisor is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(clave.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(clave_emisor.public_key()), False
        )
    )
    if sitios:
        constructor = constructor.add_extension(x509.SubjectAlternativeName(sitios), False)
    return constructor.sign(clave_emisor, hashes.SHA256())


class Apoderado(AbstractContextManager["Apoderado"]):
    """A TLS server on a free port that passes all it is told to a server without TLS.

    Parameters
    ----------
    certificado : str
        PEM of what it shows, with its key.
    ca_de_clientes : str
        PEM of the authority of its clients; empty = it asks them for nothing.
    postgres : bool
        Whether the handshake is asked for first, as PostgreSQL's clients do.
    """

    def __init__(self, certificado: str, ca_de_clientes: str = "", *, postgres: bool = False):
        self._contexto = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._contexto.load_cert_chain(certificado)
        if ca_de_clientes:
            self._contexto.load_verify_locations(ca_de_clientes)
            self._contexto.verify_mode = ssl.CERT_REQUIRED
        self._postgres = postgres
        self._bucle = asyncio.new_event_loop()
        self._hilo = threading.Thread(target=self._bucle.run_forever, daemon=True)
        self.puerto = 0
        self.destino = 0

    def __enter__(self) -> Apoderado:
        self._hilo.start()
        self.puerto = self._hacer(self._escuchar)
        return self

    def __exit__(self, *_: object) -> None:
        self._hacer(self._cerrar)
        self._bucle.call_soon_threadsafe(self._bucle.stop)
        self._hilo.join()
        self._bucle.close()

    def _hacer(self, que: Callable[[], Coroutine[Any, Any, int]]) -> int:
        return asyncio.run_coroutine_threadsafe(que(), self._bucle).result(10)

    async def _escuchar(self) -> int:
        contexto = None if self._postgres else self._contexto
        self._servidor = await asyncio.start_server(self._atender, ANFITRION, 0, ssl=contexto)
        return int(self._servidor.sockets[0].getsockname()[1])

    async def _cerrar(self) -> int:
        self._servidor.close()
        otras = asyncio.all_tasks() - {asyncio.current_task()}
        for tarea in otras:
            tarea.cancel()
        await asyncio.gather(*otras, return_exceptions=True)
        return 0

    async def _atender(self, lector: asyncio.StreamReader, salida: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            try:
                if self._postgres:
                    if await lector.readexactly(len(PETICION_SSL)) != PETICION_SSL:
                        return  # without TLS it does not talk
                    salida.write(b"S")
                    await salida.start_tls(self._contexto)
                lector_2, salida_2 = await asyncio.open_connection(ANFITRION, self.destino)
                await asyncio.gather(_copiar(lector, salida_2), _copiar(lector_2, salida))
            finally:
                salida.close()


async def _copiar(lector: asyncio.StreamReader, salida: asyncio.StreamWriter) -> None:
    try:
        while trozo := await lector.read(1 << 16):
            salida.write(trozo)
            await salida.drain()
    finally:
        salida.close()
