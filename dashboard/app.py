"""The script that Streamlit runs for every visitor: the frame around the pages."""

from __future__ import annotations

# Plotly looks into pandas without waiting until another visitor's thread has imported all of it.
import pandas as _pandas  # noqa: F401
import streamlit as st

from dashboard import ui
from dashboard.browser import followed_link
from dashboard.navigation import open_address, page_menu, pending_address
from dashboard.session import health_line, key_box, pending_cookie, resume_visit
from dashboard.theme import style_sheet

_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#0b7285"/>'
    '<path d="M18 4 8 18h7l-2 10 11-15h-7z" fill="#fff"/></svg>'
)
"""Drawn here: an icon by name would be fetched from another server."""


def main() -> None:
    """Draw the frame and the page that the address names."""
    st.set_page_config(
        page_title="Consumo", page_icon=_ICON, layout="wide", initial_sidebar_state="auto"
    )
    resume_visit()
    st.html(style_sheet(ui.palette()))
    # A screen reader has to know the language of what it reads; Streamlit's page says "en".
    st.html("<script>document.documentElement.lang = 'es';</script>", unsafe_allow_javascript=True)
    page = st.navigation(page_menu(), expanded=True)
    if address := followed_link(pending_cookie(), pending_address()):
        open_address(address)
    page.run()
    # After the page, which is what one has come for; and last what looks after every server, which
    # may wait for one that is away.
    with st.sidebar:
        key_box()
        health_line()


if __name__ == "__main__":
    main()
