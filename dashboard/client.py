"""The only door to the API: JSON in, or an ``ApiError`` with a Spanish text."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Literal

import httpx

Parametros = tuple[tuple[str, str], ...]

CONEXION_S = 2.0
"""An API that is there accepts within this, by hand, 2026-11-24."""
RESPUESTA_S = 20.0
DESCARGA_S = 120.0
DESCARGA_MAXIMA = 150 * 2**20
"""Bytes: what Streamlit can hand to a browser at once is 200 MB."""
REINTENTOS_S = 1.0
"""All that a page may wait for an API that asks to come back later."""
_OCUPADA = frozenset({429, 503})
_CABECERA_CLAVE = "X-API-Key"

Clase = Literal[
    "sin conexión", "ocupada", "permiso", "no existe", "conflicto", "no válida", "fallo"
]
_CLASES: dict[int, Clase] = {
    401: "permiso", 403: "permiso", 404: "no existe", 409: "conflicto",
    400: "no válida", 422: "no válida", 429: "ocupada", 503: "ocupada",
}  # fmt: skip


class ApiError(Exception):
    """The API did not give what was asked; its text is Spanish, for the screen.

    Parameters
    ----------
    clase : str
        What kind of failure, one of ``Clase``.
    mensaje : str
        One sentence.
    razones : list of str
        Why a version is not promoted, if that is what it is about.
    """

    def __init__(self, clase: Clase, mensaje: str, razones: list[str] | None = None) -> None:
        super().__init__(mensaje)
        self.clase = clase
        self.razones = razones or []

    @property
    def pasajero(self) -> bool:
        """Return whether another try may do."""
        return self.clase in {"sin conexión", "ocupada", "fallo"}


class Cliente:
    """Asks one API.

    Parameters
    ----------
    url : str
        Its base address.
    clave : str
        Key for reading; '' = none.
    reintentos_s : float
        Most seconds to wait, in all, for an API that asks to come back later.
    """

    def __init__(self, url: str, clave: str = "", reintentos_s: float = REINTENTOS_S) -> None:
        self.url = url
        self._reintentos_s = reintentos_s
        self._http = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(RESPUESTA_S, connect=CONEXION_S),
            headers={_CABECERA_CLAVE: clave} if clave else {},
            follow_redirects=False,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=16),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, ruta: str, parametros: Iterable[tuple[str, str]] = (), clave: str = "") -> Any:
        """Return the JSON of a path.

        Raises
        ------
        ApiError
            The API is away, or it refused.
        """
        return self._json(self._con_paciencia(ruta, parametros, clave))

    def texto(self, ruta: str) -> str:
        """Return the text of a path.

        Raises
        ------
        ApiError
            The API is away, or it refused.
        """
        return self._con_paciencia(ruta, (), "").text

    def post(self, ruta: str, cuerpo: dict[str, Any], clave: str) -> Any:
        """Return the JSON that a change gives; it is asked for once only.

        Raises
        ------
        ApiError
            The API is away, or it refused.
        """
        peticion = self._http.build_request("POST", ruta, json=cuerpo, headers=_cabeceras(clave))
        return self._json(self._aceptada(self._send(peticion)))

    def download(self, ruta: str, parametros: Iterable[tuple[str, str]]) -> bytes:
        """Return a whole exported list.

        Raises
        ------
        ApiError
            The API is away, it refused, or the list is too large for a browser.
        """
        trozos, total = [], 0
        try:
            with self._http.stream(
                "GET", ruta, params=list(parametros), timeout=DESCARGA_S
            ) as respuesta:
                if respuesta.is_error:
                    respuesta.read()
                self._aceptada(respuesta)
                for trozo in respuesta.iter_bytes():
                    trozos.append(trozo)
                    total += len(trozo)
                    if total > DESCARGA_MAXIMA:
                        raise ApiError("no válida", "la lista es demasiado larga: acote las fechas")
        except httpx.HTTPError as error:
            raise self._caida(error) from error
        return b"".join(trozos)

    def _con_paciencia(
        self, ruta: str, parametros: Iterable[tuple[str, str]], clave: str
    ) -> httpx.Response:
        """Return an accepted answer; wait as the API asks while there is time left."""
        peticion = self._http.build_request(
            "GET", ruta, params=list(parametros), headers=_cabeceras(clave)
        )
        queda = self._reintentos_s
        while True:
            respuesta = self._send(peticion)
            espera = _retry_after(respuesta) if respuesta.status_code in _OCUPADA else None
            if espera is None or espera > queda:
                return self._aceptada(respuesta)
            queda -= espera
            time.sleep(espera)

    def _send(self, peticion: httpx.Request) -> httpx.Response:
        try:
            return self._http.send(peticion)
        except httpx.HTTPError as error:
            raise self._caida(error) from error

    def _caida(self, error: httpx.HTTPError) -> ApiError:
        if isinstance(error, httpx.ReadTimeout | httpx.PoolTimeout):
            return ApiError("sin conexión", "la API tarda demasiado en responder")
        return ApiError("sin conexión", f"la API no responde en {self.url}")

    @staticmethod
    def _aceptada(respuesta: httpx.Response) -> httpx.Response:
        """Return the answer, or raise what its problem says."""
        if respuesta.is_success:
            return respuesta
        try:
            cuerpo = respuesta.json()
        except ValueError:
            cuerpo = None
        problema = cuerpo if isinstance(cuerpo, dict) else {}
        mensaje = problema.get("detail") or problema.get("title")
        clase = _CLASES.get(respuesta.status_code, "fallo")
        texto = str(mensaje or f"la API respondió {respuesta.status_code}")
        raise ApiError(clase, texto, [str(razon) for razon in problema.get("razones") or []])

    @staticmethod
    def _json(respuesta: httpx.Response) -> Any:
        try:
            return respuesta.json()
        except ValueError as error:
            raise ApiError("fallo", "lo que responde en esa dirección no es la API") from error


def _cabeceras(clave: str) -> dict[str, str]:
    if not clave:
        return {}
    if not (clave.isascii() and clave.isprintable()):
        raise ApiError("permiso", "esa clave no es válida")
    return {_CABECERA_CLAVE: clave}


def _retry_after(respuesta: httpx.Response) -> float | None:
    """Return the seconds that an answer asks to wait for, if it does."""
    texto = respuesta.headers.get("Retry-After", "")
    return max(0.05, float(texto)) if texto.isascii() and texto.isdecimal() else None
