"""All that the dashboard asks the API: JSON in, or an ``ApiError`` with a Spanish text.

What has been read is remembered for a moment, for all readers together.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import httpx
import streamlit as st

from dashboard.variables import load_variables

CONNECT_S = 2.0
"""An API that is there accepts within this, by hand, 2026-11-24."""
ANSWER_S = 20.0
DOWNLOAD_S = 120.0
MAX_DOWNLOAD = 150 * 2**20
"""Bytes: what Streamlit can hand to a browser at once is 200 MB."""
PATIENCE_S = 1.0
"""All that a page may wait for an API that asks to come back later."""
VIVO_S = 2
"""How long an answer is good for: that of any of them may change with the next reading. On top of
the 8 s that the API itself remembers, what a page draws is 10 s old at most. By hand,
2026-11-30."""
_REPORT_S = 300
"""The same of a report, which never changes."""
_MAX_REMEMBERED = "200MB"
_AT_ONCE = 12
"""Requests on their way together, of all visitors; more only queue in front of the stores."""
_BUSY = frozenset({429, 503})
_KEY_HEADER = "X-API-Key"

Query = tuple[tuple[str, str], ...]
ErrorKind = Literal[
    "unreachable", "busy", "permission", "not_found", "conflict", "invalid", "failure"
]
_KINDS: dict[int, ErrorKind] = {
    401: "permission", 403: "permission", 404: "not_found", 409: "conflict",
    400: "invalid", 422: "invalid", 429: "busy", 503: "busy",
}  # fmt: skip


class ApiError(Exception):
    """The API did not give what was asked; its text is Spanish, for the screen.

    Parameters
    ----------
    kind : str
        What kind of failure, one of ``ErrorKind``.
    message : str
        One sentence.
    reasons : list of str
        Why a version is not promoted, if that is what it is about.
    """

    def __init__(self, kind: ErrorKind, message: str, reasons: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.reasons = reasons or []

    @property
    def transient(self) -> bool:
        """Return whether another try may do."""
        return self.kind in {"unreachable", "busy", "failure"}


class ApiClient:
    """Asks one API; its methods raise ``ApiError`` where the API is away or refuses.

    ``url``: its base address. ``key``: key for reading; '' = none.
    """

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url
        self._http = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            headers={_KEY_HEADER: key} if key else {},
            follow_redirects=False,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=16),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, query: Query = (), key: str = "") -> Any:
        """Return the JSON of a path."""
        return _json(self._patient_get(path, query, key))

    def text(self, path: str) -> str:
        """Return the text of a path."""
        return self._patient_get(path, (), "").text

    def post(self, path: str, body: dict[str, Any], key: str) -> Any:
        """Return the JSON that a change gives; it is asked for once only."""
        request = self._http.build_request("POST", path, json=body, headers=_key_header(key))
        return _json(_accepted(self._send(request)))

    def download(self, path: str, query: Query) -> bytes:
        """Return a whole exported list, unless it is too large for a browser."""
        body = bytearray()
        try:
            with self._http.stream("GET", path, params=list(query), timeout=DOWNLOAD_S) as response:
                if response.is_error:
                    response.read()
                for piece in _accepted(response).iter_bytes():
                    body += piece
                    if len(body) > MAX_DOWNLOAD:
                        raise ApiError("invalid", "la lista es demasiado larga: acote las fechas")
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        return bytes(body)

    def _patient_get(self, path: str, query: Query, key: str) -> httpx.Response:
        """Return an accepted answer; wait as the API asks while there is time left."""
        request = self._http.build_request(
            "GET", path, params=list(query), headers=_key_header(key)
        )
        left = PATIENCE_S
        while True:
            response = self._send(request)
            pause = _retry_after(response) if response.status_code in _BUSY else None
            if pause is None or pause > left:
                return _accepted(response)
            left -= pause
            time.sleep(pause)

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._http.send(request)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.HTTPError) -> ApiError:
        if isinstance(error, httpx.ReadTimeout | httpx.PoolTimeout):
            return ApiError("unreachable", "la API tarda demasiado en responder")
        return ApiError("unreachable", f"la API no responde en {self.url}")


def _accepted(response: httpx.Response) -> httpx.Response:
    """Return the answer, or raise what its problem says."""
    if response.is_success:
        return response
    try:
        body = response.json()
    except ValueError:
        body = None
    problem = body if isinstance(body, dict) else {}
    message = problem.get("detail") or problem.get("title")
    raise ApiError(
        _KINDS.get(response.status_code, "failure"),
        str(message or f"la API respondió {response.status_code}"),
        [str(reason) for reason in problem.get("razones") or []],
    )


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise ApiError("failure", "lo que responde en esa dirección no es la API") from error


def _key_header(key: str) -> dict[str, str]:
    if not key:
        return {}
    if not (key.isascii() and key.isprintable()):
        raise ApiError("permission", "esa clave no es válida")
    return {_KEY_HEADER: key}


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds that an answer asks to wait for, if it does."""
    text = response.headers.get("Retry-After", "")
    return max(0.05, float(text)) if text.isascii() and text.isdecimal() else None


class ApiRequest(NamedTuple):
    """One question to the API: its path, and its query, already as text."""

    path: str
    query: Query = ()


def api_request(path: str, **params: Any) -> ApiRequest:
    """Return a question; lists become repeated parameters, None and empty are left out.

    Examples
    --------
    >>> api_request("/api/x", severidad=["alta", "baja"], desde=None).query
    (('severidad', 'alta'), ('severidad', 'baja'))
    """
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, _as_text(v)) for v in values if v is not None and v != ""]
    return ApiRequest(path, tuple(pairs))


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def customer_path(template: str, customer: str) -> str:
    """Return a path with a customer's name in it, which may hold any character.

    Examples
    --------
    >>> customer_path("/api/clientes/{}/perfil", "A/1")
    '/api/clientes/A%2F1/perfil'
    """
    return template.format(quote(customer, safe=""))


@st.cache_resource(show_spinner=False)
def _client(url: str, key: str) -> ApiClient:
    return ApiClient(url, key)


def api_client() -> ApiClient:
    """Return this process's client of the API."""
    variables = load_variables()
    return _client(variables.api_url, variables.clave)


@st.cache_data(ttl=VIVO_S, max_entries=2000, max_size=_MAX_REMEMBERED, show_spinner=False)
def _fetch(url: str, request: ApiRequest) -> Any:
    del url
    return api_client().get(*request)


def fetch(path: str, **params: Any) -> Any:
    """Return the answer to a question, or raise ``ApiError``."""
    return fetch_asked(api_request(path, **params))


def fetch_asked(request: ApiRequest) -> Any:
    """Return the answer to a question that has been put already, or raise ``ApiError``."""
    return _fetch(api_client().url, request)


def fetch_rows(path: str, **params: Any) -> list[dict[str, Any]]:
    """Return the rows of a list, or raise ``ApiError``."""
    rows: list[dict[str, Any]] = fetch(path, **params)["elementos"]
    return rows


class PendingAnswer:
    """An answer that may still be on its way; a page waits for it where it draws it."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def value(self) -> Any:
        """Return the answer, or raise ``ApiError``."""
        if not self._future.done():
            with st.spinner("Preguntando a la API…"):
                wait([self._future])
        return self._future.result()

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of a list, or raise ``ApiError``."""
        rows: list[dict[str, Any]] = self.value()["elementos"]
        return rows

    def error(self) -> ApiError | None:
        """Return why there is no answer, if there is none."""
        try:
            self.value()
        except ApiError as error:
            return error
        return None


@st.cache_resource(show_spinner=False)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="tablero")


def fetch_all(*requests: ApiRequest) -> list[PendingAnswer]:
    """Return the answers to some questions, all asked at once, in their order."""
    url = api_client().url
    return [PendingAnswer(_threads().submit(_fetch, url, request)) for request in requests]


def download(path: str, query: Query = ()) -> bytes:
    """Return a file of the API, or raise ``ApiError``."""
    return api_client().download(path, query)


def change(path: str, body: dict[str, Any], key: str) -> Any:
    """Return what a change gives, or raise ``ApiError``; what was read before it is forgotten."""
    try:
        return api_client().post(path, body, key)
    finally:
        forget_answers()


def forget_answers() -> None:
    """Forget every answer, so that the next question is really asked."""
    _fetch.clear()


@st.cache_data(ttl=_REPORT_S, max_entries=2, show_spinner=False)
def _drift_report(url: str, report_id: str) -> str:
    del url, report_id
    return api_client().text("/api/deriva/informe")


def drift_report(report_id: str) -> str:
    """Return the page of the latest drift report, or raise ``ApiError``.

    ``report_id``: which one that is: the page of another one is not remembered as its own.
    """
    return _drift_report(api_client().url, report_id)
