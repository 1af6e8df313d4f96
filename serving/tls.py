"""Whether the PEM files that a connection needs can be read, before anything connects."""

from __future__ import annotations

import ssl


def check_autoridad(ruta: str) -> None:
    """Return if a file holds certificates of authorities in PEM.

    ``ValueError``: it does not, or cannot be read; the text says so in Spanish.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ruta)
    except OSError as error:
        raise ValueError(_pega_de(ruta, error, "un certificado")) from error


def check_certificado(ruta: str) -> None:
    """Return if a file holds a certificate and its private key, unencrypted, in PEM.

    ``ValueError``: it does not, or cannot be read; the text says so in Spanish.
    """

    def sin_frase() -> str:
        raise ValueError(f"la clave de «{ruta}» está cifrada, y aquí nadie puede dar su frase")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(ruta, password=sin_frase)
    except OSError as error:
        raise ValueError(_pega_de(ruta, error, "un certificado y su clave")) from error


def _pega_de(ruta: str, error: OSError, que: str) -> str:
    if isinstance(error, ssl.SSLError):
        return f"«{ruta}» no es un PEM con {que}"
    return f"no se puede leer «{ruta}»: {error.strerror or error}"
