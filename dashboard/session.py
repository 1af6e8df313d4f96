"""The side bar below the pages: the key, whose it is, and whether the system is well.

A key is kept in the session, never in the URL nor on a disk.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from dashboard.client import ApiError, api_client, fetch

TYPED_KEY = "_clave"
"""Where the session keeps the key."""
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
    """Return the key that the analyst has typed; '' = none."""
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
        said = api_client().get("/api/clave", key=key)
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
            f"Para {purpose}, escriba su clave de {ROLE_NAMES[role]} en «Clave», en la barra "
            "lateral."
        )
    if owner.state == "wrong":
        return "La clave escrita no es válida: corríjala en «Clave», en la barra lateral."
    if owner.state == "good" and role not in owner.includes:
        return (
            f"La clave de {owner.name} es de {ROLE_NAMES.get(owner.role, owner.role)}: para "
            f"{purpose} hace falta una de {ROLE_NAMES[role]}."
        )
    return None


def key_box() -> None:
    """Draw where the key is typed, and below it whose it is."""
    with st.expander("Clave", icon=":material/key:"):
        st.text_input(
            "Clave de analista o de administración", type="password", key=TYPED_KEY,
            autocomplete="off",
        )  # fmt: skip
        if typed_key():
            st.caption("Se enviará con cada cambio que pida; se olvida al cerrar la pestaña.")
        else:
            st.caption("Hace falta para dar veredictos y para promover modelos.")
    # Outside: it is to be seen with the key folded away, too.
    owner = key_owner()
    if owner is None:
        return
    if owner.state == "wrong":
        st.error("Esa clave no es válida: la API no la conoce.", icon=":material/key_off:")
    elif owner.state == "unchecked":
        st.warning(f"No se ha podido comprobar la clave: {owner.detail}.", icon=":material/key:")
    else:
        name = f"{owner.name} · {ROLE_NAMES.get(owner.role, owner.role)}"
        st.html(f'<div class="salud"><span class="bien">{html.escape(name)}</span></div>')
        if "analista" not in owner.includes:
            st.caption("Con esta clave se mira, pero no se cambia nada.")


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
