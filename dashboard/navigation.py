"""From the registry of pages to Streamlit's, and from one page to another."""

from __future__ import annotations

import streamlit as st

from dashboard import url_state
from dashboard.page_registry import PAGINAS, Pagina, pagina_de


def _de_streamlit(pagina: Pagina):  # type: ignore[no-untyped-def]  # Streamlit hides the class.
    return st.Page(
        pagina.draw,
        title=pagina.titulo,
        icon=pagina.icono,
        url_path=pagina.url or None,
        default=pagina is PAGINAS[0],
    )


def paginas_streamlit() -> list[tuple[Pagina, st.Page]]:
    """Return every page beside what Streamlit calls a page."""
    return [(pagina, _de_streamlit(pagina)) for pagina in PAGINAS]


def ir_a_cliente(nombre: str) -> None:
    """Open a customer's page."""
    url_state.elegir_cliente(nombre)
    st.switch_page(_de_streamlit(pagina_de("buscar_cliente")), query_params={"cliente": nombre})
