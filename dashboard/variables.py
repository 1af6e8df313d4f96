"""The few variables of the dashboard, read in this one place."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ARCHIVOS = (Path(".consumo/servicios.env"), Path(".env"))
"""What the other processes read too, the later winning; the environment wins over both."""
_MAXIMO_PUERTO = 65535
_TESELAS = re.compile(r"(?=.*\{z\})(?=.*\{x\})(?=.*\{y\})https?://[^\s/]+/\S+")


class VariableError(Exception):
    """A variable is wrong; its text is one Spanish line."""


@dataclass(frozen=True, slots=True)
class Variables:
    """Where the dashboard listens and which API it asks."""

    api_url: str  # base address of the REST API, without a slash at its end
    # host, port: where the dashboard listens.
    host: str
    port: int
    # Address of what lies under the map, with {z}, {x} and {y}; '' = nothing, and nobody is asked.
    teselas: str = ""
    teselas_autor: str = ""  # whose it is, as it asks to be named
    # Key with which the dashboard reads, where reading asks for one; '' = none.
    clave: str = field(repr=False, default="")


def _puerto(valores: dict[str, str], nombre: str, defecto: str) -> int:
    texto = valores.get(nombre) or defecto
    if not (texto.isascii() and texto.isdecimal() and 1 <= int(texto) <= _MAXIMO_PUERTO):
        raise VariableError(f"variable {nombre} no válida: se esperaba un puerto, de 1 a 65535")
    return int(texto)


def load_variables() -> Variables:
    """Return the variables of this process.

    ``VariableError``: one is not valid; the text names it.
    """
    from dotenv import dotenv_values

    valores: dict[str, str] = {}
    for ruta in ARCHIVOS:
        valores |= {k: v for k, v in dotenv_values(ruta).items() if v is not None}
    valores |= os.environ
    api = valores.get("API_URL") or f"http://127.0.0.1:{_puerto(valores, 'API_PORT', '8001')}"
    try:
        partes = urlsplit(api)
        posible = partes.scheme in {"http", "https"} and bool(partes.hostname) and partes.port != 0
    except ValueError:
        posible = False
    if not posible:
        # The value is not shown: it may carry a password.
        raise VariableError(
            "variable API_URL no válida: se esperaba una dirección, como «http://127.0.0.1:8001»"
        )
    teselas = valores.get("TABLERO_TESELAS", "")
    if teselas and not _TESELAS.fullmatch(teselas):
        raise VariableError(
            "variable TABLERO_TESELAS no válida: se esperaba una dirección http(s) con {z}, {x} e "
            "{y}, como «https://teselas.example/{z}/{x}/{y}.png»"
        )
    return Variables(
        api_url=api.rstrip("/"),
        host=valores.get("TABLERO_HOST") or "127.0.0.1",
        port=_puerto(valores, "TABLERO_PORT", "8501"),
        teselas=teselas,
        teselas_autor=valores.get("TABLERO_TESELAS_AUTOR", ""),
        clave=valores.get("API_CLAVE_TABLERO", ""),
    )
