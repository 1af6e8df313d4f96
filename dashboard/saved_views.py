"""Named sets of filters, which this browser keeps: a view is the address that it is seen at."""

from __future__ import annotations

import html
import json
from typing import Any
from urllib.parse import quote, unquote, urlencode

import streamlit as st

from dashboard.browser import link
from dashboard.navigation import address_of
from dashboard.session import keep_cookie

_COOKIE = "consumo_vistas"
_KEPT = "_vistas"
_YEAR_S = 365 * 24 * 3600
_MAX_COOKIE = 3500
"""Bytes of what a browser takes as one cookie, 4096, less its name and its terms (RFC 6265)."""
_MAX_NAME = 40

_Views = dict[str, dict[str, dict[str, list[str]]]]
"""Page, name -> parameters of its address."""


def draw_saved_views(page: str) -> None:
    """Draw the saved views of a page, and where the one that is seen now is given a name."""
    views = _saved()
    own = views.get(page, {})
    with st.popover("Vistas guardadas", icon=":material/bookmark:"):
        for name, query in own.items():
            with st.container(horizontal=True, vertical_alignment="center"):
                st.html(link(_address(page, query), html.escape(name)))
                st.button(
                    "Olvidar", key=f"olvidar_{page}_{name}", type="tertiary",
                    icon=":material/delete:", on_click=_forget, args=(page, name),
                )  # fmt: skip
        if not own:
            st.caption("Elija unos filtros y guárdelos aquí con un nombre.")
        with st.form(f"guardar_vista_{page}", border=False, clear_on_submit=True):
            name = (st.text_input("Nombre de esta vista", max_chars=_MAX_NAME) or "").strip()
            if st.form_submit_button("Guardar", icon=":material/bookmark_add:") and name:
                query = {key: st.query_params.get_all(key) for key in st.query_params}
                if _keep({**views, page: {**own, name: query}}):
                    st.rerun()
                st.warning("Hay demasiadas vistas guardadas: olvide alguna.")


def _address(page: str, query: dict[str, list[str]]) -> str:
    """Return where a view is; whatever its parameters are called."""
    return f"{address_of(page)}{f'?{urlencode(query, doseq=True)}' if query else ''}"


def _forget(page: str, name: str) -> None:
    views = _saved()
    _keep({**views, page: {n: query for n, query in views.get(page, {}).items() if n != name}})


def _saved() -> _Views:
    """Return the views of this browser; what it sends that is none of ours is no view."""
    if _KEPT not in st.session_state:
        st.session_state[_KEPT] = _parsed(str(st.context.cookies.get(_COOKIE, "")))
    views: _Views = st.session_state[_KEPT]
    return views


def _parsed(text: str) -> _Views:
    """Return the views that a cookie holds.

    Examples
    --------
    >>> _parsed(quote('{"casos": {"mías": {"quien": ["ana"]}}, "otra": 7}'))
    {'casos': {'mías': {'quien': ['ana']}}}
    >>> _parsed("%7B")
    {}
    """
    try:
        given = json.loads(unquote(text))
    except ValueError:
        return {}
    pages = given.items() if isinstance(given, dict) else ()
    return {
        page: {str(name): _query(query) for name, query in views.items()}
        for page, views in pages
        if isinstance(views, dict)
    }


def _query(given: Any) -> dict[str, list[str]]:
    pairs = given.items() if isinstance(given, dict) else ()
    return {str(k): [str(v) for v in values] for k, values in pairs if isinstance(values, list)}


def _keep(views: _Views) -> bool:
    """Keep views and return whether they fit."""
    text = quote(json.dumps(views, ensure_ascii=False, separators=(",", ":")))
    if len(text) > _MAX_COOKIE:
        return False
    st.session_state[_KEPT] = views
    keep_cookie(_COOKIE, text, _YEAR_S)
    return True
