"""What the pages ask the API for, remembered for a while and for all readers together."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import streamlit as st

from dashboard.client import ApiError, Cliente, Parametros
from dashboard.variables import load_variables

VIVO_S = 2
"""How long an answer is good for: that of any of them may change with the next reading. On top of
the 8 s that the API itself remembers, what a page draws is 10 s old at most. By hand,
2026-11-30."""
_INFORME_S = 300
"""The same of a report, which never changes."""
_RECUERDO_MAXIMO = "200MB"
_A_LA_VEZ = 12
"""Requests on their way together, of all visitors; more only queue in front of the stores."""


@dataclass(frozen=True, slots=True)
class Peticion:
    """One question to the API.

    Parameters
    ----------
    ruta : str
        Its path.
    parametros : tuple of pairs
        Its query, already as text.
    ttl_s : int
        Seconds for which the answer is good.
    """

    ruta: str
    parametros: Parametros = ()
    ttl_s: int = VIVO_S


def pedir(ruta: str, ttl_s: int = VIVO_S, **parametros: Any) -> Peticion:
    """Return a question; lists become repeated parameters, None and empty are left out.

    Examples
    --------
    >>> pedir("/api/x", severidad=["alta", "baja"], desde=None).parametros
    (('severidad', 'alta'), ('severidad', 'baja'))
    """
    pares: list[tuple[str, str]] = []
    for nombre, valor in parametros.items():
        valores = valor if isinstance(valor, list | tuple) else [valor]
        pares += [(nombre, _texto(v)) for v in valores if v is not None and v != ""]
    return Peticion(ruta, tuple(pares), ttl_s)


def _texto(valor: Any) -> str:
    return str(valor).lower() if isinstance(valor, bool) else str(valor)


def de_cliente(plantilla: str, cliente: str) -> str:
    """Return a path with a customer's name in it, which may hold any character.

    Examples
    --------
    >>> de_cliente("/api/clientes/{}/perfil", "A/1")
    '/api/clientes/A%2F1/perfil'
    """
    return plantilla.format(quote(cliente, safe=""))


@st.cache_resource(show_spinner=False)
def _cliente(url: str, clave: str) -> Cliente:
    return Cliente(url, clave)


def cliente() -> Cliente:
    """Return this process's client of the API."""
    variables = load_variables()
    return _cliente(variables.api_url, variables.clave)


@st.cache_data(ttl=2 * VIVO_S, max_entries=2000, max_size=_RECUERDO_MAXIMO, show_spinner=False)
def _leer(url: str, ruta: str, parametros: Parametros, tramo: int) -> Any:
    """Return an answer; ``tramo`` is the stretch of time in which it is good."""
    del url, tramo
    return cliente().get(ruta, parametros)


def leer(peticion: Peticion) -> Any:
    """Return the answer to a question.

    Raises
    ------
    ApiError
        The API is away, or it refused.
    """
    tramo = int(time.time() // peticion.ttl_s)
    return _leer(cliente().url, peticion.ruta, peticion.parametros, tramo)


@st.cache_resource(show_spinner=False)
def _hilos() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_A_LA_VEZ, thread_name_prefix="tablero")


class Respuesta:
    """An answer that may still be on its way; a page waits for it where it draws it.

    Parameters
    ----------
    futuro : Future
        What will bring it.
    """

    def __init__(self, futuro: Future[Any]) -> None:
        self._futuro = futuro

    def valor(self) -> Any:
        """Return the answer.

        Raises
        ------
        ApiError
            The API is away, or it refused.
        """
        if not self._futuro.done():
            with st.spinner("Preguntando a la API…"):
                wait([self._futuro])
        return self._futuro.result()

    def elementos(self) -> list[dict[str, Any]]:
        """Return the rows of a list; fails as ``valor`` does."""
        filas: list[dict[str, Any]] = self.valor()["elementos"]
        return filas

    def error(self) -> ApiError | None:
        """Return why there is no answer, if there is none."""
        try:
            self.valor()
        except ApiError as error:
            return error
        return None


def leer_todo(*peticiones: Peticion) -> list[Respuesta]:
    """Return the answers to some questions, all asked at once, in their order."""
    return [Respuesta(_hilos().submit(leer, peticion)) for peticion in peticiones]


def elementos(respuesta: Any) -> list[dict[str, Any]]:
    """Return the rows of a list."""
    filas: list[dict[str, Any]] = respuesta["elementos"]
    return filas


def download(ruta: str, parametros: Iterable[tuple[str, str]]) -> bytes:
    """Return a whole exported list.

    Raises
    ------
    ApiError
        The API is away, or it refused.
    """
    return cliente().download(ruta, parametros)


def cambiar(ruta: str, cuerpo: dict[str, Any], clave: str) -> Any:
    """Return what a change gives, after forgetting what was read before it.

    Raises
    ------
    ApiError
        The API is away, or it refused.
    """
    try:
        return cliente().post(ruta, cuerpo, clave)
    finally:
        olvidar()


def olvidar() -> None:
    """Forget every answer, so that the next question is really asked."""
    _leer.clear()


@st.cache_data(ttl=_INFORME_S, max_entries=2, show_spinner=False)
def _informe(url: str, id_informe: str) -> str:
    del url, id_informe
    return cliente().texto("/api/deriva/informe")


def informe_deriva(id_informe: str) -> str:
    """Return the page of the latest drift report.

    Parameters
    ----------
    id_informe : str
        Which one that is: the page of another one is not remembered as its own.

    Raises
    ------
    ApiError
        The API is away, or there is no page.
    """
    return _informe(cliente().url, id_informe)
