"""API keys: who asks, and what that one may do.

A key is 256 random bits, so a plain SHA-256 of it is as good as the slowest hash: there is nothing
to guess. Only that hash is in the settings. Every key is compared in constant time with every
known one, and a refusal never says which part was wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import HTTPException, Request, Security
from fastapi.security import APIKeyHeader

from serving.settings import ROLES, Settings, claves_de

CABECERA_CLAVE = "X-API-Key"
LARGO_MAXIMO = 200
"""Characters of a key that are looked at; ours have 51."""
_PREFIJO = "consumo_"
_AZAR_BYTES = 32
_ESQUEMA = APIKeyHeader(
    name=CABECERA_CLAVE,
    scheme_name="clave",
    description="Clave de la API; la da «consumo api --nueva-clave NOMBRE»",
    auto_error=False,
)
_DESAFIO = {"WWW-Authenticate": f'ApiKey header="{CABECERA_CLAVE}"'}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A known key."""

    nombre: str  # whose it is
    rol: str  # one of ``ROLES``
    huella: str  # SHA-256 of the key, hex

    def puede(self, rol: str) -> bool:
        """Return whether it may do what a role may."""
        return ROLES.index(self.rol) >= ROLES.index(rol)


class KnownKeys:
    """The keys that the settings know.

    Examples
    --------
    >>> clave, linea = new_key("ana", "analista")
    >>> KnownKeys(Settings(_env_file=None, api_claves=linea)).find(clave).nombre
    'ana'
    """

    def __init__(self, settings: Settings) -> None:
        de_lectura = [ApiKey(*partes) for partes in claves_de(settings.api_claves_lectura)]
        self._claves: Sequence[ApiKey] = (
            *(ApiKey(*partes) for partes in claves_de(settings.api_claves)),
            # Listed as readers: whatever role they carry, they only read.
            *(ApiKey(c.nombre, ROLES[0], c.huella) for c in de_lectura),
        )
        self.leer_pide_clave = bool(de_lectura)

    def __bool__(self) -> bool:
        return bool(self._claves)

    def able(self, rol: str) -> dict[str, ApiKey]:
        """Return the keys that may do what a role may, by the name of whose they are, sorted."""
        todas = sorted(self._claves, key=lambda clave: (clave.nombre, ROLES.index(clave.rol)))
        return {clave.nombre: clave for clave in todas if clave.puede(rol)}

    def find(self, texto: str | None) -> ApiKey | None:
        """Return the key that a header's value is; None = it is none of ours."""
        dado = key_hash((texto or "")[: LARGO_MAXIMO + 1])
        hallada = None
        for clave in self._claves:  # All of them, so that the time taken says nothing.
            if hmac.compare_digest(clave.huella, dado):
                hallada = clave
        return hallada if texto else None


def key_hash(clave: str) -> str:
    """Return the SHA-256 of a key, hex."""
    return hashlib.sha256(clave.encode("utf-8", "surrogateescape")).hexdigest()


def new_key(nombre: str, rol: str) -> tuple[str, str]:
    """Return a new key and what ``API_CLAVES`` has to hold for it."""
    clave = _PREFIJO + secrets.token_urlsafe(_AZAR_BYTES)
    return clave, f"{nombre}:{rol}:{key_hash(clave)}"


class RoleRequired:
    """A dependency that gives the key of a request, if it may do what a role may.

    ``rol``: one of ``ROLES``.
    """

    def __init__(self, rol: str) -> None:
        self._rol = rol

    async def __call__(
        self, peticion: Request, _cabecera: Annotated[str | None, Security(_ESQUEMA)]
    ) -> ApiKey:
        """Return the key, or refuse with 401 or 403."""
        clave: ApiKey | None = peticion.scope["state"].get("clave")
        if clave is None:
            raise HTTPException(401, headers=_DESAFIO)
        if not clave.puede(self._rol):
            raise HTTPException(403, f"hace falta una clave con el rol «{self._rol}»")
        return clave
