"""The side bar below the pages: who has signed in, and whether the system is well.

A key is typed once and checked at once. It is kept in this process's memory, never in the URL nor
on a disk; the browser keeps a random name for it in a cookie, so that a reload of the page, a link
opened in another tab or one from a message finds its reader signed in.
"""

from __future__ import annotations

import html
import secrets
import time
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal
from urllib.parse import urlsplit

import streamlit as st

from dashboard.client import ApiError, api_client, fetch

TYPED_KEY = "_clave"
"""Where the session keeps the key."""
_VISIT, _COOKIE, _FIELD = "_visita", "_galleta", "clave_escrita"
"""What a session keeps: the name of its visit, a cookie not yet given, the field of the key."""
_VISIT_S = 12 * 3600
"""How long a visit is remembered: a working day. By hand, 2026-11-30."""
_MAX_VISITS = 10_000
_BELIEVED_S = 60
"""How long what the API said of a key is believed: a key may be withdrawn. By hand, 2026-11-30."""
ROLE_NAMES = {"lectura": "lectura", "analista": "analista", "administracion": "administración"}
"""Roles of the API -> what they are called on the screen."""
_HEALTH_EVERY_S = 20
"""How often the state of the system is asked for; part of the 60 s within which a dead consumer is
said (serving/consumer_health.py)."""


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """What is known of a key."""

    # "unchecked": the API could not be asked; whoever uses it will be told then.
    state: Literal["good", "wrong", "unchecked"]
    # name, role: whose it is; '' = not known.
    name: str = ""
    role: str = ""
    includes: tuple[str, ...] = ()  # roles that it includes
    detail: str = ""  # why it is not known


def typed_key() -> str:
    """Return the key of whoever has signed in; '' = nobody has."""
    return str(st.session_state.get(TYPED_KEY) or "").strip()


def key_owner() -> KeyOwner | None:
    """Return what the API says of the typed key; None = none has been typed."""
    if not (key := typed_key()):
        return None
    try:
        # Another API knows other keys.
        return _ask(api_client().url, key)
    except ApiError as error:
        return KeyOwner("unchecked", detail=str(error))


@st.cache_data(ttl=_BELIEVED_S, max_entries=1, show_spinner=False, scope="session")
def _ask(url: str, key: str) -> KeyOwner:
    del url
    try:
        said = api_client().get("/api/sesion", key=key)
    except ApiError as error:
        if error.kind == "permission":
            return KeyOwner("wrong", detail=str(error))
        raise
    return KeyOwner("good", said["nombre"], said["rol"], tuple(said["puede"]))


def missing_role(role: str, purpose: str) -> str | None:
    """Return why the typed key does not let its owner do something; None = it does.

    ``role``: the role that it takes, one of ``ROLE_NAMES``. ``purpose``: what for, as in "Para
    ``dar veredictos``".
    """
    owner = key_owner()
    if owner is None:
        return (
            f"Para {purpose}, entre con su clave de {ROLE_NAMES[role]} en «Entrar», en la barra "
            "lateral."
        )
    if owner.state == "wrong":
        return "La clave escrita no es válida: corríjala en «Entrar», en la barra lateral."
    if owner.state == "good" and role not in owner.includes:
        return (
            f"La clave de {owner.name} es de {ROLE_NAMES.get(owner.role, owner.role)}: para "
            f"{purpose} hace falta una de {ROLE_NAMES[role]}."
        )
    return None


class RememberedVisits:
    """The keys that have been typed in this process, by the names that browsers keep for them."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[str, float]] = {}
        self._lock = Lock()

    def remember(self, key: str) -> str:
        """Return a new name for a key; the oldest ones are forgotten where there are too many."""
        name, now = secrets.token_urlsafe(32), time.monotonic()
        with self._lock:
            alive = [(n, kept) for n, kept in self._keys.items() if kept[1] > now]
            self._keys = dict(alive[-_MAX_VISITS + 1 :])
            self._keys[name] = (key, now + _VISIT_S)
        return name

    def key(self, name: str) -> str:
        """Return the key that a name stands for; '' = none, or no longer."""
        with self._lock:
            key, until = self._keys.get(name, ("", 0.0))
        return key if time.monotonic() < until else ""

    def forget(self, name: str) -> None:
        """Forget a name."""
        with self._lock:
            self._keys.pop(name, None)


@st.cache_resource(show_spinner=False)
def _visits() -> RememberedVisits:
    return RememberedVisits()


def _cookie_name() -> str:
    """Return the cookie's name: browsers share cookies among the ports of a machine."""
    return f"consumo_visita_{urlsplit(st.context.url or '').port or 0}"


def resume_visit() -> None:
    """Sign in the reader whose browser has signed in before."""
    if TYPED_KEY in st.session_state:
        return
    name = st.context.cookies.get(_cookie_name(), "")
    st.session_state[TYPED_KEY] = _visits().key(name)
    st.session_state[_VISIT] = name


def pending_cookie() -> str | None:
    """Return the cookie that the browser is to keep from now on, once."""
    cookie: str | None = st.session_state.pop(_COOKIE, None)
    return cookie


def _sign_in() -> None:
    """Keep the key that has been typed; if the API knows it, for the visits to come too."""
    key = str(st.session_state.get(_FIELD) or "").strip()
    st.session_state[TYPED_KEY] = key
    owner = key_owner()
    if owner is not None and owner.state == "good":
        name = st.session_state[_VISIT] = _visits().remember(key)
        keep_cookie(_cookie_name(), name, _VISIT_S)


def _sign_out() -> None:
    _visits().forget(st.session_state.pop(_VISIT, ""))
    st.session_state[TYPED_KEY] = ""
    keep_cookie(_cookie_name(), "", 0)


def keep_cookie(name: str, value: str, seconds: int) -> None:
    """Let the browser keep a cookie for some seconds; 0 = no longer."""
    st.session_state[_COOKIE] = f"{name}={value}; path=/; max-age={seconds}; SameSite=Strict"


def key_box() -> None:
    """Draw where one signs in with a key or, once that is done, who has."""
    owner = key_owner()
    if owner is not None and owner.state == "good":
        with st.container(horizontal=True, vertical_alignment="center"):
            name = f"{owner.name} · {ROLE_NAMES.get(owner.role, owner.role)}"
            st.html(
                f'<div class="salud"><span class="bien">{html.escape(name)}</span></div>',
                width="content",
            )
            st.button("Salir", type="tertiary", icon=":material/logout:", on_click=_sign_out)
        if "analista" not in owner.includes:
            st.caption("Con esta clave se mira, pero no se cambia nada.")
        return
    # Above: it is to be seen with the field folded away, too.
    if owner is not None and owner.state == "wrong":
        st.error("Esa clave no es válida: la API no la conoce.", icon=":material/key_off:")
    elif owner is not None:
        st.warning(f"No se ha podido comprobar la clave: {owner.detail}.", icon=":material/key:")
    with (
        st.expander("Entrar", icon=":material/key:", key="entrar"),
        st.form("entrar_con_clave", border=False),
    ):
        st.text_input("Su clave", type="password", key=_FIELD, autocomplete="off")
        st.form_submit_button("Entrar", on_click=_sign_in, width="stretch")
        st.caption("Hace falta para asignar casos, dar veredictos y promover modelos.")


@st.fragment(run_every=_HEALTH_EVERY_S)
def health_line() -> None:
    """Draw one line on the state of the system."""
    try:
        level, text = health_summary(fetch("/salud"))
    except ApiError:
        level, text = "mal", "La API no responde"
    st.html(f'<div class="salud"><span class="{level}">{html.escape(text)}</span></div>')


def health_summary(health: dict[str, Any]) -> tuple[str, str]:
    """Return how the system is, in a word for the style and in one for people."""
    consumer, model = health["consumidor"], health["modelo"]
    problems = [consumer["texto"]] if consumer["gravedad"] == "mal" else []
    if away := [part["nombre"] for part in health["partes"] if part["estado"] != "bien"]:
        problems.append(f"No responde: {', '.join(away)}")
    if model["estado"] == "rechazado":
        problems.append(f"Los consumidores rechazan el campeón, v{model['version']}")
    if problems:
        return "mal", ". ".join(problems)
    if consumer["gravedad"] != "bien":
        return "aviso", str(consumer["texto"])
    return "bien", "Todo en orden"
